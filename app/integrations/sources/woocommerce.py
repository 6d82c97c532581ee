# SPDX-License-Identifier: Apache-2.0
"""WooCommerce: orders by their status. Times named `_gmt` are UTC without a zone."""

from decimal import Decimal
from typing import Any

from app.integrations.adapter import (
    UTC,
    Adapter,
    InboundWebhook,
    InteractionBody,
    Interpretation,
    Payload,
    SourceSettings,
    Translation,
    UnmappedStatusError,
    UnusedWebhook,
)
from app.integrations.payload_fields import (
    build_customer,
    build_interaction,
    build_properties,
    decimal_of,
    join_texts,
    money_of,
    text_of,
    time_of,
    value_at,
)
from app.integrations.signatures import SignatureRule
from app.integrations.statuses import fold_status, remedy_of, type_of_meaning
from app.interactions.known_types import KnownType

# The interaction type of an order's status, and the field with its time.
_BY_STATUS = {
    "processing": (KnownType.ORDER_PAID, "date_paid"),
    "completed": (KnownType.ORDER_FULFILLED, "date_completed"),
    "refunded": (KnownType.ORDER_REFUNDED, "date_modified"),
    "cancelled": (KnownType.ORDER_CANCELLED, "date_modified"),
    "failed": (KnownType.ORDER_CANCELLED, "date_modified"),
    "trash": (KnownType.ORDER_CANCELLED, "date_modified"),
}
_BEFORE_PAYMENT = {"pending", "on-hold", "checkout-draft", "auto-draft", "draft", "new"}


def translate(webhook: InboundWebhook, settings: SourceSettings) -> Translation:
    """Translate an order by its status and its refunds."""
    payload, topic = webhook.payload, webhook.headers.get("x-wc-webhook-topic", "")
    if not topic.startswith("order."):
        return UnusedWebhook(f"the topic {topic!r} makes no interaction")
    order = text_of(payload.get("id"))
    if order is None:
        return UnusedWebhook("`id` is missing")
    if topic == "order.deleted":
        deleted = build_interaction(
            KnownType.ORDER_CANCELLED, order, order=order, properties={"deleted": True}
        )
        return Interpretation([deleted])
    status = fold_status(text_of(payload.get("status")) or "").removeprefix("wc-")
    refunds = _refunds(payload, order, settings)
    bodies: list[InteractionBody] = []
    if not (status == "refunded" and refunds):
        bodies = _by_status(webhook, order, status, settings)
    if not bodies and not refunds:
        return UnusedWebhook(f"the status {status!r} makes no interaction")
    return Interpretation([*bodies, *refunds])


def _by_status(
    webhook: InboundWebhook, order: str, status: str, settings: SourceSettings
) -> list[InteractionBody]:
    payload = webhook.payload
    meaning = _type_of(status, settings)
    if meaning is None:
        return []
    type_, time_field = meaning
    at = _time_of_field(payload, time_field, settings) or _time_of_field(
        payload, "date_modified", settings
    )
    often = type_ == KnownType.ORDER_CANCELLED
    extras = build_properties(refund="full") if type_ == KnownType.ORDER_REFUNDED else {}
    event = build_interaction(
        type_,
        order,
        order=order,
        # A payment may fail and be tried again; all else happens to an order once.
        external_id=None if often else f"{order}:{type_.rpartition('.')[2]}",
        occurred_at=at,
        customer=_customer(payload),
        value=money_of(payload.get("total"), payload.get("currency")),
        properties=_properties(webhook) | extras,
    )
    return [event]


def _type_of(status: str, settings: SourceSettings) -> tuple[str, str] | None:
    meaning = settings.status_map.get(status)
    if meaning is not None:
        type_ = type_of_meaning(meaning)
        return (type_, "date_modified") if type_ else None
    if status in _BY_STATUS:
        return _BY_STATUS[status]
    if not status or status in _BEFORE_PAYMENT:
        return None
    raise UnmappedStatusError(status, remedy_of(status).replace("solved", "fulfilled"))


def _refunds(payload: Payload, order: str, settings: SourceSettings) -> list[InteractionBody]:
    """Return the refunds that the order lists; the one that reaches the order's value is full."""
    listed = payload.get("refunds")
    if not isinstance(listed, list):
        return []
    total, currency = decimal_of(payload.get("total")), payload.get("currency")
    left, bodies = total, []
    is_whole = text_of(payload.get("status")) == "refunded"
    # WooCommerce lists the newest first; their ids grow.
    listed = sorted(listed, key=lambda refund: decimal_of(value_at(refund, "id")) or Decimal())
    for number, refund in enumerate(listed, start=1):
        amount = decimal_of(value_at(refund, "total"))
        if amount is None or (id_ := text_of(value_at(refund, "id"))) is None:
            continue
        left = None if left is None else left - abs(amount)
        is_full = (left is not None and left <= Decimal()) or (is_whole and number == len(listed))
        bodies.append(
            build_interaction(
                KnownType.ORDER_REFUNDED,
                order,
                order=order,
                external_id=f"{order}:refunded:{id_}",
                occurred_at=_time_of_field(payload, "date_modified", settings),
                value=money_of(f"{abs(amount):f}", currency),
                properties=build_properties(refund="full" if is_full else "partial"),
            )
        )
    return bodies


def _time_of_field(payload: Payload, name: str, settings: SourceSettings) -> str | None:
    gmt = time_of(payload.get(f"{name}_gmt"), UTC)
    return gmt or time_of(payload.get(name), settings.timezone)


def _customer(payload: Payload) -> dict[str, Any] | None:
    billing, buyer = payload.get("billing"), text_of(payload.get("customer_id"))
    return build_customer(
        external_id=None if buyer == "0" else buyer,
        address=value_at(billing, "email"),
        name=join_texts(value_at(billing, "first_name"), value_at(billing, "last_name")),
    )


def _properties(webhook: InboundWebhook) -> dict[str, Any]:
    payload = webhook.payload
    lines = payload.get("line_items")
    return build_properties(
        store=webhook.headers.get("x-wc-webhook-source"),
        country=value_at(payload, "billing", "country"),
        number=payload.get("number"),
        payment_method=payload.get("payment_method"),
        channel=payload.get("created_via"),
        products=[value_at(line, "name") for line in lines] if isinstance(lines, list) else [],
    )


ADAPTER = Adapter(
    translate,
    signature=SignatureRule("X-WC-Webhook-Signature", encoding="base64"),
    id_headers=("x-wc-webhook-delivery-id",),
    id_field=None,
    event_headers=("x-wc-webhook-topic",),
    # Two orders within a second share the webhook's id.
    hashes_body=True,
    numbers_orders=True,
    ping=b"webhook_id=",
    properties={
        "store": "the shop's address",
        "country": "the billing country",
        "number": "the order's number",
        "payment_method": "the payment method",
        "channel": "where the order was made",
        "products": "the names of the order's lines, a list",
        "refund": "`full` or `partial` (refunds); a partial one cancels no invitation",
    },
)
