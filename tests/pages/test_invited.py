# SPDX-License-Identifier: Apache-2.0
"""The invited customer's page, without a browser: what counts, what waits, what is held."""

import asyncio
from typing import Any
from uuid import UUID

import httpx
import pytest
from sqlalchemy import text

from app.core.database import Database, run_sql
from tests.pages.forms import browse, follow, parse
from tests.shop import Shop

LOW = {"question": "score", "op": "<=", "value": 6}
STEPS: list[dict[str, Any]] = [
    {"key": "score", "type": "nps", "text": {"en": "Recommend us?"}, "required": True},
    {"key": "why", "type": "text", "text": {"en": "What went wrong, {{customer.first_name}}?"},
     "show_if": LOW},
    {"key": "again", "type": "yes_no", "text": {"en": "Come again?"}},
    {"key": "when", "type": "choice", "text": {"en": "When?"}, "required": True,
     "options": [{"key": key, "text": {"en": key}} for key in ("soon", "later")],
     "show_if": {"question": "again", "op": "==", "value": True}},
]  # fmt: skip


async def invite(shop: Shop, **more: Any) -> tuple[str, str]:
    """Ask Ala by a link; return the invitation's id and the path of its page."""
    customer = {"email": "ala@example.pl", "name": "Ala Nowak"}
    body = {"survey": "s", "customer": customer, "channel": "link"} | more
    invitation = await shop.post("/v1/invitations", body)
    return invitation["id"], "/i/" + invitation["url"].rpartition("/")[2]


async def states(shop: Shop) -> list[tuple[int, str]]:
    """Return score and integrity of all responses."""
    return [
        (response["score"], response["integrity"])
        for response in (await shop.get("/v1/responses"))["data"]
    ]


async def count_answers(shop: Shop) -> int:
    count: int = (await shop.metric("nps"))["total"]["n"]
    return count


async def test_the_score_is_asked_first_then_the_questions_that_depend_on_it(shop: Shop) -> None:
    await shop.publish("s", metric="nps", questions=STEPS)
    id_, path = await invite(shop)
    page = await browse(shop.client, path)
    assert list(page.choices) == ["score"]
    page = await follow(shop.client, await page.send(shop.client, score="4", _g="1", _js="1"))
    assert (page.choices, "why" in page.fields) == ({"again": ["true", "false"]}, True)
    assert "What went wrong, Ala?" in page.text
    response = await shop.get(f"/v1/responses/{id_}")
    assert (response["score"], response["complete"]) == (4, False)
    reply = await page.send(shop.client, why="Late", again="true", _g="1", _js="1")
    # A question that only now applies gets a page of its own, which shows the earlier ones again.
    page = await follow(shop.client, reply)
    assert page.choices["when"] == ["soon", "later"]
    missing = parse(await page.send(shop.client, _g="1", _js="1"))
    assert missing.status == 422
    assert "Please answer this question." in missing.text
    page = await follow(shop.client, await page.send(shop.client, when="soon", _g="1", _js="1"))
    assert "Thank you" in page.text
    response = await shop.get(f"/v1/responses/{id_}")
    assert response["complete"] is True
    assert response["answers"] == {"score": 4, "why": "Late", "again": True, "when": "soon"}
    assert (await shop.get(f"/v1/invitations/{id_}"))["status"] == "answered"


async def test_a_link_resumes_and_a_changed_score_drops_what_it_hides(shop: Shop) -> None:
    await shop.publish("s", metric="nps", questions=STEPS)
    id_, path = await invite(shop)
    page = await browse(shop.client, path)
    await page.send(shop.client, score="4", _g="1", _js="1")
    page = await browse(shop.client, path)
    assert page.fields["score"] == "4"
    assert "why" in page.fields
    await page.send(shop.client, score="9", why="Late", again="false", _g="1", _js="1")
    response = await shop.get(f"/v1/responses/{id_}")
    assert response["answers"] == {"score": 9, "again": False}
    assert [revision["score"] for revision in response["revisions"]] == [4]
    assert await count_answers(shop) == 1


async def test_a_form_with_a_missing_answer_keeps_what_was_typed(shop: Shop) -> None:
    await shop.publish("s")
    _, path = await invite(shop)
    page = await browse(shop.client, path + "/9")
    reply = await shop.client.post(path, data={"why": "<b>ąę</b>", "_asked": "score,why"})
    page = parse(reply)
    assert (page.status, page.fields["why"]) == (422, "<b>ąę</b>")


@pytest.mark.parametrize("method", ["HEAD", "GET"])
async def test_a_request_for_headers_records_nothing(shop: Shop, method: str) -> None:
    await shop.publish("s")
    id_, path = await invite(shop)
    headers = {"Sec-Purpose": "prefetch;prerender"} if method == "GET" else {}
    reply = await shop.client.request(method, path + "/9", headers=headers)
    assert reply.status_code == 200
    assert await states(shop) == []
    assert (await shop.get(f"/v1/invitations/{id_}"))["status"] == "sent"


async def test_a_publishable_key_changes_nothing_of_the_invited(shop: Shop) -> None:
    await shop.publish("s")
    id_, path = await invite(shop)
    page = await browse(shop.client, path)
    await page.send(shop.client, score="9", _g="1", _js="1")
    key = await shop.make_key("collect")
    fake = {"id": id_, "survey": "s", "channel": "web", "answers": {"score": 0}, "seq": 99}
    await shop.call("POST", "/v1/responses", key=key, json=fake)
    assert await states(shop) == [(9, "ok")]
    reply = await shop.call("POST", "/v1/responses", key=key, json=fake | {"seq": 2**31 - 1})
    assert reply.status_code == 422


