# SPDX-License-Identifier: Apache-2.0
"""The widget's contract: a survey as JSON, answers from a browser, and the script itself."""

import json
from typing import Any
from uuid import uuid4

import httpx
import pytest

from app.pages.build_widget import MAX_BYTES, RESULT, banner_of, size_of
from tests.shop import Shop

PAGE = "https://shop.example"


async def publish_for_pages(shop: Shop, **changes: Any) -> tuple[str, str]:
    """Publish a survey and make a publishable key for a page; return public id and key."""
    survey = await shop.publish("after-order", **changes)
    await shop.call("PATCH", "/v1/workspace", json={"allowed_origins": [PAGE, "null"]})
    return survey["public_id"], await shop.make_key("collect")


async def send(
    shop: Shop, key: str, *, origin: str | None = PAGE, kind: str = "text/plain", **more: Any
) -> httpx.Response:
    body = {"id": str(uuid4()), "seq": 1, "key": key, "survey": "after-order", "t": 4000}
    body |= {"answers": {"score": 9}} | more
    headers = {"Content-Type": kind} | ({"Origin": origin} if origin else {})
    return await shop.client.post("/w/responses", content=json.dumps(body), headers=headers)


async def test_an_answer_needs_no_preflight_and_learns_no_content(shop: Shop) -> None:
    public_id, key = await publish_for_pages(shop)
    first = await send(shop, key, survey=public_id, id=(id_ := str(uuid4())), complete=False)
    assert first.status_code == 201
    assert first.json() == {"id": id_, "seq": 1, "complete": False}
    assert first.headers["access-control-allow-origin"] == PAGE
    again = await send(shop, key, id=id_, complete=False)
    assert again.status_code == 200
    more = await send(shop, key, id=id_, seq=2, answers={"score": 9, "why": "Good"}, order="1")
    assert more.json() == {"id": id_, "seq": 2, "complete": True}
    (response,) = (await shop.get("/v1/responses"))["data"]
    assert (response["channel"], response["order"], response["answers"]["why"]) == (
        "widget", "1", "Good",
    )  # fmt: skip
    assert (await shop.metric("nps"))["total"]["n"] == 1


@pytest.mark.parametrize(
    ("origin", "status"),
    [(PAGE, 201), ("null", 201), (None, 201), ("https://evil.example", 403)],
)
async def test_only_allowed_pages_may_send(shop: Shop, origin: str | None, status: int) -> None:
    _, key = await publish_for_pages(shop)
    reply = await send(shop, key, origin=origin)
    assert reply.status_code == status
    allowed = origin if status == 201 else None
    assert reply.headers.get("access-control-allow-origin") == allowed


async def test_bad_answers_name_the_field(shop: Shop) -> None:
    _, key = await publish_for_pages(shop)
    cases: list[tuple[dict[str, Any], int, str]] = [
        ({"answers": {"score": 11}}, 422, "score"),
        ({"anwsers": {}}, 422, "answers"),
        ({"survey": "nobody"}, 422, "nobody"),
        ({"properties": {"a\x00": 1}}, 422, "NUL"),
        ({"id": "x"}, 422, '"id"]'),
        ({"t": -1}, 422, '"t"]'),
        ({"seq": 2**31 - 1}, 422, '"seq"]'),
    ]
    for change, status, word in cases:
        reply = await send(shop, key, **change)
        assert reply.status_code == status, change
        assert word in reply.text
        assert reply.headers.get("access-control-allow-origin") in {PAGE, None}
    assert (await send(shop, key, kind="application/xml")).status_code == 415
    assert (await send(shop, "pk_nobody")).status_code == 401
    refused = await send(shop, shop.key)
    assert refused.status_code == 403
    assert "publishable" in refused.text


async def test_robots_are_held_and_a_slower_answer_lifts_it(shop: Shop) -> None:
    _, key = await publish_for_pages(shop)
    await send(shop, key, trap="http://buy.example")
    id_ = str(uuid4())
    await send(shop, key, id=id_, t=90)
    total = (await shop.metric("nps"))["total"]
    assert (total["n"], total["excluded"]) == (
        0, {"provisional": 0, "unverified": 1, "quarantined": 1, "test": 0},
    )  # fmt: skip
    await send(shop, key, id=id_, seq=2, t=5000, answers={"score": 9, "why": "Typed by hand"})
    assert (await shop.metric("nps"))["total"]["n"] == 1


async def test_a_quarantined_answer_stays_so_whatever_a_page_sends(shop: Shop) -> None:
    _, key = await publish_for_pages(shop)
    id_ = str(uuid4())
    await send(shop, key, id=id_, trap="x")
    await send(shop, key, id=id_, seq=2, t=5000)
    assert (await shop.get(f"/v1/responses/{id_}"))["integrity"] == "quarantined"


