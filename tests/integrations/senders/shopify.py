# SPDX-License-Identifier: Apache-2.0
"""Webhooks of Shopify: how it signs them, and whole stories of them."""

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


def shopify(topic: str, at: str, *, order: int = 820982911946154500, **more: Any) -> SentWebhook:
    body = {
        "id": order, "email": "jon@e.com", "total_price": "100.00", "currency": "USD",
        "processed_at": f"{MONTH}-0{at}", "created_at": f"{MONTH}-0{at}",
        "updated_at": f"{MONTH}-0{at}", "customer": {"id": 7, "first_name": "Jon"}, "test": False,
    } | more  # fmt: skip
    # One event of the shop bears one id, whatever topics it is sent for.
    return JSON | {"x-shopify-topic": topic, "x-shopify-event-id": f"ev-{order}-{at}"}, body


def shopify_refund(at: str, amount: str, number: int) -> SentWebhook:
    body = {
        "id": number, "order_id": 820982911946154500, "created_at": f"{MONTH}-0{at}",
        "transactions": [{"kind": "refund", "amount": amount, "currency": "USD"}],
    }  # fmt: skip
    return JSON | {"x-shopify-topic": "refunds/create", "x-shopify-event-id": f"r-{number}"}, body


SENDER = Sender(
    sign=signer("X-Shopify-Hmac-Sha256", "sha256"),
    first=shopify("orders/paid", "2T10:00:00Z"),
    needs_url_first=True,
    stories=[
        Story(
            "one event of the shop, two topics",
            [shopify("orders/create", "2T10:00:00Z"), shopify("orders/paid", "2T10:00:00Z")],
            ["order.paid", "order.placed"],
        ),
        Story(
            "a changed address",
            [shopify("orders/paid", "2T10:00:00Z"),
             shopify("orders/paid", "3T10:00:00Z", order=2, email="jon@new.com"),
             shopify("orders/fulfilled", "4T10:00:00Z", email=None, customer=None)],
            ["order.fulfilled", "order.paid", "order.paid"],
            trigger=ORDER_TRIGGER, decisions=[("invited", None), ("invited", None)],
            customer={"email": "jon@new.com"}, emails=["jon@e.com", "jon@new.com"],
        ),
        Story(
            "cancelled within the delay",
            [shopify("orders/paid", "2T10:00:00Z"),
             shopify("orders/cancelled", "3T10:00:00Z", cancelled_at=f"{MONTH}-03T10:00:00Z")],
            ["order.cancelled", "order.paid"], trigger=ORDER_TRIGGER, decisions=CANCELLED,
        ),
        Story(
            "edited, which calls nothing off",
            [shopify("orders/paid", "2T10:00:00Z"),
             shopify("orders/edited", "3T10:00:00Z", current_total_price="80.00")],
            ["order.edited", "order.paid"], trigger=ORDER_TRIGGER, decisions=[("invited", None)],
        ),
        Story(
            "a partial refund calls nothing off",
            [shopify("orders/paid", "2T10:00:00Z"), shopify_refund("3T10:00:00Z", "30.00", 1)],
            ["order.paid", "order.refunded"], trigger=ORDER_TRIGGER, decisions=[("invited", None)],
        ),
        Story(
            "two partial refunds that make a full one",
            [shopify("orders/paid", "2T10:00:00Z"), shopify_refund("3T10:00:00Z", "30.00", 1),
             shopify_refund("4T10:00:00Z", "70.00", 2)],
            ["order.paid", "order.refunded", "order.refunded"],
            trigger=ORDER_TRIGGER, decisions=CANCELLED,
        ),
    ],
)  # fmt: skip
