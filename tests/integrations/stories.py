# SPDX-License-Identifier: Apache-2.0
"""What real senders taught: whole stories of their webhooks, and what each must come to."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

JSON = {"content-type": "application/json"}
SentWebhook = tuple[dict[str, str], Any]


@dataclass(frozen=True)
class Story:
    """Deliveries of one source, and what they must come to in any order: `types`, sorted."""

    name: str
    source: str
    deliveries: Sequence[SentWebhook]
    types: Sequence[str]
    settings: dict[str, Any] = field(default_factory=dict)
    trigger: dict[str, Any] | None = None
    decisions: Sequence[tuple[str, str | None]] = ()
    ticket: dict[str, Any] = field(default_factory=dict)
    customer: dict[str, Any] = field(default_factory=dict)
    emails: Sequence[str] = ()


def zendesk(event: str, at: str, *, status: str = "", number: int = 0, **more: Any) -> SentWebhook:
    body = {
        "event": event, "ticket_id": "5158", "status": status, "updated_at": f"2026-03-0{at}",
        "created_at": "2026-03-01T08:00:00Z", "tags": "vip",
        "requester": {"name": "Jan", "email": "jan@e.pl", "external_id": "z-1"},
    } | more  # fmt: skip
    return JSON | {"x-zendesk-webhook-invocation-id": f"i-{event}-{at}-{number}"}, body


def zendesk_event(kind: str, at: str, **more: Any) -> SentWebhook:
    body = {
        "type": f"zen:event-type:ticket.{kind}", "time": f"2026-03-0{at}", "event": {},
        "detail": {"id": "5158", "requester_id": "77", "status": "OPEN",
                   "created_at": "2026-03-01T08:00:00Z"},
    } | more  # fmt: skip
    return JSON | {"x-zendesk-webhook-invocation-id": f"e-{kind}-{at}"}, body


def helpscout(event: str, **more: Any) -> SentWebhook:
    body = {
        "id": 4, "status": "closed", "createdAt": "2026-03-01T08:00:00Z",
        "closedAt": "2026-03-02T08:00:00Z", "userUpdatedAt": "2026-03-02T08:00:00Z",
        "primaryCustomer": {"id": 9, "email": "uwe@e.de", "first": "Uwe"},
    } | more  # fmt: skip
    return JSON | {"x-helpscout-event": event}, body


def intercom(topic: str, at: int, **item: Any) -> SentWebhook:
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


def zammad(state: Any, at: str, **ticket: Any) -> SentWebhook:
    body = {"ticket": {
        "id": 81, "state": state, "updated_at": f"2026-03-0{at}", "close_at": None,
        "created_at": "2026-03-01T08:00:00Z", "customer": {"id": 5, "email": "eva@e.pl"},
    } | ticket}  # fmt: skip
    return JSON | {"x-zammad-delivery": f"d-{at}"}, body


def chatwoot(status: str, at: str) -> SentWebhook:
    body = {
        "event": "conversation_status_changed", "id": 207, "status": status,
        "updated_at": f"2026-03-0{at}", "created_at": "2026-03-01T08:00:00Z",
        "meta": {"sender": {"email": "kim@e.pl", "name": "Kim", "identifier": "k-1"}},
    }  # fmt: skip
    return JSON | {"x-chatwoot-delivery": f"c-{at}"}, body


def freshdesk(event: str, at: str, **more: Any) -> SentWebhook:
    return JSON, {
        "event": event, "ticket_id": "77", "updated_at": f"2026-03-0{at}",
        "created_at": "2026-03-01T08:00:00Z", "requester": {"email": "jane@e.com"},
    } | more  # fmt: skip


def shopify(topic: str, at: str, *, order: int = 820982911946154500, **more: Any) -> SentWebhook:
    body = {
        "id": order, "email": "jon@e.com", "total_price": "100.00", "currency": "USD",
        "processed_at": f"2026-03-0{at}", "created_at": f"2026-03-0{at}",
        "updated_at": f"2026-03-0{at}", "customer": {"id": 7, "first_name": "Jon"}, "test": False,
    } | more  # fmt: skip
    # One event of the shop bears one id, whatever topics it is sent for.
    return JSON | {"x-shopify-topic": topic, "x-shopify-event-id": f"ev-{order}-{at}"}, body


def shopify_refund(at: str, amount: str, number: int) -> SentWebhook:
    body = {
        "id": number, "order_id": 820982911946154500, "created_at": f"2026-03-0{at}",
        "transactions": [{"kind": "refund", "amount": amount, "currency": "USD"}],
    }  # fmt: skip
    return JSON | {"x-shopify-topic": "refunds/create", "x-shopify-event-id": f"r-{number}"}, body


def woo(status: str, at: str, *, topic: str = "order.updated", **more: Any) -> SentWebhook:
    body = {
        "id": 15, "status": status, "total": "50.00", "currency": "EUR",
        "date_modified_gmt": f"2026-03-0{at}", "date_paid_gmt": "2026-03-02T09:00:00",
        "date_completed_gmt": "2026-03-03T09:00:00", "customer_id": 0,
        "billing": {"email": "ola@e.pl", "first_name": "Ola"},
    } | more  # fmt: skip
    return JSON | {"x-wc-webhook-topic": topic, "x-wc-webhook-delivery-id": "d1"}, body


def stripe(kind: str, at: int, thing: dict[str, Any], **more: Any) -> SentWebhook:
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


SIMPLE = {
    "ticket_id": 77, "ticket_contact_email": "jane@e.com", "ticket_contact_name": "Jane",
    "triggered_event": "{status:{from:2,to:4}}",
}  # fmt: skip


def simple(status: str) -> SentWebhook:
    return JSON, {"freshdesk_webhook": SIMPLE | {"ticket_status": status}}
