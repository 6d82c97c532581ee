# SPDX-License-Identifier: Apache-2.0
"""The digest: in three languages, sent once, with a link to end it, and none without answers."""

import asyncio
import datetime as dt
import re
from collections.abc import Mapping
from email.message import EmailMessage
from typing import Any
from uuid import UUID

import pytest

from app.alerts.digest import (
    DIGEST_JOB,
    _due_day,
    digest_token,
    enqueue_due_digests,
    read_content,
    write_digest,
)
from app.core.database import Database
from app.core.job_runner import JobHandler, JobRunner
from app.workspaces.models import Member
from app.workspaces.service import get_workspace
from tests.mailbox import Mailbox, plain_text_of
from tests.shop import Shop

# A Monday.
MONDAY = dt.datetime(2026, 11, 23, 8, 30, tzinfo=dt.UTC)


def state_of(shop: Shop) -> Any:
    return shop.state


async def week(shop: Shop) -> None:
    """Give answers in the week before the Monday, worse than those of the week before it."""
    await shop.publish("nps")
    for number in range(30):
        day = MONDAY - dt.timedelta(days=1 + number % 14, hours=1)
        is_new = number % 14 < 7
        low = is_new and number % 2
        answers = {"score": 2 if low else 10, "why": "The parcel came <late>" if low else None}
        more = {"touchpoint": "delivery" if low else "checkout", "responded_at": day.isoformat()}
        await shop.answer("nps", answers, **more)


async def digest_of(shop: Shop, locale: str) -> EmailMessage:
    state = state_of(shop)
    reply = await shop.post(
        "/v1/members",
        {"email": f"{locale}@c.pl", "name": "E", "locale": locale, "digest": "weekly"},
    )
    async with state.database.session() as session:
        workspace = await get_workspace(session, UUID(shop.workspace_id))
        member = await session.get(Member, (workspace.id, UUID(reply["id"])))
        content = await read_content(
            session, workspace, dt.date(2026, 11, 16), dt.date(2026, 11, 23), locale[:2]
        )
    return write_digest(
        state.settings, workspace, member, content, f"https://x.example/letter/{reply['id']}"
    )


@pytest.mark.parametrize(
    ("locale", "words"),
    [
        ("en", ["Figures", "NPS: ", "a real change", "Follow-ups that wait"]),
        ("pl-PL", ["Wskaźniki", "Sprawy, które czekają"]),
        ("ro", ["Indicatori", "Cazuri care așteaptă"]),
    ],
)
async def test_a_digest_in_the_members_language(shop: Shop, locale: str, words: list[str]) -> None:
    await week(shop)
    message = await digest_of(shop, locale)
    plain = message.get_body(("plain",))
    rich = message.get_body(("html",))
    assert plain is not None
    assert rich is not None
    for word in words:
        assert word in plain.get_content()
        assert word in rich.get_content()
    assert "2: The parcel came <late>" in plain.get_content()
    assert "&lt;late&gt;" in rich.get_content()
    assert "One-Click" in message["List-Unsubscribe-Post"]


async def test_it_is_queued_once_on_its_day(shop: Shop, database: Database) -> None:
    await shop.post("/v1/members", {"email": "w@c.pl", "name": "W", "digest": "weekly"})
    await shop.post("/v1/members", {"email": "d@c.pl", "name": "D", "digest": "daily"})
    await shop.post("/v1/members", {"email": "o@c.pl", "name": "O"})

    async def count_queued(now: dt.datetime) -> int:
        async with database.transaction() as session:
            await enqueue_due_digests(session, now)
        connection = await database.connect()
        count: int = await connection.fetchval(
            "select count(*) from job where kind = 'letters.send' and workspace_id = $1",
            UUID(shop.workspace_id),
        )
        await connection.close()
        return count

    assert await count_queued(MONDAY.replace(hour=7, minute=59)) == 0
    assert await count_queued(MONDAY) == 2
    assert await count_queued(MONDAY + dt.timedelta(hours=5)) == 2
    assert await count_queued(MONDAY + dt.timedelta(days=1)) == 3


