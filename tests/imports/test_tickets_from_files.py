# SPDX-License-Identifier: Apache-2.0
"""Tickets from files: exports of helpdesks, one row a ticket or an event; again and undone."""

import datetime as dt
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from app.core.clock import utc_now
from app.core.database import Database
from app.responses.purge import purge_tests
from tests.imports.files import post, table
from tests.shop import Shop

FILES = Path(__file__).parents[1] / "data" / "imports"
LOG = Path(__file__).parents[3] / "shared" / "data" / "helpdesk_italian_events.csv"
ZENDESK = (FILES / "tickets_zendesk.csv").read_text()


async def send(shop: Shop, content: str, kind: str = "tickets", **params: Any) -> Any:
    params = {"kind": kind, "survey": None, "source": "zendesk"} | params
    reply = await post(
        shop, content, **{key: value for key, value in params.items() if value is not None}
    )
    assert reply.status_code in {200, 202}, reply.text
    return reply.json()


async def ttr(shop: Shop) -> Any:
    return (await shop.metric("ttr", period="all"))["total"]


async def test_a_zendesk_export_by_its_columns(shop: Shop) -> None:
    seen = await send(shop, ZENDESK, dry_run=True)
    assert (seen["preset"], seen["refused"]) == ("zendesk", None)
    assert seen["figures"] == {
        "tickets": 3, "solved": 2, "reopened": 1, "invalid": 0,
        "median_seconds": pytest.approx(3600, rel=0.01),
    }  # fmt: skip
    assert (await shop.get("/v1/tickets"))["data"] == []
    run = await send(shop, ZENDESK)
    assert (run["status"], run["kind"], run["accepted"]) == ("done", "tickets", 3)
    tickets = {ticket["ticket"]: ticket for ticket in (await shop.get("/v1/tickets"))["data"]}
    first = tickets["101"]
    assert (first["status"], first["reopened"], first["agent"]) == ("solved", True, "Eva")
    assert first["first_resolution"]["calendar_seconds"] == 120 * 60
    assert first["full_resolution"]["calendar_seconds"] == 24 * 3600
    assert first["first_reply"]["calendar_seconds"] == 30 * 60
    assert first["properties"] == {"Plan": "pro", "agent": "Eva", "team": "Support"}
    assert (tickets["103"]["status"], tickets["102"]["reopened"]) == ("open", False)
    total = await ttr(shop)
    assert (total["n"], total["unresolved"], total["reopened"]) == (2, 1, 1)
    (customer,) = (await shop.get("/v1/customers", email="ala@example.pl"))["data"]
    assert customer["name"] == "Ala Nowak"


@pytest.mark.parametrize(
    ("name", "preset", "solved", "seconds"),
    [("tickets_freshdesk.csv", "freshdesk", "7", 4 * 3600),
     ("tickets_jira.csv", "jira-service-management", "SUP-1", 6 * 3600)],
)  # fmt: skip
async def test_other_helpdesks(
    shop: Shop, name: str, preset: str, solved: str, seconds: int
) -> None:
    run = await send(shop, (FILES / name).read_text(), source=preset)
    assert (run["report"]["preset"], run["accepted"]) == (preset, 2)
    tickets = {ticket["ticket"]: ticket for ticket in (await shop.get("/v1/tickets"))["data"]}
    assert tickets.pop(solved)["first_resolution"]["calendar_seconds"] == seconds
    (other,) = tickets.values()
    assert other["status"] == "open"


async def test_one_row_an_event(shop: Shop) -> None:
    file = (FILES / "tickets_events.csv").read_text()
    columns = {"id": "case", "event": "what", "at": "when"}
    refused = await send(shop, file, **columns)
    assert refused["status"] == "refused"
    assert "event_name" in refused["report"]["rejected"][0]["reason"]
    run = await send(shop, file, event_name="Back again=ticket.reopened", **columns)
    assert run["accepted"] == 6
    tickets = {ticket["ticket"]: ticket for ticket in (await shop.get("/v1/tickets"))["data"]}
    assert tickets["A"]["reopened"] is True
    assert tickets["A"]["full_resolution"]["calendar_seconds"] == 49 * 3600
    assert tickets["B"]["first_resolution"]["calendar_seconds"] == 3 * 3600
    again = await send(shop, file, event_name="Back again=ticket.reopened", **columns)
    assert (again["report"]["added"], again["report"]["already_here"]) == (0, 6)


