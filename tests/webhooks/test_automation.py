# SPDX-License-Identifier: Apache-2.0
"""What automation tools need: filters by type, their own headers, tickets' events, and who am I."""

import asyncio
import json
import re
from typing import Any

import pytest

from tests.receiver import Receiver
from tests.shop import Shop
from tests.webhooks.conftest import WebhookWorker


async def test_a_key_learns_who_it_is(shop: Shop) -> None:
    me = await shop.get("/v1/me")
    assert me["workspace"]["id"] == shop.workspace_id
    assert me["workspace"]["key"] == shop.workspace_key
    for scopes in (["metrics"], ["respond"], ["collect"]):
        key = await shop.make_key(*scopes, test=True)
        own = (await shop.call("GET", "/v1/me", key=key)).json()
        assert (own["key"]["scopes"], own["key"]["test"]) == (scopes, True)
        assert key not in json.dumps(own)
    assert (await shop.client.get("/v1/me")).status_code == 401


@pytest.mark.parametrize("types", ["order.paid", ["order.paid", "visit"]])
async def test_interactions_are_filtered_by_their_type(
    shop: Shop, post: WebhookWorker, receiver: Receiver, types: Any
) -> None:
    endpoint = await post.subscribe(
        receiver.url, ["interaction.created", "ticket.resolved"], filter={"type": types}
    )
    assert endpoint["filter"]["type"] == types
    for number, type_ in enumerate(("order.paid", "order.placed", "visit")):
        await shop.record(type_, str(number))
    await shop.record("ticket.solved", "9", ticket="5")
    await post.deliver()
    received = sorted(request["body"]["data"]["type"] for request in receiver.requests
                  if request["body"]["type"] == "interaction.created")  # fmt: skip
    assert received == sorted([types] if isinstance(types, str) else types)
    assert [request["body"]["type"] for request in receiver.requests].count("ticket.resolved") == 1


async def test_an_interaction_is_delivered_with_its_decisions(
    shop: Shop, post: WebhookWorker, receiver: Receiver
) -> None:
    await shop.publish("ces", "ces")
    trigger = await shop.make_trigger("ces", delay="P1D")
    await post.subscribe(receiver.url, ["interaction.created"])
    who = {"email": "ala@e.pl"}
    interaction = await shop.record("ticket.solved", "1", ticket="5", customer=who)
    await post.deliver()
    (request,) = receiver.requests
    (decision,) = request["body"]["data"]["decisions"]
    assert decision == interaction["decisions"][0]
    assert (decision["trigger"], decision["outcome"]) == (trigger["id"], "invited")


async def test_each_resolution_and_reopening_is_told_once(shop: Shop, post: WebhookWorker) -> None:
    story = [
        ("ticket.solved", "1", "10:00"), ("ticket.solved", "2", "10:30"),
        ("ticket.reopened", "3", "11:00"), ("ticket.solved", "4", "12:00"),
        ("ticket.closed", "5", "13:00"), ("ticket.solved", "4", "12:00"),
    ]  # fmt: skip
    for type_, number, at in story:
        body = {"type": type_, "source": "helpdesk", "external_id": number, "ticket": "5",
                "occurred_at": f"2026-03-01T{at}:00Z"}  # fmt: skip
        reply = await shop.call("POST", "/v1/interactions", json=body)
        assert reply.status_code in {200, 201}
    feed = await shop.get("/v1/events", types="ticket.resolved,ticket.reopened")
    assert [(event["type"], event["data"]["number"]) for event in feed["data"]] == [
        ("ticket.resolved", 1), ("ticket.reopened", 1), ("ticket.resolved", 2),
    ]  # fmt: skip
    last = feed["data"][-1]["data"]
    assert (last["source"], last["ticket"], last["status"]) == ("helpdesk", "5", "solved")
    assert last["last_solved_at"] == "2026-03-01T12:00:00Z"


