# SPDX-License-Identifier: Apache-2.0
"""Corners where answers could be lost, doubled or put in the wrong place."""

import asyncio
import json
from uuid import uuid4

import pytest

from tests.shop import Shop

JSON = {"Content-Type": "application/json"}


async def test_a_growing_answer_in_one_keyed_batch_is_stored_whole(shop: Shop) -> None:
    await shop.publish("s")
    id_ = str(uuid4())
    body = [
        {"survey": "s", "channel": "api", "answers": {"score": score}, "id": id_, "seq": seq}
        for score, seq in ((1, 1), (4, 2), (10, 3))
    ]
    header = {"Idempotency-Key": "grown"}
    report = (await shop.call("POST", "/v1/responses/batch", json=body, headers=header)).json()
    assert report == {"accepted": 3, "duplicates": 0, "rejected": []}
    assert (await shop.get(f"/v1/responses/{id_}"))["score"] == 10


async def test_the_same_number_at_two_sources_is_two_customers(shop: Shop) -> None:
    await shop.publish("s", one_answer_per="customer")
    for source in ("shop", "crm"):
        reply = await shop.answer("s", 9, customer={"external_id": "c-1", "source": source})
        assert reply.status_code == 201
    again = await shop.answer("s", 2, customer={"external_id": "c-1", "source": "crm"})
    assert (again.status_code, again.json()["score"]) == (200, 9)


async def test_one_customer_by_id_and_by_e_mail_answers_once(shop: Shop) -> None:
    await shop.publish("s", one_answer_per="customer")
    await shop.answer("s", 9, customer={"external_id": "c-1", "email": "a@b.pl"})
    again = await shop.answer("s", 1, customer={"email": "A@B.pl"})
    assert (again.status_code, again.json()["score"]) == (200, 9)


async def test_a_claim_does_not_block_the_customers_own_answer(shop: Shop) -> None:
    await shop.publish("s", one_answer_per="customer")
    await shop.call("PATCH", "/v1/workspace", json={"allowed_origins": []})
    public = await shop.make_key("collect")
    claim = {"survey": "s", "channel": "web", "answers": {"score": 0}}
    claim["customer"] = {"external_id": "c-1"}
    assert (await shop.call("POST", "/v1/responses", key=public, json=claim)).status_code == 201
    assert (await shop.answer("s", 9, customer={"external_id": "c-1"})).status_code == 201


async def test_a_batch_that_names_one_person_in_two_ways_makes_one_customer(shop: Shop) -> None:
    await shop.publish("s")
    body = [
        {"survey": "s", "channel": "api", "answers": {"score": 9}, "customer": customer}
        for customer in ({"email": "x@y.pl"}, {"external_id": "c-9", "email": "x@y.pl"})
    ]
    await shop.call("POST", "/v1/responses/batch", json=body)
    responses = (await shop.get("/v1/responses"))["data"]
    assert len({response["customer"]["id"] for response in responses}) == 1
    latest = await shop.metric("nps", count="latest_per_customer")
    assert latest["total"]["n"] == 1


async def test_an_idempotency_key_beside_an_id_is_held_to_its_body(shop: Shop) -> None:
    await shop.publish("s")
    header = {"Idempotency-Key": "k"}
    body = {"survey": "s", "channel": "api", "answers": {"score": 9}, "id": str(uuid4())}
    replies = [
        await shop.call("POST", "/v1/responses", json=body, headers=header) for _ in range(2)
    ]
    assert [reply.status_code for reply in replies] == [201, 201]
    assert replies[1].headers["idempotency-replayed"] == "true"
    other = body | {"id": str(uuid4())}
    refused = await shop.call("POST", "/v1/responses", json=other, headers=header)
    assert refused.status_code == 409
    assert (await shop.metric("nps"))["total"]["n"] == 1


async def test_a_refused_answer_leaves_no_trace(shop: Shop) -> None:
    await shop.publish("s")
    await shop.answer("s", 11, customer={"external_id": "ghost"}, touchpoint="nowhere")
    await shop.answer("s", 1, customer={"external_id": "tester"}, touchpoint="lab", test=True)
    assert (await shop.get("/v1/touchpoints"))["data"] == []


async def test_times_are_told_in_utc(shop: Shop) -> None:
    await shop.publish("s")
    reply = await shop.answer("s", 9, responded_at="2026-01-01T01:00:00+02:00")
    assert reply.json()["responded_at"] == "2025-12-31T23:00:00Z"


@pytest.mark.parametrize(
    "field",
    [{"touchpoint": "a\n"}, {"locale": "pl\n"}, {"customer": {"email": "a@b.pl\n"}}],
    ids=json.dumps,
)
async def test_a_trailing_newline_makes_no_second_name(shop: Shop, field: dict[str, str]) -> None:
    await shop.publish("s")
    assert (await shop.answer("s", 9, **field)).status_code == 422


async def test_a_survey_closed_while_answers_come_in_takes_none_afterwards(shop: Shop) -> None:
    await shop.publish("s")
    running = [asyncio.create_task(shop.answer("s", 9)) for _ in range(30)]
    await shop.post("/v1/surveys/s/close", status=200)
    await asyncio.gather(*running)
    assert (await shop.answer("s", 9)).status_code == 409


