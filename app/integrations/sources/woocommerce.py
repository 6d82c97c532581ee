"""WooCommerce: orders by their status. Times named `_gmt` are UTC without a zone."""

from app.integrations.adapter import (
    Adapter,
    Delivery,
    NotUsed,
    Payload,
    Translation,
    customer,
    dig,
    moment,
    properties,
    text,
    told,
    words,
)
from app.integrations.signatures import SignatureRule

_BY_STATUS = {
    "processing": ("order.paid", "date_paid_gmt"),
    "completed": ("order.fulfilled", "date_completed_gmt"),
    "refunded": ("order.refunded", "date_modified_gmt"),
}


def translate(delivery: Delivery, _settings: Payload) -> Translation:
    """Translate an order by its status."""
    payload, topic = delivery.payload, delivery.headers.get("x-wc-webhook-topic", "")
    if not topic.startswith("order."):
        return NotUsed(f"the topic {topic!r} means nothing here")
    order, status = text(payload.get("id")), text(payload.get("status")) or ""
    if order is None:
        return NotUsed("`id` is missing")
    if status not in _BY_STATUS:
        return NotUsed(f"the status {status!r} means nothing here")
    type_, time_field = _BY_STATUS[status]
    billing, buyer = payload.get("billing"), text(payload.get("customer_id"))
    lines = payload.get("line_items")
    total, currency = text(payload.get("total")), text(payload.get("currency"))
    return [
        told(
            type_,
            order,
            order=order,
            external_id=f"{order}:{type_.rpartition('.')[2]}",
            occurred_at=moment(payload.get(time_field)) or moment(payload.get("date_modified_gmt")),
            customer=customer(
                external_id=None if buyer == "0" else buyer,
                address=dig(billing, "email"),
                name=words(dig(billing, "first_name"), dig(billing, "last_name")),
            ),
            value={"amount": total, "currency": currency} if total and currency else None,
            properties=properties(
                store=delivery.headers.get("x-wc-webhook-source"),
                country=dig(billing, "country"),
                number=payload.get("number"),
                payment_method=payload.get("payment_method"),
                channel=payload.get("created_via"),
                products=[dig(line, "name") for line in lines] if isinstance(lines, list) else [],
            ),
        )
    ]


ADAPTER = Adapter(
    translate,
    signature=SignatureRule("X-WC-Webhook-Signature", encoding="base64"),
    delivery_headers=("x-wc-webhook-delivery-id",),
    # Two orders within a second share the delivery's id.
    hashes_body=True,
    properties={
        "store": "the shop's address",
        "country": "the billing country",
        "number": "the order's number",
        "payment_method": "the payment method",
        "channel": "where the order was made",
        "products": "the names of the order's lines, a list",
    },
)
