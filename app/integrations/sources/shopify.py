"""Shopify: orders, fulfilments and refunds. Its ids exceed 2⁵³ and are kept as text."""

from decimal import Decimal, InvalidOperation
from typing import Any

from app.integrations.adapter import (
    Adapter,
    Delivery,
    NotUsed,
    Payload,
    Told,
    Translation,
    customer,
    dig,
    language,
    moment,
    properties,
    tags,
    text,
    told,
    words,
)
from app.integrations.signatures import SignatureRule

_ORDERS = {"orders/paid": "order.paid", "orders/fulfilled": "order.fulfilled",
           "orders/create": "order.placed"}  # fmt: skip
_FULFILMENTS = {"fulfillments/create", "fulfillments/update", "fulfillment_events/create"}


def translate(delivery: Delivery, _settings: Payload) -> Translation:
    """Translate by the topic's header."""
    payload, topic = delivery.payload, delivery.headers.get("x-shopify-topic", "")
    if payload.get("test") is True:
        return NotUsed("a test order")
    shop = delivery.headers.get("x-shopify-shop-domain")
    if topic in _ORDERS:
        return _order(payload, _ORDERS[topic], shop)
    if topic in _FULFILMENTS:
        return _fulfilment(payload, shop)
    if topic == "refunds/create":
        return _refund(payload, shop)
    return NotUsed(f"the topic {topic!r} means nothing here")


def _order(payload: Payload, type_: str, shop: str | None) -> Translation:
    order = text(payload.get("id"))
    if order is None:
        return NotUsed("`id` is missing")
    person = payload.get("customer")
    at = payload.get("processed_at") if type_ != "order.fulfilled" else payload.get("updated_at")
    return [
        told(
            type_,
            order,
            order=order,
            external_id=f"{order}:{type_.rpartition('.')[2]}",
            occurred_at=moment(at) or moment(payload.get("created_at")),
            customer=customer(
                external_id=dig(person, "id"),
                address=payload.get("email") or payload.get("contact_email")
                or dig(person, "email"),
                name=words(dig(person, "first_name"), dig(person, "last_name")),
                locale=language(payload.get("customer_locale")),
            ),
            value=_value(payload.get("total_price"), payload.get("currency")),
            properties=_properties(payload, shop),
        )
    ]  # fmt: skip


def _properties(payload: Payload, shop: str | None) -> dict[str, Any]:
    lines = payload.get("line_items")
    return properties(
        store=shop,
        country=dig(payload, "shipping_address", "country_code")
        or dig(payload, "billing_address", "country_code"),
        accepts_marketing=payload.get("buyer_accepts_marketing"),
        order_name=payload.get("name"),
        order_tags=tags(payload.get("tags")),
        customer_tags=tags(dig(payload, "customer", "tags")),
        products=[dig(line, "title") for line in lines] if isinstance(lines, list) else [],
        channel=payload.get("source_name"),
    )


def _fulfilment(payload: Payload, shop: str | None) -> Translation:
    order = text(payload.get("order_id"))
    status = text(payload.get("shipment_status") or payload.get("status"))
    if status != "delivered":
        return NotUsed(f"the shipment is {status!r}, not delivered")
    if order is None:
        return NotUsed("`order_id` is missing")
    return [
        told(
            "order.delivered",
            order,
            order=order,
            external_id=f"{order}:delivered:{text(payload.get('id'))}",
            occurred_at=moment(payload.get("updated_at")) or moment(payload.get("happened_at")),
            customer=customer(address=payload.get("email")),
            properties=properties(store=shop, carrier=payload.get("tracking_company")),
        )
    ]


def _refund(payload: Payload, shop: str | None) -> Translation:
    order, number = text(payload.get("order_id")), text(payload.get("id"))
    if order is None:
        return NotUsed("`order_id` is missing")
    found: Told = told(
        "order.refunded",
        order,
        order=order,
        external_id=f"{order}:refunded:{number}",
        occurred_at=moment(payload.get("processed_at")) or moment(payload.get("created_at")),
        value=_refunded(payload.get("transactions")),
        properties=properties(store=shop),
    )
    return [found]


def _refunded(transactions: Any) -> dict[str, str] | None:
    if not isinstance(transactions, list) or not transactions:
        return None
    amounts = [_decimal(dig(one, "amount")) for one in transactions]
    total = sum((a for a in amounts if a is not None), Decimal())
    return _value(str(total), dig(transactions, 0, "currency"))


def _decimal(value: Any) -> Decimal | None:
    try:
        found = Decimal(text(value) or "")
    except InvalidOperation:
        return None
    return found if found.is_finite() else None


def _value(amount: Any, currency: Any) -> dict[str, str] | None:
    known, code = _decimal(amount), text(currency)
    if known is None or code is None or len(code) != 3:
        return None
    return {"amount": f"{known:f}", "currency": code.upper()}


ADAPTER = Adapter(
    translate,
    signature=SignatureRule("X-Shopify-Hmac-Sha256", encoding="base64"),
    delivery_headers=("x-shopify-event-id", "x-shopify-webhook-id"),
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
    },
)
