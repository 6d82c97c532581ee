# SPDX-License-Identifier: Apache-2.0
"""Webhooks of Stripe: how it signs them, and whole stories of them."""

from typing import Any

from tests.integrations.sender import (
    CANCELLED,
    JSON,
    ORDER_TRIGGER,
    Sender,
    SentWebhook,
    Story,
    mac_of,
)

SESSION = {
    "id": "cs_1", "payment_status": "paid", "payment_intent": "pi_1", "amount_total": 5000,
    "currency": "eur", "client_reference_id": "A-1001", "mode": "payment",
    "customer_details": {"email": "kai@e.de", "name": "Kai"},
}  # fmt: skip

CHARGE = {"id": "ch_1", "payment_intent": "pi_1", "amount": 5000, "currency": "eur"}  # fmt: skip


def stripe(kind: str, at: int, item: dict[str, Any], **more: Any) -> SentWebhook:
    body = {
        "id": f"evt_{kind}_{at}", "type": kind, "created": at, "livemode": True,
        "data": {"object": item},
    } | more  # fmt: skip
    return JSON, body


def sign(body: bytes, secret: str, seconds: int) -> dict[str, str]:
    mac = mac_of("sha256", f"{seconds}.".encode() + body, secret).hex()
    return {"Stripe-Signature": f"t={seconds},v1={'0' * 64},v1={mac},v0=x"}


SENDER = Sender(
    sign=sign,
    first=stripe("checkout.session.completed", 1_772_400_000, SESSION),
    needs_url_first=True,
    stories=[
        Story(
            "paid back by the payment's number",
            [stripe("checkout.session.completed", 1_772_400_000, SESSION),
             stripe("charge.refunded", 1_772_500_000,
                    CHARGE | {"amount_refunded": 5000, "refunded": True})],
            ["order.paid", "order.refunded"], trigger=ORDER_TRIGGER, decisions=CANCELLED,
        ),
        Story(
            "paid back in part by the payment's number",
            [stripe("checkout.session.completed", 1_772_400_000, SESSION),
             stripe("charge.refunded", 1_772_500_000,
                    CHARGE | {"amount_refunded": 500, "refunded": False})],
            ["order.paid", "order.refunded"], trigger=ORDER_TRIGGER, decisions=[("invited", None)],
        ),
        Story(
            "disputed at the bank",
            [stripe("checkout.session.completed", 1_772_400_000, SESSION),
             stripe("charge.dispute.created", 1_772_500_000,
                    {"id": "dp_1", "charge": "ch_1", "payment_intent": "pi_1", "reason": "x"})],
            ["order.cancelled", "order.paid"], trigger=ORDER_TRIGGER, decisions=CANCELLED,
        ),
        Story(
            "a subscription's first invoice is its session",
            [stripe("checkout.session.completed", 1_772_400_000,
                    SESSION | {"mode": "subscription", "invoice": "in_1", "payment_intent": None}),
             stripe("invoice.paid", 1_772_400_001,
                    {"id": "in_1", "amount_paid": 5000, "currency": "eur", "customer": "cus_1",
                     "customer_email": "kai@e.de", "billing_reason": "subscription_create"})],
            ["order.paid", "order.paid"], trigger=ORDER_TRIGGER,
            decisions=[("invited", None), ("skipped", "duplicate")],
        ),
        Story(
            "a session that costs nothing",
            [stripe("checkout.session.completed", 1_772_400_000,
                    SESSION | {"payment_status": "no_payment_required", "amount_total": 0})],
            ["order.paid"],
        ),
    ],
)  # fmt: skip
