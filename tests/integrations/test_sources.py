# SPDX-License-Identifier: Apache-2.0
"""Every source: believed when rightly signed, translated once, never lost."""

import json
from typing import Any

import httpx
import pytest

from app.integrations.registry import ADAPTERS
from tests.integrations.sender import SECRET, sample
from tests.integrations.senders import SENDERS, signed_headers
from tests.shop import Shop

FRESHDESK = {
    "freshdesk_webhook": {
        "ticket_id": 77, "ticket_status": "Resolved", "ticket_contact_email": "jane@e.com",
        "ticket_contact_name": "Jane Smith", "ticket_agent_name": "Eva", "ticket_tags": "vip, eu",
        "triggered_event": "{status:{from:2,to:4}}",
    }
}  # fmt: skip


def shopify(name: str) -> tuple[dict[str, str], Any]:
    headers, body = sample(name)
    return headers, body | {"test": False}


def stripe(name: str) -> tuple[dict[str, str], Any]:
    headers, body = sample(name)
    return headers, body | {"livemode": True}


async def register(shop: Shop, source: str, **more: Any) -> Any:
    body = {"source": source, "touchpoint": "support"} | more
    if ADAPTERS[source].signature is not None:
        body.setdefault("secret", SECRET)
    return await shop.post("/v1/integrations", body)