async def test_a_corrected_file_mends_and_an_undone_one_frees(shop: Shop) -> None:
    first = await send(shop, ZENDESK)
    corrected = ZENDESK.replace("2026-01-05 10:00,15,60", "2026-01-05 11:00,15,120")
    second = await send(shop, corrected)
    report = second["report"]
    assert (report["added"], report["updated"], report["already_here"]) == (0, 1, 2)
    tickets = {ticket["ticket"]: ticket for ticket in (await shop.get("/v1/tickets"))["data"]}
    assert tickets["102"]["first_resolution"]["calendar_seconds"] == 2 * 3600
    assert (await ttr(shop))["n"] == 2

    # The later one first: what it changed is as it was before.
    reply = await shop.call("DELETE", f"/v1/imports/{second['id']}")
    assert reply.status_code == 204
    tickets = {ticket["ticket"]: ticket for ticket in (await shop.get("/v1/tickets"))["data"]}
    assert tickets["102"]["first_resolution"]["calendar_seconds"] == 3600
    assert (await shop.call("DELETE", f"/v1/imports/{first['id']}")).status_code == 204
    assert (await ttr(shop))["n"] == 0
    assert {ticket["status"] for ticket in (await shop.get("/v1/tickets"))["data"]} == {"deleted"}
    assert (await send(shop, ZENDESK))["report"]["added"] == 3
    assert (await ttr(shop))["n"] == 2


async def test_an_undo_skips_what_an_undone_import_had_made(shop: Shop) -> None:
    await send(shop, ZENDESK)
    first_run = await send(shop, ZENDESK.replace("10:00,15,60", "10:00,15,120"))
    two = await send(shop, ZENDESK.replace("10:00,15,60", "10:00,15,180"))
    await shop.call("DELETE", f"/v1/imports/{first_run['id']}")
    await shop.call("DELETE", f"/v1/imports/{two['id']}")
    tickets = {ticket["ticket"]: ticket for ticket in (await shop.get("/v1/tickets"))["data"]}
    assert tickets["102"]["first_resolution"]["calendar_seconds"] == 3600


async def test_a_ticket_that_is_open_again_in_a_corrected_file(shop: Shop) -> None:
    await send(shop, ZENDESK)
    await send(shop, ZENDESK.replace("2026-01-05 10:00,15,60,0", ",15,,0"))
    tickets = {ticket["ticket"]: ticket for ticket in (await shop.get("/v1/tickets"))["data"]}
    assert (tickets["102"]["status"], tickets["102"]["first_solved_at"]) == ("open", None)
    total = await ttr(shop)
    assert (total["n"], total["unresolved"]) == (1, 2)


async def test_bad_rows_are_rejected_and_too_many_refuse(shop: Shop) -> None:
    rows = [
        ["id", "opened", "solved"],
        *([str(number), "2026-01-05", "2026-01-06"] for number in range(30)),
    ]
    good = await send(shop, table([*rows, ["31", "yesterday", ""]]), source="a")
    assert (good["accepted"], good["rejected"]) == (30, 1)
    assert "is not a date" in good["report"]["rejected"][0]["reason"]
    bad = [["31", "yesterday", ""], ["", "2026-01-05", ""], ["33", "", ""]]
    refused = await send(shop, table([*rows, *bad]), source="b")
    assert (refused["status"], refused["rejected"]) == ("refused", 3)
    reply = await post(shop, "a,b\n1,2\n", kind="tickets", source="c")
    assert reply.status_code == 422
    assert "name it with `id`" in reply.json()["detail"]


async def test_an_import_emits_no_events_and_invites_nobody(shop: Shop) -> None:
    await shop.publish("csat", "csat")
    trigger = {"name": "t", "survey": "csat", "on": "ticket.solved"}
    await shop.post("/v1/triggers", trigger)
    await send(shop, ZENDESK)
    assert (await shop.get("/v1/decisions"))["data"] == []
    events = await shop.events()
    assert [
        event for event in events if event["type"].startswith(("ticket.", "interaction."))
    ] == []


