# SPDX-License-Identifier: Apache-2.0
"""`ttr`, `first_reply`, `response_rate`, and scores by time to resolution."""

import math
import random
from typing import Any

import pytest

from app.metrics import ticket_times
from app.metrics.ticket_sketch import Durations, seconds_of_bucket
from tests.shop import Shop

SPAN = {"from": "2026-11-01", "to": "2026-11-08"}


async def solve(shop: Shop, ticket: str, seconds: int, day: int = 2, **more: Any) -> None:
    """Open and solve a ticket of November 2026 at noon."""
    minutes, second = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    end = f"2026-11-{day + days:02}T{hours:02}:{minutes:02}:{second:02}Z"
    for type_, at in (("ticket.opened", f"2026-11-{day:02}T00:00:00Z"), ("ticket.solved", end)):
        await shop.record(type_, f"{ticket} {type_}", ticket=ticket, occurred_at=at, **more)


async def test_without_tickets_the_value_is_null(shop: Shop) -> None:
    for name in ("ttr", "first_reply", "response_rate"):
        total = (await shop.metric(name))["total"]
        assert (total["value"], total["n"], total["reliability"]) == (None, 0, "none")


async def test_times_over_time_and_by_group(shop: Shop) -> None:
    await shop.call("PATCH", "/v1/workspace", json={"segments": ["agent"]})
    await solve(shop, "1", 3600, day=2, touchpoint="support", properties={"agent": "eva"})
    await solve(shop, "2", 7200, day=2, touchpoint="support", properties={"agent": "adam"})
    await solve(shop, "3", 100, day=4, properties={"agent": "eva"})
    await shop.record("ticket.opened", "x", ticket="4", occurred_at="2026-11-03T00:00:00Z")
    reply = await shop.metric("ttr", **SPAN, interval="day")
    assert (reply["total"]["value"], reply["total"]["n"]) == (3600, 3)
    assert reply["total"]["unresolved"] == 1
    assert [(row["period"], row["n"], row["value"]) for row in reply["rows"]][1:4] == [
        ("2026-11-02", 2, 3600), ("2026-11-03", 0, None), ("2026-11-04", 1, 100),
    ]  # fmt: skip
    by_agent = await shop.metric("ttr", **SPAN, group_by="property.agent")
    assert {row["group"]["property.agent"]: row["value"] for row in by_agent["rows"]} == {
        "adam": 7200, "eva": 100,
    }  # fmt: skip
    of_support = await shop.metric("ttr", **SPAN, touchpoint="support", source="helpdesk")
    assert of_support["total"]["n"] == 2
    assert (await shop.metric("ttr", **SPAN, source="chat"))["total"]["n"] == 0
    earlier = await shop.metric("ttr", **SPAN, compare="previous_period")
    assert earlier["change"]["delta"] is None
    refused = await shop.call("GET", "/v1/metrics/ttr?clock=business")
    assert "business_hours" in refused.json()["errors"][0]["msg"]


async def test_first_reply_is_the_waiting_time(shop: Shop) -> None:
    for ticket, minute in (("1", 5), ("2", 15)):
        await shop.record("ticket.opened", f"o{ticket}", ticket=ticket,
                            occurred_at="2026-11-02T08:00:00Z")  # fmt: skip
        await shop.record("ticket.replied", f"r{ticket}", ticket=ticket,
                            occurred_at=f"2026-11-02T08:{minute:02}:00Z")  # fmt: skip
    total = (await shop.metric("first_reply", **SPAN))["total"]
    assert (total["value"], total["p90_seconds"], total["mean_seconds"]) == (300, 300, 600)


