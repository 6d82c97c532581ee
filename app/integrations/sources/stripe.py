# SPDX-License-Identifier: Apache-2.0
"""Stripe: sessions and invoices that are paid, refunds and disputes. Amounts are in minor units."""

from collections.abc import Callable
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
    locale_of,
    minor_digits,
    text_of,
    time_of,
    value_at,
)
from app.integrations.signatures import CombinedHeader, SignatureRule
from app.interactions.known_types import KnownType

_PAID = {"paid", "no_payment_required"}


def translate(webhook: InboundWebhook, settings: SourceSettings) -> Translation:
    """Translate by the event's type; an event that is not live is a test."""
    kind = text_of(webhook.payload.get("type")) or ""
    translates = _BY_TYPE.get(kind)
    if translates is None:
        return UnusedWebhook(f"`{kind}` makes no interaction")
    payload_object = value_at(webhook.payload, "data", "object")
    if text_of(value_at(payload_object, "id")) is None:
        return UnusedWebhook("`data.object.id` is missing")
    shared = {
        "occurred_at": time_of(webhook.payload.get("created"), settings.timezone),
        "test": True if webhook.payload.get("livemode") is False else None,
    }
    return translates(webhook.payload, payload_object, shared)


def _order_of_session(session: Payload) -> str:
    """Return the merchant's own number of the order where it is given, else the session's id."""
    reference = text_of(session.get("client_reference_id")) or text_of(session.get("id")) or ""
    return reference[:128]


def _names(*values: Any) -> tuple[str, ...]:
    """Return ids by which other events name the same order; one may come as an object."""
    text = (text_of(value_at(value, "id")) or text_of(value) for value in values)
    return tuple(name[:128] for name in text if name)


def _session_paid(_event: Payload, session: Payload, shared: dict[str, Any]) -> Translation:
    if session.get("mode") == "setup":
        return UnusedWebhook("a session of the mode `setup` buys nothing")
    if text_of(session.get("payment_status")) not in _PAID:
        return UnusedWebhook(f"the payment is {session.get('payment_status')!r}, not paid")
    details, locale = session.get("customer_details"), session.get("locale")
    body = build_interaction(
        KnownType.ORDER_PAID,
        _order_of_session(session),
        order=_order_of_session(session),
        external_id=f"{text_of(session['id'])}:paid",
        customer=build_customer(
            external_id=value_at(session, "customer", "id") or session.get("customer"),
            address=value_at(details, "email") or session.get("customer_email"),
            name=text_of(value_at(details, "name")),
            locale=None if locale == "auto" else locale_of(locale),
        ),
        value=_value(session.get("amount_total"), session.get("currency")),
        properties=build_properties(
            country=value_at(details, "address", "country"),
            mode=session.get("mode"),
            reference=session.get("client_reference_id"),
            payment_link=session.get("payment_link"),
            session=session["id"],
        ),
        **shared,
    )
    names = _names(session["id"], session.get("payment_intent"), session.get("invoice"))
    return Interpretation([body], order_names=names)


def _session_ended(_event: Payload, session: Payload, shared: dict[str, Any]) -> Translation:
    order = _order_of_session(session)
    body = build_interaction(
        KnownType.ORDER_CANCELLED,
        order,
        order=order,
        external_id=f"{text_of(session['id'])}:cancelled",
        properties=build_properties(session=session["id"]),
        **shared,
    )
    return Interpretation([body], order_names=_names(session["id"]))


def _invoice_paid(_event: Payload, invoice: Payload, shared: dict[str, Any]) -> Translation:
    order = (text_of(invoice["id"]) or "")[:128]
    payments = value_at(invoice, "payments", "data")
    listed = payments if isinstance(payments, list) else []
    intents = [value_at(payment, "payment", "payment_intent") for payment in listed]
    body = build_interaction(
        KnownType.ORDER_PAID,
        order,
        order=order,
        external_id=f"{order}:paid",
        customer=build_customer(
            external_id=value_at(invoice, "customer", "id") or invoice.get("customer"),
            address=invoice.get("customer_email"),
            name=text_of(invoice.get("customer_name")),
        ),
        value=_value(invoice.get("amount_paid"), invoice.get("currency")),
        properties=build_properties(
            billing_reason=invoice.get("billing_reason"),
            country=value_at(invoice, "customer_address", "country"),
            invoice_number=invoice.get("number"),
        ),
        **shared,
    )
    names = _names(invoice["id"], invoice.get("payment_intent"), invoice.get("charge"), *intents)
    return Interpretation([body], order_names=names)


def _charge_refunded(event: Payload, charge: Payload, shared: dict[str, Any]) -> Translation:
    """Translate one refund: the charge states the total, so the total before it is subtracted."""
    back, before = (
        charge.get("amount_refunded"),
        value_at(event, "data", "previous_attributes", "amount_refunded"),
    )
    amount = back - before if isinstance(back, int) and isinstance(before, int) else back
    full = charge.get("refunded") is True or back == charge.get("amount")
    body = build_interaction(
        KnownType.ORDER_REFUNDED,
        "",
        external_id=f"{text_of(charge['id'])}:refunded:{back}",
        value=_value(amount, charge.get("currency")),
        properties=build_properties(refund="full" if full else "partial"),
        **shared,
    )
    names = _names(charge.get("payment_intent"), charge.get("invoice"), charge["id"])
    return Interpretation([body], order_names=names, needs_order=True)


def _translate_dispute(_event: Payload, dispute: Payload, shared: dict[str, Any]) -> Translation:
    body = build_interaction(
        KnownType.ORDER_CANCELLED,
        "",
        external_id=f"{text_of(dispute['id'])}:disputed",
        properties=build_properties(cancel_reason="dispute", dispute_reason=dispute.get("reason")),
        **shared,
    )
    names = _names(dispute.get("payment_intent"), dispute.get("charge"))
    return Interpretation([body], order_names=names, needs_order=True)


_BY_TYPE: dict[str, Callable[[Payload, Payload, dict[str, Any]], Translation]] = {
    "checkout.session.completed": _session_paid,
    "checkout.session.async_payment_succeeded": _session_paid,
    "checkout.session.async_payment_failed": _session_ended,
    "checkout.session.expired": _session_ended,
    "invoice.paid": _invoice_paid,
    "charge.refunded": _charge_refunded,
    "charge.dispute.created": _translate_dispute,
}


def _value(amount: object, currency: object) -> dict[str, str] | None:
    code = (text_of(currency) or "").upper()
    if not isinstance(amount, int) or isinstance(amount, bool) or len(code) != 3:
        return None
    return {"amount": f"{Decimal(amount).scaleb(-minor_digits(code)):f}", "currency": code}


ADAPTER = Adapter(
    translate,
    signature=SignatureRule(
        "Stripe-Signature", joiner=".", combined=CombinedHeader(timestamp="t", signature="v1")
    ),
    id_headers=(),
    id_field="id",
    properties={
        "country": "the buyer's country",
        "mode": "payment, subscription or setup",
        "reference": "your own reference of the session, which is the order's number",
        "payment_link": "the payment link's id",
        "session": "the checkout session's id: one that ends unpaid cancels only its own order",
        "billing_reason": "why an invoice was made, such as `subscription_cycle`",
        "invoice_number": "the invoice's number",
        "cancel_reason": "`dispute` where the buyer's bank takes the money back",
        "dispute_reason": "what the buyer told the bank",
        "refund": "`full` or `partial` (refunds); a partial one cancels no invitation",
    },
)
