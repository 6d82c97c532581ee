# SPDX-License-Identifier: Apache-2.0
"""What senders do at the edges: two shops, refunds in pieces, odd values, deliveries that wait."""

import hashlib
import hmac
from typing import Any

import pytest

from tests.integrations.sender import JSON, SentWebhook
from tests.integrations.senders.chatwoot import chatwoot
from tests.integrations.senders.freshdesk import freshdesk, status_event
from tests.integrations.senders.intercom import intercom
from tests.integrations.senders.zendesk import zendesk
from tests.integrations.test_sources import deliver, register
from tests.shop import Shop

AT = 1_772_400_000


async def events(shop: Shop, sender: Any) -> list[tuple[str, str | None]]:
    rows = (await shop.get(f"/v1/integrations/{sender['id']}/events", limit=100))["data"]
    return [(event["status"], event["reason"]) for event in reversed(rows)]


async def types(shop: Shop) -> list[str]:
    interactions = (await shop.get("/v1/interactions", limit=200))["data"]
    return [
        interaction["type"]
        for interaction in sorted(
            interactions, key=lambda interaction: (interaction["occurred_at"], interaction["id"])
        )
    ]


async def tell(shop: Shop, sender: Any, *deliveries: SentWebhook) -> None:
    for headers, body in deliveries:
        reply = await deliver(shop, sender, headers, body)
        assert reply.status_code in {200, 202}, reply.text
        await shop.work()


async def test_a_state_behind_an_unknown_one_waits_for_it(shop: Shop) -> None:
    sender = await register(shop, "freshdesk")
    solved, unknown = status_event("Resolved"), status_event("Wieder da")
    await tell(shop, sender, solved, unknown, solved)
    assert await types(shop) == ["ticket.solved"]
    unmapped = (await shop.get(f"/v1/integrations/{sender['id']}"))["unmapped"]
    assert [(entry["status"], entry["count"]) for entry in unmapped] == [("Wieder da", 1)]
    patch = {"status_map": {"Wieder da": "reopened"}}
    await shop.call("PATCH", f"/v1/integrations/{sender['id']}", json=patch)
    await shop.work()
    assert await types(shop) == ["ticket.solved", "ticket.reopened", "ticket.solved"]
    (ticket,) = (await shop.get("/v1/tickets"))["data"]
    assert (ticket["status"], ticket["reopened"]) == ("solved", True)


async def test_an_unknown_end_before_and_after_an_opening_is_two_ends(shop: Shop) -> None:
    sender = await register(shop, "freshdesk")
    await tell(shop, sender, status_event("Fertig"), status_event("Open"), status_event("Fertig"))
    assert await types(shop) == []
    patch = {"status_map": {"Fertig": "solved"}}
    await shop.call("PATCH", f"/v1/integrations/{sender['id']}", json=patch)
    await shop.work()
    assert await types(shop) == ["ticket.solved", "ticket.reopened", "ticket.solved"]


@pytest.mark.parametrize(
    ("source", "delivery"),
    [
        ("zendesk", zendesk("", "2T09:00:00Z", status="Open")),
        ("chatwoot", chatwoot("open", "2T09:00:00Z")),
        ("freshdesk", freshdesk("", "2T09:00:00Z", status="Open")),
        ("intercom", intercom("conversation.admin.opened", AT)),
    ],
)
async def test_a_new_ticket_is_not_opened_again(
    shop: Shop, source: str, delivery: SentWebhook
) -> None:
    sender = await register(shop, source)
    await tell(shop, sender, delivery)
    assert await types(shop) == ["ticket.opened"]


async def test_an_opening_that_overtook_its_end_is_told_after_all(shop: Shop) -> None:
    sender = await register(shop, "zendesk")
    await tell(shop, sender, zendesk("ticket.reopened", "3T09:00:00Z"))
    assert await types(shop) == ["ticket.opened"]
    await tell(shop, sender, zendesk("ticket.solved", "2T09:00:00Z"))
    assert await types(shop) == ["ticket.opened", "ticket.solved", "ticket.reopened"]
    (ticket,) = (await shop.get("/v1/tickets"))["data"]
    assert (ticket["status"], ticket["reopened"]) == ("open", True)


