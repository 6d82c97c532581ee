# SPDX-License-Identifier: Apache-2.0
"""Events as subscribers get them: each once, as subscribed, with the data of its time."""

import datetime as dt
import json
from http.server import BaseHTTPRequestHandler
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from app.core import flags
from app.core.clock import utc_now
from app.core.database import Database, run_sql
from app.responses.abandoned_responses import queue_abandoned
from app.webhooks.subscriber_events import MAX_BYTES
from tests.receiver import Receiver
from tests.shop import Shop
from tests.webhooks.conftest import WebhookWorker

ANSWERS = ["response.created", "response.updated", "response.completed", "response.low_score"]


def received_types(receiver: Receiver) -> list[str]:
    return sorted(request["body"]["type"] for request in receiver.requests)


async def test_an_event_carries_the_whole_answer(
    shop: Shop, post: WebhookWorker, receiver: Receiver
) -> None:
    survey = await shop.publish("nps")
    await post.subscribe(receiver.url, ANSWERS)
    who = {"external_id": "c-1", "email": "ala@c.pl", "name": "Ala"}
    await shop.record("order.paid", "e-1", order="o-1", properties={"store": "W"}, customer=who)
    answer = (await shop.answer("nps", {"score": 3, "why": "Late"}, order="o-1")).json()
    await post.deliver()
    assert received_types(receiver) == [
        "response.completed",
        "response.created",
        "response.low_score",
    ]
    assert len({request["headers"]["webhook-id"] for request in receiver.requests}) == 3
    completed = next(
        request["body"]
        for request in receiver.requests
        if request["body"]["type"] == "response.completed"
    )
    data = completed["data"]
    assert data["id"] == answer["id"]
    assert data["survey"] == {"key": "nps", "name": survey["name"], "version": 1}
    assert data["answers"] == {"score": 3, "why": "Late"}
    assert data["integrity"] == "ok"
    assert data["customer"]["email"] == "ala@c.pl"
    assert data["customer"]["external_ids"] == [{"source": "helpdesk", "id": "c-1"}]
    assert data["interaction"] == {
        "type": "order.paid", "source": "helpdesk", "ticket": None, "order": "o-1",
        "properties": {"store": "W"},
    }  # fmt: skip
    assert not {"state", "completes"} & set(data)


async def test_completion_comes_once(shop: Shop, post: WebhookWorker, receiver: Receiver) -> None:
    await shop.publish("nps")
    await post.subscribe(receiver.url, ANSWERS)
    first = (await shop.answer("nps", 2, complete=False)).json()
    await post.deliver()
    assert received_types(receiver) == ["response.created"]
    await shop.answer("nps", {"score": 2, "why": "x"}, id=first["id"], seq=2)
    await shop.answer("nps", {"score": 9, "why": "y"}, id=first["id"], seq=3)
    await post.deliver()
    assert received_types(receiver) == [
        "response.completed", "response.created", "response.low_score", "response.updated",
        "response.updated",
    ]  # fmt: skip


async def test_an_answer_left_alone_is_complete_after_half_an_hour(
    shop: Shop, post: WebhookWorker, receiver: Receiver, database: Database
) -> None:
    await shop.publish("nps")
    await post.subscribe(receiver.url, ["response.completed", "response.low_score"])
    left = (await shop.answer("nps", 2, complete=False)).json()
    fresh = (await shop.answer("nps", 2, complete=False)).json()
    async with database.transaction() as session:
        await run_sql(
            session,
            text("update response set updated_at = :then where id = cast(:id as uuid)").bindparams(
                id=left["id"], then=utc_now() - dt.timedelta(minutes=31)
            ),
        )
        await queue_abandoned(session, utc_now())
    await shop.work()
    await post.deliver()
    assert received_types(receiver) == ["response.completed", "response.low_score"]
    assert (
        {request["body"]["data"]["id"] for request in receiver.requests}
        == {left["id"]}
        != {fresh["id"]}
    )
    await shop.answer("nps", {"score": 2, "why": "late"}, id=left["id"], seq=2)
    await post.deliver()
    assert len(receiver.requests) == 2


