"""Freshdesk: an automation's simple form, or the advanced template of the guide. No signature."""

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
    tags,
    text,
    told,
    with_opening,
)

_BY_STATUS = {
    "resolved": "ticket.solved", "closed": "ticket.solved", "open": "ticket.reopened",
    "reopened": "ticket.reopened", "new": "ticket.opened", "pending": "ticket.on_hold",
}  # fmt: skip
_BY_EVENT = {
    "ticket.resolved": "ticket.solved", "ticket.closed": "ticket.solved",
    "ticket.solved": "ticket.solved", "ticket.reopened": "ticket.reopened",
    "ticket.created": "ticket.opened", "ticket.opened": "ticket.opened",
    "ticket.replied": "ticket.replied",
}  # fmt: skip


def translate(delivery: Delivery, _settings: Payload) -> Translation:
    """Translate either form; a status is a label, such as `Resolved`."""
    payload = delivery.payload
    simple = payload.get("freshdesk_webhook")
    return _translate(_plain(simple) if isinstance(simple, dict) else payload)


def _plain(simple: Payload) -> Payload:
    """Bring the simple form's underscored names into the template's shape."""
    return {
        "ticket_id": simple.get("ticket_id") or simple.get("ticket_display_id"),
        "status": simple.get("ticket_status"),
        "requester": {
            "name": simple.get("ticket_contact_name") or simple.get("ticket_requester_name"),
            "email": simple.get("ticket_contact_email") or simple.get("ticket_requester_email"),
        },
        "agent": {
            "name": simple.get("ticket_agent_name"),
            "email": simple.get("ticket_agent_email"),
        },
        "group": simple.get("ticket_group_name"),
        "tags": simple.get("ticket_tags"),
        "company": simple.get("ticket_company_name"),
        "priority": simple.get("ticket_priority"),
        "channel": simple.get("ticket_source"),
        "product": simple.get("ticket_product_name"),
        "created_at": simple.get("ticket_created_at"),
        "updated_at": simple.get("ticket_updated_at"),
    }


def _translate(payload: Payload) -> Translation:
    ticket = text(payload.get("ticket_id"))
    if ticket is None:
        return NotUsed("`ticket_id` is missing")
    status = (text(payload.get("status")) or "").lower()
    type_ = _BY_EVENT.get(text(payload.get("event")) or "") or _BY_STATUS.get(status)
    if type_ is None:
        return NotUsed(f"the status {status!r} means nothing here")
    requester, agent = payload.get("requester"), payload.get("agent")
    shared = {
        "customer": customer(
            external_id=dig(requester, "external_id"),
            address=dig(requester, "email"),
            name=text(dig(requester, "name")),
        ),
        "properties": properties(
            agent=dig(agent, "name"),
            agent_email=dig(agent, "email"),
            group=payload.get("group"),
            company=payload.get("company"),
            priority=payload.get("priority"),
            channel=payload.get("channel"),
            product=payload.get("product"),
            tags=tags(payload.get("tags")),
        ),
    }
    at = moment(payload.get("updated_at"))
    story = told(type_, ticket, ticket=ticket, occurred_at=at, **shared)
    return with_opening([story], ticket, moment(payload.get("created_at")), **shared)


ADAPTER = Adapter(
    translate,
    hashes_body=True,
    properties={
        "agent": "the agent's name",
        "agent_email": "the agent's address",
        "group": "the group",
        "company": "the customer's company",
        "priority": "the priority (simple form)",
        "channel": "how the ticket came in (simple form)",
        "product": "the product (simple form)",
        "tags": "the ticket's tags, a list",
    },
)
