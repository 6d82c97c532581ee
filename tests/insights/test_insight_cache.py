# SPDX-License-Identifier: Apache-2.0
"""The reply of an insight is kept until an answer changes."""

from uuid import UUID

from sqlalchemy import text

from app.core.database import Database, run_sql
from tests.shop import Shop


async def test_a_reply_is_kept_until_an_answer_changes(shop: Shop, database: Database) -> None:
    await shop.publish("nps")
    await shop.answer("nps", 9)
    path = "/v1/insights/word-of-mouth"
    assert (await shop.get(path))["n"] == 1
    async with database.transaction() as session:
        # Without a new `updated_at`, so that only a reply that was computed again would show it.
        hide = text("update response set state = 'rejected' where workspace_id = :id")
        await run_sql(session, hide.bindparams(id=UUID(shop.workspace_id)))
    assert (await shop.get(path))["n"] == 1
    assert (await shop.get(path, period="7d"))["refused"]["reason"] == "too_few_answers"
    await shop.answer("nps", 8)
    await shop.answer("nps", 2)
    assert (await shop.get(path))["n"] == 2


async def test_another_stage_of_a_touchpoint_changes_the_reply(shop: Shop) -> None:
    till = {"name": {"en": "Till"}}
    await shop.call("PUT", "/v1/touchpoints/till", json=till | {"stage": "before"})
    await shop.publish("nps")
    await shop.answer("nps", 9, touchpoint="till")
    path = "/v1/insights/word-of-mouth"
    assert (await shop.get(path, stage="before"))["n"] == 1
    await shop.call("PUT", "/v1/touchpoints/till", json=till | {"stage": "during"})
    assert (await shop.get(path, stage="before"))["n"] == 0


async def test_the_year_of_spending_ends_at_a_time_with_an_offset(shop: Shop) -> None:
    # The plus of an offset that is not escaped in a URL arrives as a blank.
    for offset in ("+02:00", " 02:00"):
        reply = await shop.get("/v1/insights/spending", to=f"2026-11-01T10:00:00{offset}")
        assert (reply["from"][:10], reply["to"][:10]) == ("2025-11-01", "2026-11-01")


async def test_two_times_of_one_day_are_two_questions(shop: Shop) -> None:
    await shop.publish("nps")
    await shop.answer("nps", 9, responded_at="2026-01-05T08:00:00Z")
    path = "/v1/insights/word-of-mouth"
    day = {"to": "2026-01-06"}
    early = await shop.get(path, **day, **{"from": "2026-01-05T00:00:00Z"})
    late = await shop.get(path, **day, **{"from": "2026-01-05T20:00:00Z"})
    assert (early["n"], late["n"]) == (1, 0)
    assert late["from"] == "2026-01-05T20:00:00Z"
