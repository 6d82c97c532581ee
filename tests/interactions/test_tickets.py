# SPDX-License-Identifier: Apache-2.0
"""Tickets and their times to resolution, computed from interactions in any order."""

import asyncio
import csv
import datetime as dt
import itertools
import json
import random
from collections import defaultdict
from pathlib import Path
from uuid import UUID

import pytest

from app.core.database import Database
from app.interactions.schedule import Schedule, business_seconds
from app.interactions.tickets import ticket_differences
from tests.shop import Shop

HOURS = {"timezone": "Europe/Warsaw", "weekly": {"mon": [["09:00", "17:00"]]}, "holidays": []}


def at(clock: str) -> str:
    return f"2026-11-02T{clock}:00Z"


STORY = [
    ("ticket.opened", "08:00"),
    ("ticket.replied", "08:10"),
    ("ticket.solved", "09:00"),
    ("ticket.reopened", "10:00"),
    ("ticket.solved", "12:00"),
    ("ticket.closed", "13:00"),
]


@pytest.mark.parametrize("seed", range(4))
async def test_the_order_of_arrival_does_not_matter(
    shop: Shop, database: Database, seed: int
) -> None:
    await shop.call("PATCH", "/v1/workspace", json={"segments": ["agent"]})
    story = [*STORY, *STORY]
    random.Random(seed).shuffle(story)
    for type_, clock in story:
        body = {"occurred_at": at(clock), "ticket": "1", "properties": {"agent": "eva"}}
        reply = await shop.call(
            "POST", "/v1/interactions",
            json={"type": type_, "source": "helpdesk", "external_id": f"{type_} {clock}"} | body,
        )  # fmt: skip
        assert reply.status_code in {200, 201}
    (ticket,) = (await shop.get("/v1/tickets"))["data"]
    assert (ticket["status"], ticket["reopened"], ticket["agent"]) == ("closed", True, "eva")
    assert ticket["first_resolution"]["calendar_seconds"] == 3600
    assert ticket["full_resolution"]["calendar_seconds"] == 4 * 3600
    assert ticket["first_reply"]["calendar_seconds"] == 600
    assert await ticket_differences(database, UUID(shop.workspace_id)) == []


async def test_an_open_ticket_has_no_time(shop: Shop) -> None:
    for type_, clock in STORY[:4]:
        await shop.record(type_, clock, ticket="1", occurred_at=at(clock))
    ticket = await shop.get("/v1/tickets/1")
    assert ticket["status"] == "open"
    assert ticket["first_resolution"]["calendar_seconds"] is None
    assert (await shop.get("/v1/tickets", status="solved"))["data"] == []


async def test_a_close_without_a_solution_counts(shop: Shop) -> None:
    await shop.record("ticket.opened", "a", ticket="1", occurred_at=at("08:00"))
    await shop.record("ticket.closed", "b", ticket="1", occurred_at=at("08:00"))
    ticket = await shop.get("/v1/tickets/1")
    assert ticket["first_resolution"]["calendar_seconds"] == 0
    assert not ticket["invalid"]


async def test_a_ticket_solved_before_it_was_opened_is_invalid(shop: Shop) -> None:
    await shop.record("ticket.solved", "a", ticket="1", occurred_at=at("08:00"))
    await shop.record("ticket.opened", "b", ticket="1", occurred_at=at("09:00"))
    ticket = await shop.get("/v1/tickets/1")
    assert ticket["invalid"]
    assert ticket["first_resolution"]["calendar_seconds"] is None


async def test_business_time_follows_the_schedule_and_its_changes(
    shop: Shop, database: Database
) -> None:
    await shop.record("ticket.opened", "a", ticket="1", occurred_at="2026-11-01T12:00:00Z")
    await shop.record("ticket.solved", "b", ticket="1", occurred_at="2026-11-02T09:00:00Z")
    assert (await shop.get("/v1/tickets/1"))["first_resolution"]["business_seconds"] is None
    await shop.call("PATCH", "/v1/workspace", json={"business_hours": HOURS})
    await shop.work()
    # 09:00 to 10:00 in Warsaw.
    assert (await shop.get("/v1/tickets/1"))["first_resolution"]["business_seconds"] == 3600
    span = {"from": "2026-11-01", "to": "2026-11-08"}
    assert (await shop.metric("ttr", **span, clock="business"))["total"]["value"] == 3600
    assert (await shop.metric("ttr", **span))["total"]["value"] == 21 * 3600
    closed = HOURS | {"holidays": ["2026-11-02"]}
    await shop.call("PATCH", "/v1/workspace", json={"business_hours": closed})
    await shop.work()
    assert (await shop.get("/v1/tickets/1"))["first_resolution"]["business_seconds"] == 0
    assert await ticket_differences(database, UUID(shop.workspace_id)) == []