async def test_an_answer_names_the_ticket_of_its_helpdesk(shop: Shop) -> None:
    await shop.publish("csat", "csat")
    for source, agent in (("zendesk", "Eva"), ("freshdesk", "Adam")):
        file = table(
            [["id", "opened", "solved", "agent"], ["1", "2026-01-05", "2026-01-06", agent]]
        )
        await send(shop, file, source=source)
    key = (await shop.get("/v1/surveys"))["data"][0]["questions"][0]["key"]
    answers = table([[key, "ticket", "responded_at"], ["5", "1", "2026-01-07"]])
    params = {"kind": "answers", "survey": "csat", "source": "ratings"}
    await send(shop, answers, **params, ticket_source="freshdesk")
    (response,) = (await shop.get("/v1/responses"))["data"]
    assert (response["ticket"], response["properties"]["agent"]) == ("1", "Adam")


@pytest.mark.skipif(not LOG.exists(), reason="needs ../shared/data/helpdesk_italian_events.csv")
async def test_a_real_log_of_events(shop: Shop) -> None:
    lines = LOG.read_text().splitlines()[:2001]
    names = {line.split(",")[2] for line in lines[1:]}
    known = {"Resolve ticket": "ticket.solved", "Closed": "ticket.closed"}
    event_names = [f"{name}={known.get(name, 'ticket.worked')}" for name in sorted(names)]
    run = await send(
        shop, "\n".join(lines), id="ticket_id", event="activity", at="ts", event_name=event_names,
        ignore=["seq", "resource"], timezone="Europe/Rome",
    )  # fmt: skip
    assert (run["status"], run["rejected"]) == ("done", 0)
    closed = {line.split(",")[0] for line in lines[1:] if line.split(",")[2] in known}
    tickets = []
    cursor: str | None = None
    while True:
        page = await shop.get("/v1/tickets", limit=200, **({"cursor": cursor} if cursor else {}))
        tickets += page["data"]
        if (cursor := page["next_cursor"]) is None:
            break
    assert {ticket["ticket"] for ticket in tickets if ticket["status"] != "open"} == closed
    first = min(dt.datetime.fromisoformat(line.split(",")[3]) for line in lines[1:])
    assert first.year >= 2010


async def test_an_undo_restores_what_was_withdrawn_long_ago(shop: Shop, database: Database) -> None:
    first = await send(shop, ZENDESK)
    corrected = ZENDESK.replace("2026-01-05 10:00,15,60,0", ",15,,0")
    second = await send(shop, corrected)
    tickets = {ticket["ticket"]: ticket for ticket in (await shop.get("/v1/tickets"))["data"]}
    assert tickets["102"]["first_solved_at"] is None
    workspace_id = UUID(shop.workspace_id)
    connection = await database.connect()
    await connection.execute(
        "update interaction set created_at = $2 where workspace_id = $1",
        workspace_id, utc_now() - dt.timedelta(days=30),
    )  # fmt: skip
    withdrawn = "select count(*) from interaction where workspace_id = $1 and test"
    async with database.transaction() as session:
        await purge_tests(session, utc_now())
    # It stays for a week, so that exports can report that it was deleted.
    assert await connection.fetchval(withdrawn, workspace_id) == 1
    async with database.transaction() as session:
        await purge_tests(session, utc_now() + dt.timedelta(days=8))
    assert await connection.fetchval(withdrawn, workspace_id) == 0
    await connection.close()
    assert (await shop.call("DELETE", f"/v1/imports/{second['id']}")).status_code == 204
    tickets = {ticket["ticket"]: ticket for ticket in (await shop.get("/v1/tickets"))["data"]}
    assert tickets["102"]["first_resolution"]["calendar_seconds"] == 3600
    assert first["status"] == "done"


async def test_a_survey_may_have_the_name_of_a_kind_of_file(shop: Shop) -> None:
    await shop.publish("tickets")
    run = await send(shop, "score,id\n9,a\n", "answers", survey="tickets", undated="now")
    assert run["accepted"] == 1
    assert (await shop.metric("nps", survey="tickets"))["total"]["n"] == 1
