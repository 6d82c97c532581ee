"""Intercom: conversations. One that an agent or a bot has opened asks nobody."""

from typing import Any

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

_BY_TOPIC = {
    "conversation.admin.closed": "ticket.solved",
    "conversation.admin.opened": "ticket.reopened",
    "conversation.admin.open.assigned": "ticket.reopened",
    "conversation.user.created": "ticket.opened",
    "conversation.admin.single.created": "ticket.opened",
    "conversation.admin.replied": "ticket.replied",
    "conversation.admin.snoozed": "ticket.on_hold",
}


def translate(delivery: Delivery, _settings: Payload) -> Translation:
    """Translate a notification about a conversation."""
    payload = delivery.payload
    topic = text(payload.get("topic")) or ""
    item = dig(payload, "data", "item")
    ticket = text(dig(item, "id"))
    if topic == "ping":
        return NotUsed("a ping")
    if topic not in _BY_TOPIC:
        return NotUsed(f"the topic {topic!r} means nothing here")
    if ticket is None:
        return NotUsed("`data.item.id` is missing")
    person = _person(item)
    shared = {
        "customer": customer(
            external_id=dig(person, "user_id") or dig(person, "external_id"),
            address=dig(person, "email"),
            name=text(dig(person, "name")),
            locale=language(dig(person, "locale")),
        ),
        "properties": properties(
            agent=dig(item, "assignee", "name") or dig(item, "teammates", "admins", 0, "name"),
            agent_email=dig(item, "assignee", "email"),
            team=dig(item, "team_assignee_id"),
            channel=dig(item, "source", "type"),
            opened_by=_opened_by(item),
            tags=tags(dig(item, "tags", "tags")),
        ),
    }
    at = moment(dig(item, "updated_at")) or moment(payload.get("created_at"))
    story = told(_BY_TOPIC[topic], ticket, ticket=ticket, occurred_at=at, **shared)
    return with_opening([story], ticket, moment(dig(item, "created_at")), **shared)


def _opened_by(item: Any) -> str | None:
    author = dig(item, "source", "author", "type")
    return text(author or dig(item, "conversation_message", "author", "type"))


def _person(item: Any) -> Any:
    """Return the customer: its own field, a contact, or the author who is one."""
    for found in (dig(item, "user"), dig(item, "contacts", "contacts", 0)):
        if dig(found, "email") or dig(found, "user_id") or dig(found, "external_id"):
            return found
    author = dig(item, "source", "author")
    return author if dig(author, "type") in {"user", "lead", "contact"} else None


ADAPTER = Adapter(
    translate,
    signature=SignatureRule("X-Hub-Signature", algorithm="sha1", prefix="sha1="),
    delivery_field="id",
    properties={
        "agent": "the assignee's name",
        "agent_email": "the assignee's address",
        "team": "the assigned team's id",
        "channel": "how it began",
        "opened_by": "`user`, `admin` or `bot`: one that the company opened asks nobody",
        "tags": "the conversation's tags, a list",
    },
)