async def test_many_at_once_keep_the_counts_right(shop: Shop, database: Database) -> None:
    await asyncio.gather(
        *(
            shop.record(type_, f"{number} {clock}", ticket=f"{number}", occurred_at=at(clock))
            for number, (type_, clock) in itertools.product(range(6), STORY)
        )
    )
    assert await ticket_differences(database, UUID(shop.workspace_id)) == []
    assert len((await shop.get("/v1/tickets", status="closed"))["data"]) == 6


VECTORS = json.loads((Path(__file__).parents[1] / "data" / "metric_vectors.json").read_text())


@pytest.mark.parametrize(
    "vector",
    [vector for vector in VECTORS if vector["metric"] == "ttr_business_hours"],
    ids=lambda v: v["id"],
)
def test_published_examples_of_business_time(vector: dict[str, dict[str, object]]) -> None:
    inputs = vector["input"]
    hours = [[inputs["open"], inputs["close"]]]
    if lunch := inputs.get("lunch"):
        hours = [[inputs["open"], lunch[0]], [lunch[1], inputs["close"]]]  # type: ignore[index]
    days = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
    weekly = {days[day]: hours for day in inputs["weekdays"]}  # type: ignore[attr-defined]
    settings = {"timezone": "UTC", "weekly": weekly, "holidays": inputs.get("holidays", [])}
    start, end = (
        dt.datetime.fromisoformat(str(inputs[name])).replace(tzinfo=dt.UTC)
        for name in ("start", "end")
    )
    schedule = Schedule.from_settings(settings, timezone="UTC")
    assert business_seconds(schedule, start, end) == vector["expected"] * 3600  # type: ignore[operator]


def test_business_time_when_the_clocks_change() -> None:
    night = {"timezone": "Europe/Warsaw", "weekly": {"sun": [["00:00", "24:00"]]}}
    schedule = Schedule.from_settings(night, timezone="UTC")
    for day, hours in ((dt.date(2026, 3, 29), 23), (dt.date(2026, 10, 25), 25)):
        noon = dt.datetime.combine(day, dt.time(12), dt.UTC)
        span = noon - dt.timedelta(days=2), noon + dt.timedelta(days=2)
        assert business_seconds(schedule, *span) == hours * 3600


LOG = Path(__file__).parents[3] / "shared" / "data" / "helpdesk_italian_events.csv"
_WORK = {
    "Take in charge ticket", "Wait", "Create SW anomaly", "Require upgrade", "Assign seriousness",
    "Insert ticket", "Schedule intervention",
}  # fmt: skip


def real_log() -> list[dict[str, str]]:
    """Return the real events as interactions; work between two solutions counts as a reopening."""
    tickets = defaultdict(list)
    with LOG.open() as file:
        for row in csv.DictReader(file):
            tickets[row["ticket_id"]].append(row)
    interactions = []
    for name, rows in tickets.items():
        rows.sort(key=lambda r: int(r["seq"]))
        solved = [
            position for position, event in enumerate(rows) if event["activity"] == "Resolve ticket"
        ]
        for position, row in enumerate(rows):
            between = solved and solved[0] < position < solved[-1] and row["activity"] in _WORK
            known = {"Resolve ticket": "ticket.solved", "Closed": "ticket.closed"}
            type_ = known.get(row["activity"], "ticket.reopened" if between else "ticket.worked")
            interactions += [
                {"type": kind, "source": "log", "external_id": f"{name}-{position}-{kind}",
                 "ticket": name, "occurred_at": row["ts"] + "Z"}
                for kind in (("ticket.opened", type_) if position == 0 else (type_,))
            ]  # fmt: skip
    return interactions


@pytest.mark.skipif(not LOG.exists(), reason="needs ../shared/data/helpdesk_italian_events.csv")
async def test_the_real_log_shuffled_and_repeated(shop: Shop, database: Database) -> None:
    events = real_log()
    chance = random.Random(7)
    sent = events + chance.sample(events, len(events) // 10)
    chance.shuffle(sent)
    for start in range(0, len(sent), 8000):
        part = sent[start : start + 8000]
        report = await shop.post("/v1/interactions/batch", part, status=200)
        assert report["rejected"] == []
    span = {"from": "2010-01-01", "to": "2015-01-01"}
    total = (await shop.metric("ttr", **span))["total"]
    assert (total["n"], total["unresolved"], total["reopened"]) == (4569, 11, 151)
    assert total["first"]["median_seconds"] == total["value"] == 516_936
    assert total["full"]["median_seconds"] == 575_245
    assert total["first"]["p90_seconds"] == 2_580_536
    assert total["full"]["p90_seconds"] == 2_595_597
    assert total["first"]["mean_seconds"] == pytest.approx(960_985.33, abs=0.02)
    assert await ticket_differences(database, UUID(shop.workspace_id)) == []