async def test_an_opened_invitation_is_told_once(shop: Shop) -> None:
    await shop.publish("s")
    body = {"survey": "s", "channel": "link", "customer": {"email": "a@e.pl"}}
    url = (await shop.post("/v1/invitations", body))["url"]
    path = "/i/" + url.partition("/i/")[2]
    for _ in range(2):
        assert (await shop.client.get(path)).status_code == 200
    feed = await shop.get("/v1/events", types="invitation.opened")
    assert [event["data"]["status"] for event in feed["data"]] == ["opened"]


async def test_an_endpoints_own_headers_are_sent_and_never_shown(
    shop: Shop, post: WebhookWorker, receiver: Receiver
) -> None:
    headers = {"Authorization": "Bearer of-the-tool", "X-Team": "cx"}
    endpoint = await post.subscribe(receiver.url, ["interaction.created"], headers=headers)
    assert endpoint["headers"] == ["Authorization", "X-Team"]
    await shop.record("visit", "1")
    await post.deliver()
    assert headers.items() <= receiver.requests[0]["headers"].items()
    path = f"/v1/webhook-endpoints/{endpoint['id']}"
    for text in (json.dumps(await shop.get(path)), json.dumps(endpoint)):
        assert "of-the-tool" not in text
    changed = await shop.call("PATCH", path, json={"headers": {"X-Team": "two"}})
    assert changed.json()["headers"] == ["X-Team"]
    await shop.record("visit", "2")
    await post.deliver()
    assert receiver.requests[1]["headers"]["X-Team"] == "two"
    assert "Authorization" not in receiver.requests[1]["headers"]


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "x"}, {"webhook-signature": "x"}, {"Webhook-ID": "x"}, {"Content-Length": "1"},
        {"X y": "x"}, {"X": "a\nb"}, {"X": "ż"}, {"X": ""}, {"X": "1", "x": "2"},
        {f"X-{number}": "x" for number in range(11)},
    ],
)  # fmt: skip
async def test_odd_headers_are_refused(shop: Shop, headers: Any) -> None:
    body = {"url": "https://93.184.215.14/", "events": ["response.created"], "headers": headers}
    reply = await shop.call("POST", "/v1/webhook-endpoints", json=body)
    assert reply.status_code == 422
    assert reply.json()["errors"][0]["loc"][:2] == ["body", "headers"]


async def test_the_same_subscription_twice_is_a_conflict(
    shop: Shop, post: WebhookWorker, receiver: Receiver
) -> None:
    first = await post.subscribe(receiver.url, ["response.created", "response.updated"])
    with shop.changed_settings(allow_private_webhooks=True):
        body = {"url": receiver.url, "events": ["response.updated", "response.created"]}
        reply = await shop.call("POST", "/v1/webhook-endpoints", json=body)
        assert reply.status_code == 409
        assert first["id"] in reply.json()["detail"]
        other = await shop.post("/v1/webhook-endpoints", body | {"filter": {"max_score": 6}})
        path = f"/v1/webhook-endpoints/{other['id']}"
        assert (await shop.call("PATCH", path, json={"filter": {}})).status_code == 409
        assert (await shop.call("PATCH", path, json={"active": False})).status_code == 200


async def test_a_replay_tells_the_number_that_it_sends(
    shop: Shop, post: WebhookWorker, receiver: Receiver
) -> None:
    await shop.publish("one")
    await shop.publish("two")
    events = ["response.created", "response.completed", "response.low_score"]
    endpoint = await post.subscribe(
        receiver.url, events, filter={"survey": "one", "max_score": 4, "type": "visit"}
    )
    for score in (2, 4, 9):
        await shop.answer("one", score)
    await shop.answer("two", 1)
    await shop.record("visit", "1")
    await post.deliver()
    path = f"/v1/webhook-endpoints/{endpoint['id']}/replay"
    since = {"since": "2026-01-01T00:00:00Z"}
    sent = len(receiver.requests)
    assert sent == 6
    assert (await shop.post(path, since, status=202))["events"] == sent
    await shop.work()
    await post.deliver()
    assert len(receiver.requests) == 2 * sent


