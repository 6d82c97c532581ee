# SPDX-License-Identifier: Apache-2.0
"""Shopify: orders, fulfilments and refunds. Its ids exceed 2⁵³ and are kept as text."""

from decimal import Decimal
from typing import Any

from app.integrations.adapter import (
    Adapter,
    InboundWebhook,
    Interpretation,
    Payload,
    SourceSettings,
    Translation,
    UnusedWebhook,
)
from app.integrations.payload_fields import (
    build_customer,
    build_interaction,
    build_properties,
    decimal_of,
    join_texts,
    locale_of,
    money_of,
    tags_of,
    text_of,
    time_of,
    value_at,
)
from app.integrations.signatures import SignatureRule
from app.interactions.known_types import KnownType

# The interaction type of an order's topic, and the field with its time.
_ORDERS = {
    "orders/create": (KnownType.ORDER_PLACED, "created_at"),
    "orders/paid": (KnownType.ORDER_PAID, "processed_at"),
    "orders/fulfilled": (KnownType.ORDER_FULFILLED, "updated_at"),
    "orders/cancelled": (KnownType.ORDER_CANCELLED, "cancelled_at"),
    "orders/edited": (KnownType.ORDER_EDITED, "updated_at"),
    "orders/delete": (KnownType.ORDER_CANCELLED, "updated_at"),
}
_FULFILMENTS = {"fulfillments/create", "fulfillments/update", "fulfillment_events/create"}


def translate(webhook: InboundWebhook, settings: SourceSettings) -> Translation:
    """Translate by the topic's header."""
    payload, topic = webhook.payload, webhook.headers.get("x-shopify-topic", "")
    if topic == "orders/updated" and payload.get("cancelled_at"):
        topic = "orders/cancelled"
    if topic in _ORDERS:
        return _order(webhook, topic, settings)
    if topic in _FULFILMENTS:
        return _fulfilment(webhook, settings)
    if topic == "refunds/create":
        return _refund(webhook, settings)
    return UnusedWebhook(f"the topic {topic!r} makes no interaction")


def _is_test(webhook: InboundWebhook) -> bool:
    """Tell whether the order or one of its payments is a test."""
    payload = webhook.payload
    payments = payload.get("transactions")
    paid_by_test = isinstance(payments, list) and any(
        value_at(payment, "test") is True for payment in payments
    )
    return payload.get("test") is True or paid_by_test


def _order(webhook: InboundWebhook, topic: str, settings: SourceSettings) -> Translation:
    type_, time_field = _ORDERS[topic]
    edit = webhook.payload.get("order_edit")
    payload: Payload = edit if isinstance(edit, dict) else webhook.payload
    order = text_of(payload.get("order_id") if payload is edit else payload.get("id"))
    if order is None:
        return UnusedWebhook("`id` is missing")
    person, zone = payload.get("customer"), settings.timezone
    at = time_of(payload.get(time_field), zone) or time_of(payload.get("created_at"), zone)
    # An order may be edited many times; each of the other events happens once.
    number = (
        f"{order}:edited:{text_of(payload.get('id'))}:{at}"
        if type_ == KnownType.ORDER_EDITED
        else None
    )
    total = payload.get("total_price")
    if type_ == KnownType.ORDER_EDITED:
        total = payload.get("current_total_price") or total
    event = build_interaction(
        type_,
        order,
        order=order,
        external_id=number or f"{order}:{type_.rpartition('.')[2]}",
        occurred_at=at,
        customer=build_customer(
            external_id=value_at(person, "id"),
            address=payload.get("email")
            or payload.get("contact_email")
            or value_at(person, "email"),
            name=join_texts(value_at(person, "first_name"), value_at(person, "last_name")),
            locale=locale_of(payload.get("customer_locale")),
        ),
        value=money_of(total, payload.get("currency")),
        properties=_properties(payload, webhook.headers.get("x-shopify-shop-domain")),
        test=_is_test(webhook) or None,
    )
    return Interpretation([event])