async def test_held_answers_emit_no_events_until_they_count(
    shop: Shop, post: WebhookWorker, receiver: Receiver
) -> None:
    await shop.publish("nps")
    events = ["response.created", "response.low_score", "response.completed"]
    await post.subscribe(receiver.url, events)
    body = {"survey": "nps", "channel": "link", "customer": {"email": "a@c.pl"}}
    invitation = await shop.post("/v1/invitations", body)
    await shop.client.get(invitation["url"].replace(invitation["url"].split("/i/")[0], "") + "/2")
    await post.deliver()
    assert receiver.requests == []
    await shop.post(f"/v1/responses/{invitation['id']}/restore", status=200)
    await post.deliver()
    # The page saved the score alone, so the answer is not complete yet.
    assert received_types(receiver) == ["response.created"]
    assert receiver.requests[0]["body"]["data"]["integrity"] == "ok"


async def test_old_and_imported_answers_alarm_nobody(
    shop: Shop, post: WebhookWorker, receiver: Receiver
) -> None:
    await shop.publish("nps")
    await post.subscribe(receiver.url, ["response.low_score"])
    await shop.answer("nps", 1, responded_at="2024-01-01T00:00:00Z")
    line = {"survey": "nps", "channel": "api", "answers": {"score": 0}}
    await shop.call("POST", "/v1/responses/batch?events=false", json=[line])
    await shop.answer("nps", 1, test=True)
    await post.deliver()
    assert receiver.requests == []


FILTERS: list[tuple[dict[str, Any], list[int]]] = [
    ({}, [0, 6]),
    ({"max_score": 8}, [0, 6, 8]),
    ({"min_score": 6, "max_score": 6}, [6]),
    ({"survey": "nps"}, [0, 6]),
    ({"survey": "other"}, []),
    ({"touchpoint": "shop"}, [6]),
]


@pytest.mark.parametrize(("filter_", "scores"), FILTERS)
async def test_filters(
    shop: Shop, post: WebhookWorker, receiver: Receiver, filter_: Any, scores: list[int]
) -> None:
    await shop.publish("nps")
    await shop.publish("other")
    await shop.call("PUT", "/v1/touchpoints/shop", json={})
    await post.subscribe(receiver.url, ["response.low_score"], filter=filter_)
    for score in (0, 6, 8, 10):
        await shop.answer("nps", score, **({"touchpoint": "shop"} if score == 6 else {}))
    await post.deliver()
    assert sorted(request["body"]["data"]["score"] for request in receiver.requests) == scores


async def test_without_personal_data_only_the_id_is_told(
    shop: Shop, post: WebhookWorker, receiver: Receiver
) -> None:
    await shop.publish("nps")
    await post.subscribe(receiver.url, ["response.created"], include_personal=False)
    await shop.answer("nps", 9, customer={"email": "ala@c.pl", "name": "Ala"})
    await post.deliver()
    (request,) = receiver.requests
    assert list(request["body"]["data"]["customer"]) == ["id"]
    assert b"ala@c.pl" not in request["raw"]


async def test_an_erased_customer_is_in_no_later_delivery(
    shop: Shop, post: WebhookWorker, receiver: Receiver
) -> None:
    await shop.publish("nps")
    endpoint = await post.subscribe(receiver.url, ["response.created", "customer.erased"])
    answers = {"score": 2, "why": "Ala was sad"}
    await shop.answer("nps", answers, customer={"external_id": "c-1", "email": "ala@c.pl"})
    await post.dispatch()
    await shop.call("DELETE", "/v1/customers/c-1")
    await post.deliver()
    assert received_types(receiver) == ["customer.erased", "response.created"]
    await shop.post(
        f"/v1/webhook-endpoints/{endpoint['id']}/replay",
        {"since": "2026-01-01T00:00:00Z"},
        status=202,
    )
    await shop.work()
    await post.deliver()
    assert len(receiver.requests) == 4
    assert not any(
        b"ala@c.pl" in request["raw"] or b"sad" in request["raw"] for request in receiver.requests
    )