TIMES = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d[0-9:.+Z-]*")


async def test_every_time_on_every_surface_ends_in_z(shop: Shop, post: WebhookWorker) -> None:
    """Everything that can hold a time is made, then all that is read is searched."""
    await shop.publish("s")
    await shop.make_trigger("s", on="order.paid", delay="P1D")
    who = {"external_id": "c-1", "email": "a@e.pl", "consent": {"surveys": True}}
    await shop.record("order.paid", "1", order="o-1", customer=who)
    await shop.record("ticket.opened", "2", ticket="5", customer=who)
    await shop.record("ticket.solved", "3", ticket="5", customer=who)
    answer = (await shop.answer("s", 2, order="o-1")).json()
    await shop.answer("s", 3, id=answer["id"], seq=2, order="o-1")
    follow_up = {"status": "contacted", "note": "n", "due_at": "2026-12-01T10:00:00+02:00"}
    await shop.call("PATCH", f"/v1/responses/{answer['id']}", json={"follow_up": follow_up})
    await shop.post("/v1/integrations", {"source": "freshdesk"})
    body = {"survey": "s", "channel": "link", "customer": who}
    url = (await shop.post("/v1/invitations", body))["url"]
    await shop.client.get("/i/" + url.partition("/i/")[2])
    endpoint = {"url": "https://93.184.215.14/", "events": ["response.created"]}
    await shop.call("POST", "/v1/webhook-endpoints", json=endpoint)
    await shop.work()
    customer = (await shop.get("/v1/customers/c-1"))["id"]
    paths = [
        "/v1/workspace", "/v1/me", "/v1/api-keys", "/v1/members", "/v1/surveys", "/v1/touchpoints",
        "/v1/interactions", "/v1/tickets", "/v1/customers", "/v1/customers/c-1",
        f"/v1/customers/{customer}/timeline", f"/v1/customers/{customer}/export",
        "/v1/invitations", "/v1/triggers", "/v1/decisions", "/v1/responses",
        f"/v1/responses/{answer['id']}", "/v1/integrations", "/v1/webhook-endpoints", "/v1/events",
        "/v1/metrics/nps?interval=day&period=7d", "/v1/exports/responses?format=ndjson",
        "/v1/exports/answers?format=ndjson", "/v1/exports/interactions?format=csv",
        "/v1/exports/tickets?format=ndjson", "/v1/exports/invitations?format=ndjson",
        "/v1/exports/responses?format=ndjson&wide=true", "/odata/v4/metric_daily",
    ]  # fmt: skip
    count = 0
    for path in paths:
        reply = await shop.call("GET", path)
        assert reply.status_code == 200, (path, reply.text)
        times = TIMES.findall(reply.text)
        assert [time for time in times if not time.endswith("Z")] == [], path
        count += len(times)
    assert count > 60


TWINS = [
    ({"type": "a.b"}, {"type": ["a.b"]}),
    ({"type": ["a.b", "c.d"]}, {"type": ["c.d", "a.b", "a.b"]}),
]


@pytest.mark.parametrize(("first", "other"), TWINS)
async def test_a_filter_in_another_form_is_the_same(shop: Shop, first: Any, other: Any) -> None:
    body = {"url": "mailto:a@e.pl", "events": ["interaction.created"]}
    await shop.post("/v1/webhook-endpoints", body | {"filter": first})
    reply = await shop.call("POST", "/v1/webhook-endpoints", json=body | {"filter": other})
    assert reply.status_code == 409
    empty = await shop.call("POST", "/v1/webhook-endpoints", json=body | {"filter": {"type": []}})
    assert empty.status_code == 422


async def test_of_equal_endpoints_made_at_once_there_is_one(shop: Shop) -> None:
    body = {"url": "mailto:a@e.pl", "events": ["interaction.created"]}
    replies = await asyncio.gather(
        *(shop.call("POST", "/v1/webhook-endpoints", json=body) for _ in range(4))
    )
    assert sorted(reply.status_code for reply in replies) == [201, 409, 409, 409]
