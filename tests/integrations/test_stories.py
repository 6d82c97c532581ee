"""What real senders taught: whole stories, told in order, shuffled and doubled."""

import itertools
import json
import pkgutil
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from app.integrations import sources
from app.integrations.registry import ADAPTERS, SourceName
from tests.integrations.test_sources import deliver, register
from tests.shop import Shop

JSON = {"content-type": "application/json"}
Told = tuple[dict[str, str], Any]


@dataclass(frozen=True)
class Story:
    """Deliveries of one source, and what they must come to in any order: `types`, sorted."""

    name: str
    source: str
    deliveries: Sequence[Told]
    types: Sequence[str]
    settings: dict[str, Any] = field(default_factory=dict)
    trigger: dict[str, Any] | None = None
    decisions: Sequence[tuple[str, str | None]] = ()
    ticket: dict[str, Any] = field(default_factory=dict)
    customer: dict[str, Any] = field(default_factory=dict)
    emails: Sequence[str] = ()


def zendesk(event: str, at: str, *, status: str = "", number: int = 0, **more: Any) -> Told:
    body = {
        "event": event, "ticket_id": "5158", "status": status, "updated_at": f"2026-03-0{at}",
        "created_at": "2026-03-01T08:00:00Z", "tags": "vip",
        "requester": {"name": "Jan", "email": "jan@e.pl", "external_id": "z-1"},
    } | more  # fmt: skip
    return JSON | {"x-zendesk-webhook-invocation-id": f"i-{event}-{at}-{number}"}, body


def zendesk_event(kind: str, at: str, **more: Any) -> Told:
    body = {
        "type": f"zen:event-type:ticket.{kind}", "time": f"2026-03-0{at}", "event": {},
        "detail": {"id": "5158", "requester_id": "77", "status": "OPEN",
                   "created_at": "2026-03-01T08:00:00Z"},
    } | more  # fmt: skip
    return JSON | {"x-zendesk-webhook-invocation-id": f"e-{kind}-{at}"}, body


def helpscout(event: str, **more: Any) -> Told:
    body = {
        "id": 4, "status": "closed", "createdAt": "2026-03-01T08:00:00Z",
        "closedAt": "2026-03-02T08:00:00Z", "userUpdatedAt": "2026-03-02T08:00:00Z",
        "primaryCustomer": {"id": 9, "email": "uwe@e.de", "first": "Uwe"},
    } | more  # fmt: skip
    return JSON | {"x-helpscout-event": event}, body


def intercom(topic: str, at: int, **item: Any) -> Told:
    body = {
        "topic": topic, "id": f"notif-{topic}-{at}", "created_at": at,
        "data": {"item": {
            "id": "1373", "created_at": 1_772_300_000, "updated_at": at,
            "contacts": {"contacts": [{"type": "contact", "id": "c9", "external_id": "u-17"}]},
            "source": {"type": "conversation",
                       "author": {"type": "user", "id": "c9", "email": "bob@e.com",
                                  "name": "Bob Ray"}},
        } | item},
    }  # fmt: skip
    return JSON, body


def zammad(state: Any, at: str, **ticket: Any) -> Told:
    body = {"ticket": {
        "id": 81, "state": state, "updated_at": f"2026-03-0{at}", "close_at": None,
        "created_at": "2026-03-01T08:00:00Z", "customer": {"id": 5, "email": "eva@e.pl"},
    } | ticket}  # fmt: skip
    return JSON | {"x-zammad-delivery": f"d-{at}"}, body


def chatwoot(status: str, at: str) -> Told:
    body = {
        "event": "conversation_status_changed", "id": 207, "status": status,
        "updated_at": f"2026-03-0{at}", "created_at": "2026-03-01T08:00:00Z",
        "meta": {"sender": {"email": "kim@e.pl", "name": "Kim", "identifier": "k-1"}},
    }  # fmt: skip
    return JSON | {"x-chatwoot-delivery": f"c-{at}"}, body


def freshdesk(event: str, at: str, **more: Any) -> Told:
    return JSON, {
        "event": event, "ticket_id": "77", "updated_at": f"2026-03-0{at}",
        "created_at": "2026-03-01T08:00:00Z", "requester": {"email": "jane@e.com"},
    } | more  # fmt: skip


