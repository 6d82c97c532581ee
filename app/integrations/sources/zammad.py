"""Zammad: a trigger's webhook with the ticket; what it means lies in the ticket's state."""

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
    words,
)
from app.integrations.signatures import SignatureRule

_BY_STATE = {
    "closed": "ticket.solved", "new": "ticket.opened", "open": "ticket.reopened",
    "pending reminder": "ticket.on_hold", "pending close": "ticket.on_hold",
}  # fmt: skip


def translate(delivery: Delivery, _settings: Payload) -> Translation:
    """Translate a ticket by its state."""
    ticket = delivery.payload.get("ticket")
    number = text(dig(ticket, "id"))
    if number is None:
        return NotUsed("`ticket.id` is missing")
    state = dig(ticket, "state")
    state = (text(dig(state, "name") or state) or "").lower()
    type_ = _BY_STATE.get(state)
    if type_ == "ticket.reopened" and dig(ticket, "close_at") is None:
        type_ = None
    if type_ is None:
        return NotUsed(f"the state {state!r} means nothing here")
    person, owner = dig(ticket, "customer"), dig(ticket, "owner")
    shared = {
        "customer": customer(
            external_id=dig(person, "id"),
            address=dig(person, "email"),
            name=words(dig(person, "firstname"), dig(person, "lastname")),
            locale=language(dig(person, "preferences", "locale")),
        ),
        "properties": properties(
            agent=words(dig(owner, "firstname"), dig(owner, "lastname")),
            agent_email=dig(owner, "email"),
            group=dig(ticket, "group", "name"),
            organization=dig(ticket, "organization", "name"),
            priority=dig(ticket, "priority", "name"),
            channel=dig(ticket, "create_article_type"),
            number=dig(ticket, "number"),
            tags=tags(dig(ticket, "tags")),
        ),
    }
    solved_at = moment(dig(ticket, "close_at")) if type_ == "ticket.solved" else None
    at = solved_at or moment(dig(ticket, "updated_at"))
    story = told(type_, number, ticket=number, occurred_at=at, **shared)
    return with_opening([story], number, moment(dig(ticket, "created_at")), **shared)


ADAPTER = Adapter(
    translate,
    signature=SignatureRule("X-Hub-Signature", algorithm="sha1", prefix="sha1="),
    delivery_headers=("x-zammad-delivery",),
    properties={
        "agent": "the owner's name",
        "agent_email": "the owner's address",
        "group": "the group",
        "organization": "the organization",
        "priority": "the priority, such as `2 normal`",
        "channel": "how the ticket came in",
        "number": "the ticket's number",
        "tags": "the tags, a list, where the webhook sends them",
    },
)