async def test_a_digest_that_an_outage_held_up_comes_afterwards_and_once(
    shop: Shop, database: Database
) -> None:
    weekly = await shop.post("/v1/members", {"email": "w@c.pl", "name": "W", "digest": "weekly"})
    daily = await shop.post("/v1/members", {"email": "d@c.pl", "name": "D", "digest": "daily"})

    async def days(now: dt.datetime) -> list[list[str]]:
        """Return the days of all digests so far, of the weekly and of the daily one."""
        async with database.transaction() as session:
            await enqueue_due_digests(session, now)
        connection = await database.connect()
        rows = await connection.fetch(
            "select payload->>'member' as member, payload->>'on' as day from job "
            "where kind = 'letters.send' and workspace_id = $1 order by run_at, day",
            UUID(shop.workspace_id),
        )
        await connection.close()
        return [
            [row["day"] for row in rows if row["member"] == member["id"]]
            for member in (weekly, daily)
        ]

    # Switched on in the middle of a week: nothing is due for the Monday before.
    first = ["2026-11-19"]
    assert await days(dt.datetime(2026, 11, 19, 12, tzinfo=dt.UTC)) == [[], first]
    assert await days(MONDAY - dt.timedelta(days=1)) == [[], [*first, "2026-11-22"]]
    mondays = [*first, "2026-11-22", "2026-11-23"]
    assert await days(MONDAY) == [["2026-11-23"], mondays]
    # Down over the next Monday, until Wednesday, 03:00.
    wednesday = dt.datetime(2026, 12, 2, 3, tzinfo=dt.UTC)
    late = [["2026-11-23", "2026-11-30"], mondays]
    assert await days(wednesday) == late
    assert await days(wednesday + dt.timedelta(hours=2)) == late
    eight = wednesday.replace(hour=9)
    assert await days(eight) == [late[0], [*mondays, "2026-12-02"]]


def test_no_digest_is_owed_for_days_before_it_was_chosen() -> None:
    def day_of_digest(
        digest: str, *, before: str, last: dt.date, at: dt.datetime
    ) -> dt.date | None:
        """Return the day of the digest that is due right after a choice."""
        member = Member(
            workspace_id=UUID(int=1), id=UUID(int=2), email="", name="", role="", locale="en",
            digest="off", letter_on=last, created_at=at, updated_at=at,
        )  # fmt: skip
        member.digest = before
        member.choose_digest(digest, at)
        return _due_day(member, at)

    monday = MONDAY.date()
    seven = MONDAY.replace(hour=7)
    three_days = dt.timedelta(days=3)
    week_ago = monday - dt.timedelta(days=7)
    # Off over Monday, and on again on Thursday.
    assert day_of_digest("weekly", before="off", last=week_ago, at=MONDAY + three_days) is None
    # Off for a day, and on again before eight.
    assert (
        day_of_digest("daily", before="off", last=monday - dt.timedelta(days=2), at=seven) is None
    )
    # Each day instead of each week, from the next eight o'clock on.
    thursday = seven + three_days
    assert day_of_digest("daily", before="weekly", last=monday, at=thursday) is None
    assert day_of_digest("daily", before="weekly", last=monday, at=thursday.replace(hour=9)) == (
        thursday.date()
    )
    # Off and on again on the same Monday: it has come already.
    assert day_of_digest("weekly", before="off", last=monday, at=MONDAY.replace(hour=12)) is None


async def test_two_workers_that_are_stopped_again_and_again_mail_each_letter_once(
    shop: Shop, database: Database, mailbox: Mailbox, by_mail: Mapping[str, JobHandler]
) -> None:
    await week(shop)
    people = {f"p{number}@once.example" for number in range(8)}
    for email in people:
        await shop.post("/v1/members", {"email": email, "name": "P", "digest": "weekly"})
    digests = {DIGEST_JOB: by_mail[DIGEST_JOB]}

    async def look_and_work(milliseconds: int) -> None:
        async with database.transaction() as session:
            await enqueue_due_digests(session, MONDAY + dt.timedelta(minutes=milliseconds))
        runner = JobRunner(database, digests)
        running = asyncio.create_task(runner.run())
        await asyncio.sleep(milliseconds / 1000)
        runner.stop()
        await running

    for milliseconds in (1, 5, 20, 60, 200, 500):
        await asyncio.gather(*(look_and_work(milliseconds) for _ in range(2)))
    sent_to = [mail["To"] for mail in mailbox.mails if mail["To"] in people]
    assert sorted(sent_to) == sorted(people)