async def deliver(
    shop: Shop, sender: Any, headers: dict[str, str], body: Any, **options: Any
) -> httpx.Response:
    """Send a delivery as the source would, signed."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    signed = {}
    if ADAPTERS[sender["source"]].signature is not None:
        signed = signed_headers(sender["source"], raw, **options)
    path = sender["url"].partition("/in/")[2]
    return await shop.client.post(f"/in/{path}", content=raw, headers=headers | signed)


# What each sample means: source, headers and body, interactions in time, and parts of the last.
SAMPLES = [
    (
        "zendesk", sample("zendesk_trigger"), ["ticket.opened", "ticket.solved"],
        {"ticket": "5158", "occurred_at": "2025-01-08T12:15:45Z", "locale": "pl",
         "properties": {"agent": "Anna Nowak", "agent_email": "anna@example.com",
                        "group": "Support", "brand": "Example", "channel": "Mail",
                        "tags": ["mobile", "login", "priority-support"]}},
    ),
    (
        "zendesk",
        ({"content-type": "application/json"},
         {"type": "zen:event-type:ticket.status_changed", "time": "2025-01-08T12:00:00Z",
          "detail": {"id": "9", "requester_id": "77", "status": "SOLVED", "tags": ["a"],
                     "created_at": "2025-01-08T10:00:00Z", "via": {"channel": "web_service"}},
          "event": {"current": "SOLVED", "previous": "OPEN"}}),
        ["ticket.opened", "ticket.solved"],
        {"ticket": "9", "properties": {"channel": "web_service", "tags": ["a"]}},
    ),
    (
        "freshdesk", ({"content-type": "application/json"}, FRESHDESK),
        ["ticket.solved"],
        {"ticket": "77", "properties": {"agent": "Eva", "tags": ["vip", "eu"]}},
    ),
    (
        "intercom", sample("intercom_conversation_admin_closed"),
        ["ticket.opened", "ticket.solved"],
        {"ticket": "137324500000000", "occurred_at": "2020-08-05T13:49:28Z",
         "properties": {"agent": "Andy", "agent_email": "andy@gmail.com", "opened_by": "admin"}},
    ),
    (
        "helpscout", sample("helpscout_convo_status_v2"), ["ticket.opened", "ticket.solved"],
        {"ticket": "1", "occurred_at": "2026-09-30T08:00:00Z",
         "properties": {"agent": "Mr Robot", "agent_email": "agent@acme.example.com",
                        "mailbox": "85", "channel": "email", "number": "12",
                        "tags": ["billing"]}},
    ),
    (
        "chatwoot", sample("chatwoot_conversation_status_changed"),
        ["ticket.opened", "ticket.replied", "ticket.solved"],
        {"ticket": "207", "locale": "en", "occurred_at": "2025-05-15T19:13:20.120000Z",
         "properties": {"agent": "Agent Alice", "inbox": "3", "channel": "Channel::WebWidget"}},
    ),
    (
        "zammad", sample("zammad_trigger"), ["ticket.opened", "ticket.solved"],
        {"ticket": "81", "occurred_at": "2020-11-13T15:10:00Z",
         "properties": {"agent": "Emma Taylor", "agent_email": "emma@chrispresso.com",
                        "group": "Service Desk", "organization": "Awesome Customer Inc.",
                        "priority": "2 normal", "channel": "phone", "number": "10081"}},
    ),
    (
        "shopify", shopify("shopify_orders_paid"), ["order.paid"],
        {"order": "820982911946154500", "value": {"amount": "388.00", "currency": "USD"},
         "occurred_at": "2022-01-01T00:00:00Z"},
    ),
    (
        "shopify", shopify("shopify_orders_fulfilled"), ["order.fulfilled"],
        {"order": "820982911946154500"},
    ),
    (
        "woocommerce", sample("woocommerce_order_updated"), ["order.fulfilled"],
        {"order": "15", "occurred_at": "2023-08-16T07:45:57Z",
         "value": {"amount": "0.00", "currency": "USD"},
         "properties": {"store": "https://shop.example/", "country": "VN", "number": "15",
                        "channel": "checkout", "products": ["Pipedream 1442"]}},
    ),
    (
        "stripe", stripe("stripe_checkout_session_completed"), ["order.paid"],
        {"value": {"amount": "0.00", "currency": "USD"}, "occurred_at": "2023-03-03T09:00:00Z"},
    ),
]  # fmt: skip


@pytest.mark.parametrize(
    ("source", "delivery", "types", "parts"),
    SAMPLES,
    ids=[f"{row[0]}-{number}" for number, row in enumerate(SAMPLES)],
)
async def test_a_sample_arrives_once(
    shop: Shop, source: str, delivery: tuple[dict[str, str], Any], types: list[str], parts: Any
) -> None:
    sender = await register(shop, source)
    headers, body = delivery
    assert (await deliver(shop, sender, headers, body)).status_code == 202
    await shop.work()
    events = (await shop.get(f"/v1/integrations/{sender['id']}/events"))["data"]
    assert [(event["status"], event["reason"]) for event in events] == [("translated", None)]
    interactions = (await shop.get("/v1/interactions"))["data"]
    interactions.sort(key=lambda i: (i["occurred_at"], i["type"] != "ticket.opened"))
    assert [interaction["type"] for interaction in interactions] == types
    last = interactions[-1]
    assert {name: last[name] for name in parts} == parts
    assert (last["source"], last["touchpoint"]) == (source, "support")
    customer = await shop.get(f"/v1/customers/{last['customer_id']}")
    if source != "zendesk" or customer["email"]:
        assert "@" in customer["email"]
    # The same delivery again, and a bit changed.
    assert (await deliver(shop, sender, headers, body)).status_code == 200
    await shop.work()
    assert len((await shop.get("/v1/interactions"))["data"]) == len(types)


SIGNED = sorted(
    str(source) for source, adapter in ADAPTERS.items() if adapter.signature is not None
)


def test_every_source_signs_as_it_does() -> None:
    """A sender of the tests signs exactly if its adapter checks a signature."""
    assert sorted(name for name, sender in SENDERS.items() if sender.sign) == SIGNED


@pytest.mark.parametrize("source", SIGNED)
async def test_one_changed_byte_is_refused(shop: Shop, source: str) -> None:
    sender = await register(shop, source)
    raw = b'{"id": 1, "event": "ticket.solved"}'
    path = f"/in/{sender['id']}"
    headers = {"content-type": "application/json"} | signed_headers(source, raw)
    assert (await shop.client.post(path, content=raw + b" ", headers=headers)).status_code == 401
    other = {"content-type": "application/json"} | signed_headers(source, raw, secret="another")
    assert (await shop.client.post(path, content=raw, headers=other)).status_code == 401
    assert (await shop.client.post(path, content=raw)).status_code == 401
    assert (await shop.get(f"/v1/integrations/{sender['id']}/events"))["data"] == []
    assert (await shop.client.post(path, content=raw, headers=headers)).status_code == 202


@pytest.mark.parametrize("source", ["zendesk", "chatwoot", "stripe"])
async def test_an_old_timestamp_is_refused(shop: Shop, source: str) -> None:
    sender = await register(shop, source)
    reply = await deliver(shop, sender, {}, {"id": 1}, at=1_700_000_000)
    assert reply.status_code == 401
    assert "300 s" in reply.json()["detail"]


async def test_a_rotated_secret_lives_beside_the_new_one(shop: Shop) -> None:
    sender = await register(shop, "shopify")
    path = f"/v1/integrations/{sender['id']}/rotate-secret"
    await shop.post(path, {"secret": "the next secret"}, status=200)
    for number, secret in enumerate((SECRET, "the next secret")):
        body = {"id": number}
        assert (await deliver(shop, sender, {}, body, secret=secret)).status_code == 202
    assert (await deliver(shop, sender, {}, {"id": 3}, secret="an older one")).status_code == 401


async def test_a_source_without_signature_has_a_token(shop: Shop) -> None:
    sender = await register(shop, "freshdesk")
    bare = f"/in/{sender['id']}"
    token = sender["url"].partition("?token=")[2]
    assert (await shop.client.post(bare, json=FRESHDESK)).status_code == 401
    assert (await shop.client.post(f"{bare}?token=wrong", json=FRESHDESK)).status_code == 401
    by_header = await shop.client.post(bare, json=FRESHDESK, headers={"X-Afterword-Token": token})
    assert by_header.status_code == 202
    rotated = await shop.post(f"/v1/integrations/{sender['id']}/rotate-secret", {}, status=200)
    for url in (sender["url"], rotated["url"]):
        path = "/in/" + url.partition("/in/")[2]
        assert (await shop.client.post(path, json=FRESHDESK)).status_code == 200
    event = (await shop.get(f"/v1/integrations/{sender['id']}/events"))["data"][0]
    stored = await shop.get(f"/v1/integrations/{sender['id']}/events/{event['id']}")
    assert token not in json.dumps(stored)


async def test_before_the_secret_is_known_events_wait(shop: Shop) -> None:
    sender = await shop.post("/v1/integrations", {"source": "zendesk", "key": "desk"})
    headers, body = sample("zendesk_trigger")
    assert (await deliver(shop, sender, headers, body)).status_code == 202
    odd = headers | {"x-zendesk-webhook-invocation-id": "forged"}
    assert (await deliver(shop, sender, odd, body, secret="forged one")).status_code == 202
    await shop.work()
    assert (await shop.get("/v1/interactions"))["data"] == []
    await shop.call("PATCH", "/v1/integrations/desk", json={"secret": SECRET})
    await shop.work()
    events = (await shop.get("/v1/integrations/desk/events"))["data"]
    assert sorted((event["status"], event["verified"]) for event in events) == [
        ("failed", False), ("translated", True),
    ]  # fmt: skip
    # A right secret that comes late verifies what the wrong one did not.
    await shop.call("PATCH", "/v1/integrations/desk", json={"secret": "forged one"})
    await shop.work()
    events = (await shop.get("/v1/integrations/desk/events"))["data"]
    assert {event["verified"] for event in events} == {True}
    assert {
        interaction["source"] for interaction in (await shop.get("/v1/interactions"))["data"]
    } == {"desk"}


ODD: list[Any] = [
    b"", b"null", b"[]", b"[1, 2]", b'"text"', b"{}", b"not json", b"\xff\xfe", b'{"id": null}',
    b'{"id": [1]}', b'{"id": {"a": 1}}', b'{"id": 1e400}', b'{"id": "\\u0000"}',
    b"[" * 100_000, json.dumps({"id": "ąęłșț😀" * 50}).encode(),
    json.dumps({"ticket_id": "1", "event": "ticket.solved", "tags": 7, "requester": [1],
                "updated_at": "yesterday", "assignee": "eva"}).encode(),
    json.dumps({"ticket": {"id": 1, "state": "closed", "customer": "nobody", "tags": {}}}).encode(),
    json.dumps({"topic": "conversation.admin.closed", "id": 5, "data": {"item": {
        "id": {"x": 1}, "tags": [], "created_at": 1e300}}}).encode(),
    json.dumps({"id": 1, "status": "completed", "billing": 5, "line_items": [None, 3, {}],
                "date_completed_gmt": 5, "total": "much", "currency": "zloty"}).encode(),
    json.dumps({"type": "checkout.session.completed", "id": "e", "data": {"object": {
        "id": "c", "payment_status": "paid", "amount_total": "5", "currency": 3}}}).encode(),
]  # fmt: skip


@pytest.mark.parametrize("source", sorted({*SIGNED, "freshdesk"}))
async def test_odd_payloads_are_kept_with_their_reason(shop: Shop, source: str) -> None:
    sender = await register(shop, source)
    headers = {
        "content-type": "application/json", "x-shopify-topic": "orders/paid",
        "x-wc-webhook-topic": "order.updated", "x-helpscout-event": "convo.status",
    }  # fmt: skip
    for body in ODD:
        reply = await deliver(shop, sender, headers, body)
        assert reply.status_code in {200, 202}, (body[:60], reply.text)
    await shop.work()
    page = await shop.get(f"/v1/integrations/{sender['id']}/events", limit=100)
    assert len(page["data"]) >= len(ODD) - 1
    for event in page["data"]:
        assert event["status"] in {"translated", "skipped", "failed"}
        assert (event["reason"] is None) is (event["status"] == "translated")
        assert not (event["reason"] or "").startswith("unexpected")


async def test_too_large_a_body_and_an_unknown_address(shop: Shop) -> None:
    sender = await register(shop, "freshdesk")
    path = "/in/" + sender["url"].partition("/in/")[2]
    assert (await shop.client.post(path, content=b"x" * (1 << 20))).status_code == 202
    assert (await shop.client.post(path, content=b"x" * (1 << 20) + b"x")).status_code == 413
    assert (await shop.client.post(f"/in/{shop.workspace_id}", content=b"{}")).status_code == 404
    assert (await shop.client.get(f"/in/{sender['id']}")).status_code == 200
    assert (await shop.client.head(f"/in/{sender['id']}")).status_code == 200


async def test_woocommerces_ping_is_answered(shop: Shop) -> None:
    sender = await register(shop, "woocommerce")
    reply = await shop.client.post(f"/in/{sender['id']}", data={"webhook_id": "9"})
    assert reply.status_code == 200
    assert (await shop.get(f"/v1/integrations/{sender['id']}/events"))["data"] == []


async def test_the_same_resolution_told_twice_is_one(shop: Shop) -> None:
    await shop.publish("ces", "ces")
    await shop.make_trigger("ces")
    sender = await register(shop, "zendesk")
    headers, body = sample("zendesk_trigger")
    for number, at in enumerate(("12:15:45", "12:20:00", "13:00:00", "14:00:00")):
        status = "ticket.reopened" if number == 2 else "ticket.solved"
        reply = body | {"event": status, "updated_at": f"2025-01-08T{at}Z"}
        own = headers | {"x-zendesk-webhook-invocation-id": f"i-{number}"}
        await deliver(shop, sender, own, reply)
        await shop.work()
    types = [interaction["type"] for interaction in (await shop.get("/v1/interactions"))["data"]]
    assert sorted(types) == [
        "ticket.opened", "ticket.reopened", "ticket.solved", "ticket.solved",
    ]  # fmt: skip
    decisions = (await shop.get("/v1/decisions"))["data"]
    assert [decision["outcome"] for decision in decisions] == ["invited", "invited"]


async def test_a_conversation_that_an_agent_opened_asks_nobody(shop: Shop) -> None:
    await shop.publish("ces", "ces")
    await shop.make_trigger("ces")
    sender = await register(shop, "intercom")
    headers, body = sample("intercom_conversation_admin_closed")
    await deliver(shop, sender, headers, body)
    await shop.work()
    (decision,) = (await shop.get("/v1/decisions"))["data"]
    assert (decision["outcome"], decision["reason"]) == ("skipped", "condition")


GENERIC = {
    "source": "generic", "key": "calls",
    "mapping": {
        "type": {"pointer": "/kind", "map": {"end": "call.ended"}}, "external_id": "/id",
        "occurred_at": "/at", "customer": {"email": "/who/mail"}, "touchpoint": {"const": "phone"},
        "properties": {"agent": "/who/agent", "line": {"const": "main"}},
        "value": {"amount": "/price", "currency": {"const": "eur"}},
    },
}  # fmt: skip


async def test_any_sender_by_a_mapping(shop: Shop) -> None:
    signature = {"header": "X-Sig", "prefix": "v1=", "timestamp_header": "X-Time", "joiner": "."}
    sender = await shop.post(
        "/v1/integrations", GENERIC | {"signature": signature, "secret": SECRET}
    )
    webhook_body = {"kind": "end", "id": 7, "at": 1_790_000_000, "price": 5.5,
            "who": {"mail": "a@e.pl", "agent": "eva"}}  # fmt: skip
    raw = json.dumps(webhook_body).encode()
    chatwoot = signed_headers("chatwoot", raw)
    headers = {
        "X-Time": chatwoot["X-Chatwoot-Timestamp"],
        "X-Sig": chatwoot["X-Chatwoot-Signature"].replace("sha256=", "v1="),
    }
    path = f"/in/{sender['id']}"
    assert (await shop.client.post(path, content=raw, headers=headers)).status_code == 202
    assert (await shop.client.post(path, content=raw)).status_code == 401
    await shop.work()
    (interaction,) = (await shop.get("/v1/interactions"))["data"]
    assert (interaction["type"], interaction["external_id"], interaction["touchpoint"]) == (
        "call.ended", "7", "phone",
    )  # fmt: skip
    assert interaction["value"] == {"amount": "5.5", "currency": "EUR"}
    assert interaction["properties"] == {"agent": "eva", "line": "main"}


async def test_a_mended_mapping_saves_what_failed(shop: Shop) -> None:
    wrong = GENERIC | {"mapping": GENERIC["mapping"] | {"type": "/word"}}  # type: ignore[operator]
    sender = await shop.post("/v1/integrations", wrong)
    path = "/in/" + sender["url"].partition("/in/")[2]
    await shop.client.post(path, json={"kind": "end", "id": "7", "word": "Wrong Type!"})
    await shop.work()
    (event,) = (await shop.get("/v1/integrations/calls/events", status="failed"))["data"]
    assert event["reason"].startswith("type: ")
    await shop.call("PATCH", "/v1/integrations/calls", json={"mapping": GENERIC["mapping"]})
    await shop.post(f"/v1/integrations/calls/events/{event['id']}/retry", status=202)
    await shop.work()
    (interaction,) = (await shop.get("/v1/interactions"))["data"]
    assert interaction["type"] == "call.ended"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"source": "zendsk"}, "source"),
        ({"source": "generic"}, "mapping"),
        ({"source": "zendesk", "mapping": {"type": "/a", "external_id": "/b"}}, "mapping"),
        ({"source": "zendesk", "secret": "short"}, "secret"),
    ],
)
async def test_a_wrong_registration_is_named(shop: Shop, body: Any, field: str) -> None:
    reply = await shop.call("POST", "/v1/integrations", json=body)
    assert reply.status_code == 422
    assert field in json.dumps(reply.json()["errors"])
