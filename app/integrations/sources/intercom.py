# SPDX-License-Identifier: Apache-2.0
"""Intercom: conversations. Those that an agent or a bot has opened lead to no survey."""

from typing import Any

from app.integrations.adapter import (
    Adapter,
    InboundWebhook,
    Interpretation,
    SourceSettings,
    Translation,
    UnusedWebhook,
)
from app.integrations.payload_fields import (
    customer,
    dig,
    interaction,
    language,
    moment,
    properties,
    tags,
    text,
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
    "conversation.deleted": "ticket.deleted",
    "conversation.spam": "ticket.deleted",
    "conversation.merged": "ticket.merged",
}
_PEOPLE = {"user", "lead", "contact"}


def translate(webhook: InboundWebhook, settings: SourceSettings) -> Translation:
    """Translate a notification about a conversation."""
    payload = webhook.payload
    topic = text(payload.get("topic")) or ""
    item = dig(payload, "data", "item")
    ticket = text(dig(item, "id") or dig(item, "conversation_id"))
    if topic == "ping":
        return UnusedWebhook("a ping")
    if topic not in _BY_TOPIC:
        return UnusedWebhook(f"the topic {topic!r} means nothing here")
    if ticket is None:
        return UnusedWebhook("`data.item.id` is missing")
    shared = {
        "customer": _customer(item),
        "properties": properties(
            agent=dig(item, "assignee", "name") or dig(item, "teammates", "admins", 0, "name"),
            agent_email=dig(item, "assignee", "email"),
            team=dig(item, "team_assignee_id"),
            channel=dig(item, "source", "type"),
            opened_by=_opened_by(item),
            tags=tags(dig(item, "tags", "tags")),
        ),
    }
    zone = settings.timezone
    at = moment(dig(item, "updated_at"), zone) or moment(payload.get("created_at"), zone)
    body = interaction(_BY_TOPIC[topic], ticket, ticket=ticket, occurred_at=at, **shared)
    opened_at = moment(dig(item, "created_at"), zone)
    return Interpretation(with_opening([body], ticket, opened_at, **shared))


def _opened_by(item: Any) -> str | None:
    author = dig(item, "source", "author", "type")
    return text(author or dig(item, "conversation_message", "author", "type"))


def _customer(item: Any) -> dict[str, Any] | None:
    """Put the customer together from every place that names the contact.

    Often the contact has only an id, and the author of the first message has the address. Both
    are the same person if there is one contact and the ids do not differ.
    """
    contacts = dig(item, "contacts", "contacts")
    contact = contacts[0] if isinstance(contacts, list) and contacts else dig(item, "contact")
    people = [dig(item, "user"), contact]
    author = dig(item, "source", "author")
    alone = not isinstance(contacts, list) or len(contacts) <= 1
    ids = {text(dig(person, "id")) for person in (author, contact)} - {None}
    same = len(ids) <= 1 and (alone or text(dig(author, "id")) is not None)
    if text(dig(author, "type")) in _PEOPLE and same:
        people.append(author)

    def first(*names: str) -> str | None:
        found = (text(dig(person, name)) for person in people for name in names)
        return next((value for value in found if value), None)

    return customer(
        external_id=first("user_id", "external_id"),
        address=first("email"),
        name=first("name"),
        locale=language(first("locale")) or language(dig(contact, "language_override")),
    )


ADAPTER = Adapter(
    translate,
    signature=SignatureRule("X-Hub-Signature", algorithm="sha1", prefix="sha1="),
    id_field="id",
    properties={
        "agent": "the assignee's name",
        "agent_email": "the assignee's address",
        "team": "the assigned team's id",
        "channel": "how it began",
        "opened_by": "`user`, `admin` or `bot`: one that the company opened leads to no survey",
        "tags": "the conversation's tags, a list",
    },
)
