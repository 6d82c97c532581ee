# SPDX-License-Identifier: Apache-2.0
"""The presets: each told a story of its sender in bodies of its shape, rightly signed."""

import base64
import hmac
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import pytest

from app.integrations.mapping_schemas import IntegrationMappingWithMore, Signature
from app.integrations.presets import PRESETS
from tests.shop import Shop

SECRET = "the secret of the sender"
WHSEC = "whsec_" + base64.b64encode(b"a key of twenty-four byte").decode()
Signed = dict[str, str]
Signer = Callable[[bytes, str], Signed]


def _mac(signed: bytes, algorithm: str = "sha256", key: str = SECRET) -> bytes:
    return hmac.new(key.encode(), signed, algorithm).digest()


def _b64(value: bytes) -> str:
    return base64.b64encode(value).decode()


def standard(body: bytes, _uri: str) -> Signed:
    now = str(int(time.time()))
    id_ = f"msg_{abs(hash(body))}"
    key = base64.b64decode(WHSEC.removeprefix("whsec_"))
    mac = hmac.digest(key, f"{id_}.{now}.".encode() + body, "sha256")
    return {"webhook-id": id_, "webhook-timestamp": now, "webhook-signature": f"v1,{_b64(mac)}"}


def standard_raw(body: bytes, _uri: str) -> Signed:
    """BigCommerce: the client secret itself is the key."""
    now = str(int(time.time()))
    mac = _mac(f"m1.{now}.".encode() + body)
    return {"webhook-id": "m1", "webhook-timestamp": now, "webhook-signature": f"v1,{_b64(mac)}"}


def hubspot(body: bytes, uri: str) -> Signed:
    ms = str(int(time.time() * 1000))
    mac = _mac(b"POST" + uri.encode() + body + ms.encode())
    return {"X-HubSpot-Signature-v3": _b64(mac), "X-HubSpot-Request-Timestamp": ms}


def front_signature(body: bytes, _uri: str) -> Signed:
    ms = str(int(time.time() * 1000))
    mac = _b64(_mac(ms.encode() + b":" + body))
    return {"X-Front-Signature": mac, "X-Front-Request-Timestamp": ms}


def paddle(body: bytes, _uri: str) -> Signed:
    now = str(int(time.time()))
    return {"Paddle-Signature": f"ts={now};h1={_mac(now.encode() + b':' + body).hex()}"}


def kustomer(body: bytes, _uri: str) -> Signed:
    return {"X-Kustomer-Webhook-Signature": _mac(body).hex()}


def jira(body: bytes, _uri: str) -> Signed:
    return {"X-Hub-Signature": "sha256=" + _mac(body).hex()}


def freescout(body: bytes, _uri: str) -> Signed:
    return {"X-FreeScout-Signature": _b64(_mac(body, "sha1"))}


@dataclass(frozen=True)
class Case:
    """Bodies of one sender, with headers of their own, and what they come to."""

    preset: str
    deliveries: Sequence[tuple[Signed, Any]]
    types: Sequence[str]
    sign: Signer | None = None
    secret: str = SECRET
    last: dict[str, Any] = field(default_factory=dict)
    ticket: dict[str, Any] = field(default_factory=dict)


def gorgias(status: str, at: str, **more: Any) -> tuple[Signed, Any]:
    ticket = {
        "id": 48211734, "status": status, "language": "fr", "channel": "email",
        "created_datetime": "2026-03-02T08:14:55.120331", "updated_datetime": at,
        "customer": {"id": 902, "email": "claire@e.org", "name": "Claire D."},
        "assignee_user": {"email": "sam@e.org", "name": "Sam"}, "snooze_datetime": None,
    } | more  # fmt: skip
    return {}, {"event": "ticket-status-updated", "ticket": ticket}


def kustomer_update(before: str, after: str, number: int) -> tuple[Signed, Any]:
    return {}, {
        "id": f"68a1-{number}", "name": "kustomer.conversation.update",
        "createdAt": f"2026-02-10T1{number}:22:41.390Z",
        "data": {"id": "68a1bf77", "attributes": {
            "status": after, "channels": ["email"], "createdAt": "2026-02-10T09:01:12.004Z",
            "modifiedAt": f"2026-02-10T1{number}:22:41.377Z", "spam": False,
            "assignedUsers": ["5f01"], "defaultLang": "de_de"},
            "relationships": {"customer": {"data": {"id": "68a1bf70"}}}},
        "changes": {"attributes": {"status": {"before": before, "after": after}}},
    }  # fmt: skip


