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
    build_customer,
    build_interaction,
    build_properties,
    locale_of,
    tags_of,
    text_of,
    time_of,
    value_at,
    with_opening,
)
from app.integrations.signatures import SignatureRule
from app.interactions.known_types import KnownType

_BY_TOPIC = {
    "conversation.admin.closed": KnownType.TICKET_SOLVED,
    "conversation.admin.opened": KnownType.TICKET_REOPENED,
    "conversation.admin.open.assigned": KnownType.TICKET_REOPENED,
    "conversation.user.created": KnownType.TICKET_OPENED,
    "conversation.admin.single.created": KnownType.TICKET_OPENED,
    "conversation.admin.replied": KnownType.TICKET_REPLIED,
    "conversation.admin.snoozed": KnownType.TICKET_ON_HOLD,
    "conversation.deleted": KnownType.TICKET_DELETED,
    "conversation.spam": KnownType.TICKET_DELETED,
    "conversation.merged": KnownType.TICKET_MERGED,
}
_PEOPLE = {"user", "lead", "contact"}


def translate(webhook: InboundWebhook, settings: SourceSettings) -> Translation:
    """Translate a notification about a conversation."""
    payload = webhook.payload
    topic = text_of(payload.get("topic")) or ""
    item = value_at(payload, "data", "item")
    ticket = text_of(value_at(item, "id") or value_at(item, "conversation_id"))
    if topic == "ping":
        return UnusedWebhook("a ping")
    if topic not in _BY_TOPIC:
        return UnusedWebhook(f"the topic {topic!r} makes no interaction")
    if ticket is None:
        return UnusedWebhook("`data.item.id` is missing")
    shared = {
        "customer": _customer(item),
        "properties": build_properties(
            agent=value_at(item, "assignee", "name")
            or value_at(item, "teammates", "admins", 0, "name"),
            agent_email=value_at(item, "assignee", "email"),
            team=value_at(item, "team_assignee_id"),
            channel=value_at(item, "source", "type"),
            opened_by=_opened_by(item),
            tags=tags_of(value_at(item, "tags", "tags")),
        ),
    }
    zone = settings.timezone
    at = time_of(value_at(item, "updated_at"), zone) or time_of(payload.get("created_at"), zone)
    body = build_interaction(_BY_TOPIC[topic], ticket, ticket=ticket, occurred_at=at, **shared)
    opened_at = time_of(value_at(item, "created_at"), zone)
    return Interpretation(with_opening([body], ticket, opened_at, **shared))


def _opened_by(item: Any) -> str | None:
    author = value_at(item, "source", "author", "type")
    return text_of(author or value_at(item, "conversation_message", "author", "type"))


def _customer(item: Any) -> dict[str, Any] | None:
    """Put the customer together from every place that names the contact.

    Often the contact has only an id, and the author of the first message has the address. Both
    are the same person if there is one contact and the ids do not differ.
    """
    contacts = value_at(item, "contacts", "contacts")
    contact = contacts[0] if isinstance(contacts, list) and contacts else value_at(item, "contact")
    people = [value_at(item, "user"), contact]
    author = value_at(item, "source", "author")
    alone = not isinstance(contacts, list) or len(contacts) <= 1
    ids = {text_of(value_at(person, "id")) for person in (author, contact)} - {None}
    same = len(ids) <= 1 and (alone or text_of(value_at(author, "id")) is not None)
    if text_of(value_at(author, "type")) in _PEOPLE and same:
        people.append(author)

    def first_text(*names: str) -> str | None:
        values = (text_of(value_at(person, name)) for person in people for name in names)
        return next((value for value in values if value), None)

    return build_customer(
        external_id=first_text("user_id", "external_id"),
        address=first_text("email"),
        name=first_text("name"),
        locale=locale_of(first_text("locale")) or locale_of(value_at(contact, "language_override")),
    )


ADAPTER = Adapter(
    translate,
    signature=SignatureRule("X-Hub-Signature", algorithm="sha1", prefix="sha1="),
    id_headers=(),
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