async def test_open_pending_open_is_no_reopening(shop: Shop) -> None:
    sender = await register(shop, "freshdesk")
    await tell(shop, sender, status_event("Open"), status_event("Pending"), status_event("Open"))
    assert "ticket.reopened" not in await types(shop)


async def connect_generic(shop: Shop, **mapping: Any) -> Any:
    body = {"source": "generic", "key": "g", "mapping": mapping}
    return await shop.post("/v1/integrations", body)


async def test_one_odd_member_holds_up_none_of_the_others(shop: Shop) -> None:
    sender = await connect_generic(
        shop, items="", external_id="/id", occurred_at="/at",
        type={"pointer": "/s", "map": {"a": "visit.made"}},
        customer={"email": "/mail"},
    )  # fmt: skip
    at = "2026-03-01T10:00:00Z"
    members = [
        {"id": 1, "s": "a", "at": at, "mail": "a@e.pl"},
        {"id": 2, "s": "zzz", "at": at, "mail": "b@e.pl"},
        {"id": 3, "s": "yyy", "at": at, "mail": "c@e.pl"},
        {"id": 4, "s": "a", "at": "soon", "mail": "d@e.pl"},
        {"s": "a", "at": at, "mail": "e@e.pl"},
        {"id": 6, "s": "a", "at": at, "mail": "f@e.pl"},
    ]
    preview = {"headers": {}, "body": members}
    reply = await shop.post("/v1/integrations/g/preview", preview, status=200)
    assert len(reply["interactions"]) == 2
    assert len(reply["notes"]) == 4
    await tell(shop, sender, (JSON, members))
    assert await types(shop) == ["visit.made"] * 2
    ((status, reason),) = await events(shop, sender)
    assert status == "failed"
    for part in ("2 of its parts are recorded", "'zzz'", "'yyy'", "'soon'", "`external_id`"):
        assert part in (reason or ""), part
    unmapped = (await shop.get("/v1/integrations/g"))["unmapped"]
    assert sorted(interaction["status"] for interaction in unmapped) == ["yyy", "zzz"]
    patch = {"status_map": {"zzz": "visit.made", "yyy": "ignored"}}
    await shop.call("PATCH", "/v1/integrations/g", json=patch)
    await shop.work()
    assert len(await types(shop)) == 3


async def test_what_names_nothing_is_not_recorded(shop: Shop) -> None:
    sender = await connect_generic(shop, external_id="/id", type={"const": "visit"})
    await tell(shop, sender, (JSON, {"who": "x"}))
    assert await events(shop, sender) == [
        ("failed", "the mapping finds no `external_id`, `ticket` or `order` in it")
    ]


ODD_TIMES = [
    "0001-01-01T00:00:00+05:00", "9999-12-31T23:59:59-05:00", "2026-13-45", "202603041011",
    "2026030410", "3 Mar 2026 10:00:00 JST", "3 Mar 2026 10:00 IST", 17, -5, 1e300, "1e9999999",
    True, ["x"], {"a": 1},
]  # fmt: skip


@pytest.mark.parametrize("value", ODD_TIMES, ids=repr)
@pytest.mark.parametrize("rule", ["/at", {"pointer": "/at", "time": "iso"},
                                  {"pointer": "/at", "time": "epoch"}], ids=str)  # fmt: skip
async def test_an_odd_time_fails_with_its_reason(shop: Shop, value: Any, rule: Any) -> None:
    await connect_generic(shop, external_id="/id", type={"const": "visit"}, occurred_at=rule)
    preview = {"headers": {}, "body": {"id": 1, "at": value}}
    reply = await shop.post("/v1/integrations/g/preview", preview, status=200)
    if rule != "/at" and rule["time"] == "epoch" and str(value) in {"17", "-5", "2026030410"}:
        # A mapping that says so means it.
        return
    assert reply["interactions"] == [], reply
    assert "cannot be read" in reply["skipped"] or "ahead" in reply["skipped"]