def shopify(topic: str, at: str, *, order: int = 820982911946154500, **more: Any) -> Told:
    body = {
        "id": order, "email": "jon@e.com", "total_price": "100.00", "currency": "USD",
        "processed_at": f"2026-03-0{at}", "created_at": f"2026-03-0{at}",
        "updated_at": f"2026-03-0{at}", "customer": {"id": 7, "first_name": "Jon"}, "test": False,
    } | more  # fmt: skip
    # One event of the shop bears one id, whatever topics it is sent for.
    return JSON | {"x-shopify-topic": topic, "x-shopify-event-id": f"ev-{order}-{at}"}, body


def shopify_refund(at: str, amount: str, number: int) -> Told:
    body = {
        "id": number, "order_id": 820982911946154500, "created_at": f"2026-03-0{at}",
        "transactions": [{"kind": "refund", "amount": amount, "currency": "USD"}],
    }  # fmt: skip
    return JSON | {"x-shopify-topic": "refunds/create", "x-shopify-event-id": f"r-{number}"}, body


def woo(status: str, at: str, *, topic: str = "order.updated", **more: Any) -> Told:
    body = {
        "id": 15, "status": status, "total": "50.00", "currency": "EUR",
        "date_modified_gmt": f"2026-03-0{at}", "date_paid_gmt": "2026-03-02T09:00:00",
        "date_completed_gmt": "2026-03-03T09:00:00", "customer_id": 0,
        "billing": {"email": "ola@e.pl", "first_name": "Ola"},
    } | more  # fmt: skip
    return JSON | {"x-wc-webhook-topic": topic, "x-wc-webhook-delivery-id": "d1"}, body


def stripe(kind: str, at: int, thing: dict[str, Any], **more: Any) -> Told:
    body = {
        "id": f"evt_{kind}_{at}", "type": kind, "created": at, "livemode": True,
        "data": {"object": thing},
    } | more  # fmt: skip
    return JSON, body


SESSION = {
    "id": "cs_1", "payment_status": "paid", "payment_intent": "pi_1", "amount_total": 5000,
    "currency": "eur", "client_reference_id": "A-1001", "mode": "payment",
    "customer_details": {"email": "kai@e.de", "name": "Kai"},
}  # fmt: skip
CHARGE = {"id": "ch_1", "payment_intent": "pi_1", "amount": 5000, "currency": "eur"}
WAITS = {"on": "order.paid", "delay": "P300D", "max_age": None}
ASKS = {"on": "ticket.solved", "delay": "P300D"}
CANCELLED = [("invited", "cancelled")]