async def test_many_tickets_are_read_from_the_sketch(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    chance = random.Random(1)
    times = [int(chance.lognormvariate(9, 2)) for _ in range(400)]
    lines = []
    for number, seconds in enumerate(times):
        days, remainder = divmod(seconds, 86_400)
        end = f"{2026 + days // 300}-{days % 300 // 28 + 1:02}-{days % 28 + 1:02}"
        clock = f"{remainder // 3600:02}:{remainder % 3600 // 60:02}:{remainder % 60:02}"
        begin = f"{end}T00:00:00Z"
        for type_, at in (("ticket.opened", begin), ("ticket.solved", f"{end}T{clock}Z")):
            lines.append(
                {"type": type_, "source": "h", "external_id": f"{number} {type_}",
                 "ticket": f"{number}", "occurred_at": at}
            )  # fmt: skip
    lines = [line for line in lines if line["occurred_at"] < "2026-11-20"]
    await shop.post("/v1/interactions/batch", lines, status=200)
    span = {"from": "2026-01-01", "to": "2027-01-01"}
    exact = (await shop.metric("ttr", **span))["total"]
    monkeypatch.setattr(ticket_times, "MAX_EXACT_TICKETS", 10)
    sketch = await shop.metric("ttr", **span)
    assert sketch["source"] == "rollups"
    assert sketch["total"]["n"] == exact["n"] > 300
    assert sketch["total"]["first"]["mean_seconds"] == pytest.approx(exact["first"]["mean_seconds"])
    for name in ("median_seconds", "p90_seconds"):
        assert sketch["total"]["full"][name] == pytest.approx(exact["full"][name], rel=0.01)


def test_a_bucket_stands_for_its_times() -> None:
    assert seconds_of_bucket(-1) == 0
    sketch = Durations()
    for value in (5, 1, 3, 3):
        sketch.add(value, 1, value)
    assert (sketch.n, sketch.mean, sketch.quantile(0.5), sketch.quantile(0.9)) == (4, 3, 3, 3)


@pytest.mark.parametrize("n", [5, 6, 7, 30, 151, 1000])
def test_the_interval_of_a_median_is_the_exact_binomial_one(n: int) -> None:
    sketch = Durations()
    for value in range(n):
        sketch.add(value, 1, value)
    below = [sum(math.comb(n, k) for k in range(r + 1)) / 2**n for r in range(n)]
    ranks = [rank for rank, share in enumerate(below) if share <= 0.025]
    expected = (max(ranks), n - 1 - max(ranks)) if ranks else None
    assert sketch.median_interval() == expected


async def test_effort_by_time_to_resolution(shop: Shop) -> None:
    await shop.publish("ces", "ces")
    for ticket, seconds, score in (("1", 1800, 7), ("2", 7200, 5), ("3", 90_000, 2)):
        await solve(shop, ticket, seconds)
        assert (await shop.answer("ces", score, ticket=ticket)).status_code == 201
    await shop.answer("ces", 4)
    reply = await shop.metric("ces", group_by="resolution_time")
    assert {row["group"]["resolution_time"]: row["value"] for row in reply["rows"]} == {
        "<1h": 7, "1-4h": 5, "1-3d": 2, None: 4,
    }  # fmt: skip


async def test_the_response_rate_has_both_sides_from_one_filter(shop: Shop) -> None:
    await shop.publish("s")
    invitations = []
    for number in range(4):
        body = {"survey": "s", "customer": {"email": f"{number}@e.pl"}, "channel": "link"}
        invitations.append(await shop.post("/v1/invitations", body))
    path = "/i/" + invitations[0]["url"].rpartition("/")[2]
    reply = await shop.client.post(path, data={"score": "9"})
    assert reply.status_code == 303, reply.text
    total = (await shop.metric("response_rate"))["total"]
    assert (total["value"], total["delivered"], total["answered"]) == (25, 4, 1)
    assert (await shop.metric("response_rate", channel="email"))["total"]["n"] == 0


async def test_a_journeys_map_shows_the_time_to_resolution(shop: Shop) -> None:
    await solve(shop, "1", 3600, touchpoint="support")
    steps = [{"touchpoint": "support"}, {"touchpoint": "checkout"}]
    await shop.call("PUT", "/v1/journeys/way", json={"steps": steps})
    journey = await shop.get("/v1/journeys/way/map", **SPAN)
    assert journey["steps"][0]["ttr"]["value"] == 3600
    assert journey["steps"][1]["ttr"] is None


async def test_a_property_that_is_a_list_is_no_group_of_a_rate(shop: Shop) -> None:
    await shop.publish("nps")
    await shop.call("PATCH", "/v1/workspace", json={"segments": ["store"]})
    await shop.make_trigger("nps", channel="link")
    for number, store in enumerate(("WAW", ["a", "b"])):
        customer = {"email": f"{number}@c.pl"}
        await shop.record(
            "ticket.solved", str(number), ticket=str(number), customer=customer,
            properties={"store": store},
        )  # fmt: skip
    await shop.work()
    rows = (await shop.metric("response_rate", group_by="property.store"))["rows"]
    assert {row["group"]["property.store"] for row in rows} == {"WAW", None}
