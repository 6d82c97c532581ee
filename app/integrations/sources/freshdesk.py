# SPDX-License-Identifier: Apache-2.0
"""Freshdesk: an automation's simple form, or the advanced template of the guide. No signature."""

import html
from urllib.parse import quote

from app.integrations.adapter import (
    Adapter,
    InboundWebhook,
    Interpretation,
    Payload,
    SourceSettings,
    Translation,
    UnusedWebhook,
)
from app.integrations.helpdesk_requests import (
    HelpdeskAccess,
    HelpdeskRequest,
    WriteBackContent,
    WriteBackRules,
    basic_authorization,
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
from app.integrations.statuses import CLOSED_IS_SOLVED, type_of_status
from app.interactions.known_types import KnownType

_IDS = {
    "2": "open", "3": "on_hold", "4": "solved", "5": "closed", "6": "on_hold", "7": "on_hold",
}  # fmt: skip
_BY_EVENT = {
    "ticket.resolved": KnownType.TICKET_SOLVED, "ticket.closed": KnownType.TICKET_SOLVED,
    "ticket.solved": KnownType.TICKET_SOLVED, "ticket.reopened": KnownType.TICKET_REOPENED,
    "ticket.created": KnownType.TICKET_OPENED, "ticket.opened": KnownType.TICKET_OPENED,
    "ticket.replied": KnownType.TICKET_REPLIED, "ticket.on_hold": KnownType.TICKET_ON_HOLD,
    "ticket.deleted": KnownType.TICKET_DELETED, "ticket.spam": KnownType.TICKET_DELETED,
    "ticket.merged": KnownType.TICKET_MERGED,
}  # fmt: skip
_TRUE = {"true", "1", "yes"}


def translate(webhook: InboundWebhook, settings: SourceSettings) -> Translation:
    """Translate either form; a status is a label, such as `Resolved`, or its number."""
    payload = _in_one_form(webhook.payload)
    ticket = text_of(payload.get("ticket_id"))
    if ticket is None:
        return UnusedWebhook("`ticket_id` is missing")
    type_ = _type(payload, settings)
    if type_ is None:
        return UnusedWebhook(f"the status {payload.get('status')!r} makes no interaction")
    requester, agent = payload.get("requester"), payload.get("agent")
    shared = {
        "customer": build_customer(
            external_id=value_at(requester, "external_id"),
            address=value_at(requester, "email"),
            name=text_of(value_at(requester, "name")),
            locale=locale_of(value_at(requester, "language")),
        ),
        "properties": build_properties(
            agent=value_at(agent, "name"),
            agent_email=value_at(agent, "email"),
            group=payload.get("group"),
            company=payload.get("company"),
            priority=payload.get("priority"),
            channel=payload.get("channel"),
            product=payload.get("product"),
            tags=tags_of(payload.get("tags")),
        ),
    }
    at = time_of(payload.get("updated_at"), settings.timezone)
    event = build_interaction(type_, ticket, ticket=ticket, occurred_at=at, **shared)
    opened_at = time_of(payload.get("created_at"), settings.timezone)
    return Interpretation(with_opening([event], ticket, opened_at, **shared))


def timeless_case(webhook: InboundWebhook, _settings: SourceSettings) -> str | None:
    """Return the ticket of a webhook that does not say when it was changed."""
    payload = _in_one_form(webhook.payload) if isinstance(webhook.payload, dict) else {}
    return None if text_of(payload.get("updated_at")) else text_of(payload.get("ticket_id"))


def _in_one_form(payload: Payload) -> Payload:
    """Bring the simple form's underscored names into the template's shape."""
    simple = payload.get("freshdesk_webhook")
    if not isinstance(simple, dict):
        return payload
    return {
        "ticket_id": simple.get("ticket_id") or simple.get("ticket_display_id"),
        "status": simple.get("ticket_status"),
        "status_id": simple.get("ticket_status_id"),
        "deleted": simple.get("ticket_deleted"),
        "spam": simple.get("ticket_spam"),
        "requester": {
            "name": simple.get("ticket_contact_name") or simple.get("ticket_requester_name"),
            "email": simple.get("ticket_contact_email") or simple.get("ticket_requester_email"),
            "external_id": simple.get("ticket_contact_unique_external_id"),
            "language": simple.get("ticket_contact_language"),
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


def _type(payload: Payload, settings: SourceSettings) -> str | None:
    if any(str(payload.get(name)).lower() in _TRUE for name in ("deleted", "spam")):
        return KnownType.TICKET_DELETED
    event_type = _BY_EVENT.get(text_of(payload.get("event")) or "")
    return event_type or type_of_status(
        settings,
        payload.get("status"),
        status_id=payload.get("status_id"),
        ids=_IDS,
        types=CLOSED_IS_SOLVED,
    )


def _write_back_requests(access: HelpdeskAccess, answer: WriteBackContent) -> list[HelpdeskRequest]:
    path = f"/api/v2/tickets/{quote(answer.ticket, safe='')}/notes"
    # The field is HTML, and what a customer writes is text.
    body = {"body": html.escape(answer.note), "private": True}
    return [HelpdeskRequest("POST", path, basic_authorization(access.token, "X"), body)]


ADAPTER = Adapter(
    translate,
    id_headers=(),
    id_field=None,
    hashes_body=True,
    timeless_case=timeless_case,
    write_back=WriteBackRules(_write_back_requests),
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