STORIES = [
    Story(
        "two events with one body", "helpscout",
        [helpscout("convo.agent.reply.created"), helpscout("convo.status")],
        ["ticket.opened", "ticket.replied", "ticket.solved"],
        ticket={"status": "solved", "first_reply_at": "2026-03-02T08:00:00Z"},
    ),
    Story(
        "one event of the shop, two topics", "shopify",
        [shopify("orders/create", "2T10:00:00Z"), shopify("orders/paid", "2T10:00:00Z")],
        ["order.paid", "order.placed"],
    ),
    Story(
        "an identified contact", "intercom", [intercom("conversation.admin.closed", 1_772_400_000)],
        ["ticket.opened", "ticket.solved"],
        customer={"email": "bob@e.com", "name": "Bob Ray",
                  "external_ids": [{"source": "intercom", "id": "u-17"}]},
    ),
    Story(
        "resolved, open, resolved", "zendesk",
        [zendesk("ticket.solved", "2T10:00:00Z"), zendesk("ticket.reopened", "3T10:00:00Z"),
         zendesk("ticket.solved", "4T10:00:00Z")],
        ["ticket.opened", "ticket.reopened", "ticket.solved", "ticket.solved"],
        ticket={"status": "solved", "reopened": True},
    ),
    Story(
        "resolved and on hold again", "chatwoot",
        [chatwoot("resolved", "2T10:00:00Z"), chatwoot("pending", "3T10:00:00Z"),
         chatwoot("resolved", "4T10:00:00Z")],
        ["ticket.on_hold", "ticket.opened", "ticket.solved", "ticket.solved"],
        ticket={"status": "solved", "reopened": True, "last_solved_at": "2026-03-04T10:00:00Z"},
    ),
    Story(
        "a changed address", "shopify",
        [shopify("orders/paid", "2T10:00:00Z"),
         shopify("orders/paid", "3T10:00:00Z", order=2, email="jon@new.com"),
         shopify("orders/fulfilled", "4T10:00:00Z", email=None, customer=None)],
        ["order.fulfilled", "order.paid", "order.paid"],
        trigger=WAITS, decisions=[("invited", None), ("invited", None)],
        customer={"email": "jon@new.com"}, emails=["jon@e.com", "jon@new.com"],
    ),
    Story(
        "cancelled within the delay", "shopify",
        [shopify("orders/paid", "2T10:00:00Z"),
         shopify("orders/cancelled", "3T10:00:00Z", cancelled_at="2026-03-03T10:00:00Z")],
        ["order.cancelled", "order.paid"], trigger=WAITS, decisions=CANCELLED,
    ),
    Story(
        "edited, which calls nothing off", "shopify",
        [shopify("orders/paid", "2T10:00:00Z"),
         shopify("orders/edited", "3T10:00:00Z", current_total_price="80.00")],
        ["order.edited", "order.paid"], trigger=WAITS, decisions=[("invited", None)],
    ),
    Story(
        "a partial refund calls nothing off", "shopify",
        [shopify("orders/paid", "2T10:00:00Z"), shopify_refund("3T10:00:00Z", "30.00", 1)],
        ["order.paid", "order.refunded"], trigger=WAITS, decisions=[("invited", None)],
    ),
    Story(
        "two partial refunds that make a full one", "shopify",
        [shopify("orders/paid", "2T10:00:00Z"), shopify_refund("3T10:00:00Z", "30.00", 1),
         shopify_refund("4T10:00:00Z", "70.00", 2)],
        ["order.paid", "order.refunded", "order.refunded"], trigger=WAITS, decisions=CANCELLED,
    ),
    Story(
        "a shop's order fails", "woocommerce",
        [woo("processing", "2T09:00:00"), woo("cancelled", "4T09:00:00")],
        ["order.cancelled", "order.paid"], trigger=WAITS, decisions=CANCELLED,
    ),
    Story(
        "a shop's order is paid back in part", "woocommerce",
        [woo("processing", "2T09:00:00"),
         woo("processing", "4T09:00:00", refunds=[{"id": 3, "total": "-5.00"}])],
        ["order.paid", "order.refunded"], trigger=WAITS, decisions=[("invited", None)],
    ),
    Story(
        "a shop's order goes to the trash", "woocommerce",
        [woo("processing", "2T09:00:00"), woo("trash", "4T09:00:00")],
        ["order.cancelled", "order.paid"], trigger=WAITS, decisions=CANCELLED,
    ),
    Story(
        "paid back by the payment's number", "stripe",
        [stripe("checkout.session.completed", 1_772_400_000, SESSION),
         stripe("charge.refunded", 1_772_500_000,
                CHARGE | {"amount_refunded": 5000, "refunded": True})],
        ["order.paid", "order.refunded"], trigger=WAITS, decisions=CANCELLED,
    ),
    Story(
        "paid back in part by the payment's number", "stripe",
        [stripe("checkout.session.completed", 1_772_400_000, SESSION),
         stripe("charge.refunded", 1_772_500_000,
                CHARGE | {"amount_refunded": 500, "refunded": False})],
        ["order.paid", "order.refunded"], trigger=WAITS, decisions=[("invited", None)],
    ),
    Story(
        "disputed at the bank", "stripe",
        [stripe("checkout.session.completed", 1_772_400_000, SESSION),
         stripe("charge.dispute.created", 1_772_500_000,
                {"id": "dp_1", "charge": "ch_1", "payment_intent": "pi_1", "reason": "x"})],
        ["order.cancelled", "order.paid"], trigger=WAITS, decisions=CANCELLED,
    ),
    Story(
        "a subscription's first invoice is its session", "stripe",
        [stripe("checkout.session.completed", 1_772_400_000,
                SESSION | {"mode": "subscription", "invoice": "in_1", "payment_intent": None}),
         stripe("invoice.paid", 1_772_400_001,
                {"id": "in_1", "amount_paid": 5000, "currency": "eur", "customer": "cus_1",
                 "customer_email": "kai@e.de", "billing_reason": "subscription_create"})],
        ["order.paid", "order.paid"], trigger=WAITS,
        decisions=[("invited", None), ("skipped", "duplicate")],
    ),
    Story(
        "a session that costs nothing", "stripe",
        [stripe("checkout.session.completed", 1_772_400_000,
                SESSION | {"payment_status": "no_payment_required", "amount_total": 0})],
        ["order.paid"],
    ),
    Story(
        "deleted after it was solved", "zendesk",
        [zendesk("ticket.solved", "2T10:00:00Z"), zendesk_event("soft_deleted", "3T10:00:00Z")],
        ["ticket.deleted", "ticket.opened", "ticket.solved"],
        ticket={"status": "deleted"}, trigger=ASKS, decisions=CANCELLED,
    ),
    Story(
        "closed by a merge", "zendesk",
        [zendesk_event("created", "1T09:00:00Z"),
         zendesk("ticket.closed", "2T10:00:00Z", tags="vip closed_by_merge")],
        ["ticket.merged", "ticket.opened"], ticket={"status": "merged", "first_solved_at": None},
    ),
    Story(
        "a deleted conversation", "intercom",
        [intercom("conversation.user.created", 1_772_300_000),
         intercom("conversation.deleted", 1_772_400_000)],
        ["ticket.deleted", "ticket.opened"], ticket={"status": "deleted"},
    ),
    Story(
        "spam", "helpscout",
        [helpscout("convo.created", status="active"), helpscout("convo.status", status="spam")],
        ["ticket.deleted", "ticket.opened"], ticket={"status": "deleted"},
    ),
    Story(
        "merged by its state", "zammad",
        [zammad("new", "1T08:00:00Z"), zammad({"id": 5, "name": "zusammengelegt"}, "2T08:00:00Z")],
        ["ticket.merged", "ticket.opened"], ticket={"status": "merged"},
    ),
    Story(
        "spam of another helpdesk", "freshdesk",
        [freshdesk("ticket.created", "1T08:00:00Z"), freshdesk("", "2T08:00:00Z", spam="true")],
        ["ticket.deleted", "ticket.opened"], ticket={"status": "deleted"},
    ),
    Story(
        "a status in the helpdesk's language", "zendesk",
        [zendesk("", "2T10:00:00Z", status="Gelöst"), zendesk("", "3T10:00:00Z", status="offen"),
         zendesk("", "4T10:00:00Z", status="Rozwiązane")],
        ["ticket.opened", "ticket.reopened", "ticket.solved", "ticket.solved"],
        ticket={"status": "solved", "reopened": True},
    ),
    Story(
        "an id before any label", "zammad",
        [zammad("new", "1T08:00:00Z"),
         zammad({"id": 4, "name": "Ganz fertig!"}, "2T08:00:00Z", close_at="2026-03-02T08:00:00Z")],
        ["ticket.opened", "ticket.solved"], ticket={"status": "solved"},
    ),
    Story(
        "times without a zone", "zendesk",
        [zendesk("ticket.solved", "2 10:00:00", created_at="2026-03-02 09:00:00")],
        ["ticket.opened", "ticket.solved"], settings={"timezone": "Europe/Warsaw"},
        ticket={"opened_at": "2026-03-02T08:00:00Z", "first_solved_at": "2026-03-02T09:00:00Z"},
    ),
]  # fmt: skip


