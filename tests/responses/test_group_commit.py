# SPDX-License-Identifier: Apache-2.0
"""Group commit: backpressure, draining, and bad rows that spoil no other."""

import asyncio
import datetime as dt
from uuid import UUID, uuid4

from msgspec import Raw
from sqlalchemy import make_url

from app.core.clock import utc_now
from app.core.database import Database
from app.core.errors import AfterwordError, Busy, InvalidInput
from app.core.ids import uuid7
from app.responses.group_commit import GroupCommit
from app.responses.purge import purge_tests
from app.responses.rows import ResponseRow
from app.responses.writing import Submission, WriteOutcome, WriteResult
from tests.shop import Shop


def submission(survey: str) -> Submission:
    return Submission(
        ResponseRow(
            id=uuid7(), survey_id=UUID(survey), survey_version=1, seq=1, channel="api",
            touchpoint="", locale="en", complete=True, test=False, state="counted",
            answers=Raw(b"{}"), scores=Raw(b'{"score":9}'), properties=Raw(b"{}"), tags=Raw(b"[]"),
            imported=False, follow_up="none", responded_at=utc_now(), event_id=uuid7(),
        )
    )  # fmt: skip


async def test_when_too_many_wait_the_rest_must_try_again(shop: Shop, database: Database) -> None:
    survey = (await shop.publish("s"))["id"]
    group = GroupCommit(database, slot=7, max_waiting=5)
    workspace = UUID(shop.workspace_id)
    results = await asyncio.gather(
        *[group.submit(workspace, submission(survey)) for _ in range(20)], return_exceptions=True
    )
    await group.close()
    refused = [result for result in results if isinstance(result, Busy)]
    assert len(refused) == 15
    assert refused[0].headers["Retry-After"] == "1"
    assert (await shop.metric("nps"))["total"]["n"] == 5


async def test_closing_writes_what_still_waits(shop: Shop, database: Database) -> None:
    survey = (await shop.publish("s"))["id"]
    group = GroupCommit(database, slot=7, max_waiting=100)
    workspace = UUID(shop.workspace_id)
    waiting = [asyncio.create_task(group.submit(workspace, submission(survey))) for _ in range(30)]
    await asyncio.sleep(0)
    await group.close()
    assert all(isinstance(written, WriteResult) for written in await asyncio.gather(*waiting))
    assert (await shop.metric("nps"))["total"]["n"] == 30


async def test_a_row_that_cannot_be_stored_spoils_no_other(shop: Shop, database: Database) -> None:
    survey = (await shop.publish("s"))["id"]
    group = GroupCommit(database, slot=7, max_waiting=100)
    batch = [submission(survey) for _ in range(9)]
    # No database stores this character.
    batch[3].row.answers = Raw(b'{"why":"\\u0000"}')
    results = await group.write(UUID(shop.workspace_id), batch, events=True)
    await group.close()
    assert [
        index for index, result in enumerate(results) if isinstance(result, AfterwordError)
    ] == [3]
    assert isinstance(results[3], InvalidInput)
    assert (await shop.metric("nps"))["total"]["n"] == 8


async def test_an_answer_to_a_survey_that_is_gone_is_not_stored(
    shop: Shop, database: Database
) -> None:
    survey = (await shop.publish("s"))["id"]
    group = GroupCommit(database, slot=7, max_waiting=100)
    for batch in ([submission(str(uuid4()))], [submission(survey), submission(str(uuid4()))]):
        results = await group.write(UUID(shop.workspace_id), batch, events=True)
        assert isinstance(results[-1], WriteResult)
        assert results[-1].outcome is WriteOutcome.CLOSED
    await group.close()
    assert (await shop.metric("nps"))["total"]["n"] == 1


async def test_test_responses_are_purged_after_a_week(shop: Shop, database: Database) -> None:
    await shop.publish("s")
    await shop.answer("s", 9, test=True)
    await shop.answer("s", 9)
    async with database.transaction() as session:
        await purge_tests(session, utc_now())
    assert len((await shop.get("/v1/responses", test=True))["data"]) == 1
    connection = await database.connect()
    await connection.execute(
        "update response set created_at = $2 where workspace_id = $1",
        UUID(shop.workspace_id),
        utc_now() - dt.timedelta(days=8),
    )
    await connection.close()
    async with database.transaction() as session:
        await purge_tests(session, utc_now())
    assert (await shop.get("/v1/responses", test=True))["data"] == []
    assert (await shop.metric("nps"))["total"]["n"] == 1


async def test_settings_change_while_answers_keep_coming(shop: Shop) -> None:
    await shop.publish("s")
    done = asyncio.Event()

    async def answer_on_and_on() -> int:
        count = 0
        while not done.is_set():
            assert (await shop.answer("s", 9)).status_code == 201
            count += 1
        return count

    writers = [asyncio.create_task(answer_on_and_on()) for _ in range(8)]
    await asyncio.sleep(0.5)
    # The writers stop only after the change, so a starved change would hang this test.
    changed = await shop.call("PATCH", "/v1/workspace", json={"segments": ["store"]})
    assert changed.status_code == 200, changed.text
    done.set()
    count = sum(await asyncio.gather(*writers))
    await shop.work()
    assert (await shop.metric("nps"))["total"]["n"] == count > 0


async def test_a_user_who_may_make_nothing_temporary_writes_lone_answers_too(
    shop: Shop, database: Database
) -> None:
    survey = (await shop.publish("s"))["id"]
    temporary = f'temporary on database "{make_url(database.url).database}"'
    owner = await database.connect()
    await owner.execute(f"revoke {temporary} from public, current_user")
    try:
        group = GroupCommit(database, slot=7, max_waiting=100)
        written = await group.submit(UUID(shop.workspace_id), submission(survey))
        await group.close()
    finally:
        await owner.execute(f"grant {temporary} to public, current_user")
        await owner.close()
    assert written.outcome is WriteOutcome.CREATED
    assert (await shop.metric("nps"))["total"]["n"] == 1
