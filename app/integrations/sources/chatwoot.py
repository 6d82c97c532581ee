"""Chatwoot from 4.11.2 on: conversations."""

from app.integrations.adapter import (
    Adapter,
    Delivery,
    NotUsed,
    Payload,
    Told,
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

_BY_STATUS = {
    "resolved": "ticket.solved", "open": "ticket.reopened", "snoozed": "ticket.on_hold",
    "pending": "ticket.on_hold",
}  # fmt: skip


def translate(delivery: Delivery, _settings: Payload) -> Translation:
    """Translate a conversation that began or changed its status."""
    payload = delivery.payload
    event, status = text(payload.get("event")), text(payload.get("status")) or ""
    ticket = text(payload.get("id"))
    if ticket is None:
        return NotUsed("`id` is missing")
    type_ = {"conversation_created": "ticket.opened"}.get(event or "")
    if event in {"conversation_status_changed", "conversation_resolved"}:
        type_ = _BY_STATUS.get(status)
    if event == "conversation_opened":
        type_ = "ticket.reopened"
    if type_ is None:
        return NotUsed(f"`{event}` with the status {status!r} means nothing here")
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
    at = moment(payload.get("updated_at")) or moment(payload.get("timestamp"))
    story = told(type_, ticket, ticket=ticket, occurred_at=at, **shared)
    stories = with_opening([story], ticket, moment(payload.get("created_at")), **shared)
    return [*stories, *_first_reply(payload, ticket)]


def _first_reply(payload: Payload, ticket: str) -> list[Told]:
    at = moment(payload.get("first_reply_created_at"))
    if at is None:
        return []
    return [
        told("ticket.replied", ticket, ticket=ticket, occurred_at=at,
             external_id=f"{ticket}:first-reply")
    ]  # fmt: skip


ADAPTER = Adapter(
    translate,
    signature=SignatureRule(
        "X-Chatwoot-Signature",
        prefix="sha256=",
        timestamp_header="X-Chatwoot-Timestamp",
        joiner=".",
    ),
    delivery_headers=("x-chatwoot-delivery",),
    properties={
        "agent": "the assignee's name",
        "team": "the team",
        "inbox": "the inbox's id",
        "channel": "the channel, such as Channel::WebWidget",
        "priority": "the priority",
        "tags": "the labels, a list",
    },
)