def shuffled(deliveries: Sequence[Told]) -> list[Told]:
    """Return another order: backwards, which is never the given one."""
    return list(reversed(deliveries))


def doubled(deliveries: Sequence[Told]) -> list[Told]:
    """Return each twice, mixed, always in the same way."""
    twice = [*deliveries, *deliveries]
    random.Random(7).shuffle(twice)
    return twice


def middle_last(deliveries: Sequence[Told]) -> list[Told]:
    """Return the one in the middle last."""
    middle = len(deliveries) // 2
    return [*deliveries[:middle], *deliveries[middle + 1 :], deliveries[middle]]


ORDERS: dict[str, Callable[[Sequence[Told]], list[Told]]] = {
    "in order": list, "shuffled": shuffled, "doubled": doubled, "middle last": middle_last,
}  # fmt: skip


@pytest.mark.parametrize("together", [False, True], ids=["one by one", "together"])
@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("story", STORIES, ids=lambda story: f"{story.source}: {story.name}")
async def test_a_story_comes_to_the_same_in_any_order(
    shop: Shop, story: Story, order: str, together: bool
) -> None:
    made = await register(shop, story.source, **story.settings)
    if story.trigger is not None:
        await shop.publish("s", "nps")
        rules = {k: v for k, v in story.trigger.items() if v is not None}
        await shop.make_trigger("s", **rules)
    for headers, body in ORDERS[order](story.deliveries):
        assert (await deliver(shop, made, headers, body)).status_code in {200, 202}
        if not together:
            await shop.work()
    await shop.work()
    events = (await shop.get(f"/v1/integrations/{made['id']}/events", limit=100))["data"]
    assert {e["status"] for e in events} <= {"translated", "skipped"}, events
    found = (await shop.get("/v1/interactions"))["data"]
    given = {name for interaction in found for name in interaction["properties"]}
    assert given <= set(ADAPTERS[story.source].properties), "its adapter does not state them"
    # What a trigger was told late it may decide in another way; what happened is the same.
    assert sorted(i["type"] for i in found) == list(story.types)
    if story.ticket:
        (ticket,) = (await shop.get("/v1/tickets"))["data"]
        assert {name: ticket[name] for name in story.ticket} == story.ticket
    if story.customer:
        (customer,) = (await shop.get("/v1/customers"))["data"]
        assert {name: customer[name] for name in story.customer} == story.customer
    if story.decisions:
        await expect_decisions(shop, story)


