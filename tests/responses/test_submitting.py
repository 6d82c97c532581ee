# SPDX-License-Identifier: Apache-2.0
"""Submitting answers: each counts once, even if it is repeated, raced or corrected."""

import asyncio
import base64
from uuid import uuid4

from app.surveys.question_types import QuestionType, spec_of
from tests.question_types import answer_to, every_question
from tests.shop import Shop


async def test_an_answer_is_stored_and_told_back(shop: Shop) -> None:
    await shop.publish("after", touchpoint="checkout")
    reply = await shop.answer("after", {"score": 9, "why": "Szybko"}, locale="pl", order="1001")
    assert reply.status_code == 201
    body = reply.json()
    assert (body["score"], body["band"], body["survey"]) == (9, "promoter", "after")
    assert (body["touchpoint"], body["survey_version"], body["complete"]) == ("checkout", 1, True)
    read = await shop.get(f"/v1/responses/{body['id']}")
    assert read["answers"] == {"score": 9, "why": "Szybko"}
    assert (read["order"], read["locale"], read["integrity"]) == ("1001", "pl", "ok")


async def test_twenty_identical_posts_at_once_make_one_response(shop: Shop) -> None:
    await shop.publish("once")
    id_ = str(uuid4())
    replies = await asyncio.gather(*[shop.answer("once", 10, id=id_) for _ in range(20)])
    assert sorted(reply.status_code for reply in replies) == [200] * 19 + [201]
    assert {reply.json()["id"] for reply in replies} == {id_}
    assert (await shop.metric("nps"))["total"]["n"] == 1


async def test_a_higher_seq_replaces_the_answer_and_moves_the_figure(shop: Shop) -> None:
    await shop.publish("grow")
    id_ = str(uuid4())
    first = await shop.answer("grow", 2, id=id_, complete=False)
    assert first.json()["follow_up"]["status"] == "open"
    second = await shop.answer("grow", {"score": 9, "why": "corrected"}, id=id_, seq=2)
    assert (second.status_code, second.json()["score"], second.json()["seq"]) == (200, 9, 2)
    late = await shop.answer("grow", 1, id=id_, seq=1)
    assert (late.status_code, late.json()["score"]) == (200, 9)
    total = (await shop.metric("nps"))["total"]
    assert (total["n"], total["value"]) == (1, 100)
    read = await shop.get(f"/v1/responses/{id_}")
    assert [revision["score"] for revision in read["revisions"]] == [2]
    assert read["follow_up"]["status"] == "none"


async def test_survey_and_channel_of_a_response_cannot_change(shop: Shop) -> None:
    await shop.publish("one")
    await shop.publish("two")
    id_ = str(uuid4())
    await shop.answer("one", 5, id=id_)
    assert (await shop.answer("two", 5, id=id_, seq=2)).status_code == 409
    assert (await shop.answer("one", 5, id=id_, seq=2, channel="web")).status_code == 409
    assert (await shop.get(f"/v1/responses/{id_}"))["seq"] == 1


async def test_a_deleted_response_is_gone_for_ever_and_out_of_every_figure(shop: Shop) -> None:
    await shop.publish("gone")
    id_ = (await shop.answer("gone", 3)).json()["id"]
    await shop.answer("gone", 10)
    assert (await shop.call("DELETE", f"/v1/responses/{id_}")).status_code == 204
    assert (await shop.call("GET", f"/v1/responses/{id_}")).status_code == 404
    assert (await shop.answer("gone", 9, id=id_, seq=7)).status_code == 409
    assert (await shop.metric("nps"))["total"]["value"] == 100


async def test_the_same_idempotency_key_counts_once_and_another_body_is_refused(
    shop: Shop,
) -> None:
    await shop.publish("keyed")
    body = {"survey": "keyed", "channel": "api", "answers": {"score": 8}}
    header = {"Idempotency-Key": "order 7"}
    first = await shop.call("POST", "/v1/responses", json=body, headers=header)
    again = await shop.call("POST", "/v1/responses", json=body, headers=header)
    assert (first.status_code, again.status_code) == (201, 201)
    assert "Idempotency-Replayed" not in first.headers
    assert again.headers["Idempotency-Replayed"] == "true"
    assert first.json() == again.json()
    other = body | {"answers": {"score": 1}}
    assert (await shop.call("POST", "/v1/responses", json=other, headers=header)).status_code == 409
    assert (await shop.metric("nps"))["total"]["n"] == 1


async def test_an_external_id_stands_for_an_id(shop: Shop) -> None:
    await shop.publish("ext")
    first = await shop.answer("ext", 4, external_id="legacy-1")
    again = await shop.answer("ext", 4, external_id="legacy-1")
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json()["id"] == again.json()["id"]
    assert first.json()["external_id"] == "legacy-1"


async def test_one_answer_per_order_holds_where_the_survey_says_so(shop: Shop) -> None:
    await shop.publish("per-order", one_answer_per="order")
    replies = [await shop.answer("per-order", score, order="77") for score in (9, 3)]
    assert [reply.status_code for reply in replies] == [201, 200]
    assert replies[1].json()["score"] == 9
    assert (await shop.answer("per-order", 3, order="78")).status_code == 201