@pytest.mark.parametrize(
    ("value", "read"),
    [
        ("3 Mar 2026 10:00 PM", "2026-03-03T21:00:00Z"),
        ("4 March 2026 10:00 PM", "2026-03-04T21:00:00Z"),
        ("Tue, 3 Mar, 2026 at 10:00 AM", "2026-03-03T09:00:00Z"),
        ("Tue, 03 Mar 2026 10:00:00 +0000", "2026-03-03T10:00:00Z"),
        ("Tue, 03 Mar 2026 10:00:00 GMT", "2026-03-03T10:00:00Z"),
        ("1772640069", "2026-03-04T16:01:09Z"),
        (1_772_640_069_123, "2026-03-04T16:01:09.123000Z"),
    ],
)
async def test_times_are_read_whole(shop: Shop, value: Any, read: str) -> None:
    body = {"source": "generic", "key": "g", "timezone": "Europe/Warsaw",
            "mapping": {"external_id": "/id", "type": {"const": "visit"},
                        "occurred_at": "/at"}}  # fmt: skip
    await shop.post("/v1/integrations", body)
    preview = {"headers": {}, "body": {"id": 1, "at": value}}
    reply = await shop.post("/v1/integrations/g/preview", preview, status=200)
    assert reply["interactions"][0]["occurred_at"] == read


@pytest.mark.parametrize(
    ("rule", "word"),
    [
        ({"pointer": "/at", "time": "%d.%m.%Y %Z"}, "%Z"),
        ({"pointer": "/at", "time": "%d.%m"}, "year"),
        ("/a~2", "pointer"),
    ],
)
async def test_a_rule_that_cannot_work_is_refused(shop: Shop, rule: Any, word: str) -> None:
    mapping = {"external_id": "/id", "type": {"const": "visit"}, "occurred_at": rule}
    body = {"source": "generic", "mapping": mapping}
    reply = await shop.call("POST", "/v1/integrations", json=body)
    assert reply.status_code == 422
    assert word in str(reply.json()["errors"])


@pytest.mark.parametrize(
    "body",
    [
        {"source": "generic", "mapping": {}},
        {"source": "jira-service-management"},
        {"source": "zendesk", "status_map": {"Open": "open", "open": "solved"}},
        {"source": "generic", "mapping": {"type": {"const": "x"}, "external_id": "/id"},
         "signature": {"header": "X-S", "parts": ["method"]}},
    ],
)  # fmt: skip
async def test_an_integration_that_cannot_work_is_refused(shop: Shop, body: Any) -> None:
    reply = await shop.call("POST", "/v1/integrations", json=body)
    assert reply.status_code == 422, reply.text


async def test_values_of_odd_kinds_are_named_and_never_a_fault(shop: Shop) -> None:
    mapping = {
        "external_id": "/id", "type": {"const": "visit"},
        "ticket": {"pointer": "/s", "map": {"9": "nine", "x": "x"}, "else": {"const": "other"}},
        "value": {"amount": {"pointer": "/total", "scale": -2}, "currency": "/currency"},
        "properties": {"paid": {"template": "{/id}:{/paid}"}},
    }  # fmt: skip
    await shop.post("/v1/integrations", {"source": "generic", "key": "g", "mapping": mapping})
    for total in ("12,99", "1e9999999", "1e99999999", ["x"], "NaN"):
        body = {"id": 1, "s": 9.0, "total": total, "currency": "EUR", "paid": True}
        reply = await shop.post(
            "/v1/integrations/g/preview", {"headers": {}, "body": body}, status=200
        )
        (interaction,) = reply["interactions"]
        assert (interaction["ticket"], interaction["properties"]["paid"], interaction["value"]) == (
            "nine",
            "1:true",
            None,
        )
        assert reply["notes"] == [
            "left out value: there is a currency, but no amount that can be read"
        ]


