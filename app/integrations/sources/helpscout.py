# SPDX-License-Identifier: Apache-2.0
"""Help Scout: conversations, with the names of API version 1 or 2."""

from zoneinfo import ZoneInfo

from app.integrations.adapter import (
    Adapter,
    InboundWebhook,
    Interpretation,
    Payload,
    SourceSettings,
    Translation,
    UnusedWebhook,
)
from app.integrations.payload_fields import (
    build_customer,
    build_interaction,
    build_properties,
    join_texts,
    tags_of,
    text_of,
    time_of,
    value_at,
    with_opening,
)
from app.integrations.signatures import SignatureRule
from app.integrations.statuses import CLOSED_IS_SOLVED, type_of_status
from app.interactions.known_types import KnownType

_BY_EVENT = {
    "convo.created": KnownType.TICKET_OPENED,
    "convo.agent.reply.created": KnownType.TICKET_REPLIED,
    "convo.deleted": KnownType.TICKET_DELETED,
    "convo.merged": KnownType.TICKET_MERGED,
}


def translate(webhook: InboundWebhook, settings: SourceSettings) -> Translation:
    """Translate by the event's header; the body's `type` is only the channel."""
    payload = webhook.payload
    event = webhook.headers.get("x-helpscout-event", "")
    ticket = text_of(payload.get("id"))
    if ticket is None:
        return UnusedWebhook("`id` is missing")
    type_: str | None = _BY_EVENT.get(event)
    if event == "convo.status":
        type_ = type_of_status(settings, payload.get("status"), types=CLOSED_IS_SOLVED)
    if type_ is None:
        status = payload.get("status")
        return UnusedWebhook(f"`{event}` with the status {status!r} makes no interaction")
    person = payload.get("primaryCustomer") or payload.get("customer")
    agent = payload.get("assignee") or payload.get("owner")
    shared = {
        "customer": build_customer(
            external_id=value_at(person, "id"),
            address=value_at(person, "email") or value_at(person, "emails", 0),
            name=_name(person),
        ),
        "properties": build_properties(
            agent=_name(agent),
            agent_email=value_at(agent, "email"),
            mailbox=value_at(payload, "mailbox", "name") or payload.get("mailboxId"),
            channel=payload.get("type"),
            number=payload.get("number"),
            tags=tags_of(payload.get("tags")),
        ),
    }
    at = _changed_at(payload, type_, settings.timezone)
    body = build_interaction(type_, ticket, ticket=ticket, occurred_at=at, **shared)
    opened_at = time_of(payload.get("createdAt"), settings.timezone)
    return Interpretation(with_opening([body], ticket, opened_at, **shared))


def _changed_at(payload: Payload, type_: str, zone: ZoneInfo) -> str | None:
    names = ["userUpdatedAt", "modifiedAt", "userModifiedAt"]
    if type_ == KnownType.TICKET_SOLVED:
        names.insert(0, "closedAt")
    return next((at for name in names if (at := time_of(payload.get(name), zone))), None)


def _name(person: object) -> str | None:
    return join_texts(
        value_at(person, "first") or value_at(person, "firstName"),
        value_at(person, "last") or value_at(person, "lastName"),
    )


ADAPTER = Adapter(
    translate,
    signature=SignatureRule("X-HelpScout-Signature", algorithm="sha1", encoding="base64"),
    id_headers=(),
    id_field=None,
    # One body is sent for a reply and for the status that the reply has changed.
    event_headers=("x-helpscout-event",),
    hashes_body=True,
    properties={
        "agent": "the assignee's name",
        "agent_email": "the assignee's address",
        "mailbox": "the mailbox",
        "channel": "email, chat or phone",
        "number": "the conversation's number",
        "tags": "the conversation's tags, a list",
    },
)
