# SPDX-License-Identifier: Apache-2.0
"""Chatwoot from 4.11.2 on: conversations."""

from urllib.parse import quote

from app.integrations.adapter import (
    Adapter,
    InboundWebhook,
    Interpretation,
    SourceSettings,
    Translation,
    UnusedWebhook,
)
from app.integrations.helpdesk_requests import (
    HelpdeskAccess,
    HelpdeskRequest,
    WriteBackContent,
    WriteBackRules,
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
from app.integrations.statuses import type_of_status
from app.interactions.known_types import KnownType

_BY_EVENT = {
    "conversation_created": KnownType.TICKET_OPENED,
    "conversation_opened": KnownType.TICKET_REOPENED,
    "conversation_deleted": KnownType.TICKET_DELETED,
}


def translate(webhook: InboundWebhook, settings: SourceSettings) -> Translation:
    """Translate a conversation that began or changed its status."""
    payload, zone = webhook.payload, settings.timezone
    event = text_of(payload.get("event")) or ""
    ticket = text_of(payload.get("id"))
    if ticket is None:
        return UnusedWebhook("`id` is missing")
    type_: str | None = _BY_EVENT.get(event)
    if event in {"conversation_status_changed", "conversation_resolved"}:
        type_ = type_of_status(settings, payload.get("status"))
    if type_ is None:
        status = payload.get("status")
        return UnusedWebhook(f"`{event}` with the status {status!r} makes no interaction")
    person, agent = value_at(payload, "meta", "sender"), value_at(payload, "meta", "assignee")
    shared = {
        "customer": build_customer(
            external_id=value_at(person, "identifier"),
            address=value_at(person, "email"),
            name=text_of(value_at(person, "name")),
            locale=locale_of(value_at(payload, "additional_attributes", "browser_language")),
        ),
        "properties": build_properties(
            agent=value_at(agent, "name"),
            team=value_at(payload, "meta", "team", "name"),
            inbox=payload.get("inbox_id"),
            channel=payload.get("channel"),
            priority=payload.get("priority"),
            tags=tags_of(payload.get("labels")),
        ),
    }
    at = time_of(payload.get("updated_at"), zone) or time_of(payload.get("timestamp"), zone)
    body = build_interaction(type_, ticket, ticket=ticket, occurred_at=at, **shared)
    opened_at = time_of(payload.get("created_at"), zone)
    interactions = with_opening([body], ticket, opened_at, **shared)
    if replied_at := time_of(payload.get("first_reply_created_at"), zone):
        first_reply = build_interaction(
            KnownType.TICKET_REPLIED, ticket, ticket=ticket, occurred_at=replied_at,
            external_id=f"{ticket}:first-reply",
        )  # fmt: skip
        interactions = [*interactions, first_reply]
    return Interpretation(interactions)


def _write_back_requests(access: HelpdeskAccess, answer: WriteBackContent) -> list[HelpdeskRequest]:
    conversation = quote(answer.ticket, safe="")
    path = f"/api/v1/accounts/{access.account_id}/conversations/{conversation}/messages"
    # The field is Markdown: what a customer writes makes no links and no pictures there.
    content = answer.note.replace("[", "\\[")
    body = {"content": content, "private": True, "message_type": "outgoing"}
    return [HelpdeskRequest("POST", path, {"api_access_token": access.token}, body)]


ADAPTER = Adapter(
    translate,
    signature=SignatureRule(
        "X-Chatwoot-Signature",
        prefix="sha256=",
        timestamp_header="X-Chatwoot-Timestamp",
        joiner=".",
    ),
    id_headers=("x-chatwoot-delivery",),
    id_field=None,
    write_back=WriteBackRules(_write_back_requests, needs={"account_id": "is required"}),
    properties={
        "agent": "the assignee's name",
        "team": "the team",
        "inbox": "the inbox's id",
        "channel": "the channel, such as Channel::WebWidget",
        "priority": "the priority",
        "tags": "the labels, a list",
    },
)