async def test_many_unknown_questions_are_refused_without_stalling(shop: Shop) -> None:
    await shop.publish("s")
    answers = {f"nonsense_{number}": 1 for number in range(30_000)}
    reply = await shop.answer("s", answers)
    assert reply.status_code == 422
    assert len(reply.json()["errors"]) == 20


async def test_a_typo_in_a_filter_or_on_the_hot_route_is_seen(shop: Shop) -> None:
    await shop.publish("survey-one")
    typo = await shop.call("GET", "/v1/responses?survey=survey-onee")
    assert "did you mean `survey-one`" in typo.text
    body = {"survey": "survey-one", "channel": "api", "answers": {"score": 1}}
    assert (await shop.call("POST", "/v1/responses?dry=1", json=body)).status_code == 422


async def test_a_page_may_read_its_survey_only_from_an_allowed_origin(shop: Shop) -> None:
    await shop.publish("s")
    page = "https://shop.example"
    await shop.call("PATCH", "/v1/workspace", json={"allowed_origins": [page]})
    public = await shop.make_key("collect")
    read = await shop.call("GET", "/v1/surveys/s", key=public, headers={"Origin": page})
    assert (read.status_code, read.headers["access-control-allow-origin"]) == (200, page)
    evil = {"Origin": "https://evil.example"}
    assert (await shop.call("GET", "/v1/surveys/s", key=public, headers=evil)).status_code == 403
    preflight = await shop.client.request("OPTIONS", "/v1/surveys/s", headers={"Origin": page})
    assert preflight.status_code == 204


async def test_a_deleted_touchpoint_that_answers_name_stays_listed(shop: Shop) -> None:
    await shop.publish("s")
    await shop.call("PUT", "/v1/touchpoints/till", json={"stage": "during"})
    await shop.answer("s", 9, touchpoint="till")
    assert (await shop.call("DELETE", "/v1/touchpoints/till")).status_code == 204
    listed = (await shop.get("/v1/touchpoints"))["data"]
    assert [(touchpoint["key"], touchpoint["declared"]) for touchpoint in listed] == [
        ("till", False)
    ]
    assert (await shop.metric("nps", touchpoint="till"))["total"]["n"] == 1


async def test_totals_do_not_depend_on_the_grouping(shop: Shop) -> None:
    await shop.publish("s")
    await shop.call("PATCH", "/v1/workspace", json={"segments": ["store"]})
    await shop.work()
    await shop.answer("s", 9, properties={"store": "A"})
    await shop.answer("s", 9)
    reply = await shop.metric("nps", group_by="property.store")
    assert (reply["total"]["n"], [row["n"] for row in reply["rows"]]) == (2, [1, 1])
    both = await shop.call("GET", "/v1/metrics/nps?property.store=A&property.store=B")
    assert both.json()["total"]["n"] == 1


async def test_shares_of_a_choice_are_of_its_own_question(shop: Shop) -> None:
    options = [{"key": letter, "text": {"en": letter}} for letter in "abc"]
    questions = [
        {"key": key, "type": "choice", "text": {"en": "?"}, "options": options} for key in "pq"
    ]
    await shop.publish("s", questions=questions)
    for answers in ({"p": "a", "q": "b"}, {"p": "a"}):
        await shop.answer("s", answers)
    reply = await shop.metric("choice")
    assert {key: option["share"] for key, option in reply["total"]["options"].items()} == {
        "a": 100,
        "b": 0,
        "c": 0,
    }
    assert "q (n = 1)" in reply["warnings"][0]


async def test_a_follow_up_and_a_map_hide_small_groups(shop: Shop) -> None:
    await shop.publish("s", touchpoint="till")
    await shop.answer("s", 1)
    await shop.call("PATCH", "/v1/workspace", json={"min_group_size": 5})
    await shop.call("PUT", "/v1/journeys/way", json={"steps": [{"touchpoint": "till"}]})
    step = (await shop.get("/v1/journeys/way/map"))["steps"][0]
    assert (step["nps"]["value"], step["nps"]["reliability"]) == (None, "hidden")
    rows = (await shop.metric("follow_up", group_by="touchpoint"))["rows"]
    assert (rows[0]["value"], rows[0]["reliability"]) == (None, "hidden")


async def test_odd_times_are_refused_without_a_server_error(shop: Shop) -> None:
    await shop.publish("s")
    for query in (
        "from=1900-01-01&to=4000-01-01&compare=previous_period",
        "timezone=localtime",
        "property.%00=x",
    ):
        reply = await shop.call("GET", f"/v1/metrics/nps?{query}")
        assert reply.status_code == 422, query
    far = {"name": "x", "scopes": ["read"], "expires_at": "9999-12-31T23:59:59-14:00"}
    assert (await shop.call("POST", "/v1/api-keys", json=far)).status_code == 422
    wide = await shop.call(
        "GET", "/v1/metrics/nps?from=2000-01-01&to=2026-01-01&interval=day&window=P9999D"
    )
    assert wide.status_code == 200