async def expect_decisions(shop: Shop, story: Story) -> None:
    """Nobody is written to about what was called off, told before or after."""
    decisions = (await shop.get("/v1/decisions"))["data"]
    invitations = (await shop.get("/v1/invitations"))["data"]
    waiting = sorted(i["email"] for i in invitations if i["status"] == "scheduled")
    if story.decisions == CANCELLED:
        assert [d["reason"] for d in decisions] == ["cancelled"]
        assert waiting == []
    else:
        assert sorted((d["outcome"], d["reason"]) for d in decisions) == sorted(
            story.decisions, key=str
        )
        assert len(waiting) == sum(outcome == "invited" for outcome, _ in story.decisions)
    if story.emails:
        assert waiting == list(story.emails)


SIMPLE = {
    "ticket_id": 77, "ticket_contact_email": "jane@e.com", "ticket_contact_name": "Jane",
    "triggered_event": "{status:{from:2,to:4}}",
}  # fmt: skip


def simple(status: str) -> Told:
    return JSON, {"freshdesk_webhook": SIMPLE | {"ticket_status": status}}


async def test_without_id_and_time_the_state_tells_what_is_news(shop: Shop) -> None:
    made = await register(shop, "freshdesk")
    told = ["Resolved", "Resolved", "Open", "Resolved", "Resolved"]
    replies = [(await deliver(shop, made, *simple(status))).status_code for status in told]
    assert replies == [202, 200, 202, 202, 200]
    await shop.work()
    found = (await shop.get("/v1/interactions"))["data"]
    assert sorted(i["type"] for i in found) == ["ticket.reopened", *["ticket.solved"] * 2]
    (ticket,) = (await shop.get("/v1/tickets"))["data"]
    assert (ticket["status"], ticket["reopened"]) == ("solved", True)


async def test_equal_bytes_of_two_tickets_are_two(shop: Shop) -> None:
    made = await register(shop, "freshdesk")
    for ticket in (1, 2):
        body = {"freshdesk_webhook": SIMPLE | {"ticket_status": "Resolved", "ticket_id": ticket}}
        assert (await deliver(shop, made, JSON, body)).status_code == 202
    await shop.work()
    assert len((await shop.get("/v1/tickets"))["data"]) == 2