async def test_a_draft_and_a_closed_survey_take_no_new_answer(shop: Shop) -> None:
    await shop.post("/v1/surveys", {"template": "nps", "key": "s"})
    assert (await shop.answer("s", 9)).status_code == 409
    await shop.post("/v1/surveys/s/publish", status=200)
    id_ = (await shop.answer("s", 9, complete=False)).json()["id"]
    await shop.post("/v1/surveys/s/close", status=200)
    assert (await shop.answer("s", 9)).status_code == 409
    assert (await shop.answer("s", 2, id=id_, seq=2)).status_code == 200
    assert (await shop.metric("nps"))["total"]["value"] == -100


async def test_skipped_and_not_applicable_are_in_no_denominator(shop: Shop) -> None:
    await shop.publish("gaps")
    for score in (10, None, "na"):
        assert (await shop.answer("gaps", score)).status_code == 201
    await shop.answer("gaps", {})
    await shop.answer("gaps", {}, complete=False)
    total = (await shop.metric("nps"))["total"]
    assert (total["n"], total["n_missing"], total["n_na"], total["value"]) == (1, 2, 1, 100)


async def test_an_answer_to_a_question_that_was_not_shown_is_dropped(shop: Shop) -> None:
    await shop.publish(
        "cond",
        metric="csat",
        questions=[
            {"key": "score", "type": "csat", "text": {"en": "?"}},
            {
                "key": "speed",
                "type": "rating",
                "text": {"en": "?"},
                "show_if": {"question": "score", "op": "<=", "value": 3},
            },
        ],
    )
    id_ = (await shop.answer("cond", {"score": 5, "speed": 1})).json()["id"]
    assert (await shop.get(f"/v1/responses/{id_}"))["answers"] == {"score": 5}
    rating = (await shop.metric("rating"))["total"]
    assert (rating["n"], rating["n_missing"], rating["value"]) == (0, 0, None)


async def test_a_customer_is_known_again_by_external_id_and_e_mail(shop: Shop) -> None:
    await shop.publish("who")
    customer = {"external_id": "c-1", "email": "Ala@Example.pl", "name": "Ala"}
    ids = [(await shop.answer("who", 9, customer=customer)).json()["id"] for _ in range(2)]
    ids.append((await shop.answer("who", 8, customer={"email": "ala@example.pl"})).json()["id"])
    people = [(await shop.get(f"/v1/responses/{id_}"))["customer"] for id_ in ids]
    assert len({person["id"] for person in people}) == 1
    assert people[0]["external_ids"] == [{"source": None, "id": "c-1"}]
    assert people[0]["name"] == "Ala"
    assert len((await shop.get("/v1/responses", customer="c-1"))["data"]) == 3


async def test_many_writers_who_meet_one_new_customer_make_one(shop: Shop) -> None:
    await shop.publish("meet")
    replies = await asyncio.gather(
        *[
            shop.answer("meet", 9, customer={"external_id": "new", "email": "n@e.pl"})
            for _ in range(9)
        ]
    )
    ids = [reply.json()["id"] for reply in replies]
    people = [(await shop.get(f"/v1/responses/{id_}"))["customer"]["id"] for id_ in ids]
    assert len(set(people)) == 1


async def test_tests_are_listed_apart_and_in_no_figure(shop: Shop) -> None:
    await shop.publish("t")
    await shop.answer("t", 0, test=True)
    test_key = await shop.make_key("write", test=True)
    body = {"survey": "t", "channel": "api", "answers": {"score": 0}}
    await shop.call("POST", "/v1/responses", key=test_key, json=body)
    await shop.answer("t", 10)
    total = (await shop.metric("nps"))["total"]
    assert (total["n"], total["value"], total["excluded"]["test"]) == (1, 100, 2)
    assert len((await shop.get("/v1/responses"))["data"]) == 1
    assert len((await shop.get("/v1/responses", test=True))["data"]) == 2


async def test_the_key_may_come_as_a_basic_user_name(shop: Shop) -> None:
    for user in (shop.key, f"{shop.key}:", f"{shop.key}:x"):
        coded = base64.b64encode(user.encode()).decode()
        reply = await shop.client.get("/v1/workspace", headers={"Authorization": f"Basic {coded}"})
        assert reply.status_code == 200


async def test_every_question_type_is_stored_and_counted(shop: Shop) -> None:
    questions = [
        {"key": f"q-{question['type']}", "text": {"en": "?"}} | question
        for question in every_question()
    ]
    await shop.publish("all", questions=questions)
    answers = {f"q-{type_}": answer_to(type_) for type_ in QuestionType}
    reply = await shop.answer("all", answers)
    assert reply.status_code == 201
    stored = await shop.get(f"/v1/responses/{reply.json()['id']}")
    assert stored["answers"] == answers
    for type_ in QuestionType:
        if metric := spec_of(type_).metric:
            total = (await shop.metric(metric, question=f"q-{type_}"))["total"]
            assert (total["n"], total["value"] is None) == (1, False), type_
    choice = (await shop.metric("choice", question="q-choices"))["total"]
    assert {key: option["share"] for key, option in choice["options"].items()} == {
        "one": 100,
        "two": 100,
    }
    # A list without any option is no answer.
    assert (await shop.answer("all", answers | {"q-choices": []})).status_code == 201
    choice = (await shop.metric("choice", question="q-choices"))["total"]
    assert (choice["n"], choice["n_missing"]) == (1, 1)
    assert {key: option["share"] for key, option in choice["options"].items()} == {
        "one": 100,
        "two": 100,
    }
