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
from app.integrations.statuses import type_of_status

_BY_EVENT = {
    "conversation_created": "ticket.opened",
    "conversation_opened": "ticket.reopened",
    "conversation_deleted": "ticket.deleted",
}


def translate(webhook: InboundWebhook, settings: SourceSettings) -> Translation:
    """Translate a conversation that began or changed its status."""
    payload, zone = webhook.payload, settings.timezone
    event = text(payload.get("event")) or ""
    ticket = text(payload.get("id"))
    if ticket is None:
        return UnusedWebhook("`id` is missing")
    type_ = _BY_EVENT.get(event)
    if event in {"conversation_status_changed", "conversation_resolved"}:
        type_ = type_of_status(settings, payload.get("status"))
    if type_ is None:
        status = payload.get("status")
        return UnusedWebhook(f"`{event}` with the status {status!r} means nothing here")
    person, agent = dig(payload, "meta", "sender"), dig(payload, "meta", "assignee")
    shared = {
        "customer": customer(
            external_id=dig(person, "identifier"),
            address=dig(person, "email"),
            name=text(dig(person, "name")),
            locale=language(dig(payload, "additional_attributes", "browser_language")),
        ),
        "properties": properties(
            agent=dig(agent, "name"),
            team=dig(payload, "meta", "team", "name"),
            inbox=payload.get("inbox_id"),
            channel=payload.get("channel"),
            priority=payload.get("priority"),
            tags=tags(payload.get("labels")),
        ),
    }
    at = moment(payload.get("updated_at"), zone) or moment(payload.get("timestamp"), zone)
    body = interaction(type_, ticket, ticket=ticket, occurred_at=at, **shared)
    opened_at = moment(payload.get("created_at"), zone)
    interactions = with_opening([body], ticket, opened_at, **shared)
    if replied_at := moment(payload.get("first_reply_created_at"), zone):
        first_reply = interaction(
            "ticket.replied", ticket, ticket=ticket, occurred_at=replied_at,
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
