# SPDX-License-Identifier: Apache-2.0
"""Zammad sends the ticket by a trigger's webhook; the ticket's state says what happened."""

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
    join_texts,
    locale_of,
    tags_of,
    text_of,
    time_of,
    value_at,
    with_opening,
)
from app.integrations.signatures import SignatureRule
from app.integrations.statuses import CLOSED_IS_SOLVED, fold_status, type_of_status
from app.interactions.known_types import KnownType

# The types of states are few and are never translated; a state's own name may be anything.
_STATE_TYPES = {
    "new": "new", "open": "open", "closed": "closed", "merged": "merged", "removed": "deleted",
    "pending reminder": "on_hold", "pending action": "on_hold",
}  # fmt: skip


def translate(webhook: InboundWebhook, settings: SourceSettings) -> Translation:
    """Translate a ticket by its state."""
    ticket, zone = webhook.payload.get("ticket"), settings.timezone
    number = text_of(value_at(ticket, "id"))
    if number is None:
        return UnusedWebhook("`ticket.id` is missing")
    type_ = _type(ticket, settings)
    if type_ == KnownType.TICKET_REOPENED and value_at(ticket, "close_at") is None:
        type_ = None
    if type_ is None:
        return UnusedWebhook(f"the state {_label(ticket)!r} makes no interaction")
    person, owner = value_at(ticket, "customer"), value_at(ticket, "owner")
    shared = {
        "customer": build_customer(
            external_id=value_at(person, "id"),
            address=value_at(person, "email"),
            name=join_texts(value_at(person, "firstname"), value_at(person, "lastname")),
            locale=locale_of(value_at(person, "preferences", "locale")),
        ),
        "properties": build_properties(
            agent=join_texts(value_at(owner, "firstname"), value_at(owner, "lastname")),
            agent_email=value_at(owner, "email"),
            group=value_at(ticket, "group", "name"),
            organization=value_at(ticket, "organization", "name"),
            priority=value_at(ticket, "priority", "name"),
            channel=value_at(ticket, "create_article_type"),
            number=value_at(ticket, "number"),
            tags=tags_of(value_at(ticket, "tags")),
        ),
    }
    solved_at = (
        time_of(value_at(ticket, "close_at"), zone) if type_ == KnownType.TICKET_SOLVED else None
    )
    at = solved_at or time_of(value_at(ticket, "updated_at"), zone)
    body = build_interaction(type_, number, ticket=number, occurred_at=at, **shared)
    opened_at = time_of(value_at(ticket, "created_at"), zone)
    return Interpretation(with_opening([body], number, opened_at, **shared))


def _label(ticket: Any) -> str | None:
    state = value_at(ticket, "state")
    return text_of(value_at(state, "name") or state)


def _type(ticket: Any, settings: SourceSettings) -> str | None:
    kind = value_at(ticket, "state", "state_type")
    kind = text_of(value_at(kind, "name") or kind)
    if kind is not None and fold_status(_label(ticket) or "") not in settings.status_map:
        meaning = _STATE_TYPES.get(fold_status(kind))
        if meaning is not None:
            return CLOSED_IS_SOLVED[meaning]
    return type_of_status(
        settings,
        _label(ticket),
        status_id=value_at(ticket, "state_id") or value_at(ticket, "state", "id"),
        ids=_IDS,
        types=CLOSED_IS_SOLVED,
    )


# The states that every installation begins with.
_IDS = {"1": "new", "2": "open", "3": "on_hold", "4": "closed", "5": "merged"}

ADAPTER = Adapter(
    translate,
    signature=SignatureRule("X-Hub-Signature", algorithm="sha1", prefix="sha1="),
    id_headers=("x-zammad-delivery",),
    id_field=None,
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