@pytest.mark.parametrize(
    ("source", "headers", "body"),
    [
        ("stripe", {}, {"type": "invoice.paid", "data": {"object": {"id": "in_1",
                        "payments": {"data": 5}}}}),
        ("stripe", {}, {"type": "checkout.session.completed",
                        "data": {"object": {"id": "cs", "payment_status": ["paid"]}}}),
        ("intercom", {}, {"topic": "conversation.admin.closed", "created_at": AT,
                          "data": {"item": {"id": "1", "contacts": {"contacts": [{"id": {}}]},
                                            "source": {"author": {"id": [], "type": "user"}}}}}),
        ("shopify", {"x-shopify-topic": "refunds/create"},
         {"order_id": 5, "transactions": [{"kind": ["x"], "status": {}}]}),
        ("woocommerce", {"x-wc-webhook-topic": "order.updated"},
         {"id": 5, "status": "processing", "refunds": [{"id": [], "total": {}}, 7]}),
        ("zendesk", {}, []),
        ("zendesk", {}, "text"),
    ],
)  # fmt: skip
async def test_a_body_of_odd_parts_is_no_fault(
    shop: Shop, source: str, headers: dict[str, str], body: Any
) -> None:
    sender = await register(shop, source)
    preview = {"headers": headers, "body": body}
    await shop.post(f"/v1/integrations/{source}/preview", preview, status=200)
    await tell(shop, sender, (JSON | headers, body))
    assert all("unexpected" not in (reason or "") for _, reason in await events(shop, sender))


async def test_an_author_who_is_not_the_contact_gives_no_address(shop: Shop) -> None:
    sender = await register(shop, "intercom")
    contacts = {"contacts": [{"type": "contact", "id": "A", "external_id": "u-1"}]}
    author = {"type": "user", "id": "B", "email": "colleague@e.com"}
    delivery = intercom(
        "conversation.admin.closed", AT, contacts=contacts, source={"author": author}
    )
    await tell(shop, sender, delivery)
    (customer,) = (await shop.get("/v1/customers"))["data"]
    assert customer["email"] is None


@pytest.mark.parametrize("scheme", [{"scheme": "token"}, None])
async def test_a_sender_that_stops_signing_gets_a_token(shop: Shop, scheme: Any) -> None:
    body = {
        "source": "generic", "key": "g", "secret": "a secret of it",
        "mapping": {"type": {"const": "x"}, "external_id": "/id"}, "signature": {"header": "X-S"},
    }  # fmt: skip
    await shop.post("/v1/integrations", body)
    reply = await shop.call("PATCH", "/v1/integrations/g", json={"signature": scheme})
    changed = reply.json()
    assert (reply.status_code, changed["has_secret"]) == (200, True)
    path = changed["url"].partition("/in/")[2]
    assert "token=" in path
    assert (await shop.client.post(f"/in/{path}", json={"id": 1})).status_code == 202


async def test_the_key_for_bounces_can_do_nothing_else(shop: Shop) -> None:
    key = await shop.make_key("bounces")
    body = {"email": "gone@e.pl"}
    assert (await shop.call("POST", "/v1/bounces", key=key, json=body)).status_code == 201
    for method, path in (("GET", "/v1/bounces"), ("GET", "/v1/integrations"),
                         ("GET", "/v1/responses"), ("POST", "/v1/responses"),
                         ("GET", "/v1/metrics/nps")):  # fmt: skip
        assert (await shop.call(method, path, key=key)).status_code == 403, path


async def test_a_trigger_on_a_type_that_nobody_tells_is_warned_of(shop: Shop) -> None:
    await shop.publish("s")
    odd = await shop.make_trigger("s", on="ticket.solvd")
    assert odd["warnings"] == [
        "on: no built-in source sends `ticket.solvd`; did you mean `ticket.solved`?"
    ]
    own = await shop.make_trigger("s", on="parcel.weighed")
    assert own["warnings"] == []