@pytest.mark.parametrize(
    ("source", "delivery"),
    [
        ("stripe", stripe("checkout.session.completed", 1_772_400_000, SESSION, livemode=False)),
        ("stripe", stripe("invoice.paid", 1_772_400_000,
                          {"id": "in_1", "amount_paid": 5, "currency": "eur",
                           "customer_email": "a@e.pl"}, livemode=False)),
        ("shopify", shopify("orders/paid", "2T10:00:00Z", test=True)),
    ],
)  # fmt: skip
async def test_a_test_is_a_test_unless_the_shop_tries(
    shop: Shop, source: str, delivery: Told
) -> None:
    await shop.publish("s", "nps")
    await shop.make_trigger("s", on="order.paid")
    made = await register(shop, source)
    await deliver(shop, made, *delivery)
    await shop.work()
    assert (await shop.get("/v1/interactions"))["data"] == []
    (tried,) = (await shop.get("/v1/interactions", test="true"))["data"]
    assert (tried["type"], tried["test"]) == ("order.paid", True)
    assert (await shop.get("/v1/customers"))["data"] == []
    trying = await register(shop, source, key="trying", accept_test=True)
    await deliver(shop, trying, *delivery)
    await shop.work()
    (real,) = (await shop.get("/v1/interactions"))["data"]
    assert (real["source"], real["test"]) == ("trying", False)
    outcomes = {(d["outcome"], d["reason"]) for d in (await shop.get("/v1/decisions"))["data"]}
    assert outcomes == {("skipped", "test"), ("invited", None)}


async def test_a_test_orders_later_events_are_tests(shop: Shop) -> None:
    made = await register(shop, "shopify")
    await deliver(shop, made, *shopify("orders/paid", "2T10:00:00Z", test=True))
    await shop.work()
    await deliver(shop, made, *shopify_refund("3T10:00:00Z", "30.00", 1))
    await shop.work()
    assert (await shop.get("/v1/interactions"))["data"] == []


async def test_an_unknown_status_is_listed_mapped_and_retried(shop: Shop) -> None:
    made = await register(shop, "zendesk")
    for at in ("2T10:00:00Z", "3T10:00:00Z"):
        told = zendesk("", at, status="Fertig beim Kunden", ticket_id=at)
        await deliver(shop, made, *told)
    await shop.work()
    path = f"/v1/integrations/{made['id']}"
    (event, _) = (await shop.get(f"{path}/events", status="failed"))["data"]
    assert "status_map" in event["reason"]
    (unmapped,) = (await shop.get(path))["unmapped"]
    assert (unmapped["status"], unmapped["count"]) == ("Fertig beim Kunden", 2)
    wrong = await shop.call("PATCH", path, json={"status_map": {"Fertig beim Kunden": "done"}})
    assert wrong.status_code == 422
    body = {"status_map": {"fertig  beim kunden": "solved"}}
    assert (await shop.call("PATCH", path, json=body)).status_code == 200
    await shop.work()
    types = sorted(i["type"] for i in (await shop.get("/v1/interactions"))["data"])
    assert types == ["ticket.opened", "ticket.opened", "ticket.solved", "ticket.solved"]
    assert (await shop.get(path))["unmapped"] == []


async def test_a_shops_own_status_is_mapped_too(shop: Shop) -> None:
    made = await register(shop, "woocommerce", status_map={"shipped": "fulfilled"})
    await deliver(shop, made, *woo("wc-shipped", "4T09:00:00"))
    await deliver(shop, made, *woo("at-the-post", "5T09:00:00"))
    await deliver(shop, made, *woo("pending", "6T09:00:00"))
    await shop.work()
    (found,) = (await shop.get("/v1/interactions"))["data"]
    assert found["type"] == "order.fulfilled"
    (unmapped,) = (await shop.get(f"/v1/integrations/{made['id']}"))["unmapped"]
    assert unmapped["status"] == "at-the-post"


async def test_a_ticket_solved_before_it_was_opened_names_the_setting(shop: Shop) -> None:
    made = await register(shop, "zendesk")
    told = zendesk("ticket.solved", "2 10:00:00", created_at="2026-03-02T10:30:00Z")
    await deliver(shop, made, *told)
    await shop.work()
    (event,) = (await shop.get(f"/v1/integrations/{made['id']}/events"))["data"]
    assert event["status"] == "translated"
    assert "`timezone`" in event["reason"]