KUSTOMERS_CUSTOMER: tuple[Signed, Any] = {}, {
    "id": "68a0", "name": "kustomer.customer.update", "createdAt": "2026-02-10T09:00:00.000Z",
    "data": {"id": "68a1bf70", "attributes": {"emails": [{"email": "otto@e.de"}],
                                              "displayName": "Otto W."}},
}  # fmt: skip


def hubspot_event(kind: str, at: int, **more: Any) -> dict[str, Any]:
    return {
        "eventId": at, "subscriptionId": 2481013, "portalId": 445, "objectId": 18230445571,
        "occurredAt": 1_772_640_000_000 + at, "subscriptionType": f"ticket.{kind}",
        "changeSource": "CRM_UI", "sourceId": "userId:61",
    } | more  # fmt: skip


def stage(value: str, at: int) -> dict[str, Any]:
    return hubspot_event(
        "propertyChange", at, propertyName="hs_pipeline_stage", propertyValue=value
    )


def front_event(kind: str, at: float) -> tuple[Signed, Any]:
    return {}, {
        "type": kind, "authorization": {"id": "cmp_4"}, "payload": {
            "id": f"evt_{at}", "emitted_at": at, "conversation": {
                "id": "cnv_7", "status": "archived", "created_at": 1_772_601_122.5,
                "assignee": {"email": "noor@e.org", "username": "noor"},
                "recipient": {"handle": "kees@e.net", "name": "Kees"}}},
    }  # fmt: skip


def jira_issue(category: str, at: int, *, field_: str = "status") -> tuple[Signed, Any]:
    return {"X-Atlassian-Webhook-Identifier": f"wh-{at}"}, {
        "timestamp": at, "webhookEvent": "jira:issue_updated",
        "issue_event_type_name": "issue_generic",
        "issue": {"id": "20417", "key": "HELP-381", "fields": {
            "status": {"name": "Resolved", "statusCategory": {"key": category}},
            "created": "2026-03-02T09:12:44.007+0100", "project": {"key": "HELP"},
            "priority": {"name": "High"},
            "reporter": {"accountId": "qm:77", "displayName": "Lars", "emailAddress": "lars@e.no"},
            "assignee": {"displayName": "Ida Agent"}}},
        "changelog": {"items": [{"field": "assignee"}, {"field": field_}]},
    }  # fmt: skip


def freescout_event(event: str, status: str, at: str) -> tuple[Signed, Any]:
    return {"X-FreeScout-Event": event}, {
        "id": 5127, "number": 4988, "type": "email", "status": status, "mailboxId": 2,
        "assignee": {"firstName": "Jana", "lastName": "B.", "email": "jana@e.de"},
        "createdAt": "2026-03-02T08:14:55Z", "updatedAt": at,
        "customer": {"id": 311, "firstName": "Uwe", "lastName": "T.", "email": "uwe@e.com"},
    }  # fmt: skip


def paddle_event(kind: str, at: str, data: Any) -> tuple[Signed, Any]:
    return {}, {"event_id": f"evt_{at}", "event_type": kind, "occurred_at": at, "data": data}


TRANSACTION = {
    "id": "txn_1", "status": "completed", "origin": "web", "customer_id": "ctm_1",
    "currency_code": "EUR", "details": {"totals": {"grand_total": "4990"}},
}  # fmt: skip


def bigcommerce(status: int, at: int) -> tuple[Signed, Any]:
    return {}, {
        "producer": "stores/k3x9", "hash": "5b2f", "created_at": at, "store_id": "1003",
        "scope": "store/order/statusUpdated",
        "data": {"type": "order", "id": 10842, "status": {"new_status_id": status}},
    }  # fmt: skip


