# SPDX-License-Identifier: Apache-2.0
"""Surveys: drafts, versions, and what the definition must be."""

import asyncio
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from app.core.database import Database, run_sql
from app.surveys import deletion
from app.surveys.schemas import Definition
from app.surveys.templates import template
from tests.shop import Shop

TEMPLATES = (
    *("nps", "csat", "ces", "nps_yes_no", "six_pillars", "brand_experience"),
    *("delivery", "support", "relationship"),
)


@pytest.mark.parametrize("name", TEMPLATES)
async def test_a_template_is_ready_in_three_languages(shop: Shop, name: str) -> None:
    survey = await shop.publish("t", template=name)
    assert survey["status"] == "live"
    keys = [entry["key"] for entry in survey["questions"]]
    assert keys[0] == "score"
    assert keys[-1] == "why"
    for question in survey["questions"]:
        assert {"en", "pl", "ro"} <= set(question["text"])
    Definition.model_validate(template(name))


async def test_a_published_version_never_changes_and_responses_keep_theirs(shop: Shop) -> None:
    await shop.publish("v")
    first = (await shop.answer("v", 9)).json()
    text = {"en": "Changed?"}
    question = {"key": "score", "type": "nps", "text": text}
    patched = await shop.call("PATCH", "/v1/surveys/v", json={"questions": [question]})
    assert (patched.json()["version"], patched.json()["published_version"]) == (2, 1)
    assert (await shop.answer("v", 9)).json()["survey_version"] == 1
    await shop.post("/v1/surveys/v/publish", status=200)
    assert (await shop.answer("v", 9)).json()["survey_version"] == 2
    assert (await shop.get(f"/v1/responses/{first['id']}"))["survey_version"] == 1


async def test_a_scale_cannot_change_under_its_key(shop: Shop) -> None:
    await shop.publish("c", template="csat")
    for change in ({"type": "csat", "points": 7}, {"type": "ces"}):
        question = {"key": "score", "text": {"en": "?"}} | change
        body = {"questions": [question], "metric": "custom"}
        reply = await shop.call("PATCH", "/v1/surveys/c", json=body)
        assert reply.status_code == 409
        assert "use a new key" in reply.json()["detail"]


async def test_a_survey_with_responses_is_closed_not_deleted(shop: Shop) -> None:
    await shop.publish("used")
    await shop.answer("used", 9)
    assert (await shop.call("DELETE", "/v1/surveys/used")).status_code == 409
    await shop.publish("unused")
    assert (await shop.call("DELETE", "/v1/surveys/unused")).status_code == 204
    assert (await shop.call("GET", "/v1/surveys/unused")).status_code == 404


@pytest.mark.parametrize("turns", [0, 2, 4, 8, 16])
async def test_a_survey_that_is_deleted_while_it_is_answered_leaves_no_answer_behind(
    shop: Shop, turns: int
) -> None:
    await shop.publish("race")

    async def delete() -> int:
        for _ in range(turns):
            await asyncio.sleep(0)
        return (await shop.call("DELETE", "/v1/surveys/race")).status_code

    deletion = asyncio.create_task(delete())
    answered = await asyncio.gather(*(shop.answer("race", 9) for _ in range(12)))
    deleted = await deletion
    count = sum(reply.status_code == 201 for reply in answered)
    stored = (await shop.get("/v1/responses"))["data"]
    assert len(stored) == count
    # The others learn that it is closed, or that there is none of this key.
    assert {reply.status_code for reply in answered} <= {201, 409, 422}
    assert deleted == (409 if count else 204)


async def test_an_answer_that_waits_for_a_deletion_is_not_stored(
    shop: Shop, database: Database
) -> None:
    survey_id = UUID((await shop.publish("race"))["id"])
    workspace_id = UUID(shop.workspace_id)
    async with database.transaction() as session:
        await deletion.delete(session, workspace_id, "race")
        # It begins before the deletion is committed, so its snapshot still has the survey.
        answering = asyncio.create_task(shop.answer("race", 9))
        await asyncio.sleep(0.5)
        assert not answering.done()
    assert (await answering).status_code in {409, 422}
    async with database.session() as session:
        rows = await run_sql(
            session,
            text("select count(*) from response where survey_id = :id").bindparams(id=survey_id),
        )
    assert rows.one()[0] == 0


async def test_a_closed_survey_opens_again(shop: Shop) -> None:
    survey = await shop.publish("again")
    await shop.post("/v1/surveys/again/close", status=200)
    await shop.post(f"/v1/surveys/{survey['id']}/publish", status=200)
    assert (await shop.answer("again", 9)).status_code == 201


async def test_a_key_is_made_from_the_name_and_taken_once(shop: Shop) -> None:
    survey = await shop.post("/v1/surveys", {"template": "nps", "name": "Łatwość Żądań 2"})
    assert survey["key"] == "latwosc-zadan-2"
    body = {"template": "nps", "key": "latwosc-zadan-2"}
    assert (await shop.call("POST", "/v1/surveys", json=body)).status_code == 409


def question(**changes: Any) -> dict[str, Any]:
    return {"key": "q", "type": "csat", "text": {"en": "?"}} | changes


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"questions": []}, "questions"),
    ({"questions": [question(points=4)]}, "points"),
    ({"questions": [question(type="nps", points=5)]}, "points"),
    ({"questions": [question(), question()]}, "twice"),
    ({"questions": [question(type="choice")]}, "options"),
    ({"questions": [question()], "metric": "ces"}, "ces"),
    ({"questions": [question(show_if={"question": "x", "op": "==", "value": 1})]}, "earlier"),
    ({"questions": [question(text={})]}, "text"),
    ({"questions": [question(colour="red")]}, "colour"),
    ({"questions": [question(key="a=b")]}, "key"),
]


@pytest.mark.parametrize(("body", "field"), WRONG)
async def test_a_wrong_definition_is_refused_and_names_the_field(
    shop: Shop, body: dict[str, Any], field: str
) -> None:
    reply = await shop.call("POST", "/v1/surveys", json={"name": "x", "key": "x"} | body)
    assert reply.status_code == 422
    assert field in reply.text
