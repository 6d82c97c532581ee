"""Zendesk: a trigger's own template (texts only), and the platform's event form."""

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
    tags,
    text,
    told,
    with_opening,
)
from app.integrations.signatures import SignatureRule

_BY_STATUS = {
    "solved": "ticket.solved", "closed": "ticket.closed", "new": "ticket.opened",
    "open": "ticket.reopened", "pending": "ticket.on_hold", "hold": "ticket.on_hold",
    "on-hold": "ticket.on_hold",
}  # fmt: skip
_KNOWN = {
    "ticket.solved", "ticket.reopened", "ticket.opened", "ticket.closed", "ticket.replied",
    "ticket.on_hold",
}  # fmt: skip
_FORM = "zen:event-type:ticket."
_RESOLVED = {"SOLVED", "CLOSED"}


def translate(delivery: Delivery, _settings: Payload) -> Translation:
    """Translate either form."""
    payload = delivery.payload
    if str(payload.get("type", "")).startswith("zen:event-type:"):
        return _from_event(payload)
    return _from_trigger(payload)


def _from_trigger(payload: Payload) -> Translation:
    ticket = text(payload.get("ticket_id"))
    if ticket is None:
        return NotUsed("`ticket_id` is missing")
    status = (text(payload.get("status")) or "").lower()
    type_ = text(payload.get("event"))
    if type_ not in _KNOWN:
        type_ = _BY_STATUS.get(status)
    if type_ is None:
        return NotUsed(f"the status {status!r} means nothing here")
    requester = payload.get("requester")
    shared = {
        "customer": customer(
            external_id=dig(requester, "external_id"),
            address=dig(requester, "email"),
            name=text(dig(requester, "name")),
            locale=language(dig(requester, "locale")),
        ),
        "properties": properties(
            agent=dig(payload, "assignee", "name"),
            agent_email=dig(payload, "assignee", "email"),
            group=payload.get("group"),
            brand=payload.get("brand"),
            channel=payload.get("channel"),
            organization=payload.get("organization"),
            priority=payload.get("priority"),
            tags=tags(payload.get("tags"), separator=None),
        ),
    }
    at = moment(payload.get("updated_at"))
    story = told(type_, ticket, ticket=ticket, occurred_at=at, **shared)
    return with_opening([story], ticket, moment(payload.get("created_at")), **shared)


def _from_event(payload: Payload) -> Translation:
    detail = payload.get("detail")
    ticket = text(dig(detail, "id"))
    if ticket is None:
        return NotUsed("`detail.id` is missing")
    kind = str(payload["type"]).removeprefix(_FORM)
    current, previous = (
        (text(dig(payload, "event", name)) or "").upper() for name in ("current", "previous")
    )
    type_ = {"created": "ticket.opened"}.get(kind)
    if kind == "status_changed":
        type_ = _BY_STATUS.get(current.lower())
        if type_ == "ticket.reopened" and previous not in _RESOLVED:
            type_ = None
    if type_ is None:
        return NotUsed(f"`{payload['type']}` with the status {current!r} means nothing here")
    shared = {
        "customer": customer(external_id=dig(detail, "requester_id")),
        "properties": properties(
            agent=dig(detail, "assignee_id"),
            group=dig(detail, "group_id"),
            brand=dig(detail, "brand_id"),
            channel=dig(detail, "via", "channel"),
            organization=dig(detail, "organization_id"),
            priority=dig(detail, "priority"),
            tags=tags(dig(detail, "tags")),
        ),
    }
    at = moment(payload.get("time")) or moment(dig(detail, "updated_at"))
    story = told(type_, ticket, ticket=ticket, occurred_at=at, **shared)
    return with_opening([story], ticket, moment(dig(detail, "created_at")), **shared)


ADAPTER = Adapter(
    translate,
    signature=SignatureRule(
        "X-Zendesk-Webhook-Signature",
        encoding="base64",
        timestamp_header="X-Zendesk-Webhook-Signature-Timestamp",
    ),
    delivery_headers=("x-zendesk-webhook-invocation-id",),
    properties={
        "agent": "who solved it: the name (its id in the event form)",
        "agent_email": "the agent's address",
        "group": "the agent's group",
        "brand": "the brand",
        "channel": "how the ticket came in",
        "organization": "the customer's organization",
        "priority": "the priority",
        "tags": "the ticket's tags, a list",
    },
)