def baselinker(**more: Any) -> tuple[Signed, Any]:
    return {}, {
        "order_id": 41882017, "email": "anna@e.pl", "fullname": "Anna N.", "currency": "PLN",
        "payment_done": "199.00",
    } | more  # fmt: skip


def prestashop(state: int, number: int) -> tuple[Signed, Any]:
    return {}, {
        "history_id": number, "order": {
            "id": 7719, "reference": "XKBKNABJK", "state_id": state, "currency": "EUR",
            "date_upd": f"2026-03-04T17:4{number}:09+01:00", "total_paid": "49.90"},
        "customer": {"id": 3310, "email": "lea@e.fr", "firstname": "Léa", "lastname": "M.",
                     "lang": "fr"},
    }  # fmt: skip


def adobe(state: str, at: str) -> tuple[Signed, Any]:
    return {}, {"order": {
        "increment_id": "000020418", "state": state, "status": state, "grand_total": 110.0,
        "order_currency_code": "USD", "customer_email": "pat@e.com", "customer_firstname": "Pat",
        "customer_lastname": "R.", "customer_id": 881, "store_id": 1, "updated_at": at,
    }}  # fmt: skip


CASES = [
    Case("gorgias", [gorgias("closed", "2026-03-04T16:41:09.774120"),
                     gorgias("open", "2026-03-05T16:41:09.774120"),
                     gorgias("closed", "2026-03-06T16:41:09.774120",
                             snooze_datetime="2026-03-09T00:00:00"),
                     gorgias("closed", "2026-03-07T16:41:09.774120")],
         ["ticket.on_hold", "ticket.opened", "ticket.reopened", "ticket.solved", "ticket.solved"],
         last={"ticket": "48211734", "locale": "fr", "occurred_at": "2026-03-07T16:41:09.774120Z"},
         ticket={"status": "solved", "reopened": True, "opened_at": "2026-03-02T08:14:55.120331Z"}),
    Case("kustomer", [KUSTOMERS_CUSTOMER, kustomer_update("open", "done", 0),
                      kustomer_update("done", "open", 1), kustomer_update("open", "done", 2)],
         ["customer.updated", "ticket.opened", "ticket.reopened", "ticket.solved", "ticket.solved"],
         sign=kustomer, last={"ticket": "68a1bf77", "locale": "de-de"},
         ticket={"status": "solved", "reopened": True}),
    Case("hubspot", [({}, [hubspot_event("creation", 1), stage("4", 2)]), ({}, [stage("3", 3)]),
                     ({}, [stage("4", 4), hubspot_event("merge", 5, mergedObjectIds=[99])])],
         ["ticket.merged", "ticket.opened", "ticket.reopened", "ticket.solved", "ticket.solved"],
         sign=hubspot),
    Case("front", [front_event("conversation_archived", 1_772_640_069.412),
                   front_event("conversation_reopened", 1_772_640_070.5),
                   front_event("conversation_deleted", 1_772_640_071.5)],
         ["ticket.deleted", "ticket.opened", "ticket.reopened", "ticket.solved"],
         sign=front_signature, last={"ticket": "cnv_7"},
         ticket={"status": "deleted", "agent": "noor"}),
    Case("jira-service-management",
         [jira_issue("done", 1_772_640_069_123),
          jira_issue("done", 1_772_640_070_123, field_="labels"),
          jira_issue("indeterminate", 1_772_640_079_123), jira_issue("done", 1_772_640_089_123)],
         ["ticket.opened", "ticket.reopened", "ticket.solved", "ticket.solved"], sign=jira,
         last={"ticket": "HELP-381", "occurred_at": "2026-03-04T16:01:29.123000Z"},
         ticket={"status": "solved", "reopened": True, "agent": "Ida Agent"}),
    Case("freescout",
         [freescout_event("convo.created", "active", "2026-03-02T08:14:55Z"),
          freescout_event("convo.agent.reply.created", "closed", "2026-03-04T16:41:09Z"),
          freescout_event("convo.status", "closed", "2026-03-04T16:41:09Z"),
          freescout_event("convo.customer.reply.created", "active", "2026-03-05T16:41:09Z"),
          freescout_event("convo.status", "active", "2026-03-05T16:41:09Z")],
         ["ticket.opened", "ticket.reopened", "ticket.replied", "ticket.solved"], sign=freescout,
         last={"ticket": "5127"}, ticket={"status": "open", "reopened": True, "agent": "Jana B."}),
    Case("paddle",
         [paddle_event("customer.created", "2026-03-04T16:30:00.5Z",
                       {"id": "ctm_1", "email": "ana@e.es", "name": "Ana", "locale": "es"}),
          paddle_event("transaction.paid", "2026-03-04T16:41:08.1Z", TRANSACTION),
          paddle_event("transaction.completed", "2026-03-04T16:41:09.774120Z", TRANSACTION),
          paddle_event("adjustment.updated", "2026-03-05T10:00:00Z", {
              "id": "adj_1", "transaction_id": "txn_1", "action": "refund", "type": "partial",
              "status": "approved", "currency_code": "EUR", "totals": {"total": "1000"}})],
         ["customer.updated", "order.paid", "order.refunded"], sign=paddle,
         last={"order": "txn_1", "value": {"amount": "10.00", "currency": "EUR"}}),
    Case("bigcommerce", [bigcommerce(7, 1_772_642_460), bigcommerce(11, 1_772_642_469),
                         bigcommerce(2, 1_772_642_499), bigcommerce(14, 1_772_642_599)],
         ["order.fulfilled", "order.paid", "order.refunded"], sign=standard_raw,
         last={"order": "10842"}),
    Case("baselinker", [baselinker(log_id=1, log_type=3, date=1_772_642_469),
                        baselinker(event="delivered", at="2026-03-06T10:00:00Z")],
         ["order.delivered", "order.paid"],
         last={"order": "41882017", "value": {"amount": "199.00", "currency": "PLN"}}),
    Case("prestashop", [prestashop(1, 0), prestashop(2, 1), prestashop(4, 2), prestashop(5, 3)],
         ["order.delivered", "order.fulfilled", "order.paid"], sign=standard, secret=WHSEC,
         last={"order": "XKBKNABJK", "value": {"amount": "49.90", "currency": "EUR"}}),
    Case("adobe-commerce", [adobe("new", "2026-03-04 16:00:00"),
                            adobe("processing", "2026-03-04 16:41:09"),
                            adobe("processing", "2026-03-04 16:45:00"),
                            adobe("complete", "2026-03-05 16:41:09")],
         ["order.fulfilled", "order.paid"],
         last={"order": "000020418", "occurred_at": "2026-03-05T16:41:09Z"}),
    Case("standard-webhooks",
         [({}, {"type": "order.delivered", "timestamp": "2026-03-04T16:41:09.774Z", "data": {
             "id": "ord_7719", "customer": {"email": "lea@e.fr", "locale": "fr-FR"},
             "total": "49.90", "currency": "EUR"}})],
         ["order.delivered"], sign=standard, secret=WHSEC,
         last={"order": "ord_7719", "locale": "fr-FR",
               "value": {"amount": "49.90", "currency": "EUR"}}),
]  # fmt: skip