async def test_another_site_sends_nothing_in_a_visitors_name(shop: Shop) -> None:
    await shop.publish("s")
    _, path = await invite(shop)
    reply = await shop.client.post(
        path, data={"score": "0"}, headers={"Sec-Fetch-Site": "cross-site"}
    )
    assert reply.status_code == 403
    assert reply.headers["content-type"] == "text/html; charset=utf-8"
    assert await states(shop) == []


async def test_a_survey_that_changed_meanwhile_keeps_what_still_fits(shop: Shop) -> None:
    def steps_asking(*options: str) -> list[dict[str, Any]]:
        choices = [{"key": key, "text": {"en": key}} for key in options]
        question = {"key": "place", "type": "choice", "text": {"en": "Where?"}, "options": choices}
        return [STEPS[0], question]

    await shop.publish("s", metric="nps", questions=steps_asking("1", "2"))
    id_, path = await invite(shop)
    page = await browse(shop.client, path)
    page = await follow(shop.client, await page.send(shop.client, score="9", _g="1", _js="1"))
    await page.send(shop.client, place="1", _g="1", _js="1")
    await shop.call("PATCH", "/v1/surveys/s", json={"questions": steps_asking("2", "3")})
    await shop.post("/v1/surveys/s/publish", status=200)
    page = await browse(shop.client, path)
    await page.send(shop.client, score="8", place="3", _g="1", _js="1")
    assert (await shop.get(f"/v1/responses/{id_}"))["answers"] == {"score": 8, "place": "3"}


async def test_an_operator_restores_and_rejects(shop: Shop) -> None:
    await shop.publish("s")
    id_, path = await invite(shop)
    await browse(shop.client, path + "/2")
    restored = await shop.post(f"/v1/responses/{id_}/restore", status=200)
    assert (restored["integrity"], restored["follow_up"]["status"]) == ("ok", "open")
    assert await count_answers(shop) == 1
    assert (await shop.get(f"/v1/invitations/{id_}"))["status"] == "answered"
    await shop.post(f"/v1/responses/{id_}/reject", status=200)
    assert await count_answers(shop) == 0
    # A rejected one stays so, whatever is sent later.
    page = await browse(shop.client, path)
    await page.send(shop.client, score="9", why="", _g="1", _js="1")
    assert await states(shop) == [(9, "rejected")]


async def test_events_are_emitted_once_a_person_is_known(shop: Shop, database: Database) -> None:
    async def event_types() -> list[str]:
        async with database.session() as session:
            query = text(
                "select type from event where workspace_id = :id and type like 'response.%' "
                "order by created_at, xid"
            )
            rows = await run_sql(session, query.bindparams(id=UUID(shop.workspace_id)))
            return [row.type for row in rows]

    await shop.publish("s")
    id_, path = await invite(shop)
    page = await browse(shop.client, path + "/9")
    await page.send(shop.client, why="", _js="1")
    assert await event_types() == []
    await page.send(shop.client, score="8", why="", _g="1", _js="1")
    assert await event_types() == ["response.created"]
    await page.send(shop.client, score="8", why="Fine", _g="1", _js="1")
    await shop.post(f"/v1/responses/{id_}/reject", status=200)
    assert await event_types() == ["response.created", "response.updated", "response.updated"]


async def test_a_deleted_answer_is_emptied_in_its_events(shop: Shop, database: Database) -> None:
    async def read_event_texts() -> str:
        async with database.session() as session:
            query = text("select string_agg(data::text, '') from event where workspace_id = :id")
            result = await run_sql(session, query.bindparams(id=UUID(shop.workspace_id)))
            return str(result.scalar_one())

    await shop.publish("s")
    _, path = await invite(shop)
    page = await browse(shop.client, path + "/4")
    await page.send(shop.client, score="4", why="Zimna kawa", _g="1", _js="1")
    assert "Zimna kawa" in await read_event_texts()
    page = await browse(shop.client, path + "/data")
    await page.send(shop.client, _js="1", _g="1")
    await shop.work()
    assert "Zimna kawa" not in await read_event_texts()


async def test_everyone_sees_and_deletes_what_is_stored(shop: Shop) -> None:
    await shop.publish("s")
    id_, path = await invite(shop, order="1001", properties={"agent": "eva"})
    page = await browse(shop.client, path + "/data")
    assert "You have not answered yet." in page.text
    page = await browse(shop.client, path + "/4")
    await page.send(shop.client, score="4", why="Zimna kawa", _g="1", _js="1")
    page = await browse(shop.client, path + "/data")
    for word in ("Zimna kawa", "Ala Nowak", "ala@example.pl", "1001", "eva"):
        assert word in page.text, word
    # A scanner that presses the button deletes nothing.
    assert "Zimna kawa" in parse(await page.send(shop.client, _js="1")).text
    done = parse(await page.send(shop.client, _js="1", _g="1"))
    assert "Your answer is deleted." in done.text
    reply = await shop.call("GET", f"/v1/responses/{id_}")
    assert reply.status_code == 404
    assert await count_answers(shop) == 0
    assert "You have not answered yet." in (await browse(shop.client, path + "/data")).text
    # It is gone for ever: the link takes no second answer.
    assert (await shop.client.post(path, data={"score": "9"})).status_code == 410
    assert "Your answer is deleted." in (await browse(shop.client, path)).text


async def test_two_tabs_at_once_are_one_response(shop: Shop) -> None:
    await shop.publish("s")
    _, path = await invite(shop)
    page = await browse(shop.client, path + "/9")
    send = [
        page.send(shop.client, score=score, why="", _g="1", _js="1") for score in ("9", "8") * 4
    ]
    replies: list[httpx.Response] = await asyncio.gather(*send)
    assert {reply.status_code for reply in replies} == {303}
    assert await count_answers(shop) == 1
