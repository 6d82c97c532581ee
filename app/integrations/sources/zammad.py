# SPDX-License-Identifier: Apache-2.0
"""Zammad: a trigger's webhook with the ticket; what it means lies in the ticket's state."""

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
    words,
)
from app.integrations.signatures import SignatureRule
from app.integrations.statuses import CLOSED_IS_SOLVED, fold, type_of_status

# The types of states are few and are never translated; a state's own name may be anything.
_STATE_TYPES = {
    "new": "new", "open": "open", "closed": "closed", "merged": "merged", "removed": "deleted",
    "pending reminder": "on_hold", "pending action": "on_hold",
}  # fmt: skip


def translate(webhook: InboundWebhook, settings: SourceSettings) -> Translation:
    """Translate a ticket by its state."""
    ticket, zone = webhook.payload.get("ticket"), settings.timezone
    number = text(dig(ticket, "id"))
    if number is None:
        return UnusedWebhook("`ticket.id` is missing")
    type_ = _type(ticket, settings)
    if type_ == "ticket.reopened" and dig(ticket, "close_at") is None:
        type_ = None
    if type_ is None:
        return UnusedWebhook(f"the state {_label(ticket)!r} means nothing here")
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
    solved_at = moment(dig(ticket, "close_at"), zone) if type_ == "ticket.solved" else None
    at = solved_at or moment(dig(ticket, "updated_at"), zone)
    body = interaction(type_, number, ticket=number, occurred_at=at, **shared)
    opened_at = moment(dig(ticket, "created_at"), zone)
    return Interpretation(with_opening([body], number, opened_at, **shared))


def _label(ticket: Any) -> str | None:
    state = dig(ticket, "state")
    return text(dig(state, "name") or state)


def _type(ticket: Any, settings: SourceSettings) -> str | None:
    kind = dig(ticket, "state", "state_type")
    kind = text(dig(kind, "name") or kind)
    if kind is not None and fold(_label(ticket) or "") not in settings.status_map:
        meaning = _STATE_TYPES.get(fold(kind))
        if meaning is not None:
            return CLOSED_IS_SOLVED[meaning]
    return type_of_status(
        settings,
        _label(ticket),
        status_id=dig(ticket, "state_id") or dig(ticket, "state", "id"),
        ids=_IDS,
        types=CLOSED_IS_SOLVED,
    )


# The states that every installation begins with.
_IDS = {"1": "new", "2": "open", "3": "on_hold", "4": "closed", "5": "merged"}

ADAPTER = Adapter(
    translate,
    signature=SignatureRule("X-Hub-Signature", algorithm="sha1", prefix="sha1="),
    id_headers=("x-zammad-delivery",),
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