async def send(shop: Shop, sender: Any, case: Case, headers: Signed, body: Any) -> Any:
    """Send a delivery as the sender would, signed where it signs."""
    raw = json.dumps(body).encode()
    signed = case.sign(raw, sender["url"]) if case.sign else {}
    parts = urlsplit(sender["url"])
    path = f"{parts.path}?{parts.query}" if parts.query else parts.path
    headers = {"content-type": "application/json"} | headers | signed
    return await shop.client.post(path, content=raw, headers=headers)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.preset)
async def test_a_preset_understands_its_sender(shop: Shop, case: Case) -> None:
    body: dict[str, Any] = {"source": "generic", "preset": case.preset}
    if case.sign is not None:
        body["secret"] = case.secret
    sender = await shop.post("/v1/integrations", body)
    assert (sender["key"], sender["preset"]) == (case.preset, case.preset)
    for headers, delivery in case.deliveries:
        reply = await send(shop, sender, case, headers, delivery)
        assert reply.status_code in {200, 202}, reply.text
        again = await send(shop, sender, case, headers, delivery)
        assert again.status_code in {200, 202}
    await shop.work()
    events = (await shop.get(f"/v1/integrations/{case.preset}/events", limit=100))["data"]
    failed = [(event["status"], event["reason"]) for event in events if event["status"] == "failed"]
    assert failed == []
    interactions = (await shop.get("/v1/interactions"))["data"]
    assert sorted(interaction["type"] for interaction in interactions) == list(case.types)
    last = max(interactions, key=lambda i: i["occurred_at"])
    assert {name: last[name] for name in case.last} == case.last
    if case.ticket:
        (ticket,) = (await shop.get("/v1/tickets"))["data"]
        assert {name: ticket[name] for name in case.ticket} == case.ticket
    customers = (await shop.get("/v1/customers"))["data"]
    if case.preset not in {"hubspot", "bigcommerce"}:
        # Those two name nobody; their guides say what to do.
        (customer,) = customers
        assert "@" in customer["email"]
    if case.sign is not None:
        path = urlsplit(sender["url"]).path
        assert (await shop.client.post(path, content=b"{}")).status_code == 401