async def test_a_time_that_cannot_be_read_is_no_receipt(shop: Shop) -> None:
    made = await register(shop, "zendesk")
    await deliver(shop, made, *zendesk("ticket.solved", "2", updated_at="the day before"))
    await shop.work()
    (event,) = (await shop.get(f"/v1/integrations/{made['id']}/events"))["data"]
    assert event["status"] == "failed"
    assert event["reason"].startswith("the time 'the day before' cannot be read; send ISO 8601")


async def test_a_bad_address_loses_the_address_never_the_event(shop: Shop) -> None:
    await shop.publish("s", "nps")
    await shop.make_trigger("s", on="order.paid")
    made = await register(shop, "woocommerce")
    await deliver(shop, made, *woo("processing", "2T09:00:00", billing={"email": "ola at e.pl"}))
    mapped = await shop.post("/v1/integrations", {
        "source": "generic", "key": "g",
        "mapping": {"type": {"const": "order.paid"}, "external_id": "/id",
                    "customer": {"external_id": "/who", "email": "/mail"}, "locale": "/lang"},
    })  # fmt: skip
    path = "/in/" + mapped["url"].partition("/in/")[2]
    body = {"id": 1, "who": "c-1", "mail": "a b@c", "lang": "Polish!"}
    await shop.client.post(path, json=body)
    await shop.work()
    found = (await shop.get("/v1/interactions"))["data"]
    assert [i["type"] for i in found] == ["order.paid"] * 2
    (event,) = (await shop.get("/v1/integrations/g/events"))["data"]
    assert event["status"] == "translated"
    assert [note.partition(":")[0] for note in event["notes"]] == [
        "left out customer.email", "left out locale",
    ]  # fmt: skip
    reasons = {d["reason"] for d in (await shop.get("/v1/decisions"))["data"]}
    assert reasons == {"no_address"}
    api = await shop.call("POST", "/v1/interactions", json={
        "type": "order.paid", "source": "x", "external_id": "1", "customer": {"email": "a b@c"},
    })  # fmt: skip
    assert api.status_code == 422


async def test_the_newest_word_about_a_person_wins(shop: Shop) -> None:
    said = [
        ("2026-03-03T10:00:00Z", "new@e.pl", "Eva New"),
        ("2026-03-01T10:00:00Z", "old@e.pl", "Eva Old"),
        ("2026-03-03T10:00:00Z", "newest@e.pl", None),
    ]
    for number, (at, email, name) in enumerate(said):
        customer = {"external_id": "c-1", "email": email} | ({"name": name} if name else {})
        await shop.happened("visit", str(number), occurred_at=at, customer=customer)
    found = await shop.get("/v1/customers/c-1")
    assert (found["email"], found["name"]) == ("newest@e.pl", "Eva New")
    for email in ("old@e.pl", "new@e.pl", "newest@e.pl"):
        (known,) = (await shop.get("/v1/customers", email=email))["data"]
        assert known["id"] == found["id"]


async def test_two_buyers_of_one_number_are_each_written_to(shop: Shop) -> None:
    await shop.publish("s", "nps")
    await shop.make_trigger("s", on="order.paid", delay="P1D")
    for number, email in enumerate(("a@e.pl", "b@e.pl")):
        customer = {"external_id": "household", "email": email, "name": email[0].upper()}
        await shop.happened("order.paid", str(number), order=str(number), customer=customer)
    invitations = (await shop.get("/v1/invitations"))["data"]
    assert sorted(i["email"] for i in invitations) == ["a@e.pl", "b@e.pl"]


def test_every_source_has_a_story() -> None:
    assert {story.source for story in STORIES} == {*SourceName} - {SourceName.GENERIC}


def test_every_module_of_a_source_is_registered() -> None:
    found = {module.name for module in pkgutil.iter_modules(sources.__path__)}
    assert found == {source.value for source in SourceName} == set(ADAPTERS)


def test_no_two_stories_say_the_same() -> None:
    told = [json.dumps([d[1] for d in story.deliveries], sort_keys=True) for story in STORIES]
    for first, other in itertools.combinations(told, 2):
        assert first != other