def _properties(payload: Payload, shop: str | None) -> dict[str, Any]:
    lines = payload.get("line_items")
    return build_properties(
        store=shop,
        country=value_at(payload, "shipping_address", "country_code")
        or value_at(payload, "billing_address", "country_code"),
        accepts_marketing=payload.get("buyer_accepts_marketing"),
        order_name=payload.get("name"),
        order_tags=tags_of(payload.get("tags")),
        customer_tags=tags_of(value_at(payload, "customer", "tags")),
        products=[value_at(line, "title") for line in lines] if isinstance(lines, list) else [],
        channel=payload.get("source_name"),
        cancel_reason=payload.get("cancel_reason"),
    )


def _fulfilment(webhook: InboundWebhook, settings: SourceSettings) -> Translation:
    payload, zone = webhook.payload, settings.timezone
    order = text_of(payload.get("order_id"))
    status = text_of(payload.get("shipment_status") or payload.get("status"))
    if status != "delivered":
        return UnusedWebhook(f"the shipment is {status!r}, not delivered")
    if order is None:
        return UnusedWebhook("`order_id` is missing")
    at = time_of(payload.get("updated_at"), zone) or time_of(payload.get("happened_at"), zone)
    event = build_interaction(
        KnownType.ORDER_DELIVERED,
        order,
        order=order,
        external_id=f"{order}:delivered:{text_of(payload.get('id'))}",
        occurred_at=at,
        customer=build_customer(address=payload.get("email")),
        properties=build_properties(
            store=webhook.headers.get("x-shopify-shop-domain"),
            carrier=payload.get("tracking_company"),
        ),
        test=_is_test(webhook) or None,
    )
    return Interpretation([event])


def _refund(webhook: InboundWebhook, settings: SourceSettings) -> Translation:
    """Translate a refund; `orders` decides by the order's value whether it is partial."""
    payload, zone = webhook.payload, settings.timezone
    order, number = text_of(payload.get("order_id")), text_of(payload.get("id"))
    if order is None:
        return UnusedWebhook("`order_id` is missing")
    at = time_of(payload.get("processed_at"), zone) or time_of(payload.get("created_at"), zone)
    value = _sum_of_refunds(payload.get("transactions"))
    # A refund without a payment, such as goods put back into stock, is never a full refund.
    partial = build_properties(refund="partial") if value is None else {}
    event = build_interaction(
        KnownType.ORDER_REFUNDED,
        order,
        order=order,
        external_id=f"{order}:refunded:{number}",
        occurred_at=at,
        value=value,
        properties=build_properties(store=webhook.headers.get("x-shopify-shop-domain")) | partial,
        test=_is_test(webhook) or None,
    )
    return Interpretation([event])


def _sum_of_refunds(transactions: Any) -> dict[str, str] | None:
    """Return the sum of the payments that went back."""
    if not isinstance(transactions, list):
        return None
    refunds = [
        transaction
        for transaction in transactions
        if text_of(value_at(transaction, "kind")) in {"refund", None}
        and text_of(value_at(transaction, "status")) in {"success", "pending", None}
    ]
    amounts = [
        amount
        for transaction in refunds
        if (amount := decimal_of(value_at(transaction, "amount"))) is not None
    ]
    if not amounts:
        return None
    return money_of(f"{sum(amounts, Decimal()):f}", value_at(refunds[0], "currency"))


ADAPTER = Adapter(
    translate,
    signature=SignatureRule("X-Shopify-Hmac-Sha256", encoding="base64"),
    id_headers=("x-shopify-event-id", "x-shopify-webhook-id"),
    id_field=None,
    # One event of the shop is sent once for each topic that it concerns.
    event_headers=("x-shopify-topic",),
    numbers_orders=True,
    properties={
        "store": "the shop's domain",
        "country": "the country it is sent to",
        "accepts_marketing": "whether the buyer accepts marketing",
        "order_name": "the order's name, such as #1001",
        "order_tags": "the order's tags, a list",
        "customer_tags": "the customer's tags, a list",
        "products": "the titles of the order's lines, a list",
        "channel": "where the order came from",
        "carrier": "who delivered (deliveries)",
        "cancel_reason": "why the order was cancelled",
        "refund": "`full` or `partial` (refunds); a partial one cancels no invitation",
    },
)