async def test_two_pages_of_one_order_are_one_response(shop: Shop) -> None:
    _, key = await publish_for_pages(shop, one_answer_per="order")
    for score in (9, 2):
        reply = await send(shop, key, order="1001", answers={"score": score})
        assert reply.status_code in {200, 201}
    (response,) = (await shop.get("/v1/responses"))["data"]
    assert response["score"] == 9


async def test_a_page_may_read_why_it_was_refused(shop: Shop) -> None:
    _, key = await publish_for_pages(shop)
    refused: list[tuple[str, dict[str, Any]]] = [
        (key, {"order": ""}), (key, {"answers": {"score": 11}}), ("pk_nobody", {}),
    ]  # fmt: skip
    for used, change in refused:
        reply = await send(shop, used, **change)
        assert reply.status_code in {401, 422}
        assert reply.headers["access-control-allow-origin"] == PAGE


async def test_a_survey_is_read_by_its_public_id_or_by_key(shop: Shop) -> None:
    questions = [
        {"key": "score", "type": "csat", "text": {"en": "How was it?", "pl": "Jak było?"},
         "required": True},
        {"key": "again", "type": "yes_no", "text": {"en": "Again?", "pl": "Znowu?"},
         "show_if": {"question": "score", "op": ">=", "value": 3}},
    ]  # fmt: skip
    texts = {"thank_you": {"satisfied": {"text": {"en": "Great!"}}}}
    public_id, key = await publish_for_pages(shop, metric="csat", questions=questions, texts=texts)
    await shop.call("PATCH", "/v1/workspace", json={"brand": {"colour": "#8A1C4A"}})
    by_id = await shop.client.get(f"/w/surveys/{public_id}?lang=pl")
    by_key = await shop.client.get(f"/w/surveys/after-order?lang=pl&key={key}")
    assert by_id.json() == by_key.json()
    survey = by_id.json()
    assert (survey["survey"], survey["language"], survey["main"]) == (public_id, "pl", "score")
    score, again = survey["questions"]
    assert score["choices"][0] == {"value": 1, "label": "1"}
    assert [choice["value"] for choice in again["choices"]] == [True, False]
    assert again["show_if"] == {"question": "score", "op": ">=", "value": 3}
    assert survey["words"]["send"] == "Wyślij"
    assert survey["colours"]["light"] == ["#8a1c4a", "#ffffff"]
    assert set(survey["thanks"]["by_answer"]) == {"4", "5"}
    assert (await shop.client.get("/w/surveys/after-order")).status_code == 404


async def test_only_allowed_pages_may_read_a_survey(shop: Shop) -> None:
    public_id, key = await publish_for_pages(shop)
    for origin, status in ((PAGE, 200), ("https://evil.example", 403)):
        reply = await shop.client.get(f"/w/surveys/{public_id}", headers={"Origin": origin})
        assert reply.status_code == status
    await shop.post("/v1/surveys", {"template": "csat", "key": "draft"})
    reply = await shop.client.get(f"/w/surveys/draft?key={key}")
    assert reply.status_code == 404
    bound = await shop.make_key("collect", survey="draft")
    reply = await shop.client.get(f"/w/surveys/after-order?key={bound}")
    assert reply.status_code == 404


async def test_a_browser_that_asks_first_is_answered(shop: Shop) -> None:
    reply = await shop.client.options(
        "/w/responses", headers={"Origin": PAGE, "Access-Control-Request-Method": "POST"}
    )
    assert reply.status_code == 204
    assert reply.headers["access-control-allow-origin"] == PAGE


def test_the_script_was_built_from_its_sources_and_is_small() -> None:
    script = RESULT.read_bytes()
    first, _, body = script.partition(b"\n")
    assert first.decode() == banner_of(body), "run `python -m app.pages.build_widget`"
    assert size_of(script) <= MAX_BYTES


async def test_the_script_is_served_to_every_page(shop: Shop) -> None:
    reply = await shop.client.get("/widget.js")
    assert reply.headers["content-type"] == "text/javascript; charset=utf-8"
    assert reply.content == RESULT.read_bytes()
    # It travels as small as it is measured.
    assert reply.headers["content-encoding"] == "gzip"
    plain = await shop.client.get("/widget.js", headers={"Accept-Encoding": "identity"})
    assert "content-encoding" not in plain.headers
    assert plain.content == reply.content


async def test_the_demo_shop_is_only_in_a_demo(shop: Shop) -> None:
    assert (await shop.client.get("/demo/shop")).status_code == 404