async def test_what_a_receiver_answered_is_erased_with_the_customer(
    shop: Shop, post: WebhookWorker, receiver: Receiver
) -> None:
    def echo(reply: BaseHTTPRequestHandler) -> None:
        body = receiver.requests[-1]["raw"]
        reply.send_response(200)
        reply.send_header("content-length", str(len(body)))
        reply.end_headers()
        reply.wfile.write(body)

    receiver.behaviours["/echo"] = echo
    await shop.publish("nps")
    endpoint = await post.subscribe(receiver.url + "/echo", ["response.created"])
    await post.subscribe("mailto:boss@c.pl", ["response.created"])
    who = {"external_id": "c-1", "email": "zenobia@c.pl", "name": "Zenobia"}
    await shop.answer("nps", {"score": 2, "why": "Zenobia was sad"}, customer=who)
    await post.deliver()
    (delivery,) = await post.log(endpoint)
    assert "zenobia" in delivery["attempts"][0]["reply"]
    await shop.call("DELETE", "/v1/customers/c-1")
    (delivery,) = await post.log(endpoint)
    assert delivery["attempts"][0]["reply"] is None
    mails = (post.settings.data_dir / "mail").glob("*.notice.eml")
    assert not any("zenobia@c.pl" in path.read_text() for path in mails)


async def test_a_long_answer_stays_below_the_limit(
    shop: Shop, post: WebhookWorker, receiver: Receiver
) -> None:
    texts = [{"key": f"t{number}", "type": "text", "text": {"en": "?"}} for number in range(8)]
    score = {"key": "score", "type": "nps", "text": {"en": "?"}}
    await shop.publish("long", questions=[score, *texts], metric="nps")
    await post.subscribe(receiver.url, ["response.created"])
    answers = {"score": 5} | {f"t{number}": "ż" * 4000 for number in range(8)}
    about = {f"p{number}": ["ł" * 250] * 20 for number in range(32)}
    await shop.record("visit", "v-1", order="o-1", properties=about)
    assert (await shop.answer("long", answers, order="o-1")).status_code == 201
    await post.deliver()
    (request,) = receiver.requests
    assert len(request["raw"]) < MAX_BYTES
    assert request["body"]["data"]["truncated"] is True
    assert request["body"]["data"]["score"] == 5


async def test_the_feed_holds_what_webhooks_bring(
    shop: Shop, post: WebhookWorker, receiver: Receiver
) -> None:
    await shop.publish("nps")
    await post.subscribe(receiver.url, ANSWERS)
    for score in (1, 9, 4):
        await shop.answer("nps", score)
    await post.deliver()
    pulled: list[Any] = []
    cursor = None
    while True:
        params = {"limit": 2, "types": ",".join(ANSWERS)} | ({"after": cursor} if cursor else {})
        page = await shop.get("/v1/events", **params)
        assert page["next_cursor"]
        if not page["data"]:
            break
        assert len(page["data"]) == 2
        pulled += page["data"]
        cursor = page["next_cursor"]
    brought = {request["headers"]["webhook-id"]: request["body"] for request in receiver.requests}
    assert len(pulled) == len(brought) == 8
    for event in pulled:
        expected_body = {name: event[name] for name in ("type", "timestamp", "data")}
        assert brought[event["id"]] == json.loads(json.dumps(expected_body))
    await shop.answer("nps", 0)
    low = await shop.get("/v1/events", after=cursor, types="response.low_score")
    assert [entry["data"]["score"] for entry in low["data"]] == [0]
    again = await shop.get("/v1/events", after=low["next_cursor"], types="response.low_score")
    assert again["data"] == []
    assert again["next_cursor"]