def test_the_first_digest_comes_late_after_an_outage_too() -> None:
    def due(created_at: dt.datetime, at: dt.datetime) -> dt.date | None:
        member = Member(
            workspace_id=UUID(int=1), id=UUID(int=2), email="", name="", role="", locale="en",
            digest="weekly", created_at=created_at, updated_at=created_at,
        )  # fmt: skip
        return _due_day(member, at)

    tuesday = MONDAY + dt.timedelta(days=1)
    assert due(MONDAY - dt.timedelta(days=3), tuesday) == MONDAY.date()
    assert due(MONDAY + dt.timedelta(hours=4), tuesday) is None


async def test_a_digest_that_is_written_again_has_the_same_id(shop: Shop) -> None:
    """A worker that stops between the server's data and its reply sends the digest once more."""
    await week(shop)
    state = state_of(shop)
    body = {"email": "m@c.pl", "name": "M", "digest": "weekly"}
    reply = await shop.post("/v1/members", body)
    async with state.database.session() as session:
        workspace = await get_workspace(session, UUID(shop.workspace_id))
        member = await session.get(Member, (workspace.id, UUID(reply["id"])))
        ids = set()
        for end in (dt.date(2026, 11, 23), dt.date(2026, 11, 23), dt.date(2026, 11, 30)):
            first = end - dt.timedelta(days=7)
            content = await read_content(session, workspace, first, end, "en")
            ids.add(write_digest(state.settings, workspace, member, content, "x")["Message-ID"])
    assert len(ids) == 2


async def test_the_weakest_touchpoint_is_that_of_the_journey_by_its_name(shop: Shop) -> None:
    await shop.call(
        "PUT", "/v1/touchpoints/desk", json={"stage": "after", "name": {"pl": "Biurko"}}
    )
    await shop.publish("nps")
    await shop.publish("csat", template="csat")
    for minute in range(12):
        at = f"2026-11-18T10:{minute:02}:00Z"
        await shop.answer("nps", 9, touchpoint="till", responded_at=at)
        await shop.answer("csat", 2, touchpoint="desk", responded_at=at)
    digest_text = plain_text_of(await digest_of(shop, "pl"))
    assert re.search(r"Biurko: \d+ / 100", digest_text), digest_text


async def test_digests_end_by_the_button_and_not_by_opening_the_link(shop: Shop) -> None:
    reply = await shop.post("/v1/members", {"email": "w@c.pl", "name": "W", "digest": "weekly"})
    member = Member(
        workspace_id=UUID(shop.workspace_id), id=UUID(reply["id"]), email="", name="", role="",
        locale="en", created_at=MONDAY, updated_at=MONDAY,
    )  # fmt: skip
    path = f"/letter/{digest_token(state_of(shop).box, member)}"
    assert (await shop.client.get(path)).status_code == 200
    assert (await shop.get(f"/v1/members/{reply['id']}"))["digest"] == "weekly"
    done = await shop.client.post(path, data={"List-Unsubscribe": "One-Click"})
    assert "no more of these digests" in done.text
    assert (await shop.get(f"/v1/members/{reply['id']}"))["digest"] == "off"
    assert (await shop.client.get("/letter/nonsense")).status_code == 404


async def test_the_digest_of_a_week_without_answers_is_empty(shop: Shop) -> None:
    async with state_of(shop).database.session() as session:
        workspace = await get_workspace(session, UUID(shop.workspace_id))
        content = await read_content(
            session, workspace, dt.date(2026, 1, 5), dt.date(2026, 1, 12), "en"
        )
    assert content.is_empty