async def test_hex_in_capitals_is_the_same_signature(shop: Shop) -> None:
    body = {
        "source": "generic", "key": "g", "secret": "a secret of it",
        "mapping": {"type": {"const": "x"}, "external_id": "/id"},
        "signature": {"header": "X-S", "prefix": "sha256="},
    }  # fmt: skip
    sender = await shop.post("/v1/integrations", body)
    raw = b'{"id": 1}'
    signed = hmac.new(b"a secret of it", raw, hashlib.sha256).hexdigest().upper()
    path = sender["url"].partition("/in/")[2]
    headers = JSON | {"X-S": f"sha256={signed}"}
    assert (await shop.client.post(f"/in/{path}", content=raw, headers=headers)).status_code == 202


async def test_a_change_and_a_rotation_say_when_it_last_sent(shop: Shop) -> None:
    sender = await register(shop, "freshdesk")
    await tell(shop, sender, status_event("Resolved"))
    for method, path, body in (
        ("PATCH", "", {"accept_test": True}),
        # The token is ours to make: no body is needed.
        ("POST", "/rotate-secret", None),
    ):
        reply = await shop.call(method, f"/v1/integrations/freshdesk{path}", json=body)
        assert reply.status_code == 200, reply.text
        assert reply.json()["last_event_at"] is not None


async def test_forms_hold_lists(shop: Shop) -> None:
    sender = await connect_generic(
        shop, items="/orders", external_id="/id", type={"const": "visit"},
        properties={"tags": "root:/tags"},
    )  # fmt: skip
    form = {"content-type": "application/x-www-form-urlencoded"}
    body = b"orders[0][id]=1&orders[1][id]=2&tags[]=a&tags[]=b"
    await tell(shop, sender, (form, body))
    interactions = (await shop.get("/v1/interactions"))["data"]
    assert sorted(interaction["external_id"] for interaction in interactions) == ["1", "2"]
    assert interactions[0]["properties"]["tags"] == ["a", "b"]


async def test_times_in_what_callers_say_are_left_alone(shop: Shop) -> None:
    times = {"seen_at": "0001-01-01T00:00:00+05:00", "birthday_at": "1990-05-01T00:00:00+02:00"}
    interaction = await shop.record("visit", "v-1", properties=times,
                               customer={"email": "a@e.pl"})  # fmt: skip
    feed = await shop.events()
    (event,) = [event for event in feed if event["type"] == "interaction.created"]
    assert event["data"]["properties"] == times
    reply = await shop.call("GET", f"/v1/customers/{interaction['customer_id']}/timeline")
    assert reply.status_code == 200
    assert (
        await shop.call("GET", f"/v1/customers/{interaction['customer_id']}/export")
    ).status_code == 200


async def test_one_untranslatable_event_does_not_stop_the_others(shop: Shop) -> None:
    sender = await connect_generic(
        shop, external_id="/id", occurred_at="/at",
        type={"pointer": "/s", "map": {"a": "visit.made"}}, customer={"email": "/mail"},
    )  # fmt: skip
    for number in range(30):
        body = {"id": number, "at": "2026-03-02T09:00:00Z", "mail": f"{number}@e.pl", "s": "a"}
        if number in {7, 19}:
            body["at"] = "soon"
        assert (await deliver(shop, sender, JSON, body)).status_code == 202
    await shop.work()
    states = await events(shop, sender)
    assert [number for number, (status, _) in enumerate(states) if status == "failed"] == [7, 19]
    assert all("'soon'" in str(states[number][1]) for number in (7, 19))
    assert len(await types(shop)) == 28


async def test_deliveries_of_one_case_that_wait_together_keep_their_order(shop: Shop) -> None:
    """Without times, the order of arrival is all there is."""
    sender = await register(shop, "freshdesk")
    for status in ("Open", "Resolved", "Open", "Resolved"):
        assert (await deliver(shop, sender, *status_event(status))).status_code == 202
    await shop.work()
    assert await types(shop) == [
        "ticket.opened", "ticket.solved", "ticket.reopened", "ticket.solved",
    ]  # fmt: skip