async def test_odd_cursors_and_types_are_refused(shop: Shop) -> None:
    for params in ({"after": "x"}, {"after": "MS4yLjM"}):
        reply = await shop.call("GET", "/v1/events", params=params)
        assert reply.status_code == 422, params
    reply = await shop.call("GET", "/v1/events", params={"types": "response.createt"})
    assert "response.created" in reply.json()["errors"][0]["msg"]


@pytest.mark.parametrize("broken_first", [True, False])
async def test_a_workspace_that_breaks_delays_no_other(
    shop: Shop, other_shop: Shop, post: WebhookWorker, receiver: Receiver, *, broken_first: bool
) -> None:
    theirs = WebhookWorker(post.database, post.settings, other_shop)
    broken, sound = (post, theirs) if broken_first else (theirs, post)
    await sound.shop.publish("nps")
    endpoint = await broken.subscribe(receiver.url, ["response.created"])
    await sound.subscribe(receiver.url, ["response.created"])
    await sound.shop.answer("nps", 3)
    change = text("update webhook_endpoint set filter = cast(:filter as jsonb) where id = :id")
    async with post.database.transaction() as session:
        await run_sql(session, change.bindparams(filter='{"unheard": 1}', id=UUID(endpoint["id"])))
    with pytest.raises(TypeError, match="unheard") as raised:
        await post.dispatch()
    assert raised.value.__notes__ == [f"in workspace {broken.shop.workspace_id}"]
    async with post.database.transaction() as session:
        await run_sql(session, change.bindparams(filter="{}", id=UUID(endpoint["id"])))
        deliveries = await run_sql(session, text("select workspace_id from delivery"))
        assert sound.shop.workspace_id in {str(row.workspace_id) for row in deliveries}


async def test_types_may_change_between_two_readings_of_the_feed(shop: Shop) -> None:
    await shop.publish("nps")
    for score in (1, 2, 9):
        await shop.answer("nps", score)
    await shop.events()
    page = await shop.get("/v1/events", types=",".join(ANSWERS), limit=2)
    scores = []
    for _ in range(4):
        page = await shop.get(
            "/v1/events", types="response.created", after=page["next_cursor"], limit=2
        )
        scores += [event["data"]["score"] for event in page["data"]]
    assert sorted(scores)[-2:] == [2, 9]


async def test_after_a_restore_a_reader_gets_only_the_last_minutes_again(
    shop: Shop, database: Database
) -> None:
    await shop.publish("nps")
    for score in (9, 8):
        await shop.answer("nps", score)
    await shop.events()
    page = await shop.get("/v1/events")
    while page["data"]:
        page = await shop.get("/v1/events", after=page["next_cursor"])
    long_ago = text("update event set id = cast(:id as uuid) where workspace_id = :workspace_id "
                    "and id = (select min(id::text)::uuid from event where workspace_id = "
                    ":workspace_id)")  # fmt: skip
    old = "0190d6f5-2f00-7000-8000-000000000000"
    async with database.transaction() as session:
        # A restored copy keeps its events under the first number.
        copied = text("update event set xid = '1'::xid8 where workspace_id = :workspace_id")
        await run_sql(session, copied.bindparams(workspace_id=UUID(shop.workspace_id)))
        await run_sql(session, long_ago.bindparams(id=old, workspace_id=UUID(shop.workspace_id)))
        await flags.write(session, flags.FEED_FLAG, "another")
    try:
        again = await shop.get("/v1/events", after=page["next_cursor"])
        assert {event["data"]["score"] for event in again["data"]} == {8}
        everything = (await shop.get("/v1/events"))["data"]
        assert {event["data"]["score"] for event in everything} == {9, 8}
    finally:
        async with database.transaction() as session:
            await flags.write(session, flags.FEED_FLAG, "")
