# SPDX-License-Identifier: Apache-2.0
"""Webhooks of WooCommerce: how it signs them, and whole stories of them."""

from typing import Any

from tests.integrations.sender import (
    CANCELLED,
    JSON,
    MONTH,
    ORDER_TRIGGER,
    Sender,
    SentWebhook,
    Story,
    signer,
)


def woo(status: str, at: str, *, topic: str = "order.updated", **more: Any) -> SentWebhook:
    body = {
        "id": 15, "status": status, "total": "50.00", "currency": "EUR",
        "date_modified_gmt": f"{MONTH}-0{at}", "date_paid_gmt": f"{MONTH}-02T09:00:00",
        "date_completed_gmt": f"{MONTH}-03T09:00:00", "customer_id": 0,
        "billing": {"email": "ola@e.pl", "first_name": "Ola"},
    } | more  # fmt: skip
    return JSON | {"x-wc-webhook-topic": topic, "x-wc-webhook-delivery-id": "d1"}, body


SENDER = Sender(
    sign=signer("X-WC-Webhook-Signature", "sha256"),
    first=woo("processing", "2T09:00:00"),
    stories=[
        Story(
            "a shop's order fails",
            [woo("processing", "2T09:00:00"), woo("cancelled", "4T09:00:00")],
            ["order.cancelled", "order.paid"], trigger=ORDER_TRIGGER, decisions=CANCELLED,
        ),
        Story(
            "a shop's order is paid back in part",
            [woo("processing", "2T09:00:00"),
             woo("processing", "4T09:00:00", refunds=[{"id": 3, "total": "-5.00"}])],
            ["order.paid", "order.refunded"], trigger=ORDER_TRIGGER, decisions=[("invited", None)],
        ),
        Story(
            "a shop's order goes to the trash",
            [woo("processing", "2T09:00:00"), woo("trash", "4T09:00:00")],
            ["order.cancelled", "order.paid"], trigger=ORDER_TRIGGER, decisions=CANCELLED,
        ),
    ],
)  # fmt: skip