def test_every_preset_is_right_and_has_a_case() -> None:
    assert sorted(PRESETS) == sorted(case.preset for case in CASES)
    for preset in PRESETS.values():
        IntegrationMappingWithMore.model_validate(preset["mapping"])
        Signature.model_validate(preset["signature"])


async def test_single_fields_of_a_preset_are_replaced(shop: Shop) -> None:
    sender = await shop.post("/v1/integrations", {
        "source": "generic", "preset": "baselinker", "key": "base",
        "mapping": {"touchpoint": {"const": "shop"}, "order": "/order_number"},
    })  # fmt: skip
    assert sender["mapping"]["order"] == "/order_number"
    assert "type" in sender["mapping"]
    body = {"headers": {}, "body": {"event": "paid", "order_id": 1, "order_number": "A-1"}}
    preview = await shop.post("/v1/integrations/base/preview", body, status=200)
    (interaction,) = preview["interactions"]
    assert (interaction["order"], interaction["touchpoint"]) == ("A-1", "shop")
    wrong = {"source": "generic", "preset": "baselinkr"}
    assert (await shop.call("POST", "/v1/integrations", json=wrong)).status_code == 422
    odd = {"source": "generic", "preset": "baselinker", "key": "b2", "mapping": {"ordr": "/a"}}
    reply = await shop.call("POST", "/v1/integrations", json=odd)
    assert reply.json()["errors"][0]["loc"] == ["body", "mapping", "ordr"]


async def test_senders_that_want_another_answer_get_it(shop: Shop) -> None:
    sender = await shop.post("/v1/integrations", {"source": "generic", "preset": "front",
                                                "secret": SECRET})  # fmt: skip
    path = urlsplit(sender["url"]).path
    reply = await shop.client.post(path, json={"type": "sync"}, headers={"X-Front-Challenge": "c1"})
    assert (reply.status_code, reply.json()) == (200, {"challenge": "c1"})
    sender = await shop.post("/v1/integrations", {"source": "generic", "preset": "adobe-commerce"})
    path = urlsplit(sender["url"]).path
    reply = await shop.client.get(f"{path}?challenge=c2")
    assert reply.json()["challenge"] == "c2"
    token = {"X-Afterword-Token": sender["url"].partition("?token=")[2]}
    reply = await shop.client.post(path, json=adobe("new", "2026-03-04 16:00:00")[1], headers=token)
    assert reply.json() == {"op": "success"}


async def test_stages_of_ones_own_pipeline_are_mapped(shop: Shop) -> None:
    sender = await shop.post(
        "/v1/integrations", {"source": "generic", "preset": "hubspot", "secret": SECRET}
    )
    case = next(case for case in CASES if case.preset == "hubspot")
    await send(shop, sender, case, {}, [stage("98120", 1)])
    await shop.work()
    (unmapped,) = (await shop.get("/v1/integrations/hubspot"))["unmapped"]
    assert unmapped["status"] == "98120"
    await shop.call("PATCH", "/v1/integrations/hubspot", json={"status_map": {"98120": "solved"}})
    await shop.work()
    (ticket,) = (await shop.get("/v1/tickets"))["data"]
    assert ticket["status"] == "solved"
