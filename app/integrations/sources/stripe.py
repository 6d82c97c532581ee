"""Stripe: checkout sessions that are paid. Amounts are in minor units."""

from decimal import Decimal

from app.integrations.adapter import (
    Adapter,
    Delivery,
    NotUsed,
    Payload,
    Translation,
    customer,
    dig,
    language,
    moment,
    properties,
    text,
    told,
)

_PAID = {"checkout.session.completed", "checkout.session.async_payment_succeeded"}
_WITHOUT_MINOR_UNITS = frozenset(
    [
        "BIF",
        "CLP",
        "DJF",
        "GNF",
        "JPY",
        "KMF",
        "KRW",
        "MGA",
        "PYG",
        "RWF",
        "UGX",
        "VND",
        "VUV",
        "XAF",
        "XOF",
        "XPF",
    ]
)
_WITH_THREE_DIGITS = frozenset(["BHD", "JOD", "KWD", "OMR", "TND"])


def translate(delivery: Delivery, _settings: Payload) -> Translation:
    """Translate a checkout session; `payment_status` must be `paid`."""
    payload = delivery.payload
    kind = text(payload.get("type"))
    if kind not in _PAID:
        return NotUsed(f"`{kind}` means nothing here")
    session = dig(payload, "data", "object")
    order = text(dig(session, "id"))
    if order is None:
        return NotUsed("`data.object.id` is missing")
    if dig(session, "payment_status") != "paid":
        return NotUsed(f"the payment is {dig(session, 'payment_status')!r}, not paid")
    details = dig(session, "customer_details")
    locale = dig(session, "locale")
    return [
        told(
            "order.paid",
            order,
            order=order[:128],
            external_id=f"{order}:paid"[:128],
            occurred_at=moment(payload.get("created")),
            customer=customer(
                external_id=dig(session, "customer"),
                address=dig(details, "email") or dig(session, "customer_email"),
                name=text(dig(details, "name")),
                locale=None if locale == "auto" else language(locale),
            ),
            value=_value(dig(session, "amount_total"), text(dig(session, "currency"))),
            properties=properties(
                country=dig(details, "address", "country"),
                mode=dig(session, "mode"),
                reference=dig(session, "client_reference_id"),
                payment_link=dig(session, "payment_link"),
            ),
        )
    ]


def _value(amount: object, currency: str | None) -> dict[str, str] | None:
    if not isinstance(amount, int) or isinstance(amount, bool) or currency is None:
        return None
    code = currency.upper()
    digits = 0 if code in _WITHOUT_MINOR_UNITS else 3 if code in _WITH_THREE_DIGITS else 2
    return {"amount": f"{Decimal(amount).scaleb(-digits):f}", "currency": code}


ADAPTER = Adapter(
    translate,
    stripe=True,
    delivery_field="id",
    properties={
        "country": "the buyer's country",
        "mode": "payment, subscription or setup",
        "reference": "your own reference of the session",
        "payment_link": "the payment link's id",
    },
)
