"""Help Scout: conversations, with the names of API version 1 or 2."""

from app.integrations.adapter import (
    Adapter,
    Delivery,
    NotUsed,
    Payload,
    Translation,
    customer,
    dig,
    moment,
    properties,
    tags,
    text,
    told,
    with_opening,
    words,
)
from app.integrations.signatures import SignatureRule

_BY_STATUS = {"closed": "ticket.solved", "active": "ticket.reopened", "pending": "ticket.on_hold"}
_BY_EVENT = {"convo.created": "ticket.opened", "convo.agent.reply.created": "ticket.replied"}


def translate(delivery: Delivery, _settings: Payload) -> Translation:
    """Translate by the event's header; the body's `type` is only the channel."""
    payload = delivery.payload
    event = delivery.headers.get("x-helpscout-event", "")
    ticket = text(payload.get("id"))
    if ticket is None:
        return NotUsed("`id` is missing")
    status = (text(payload.get("status")) or "").lower()
    type_ = _BY_EVENT.get(event)
    if event == "convo.status":
        type_ = _BY_STATUS.get(status)
    if type_ is None:
        return NotUsed(f"`{event}` with the status {status!r} means nothing here")
    person = payload.get("primaryCustomer") or payload.get("customer")
    agent = payload.get("assignee") or payload.get("owner")
    shared = {
        "customer": customer(
            external_id=dig(person, "id"),
            address=dig(person, "email") or dig(person, "emails", 0),
            name=_name(person),
        ),
        "properties": properties(
            agent=_name(agent),
            agent_email=dig(agent, "email"),
            mailbox=dig(payload, "mailbox", "name") or payload.get("mailboxId"),
            channel=payload.get("type"),
            number=payload.get("number"),
            tags=tags(payload.get("tags")),
        ),
    }
    at = _changed_at(payload, type_)
    story = told(type_, ticket, ticket=ticket, occurred_at=at, **shared)
    return with_opening([story], ticket, moment(payload.get("createdAt")), **shared)


def _changed_at(payload: Payload, type_: str) -> str | None:
    names = ["userUpdatedAt", "modifiedAt", "userModifiedAt"]
    if type_ == "ticket.solved":
        names.insert(0, "closedAt")
    return next((at for name in names if (at := moment(payload.get(name)))), None)


def _name(person: object) -> str | None:
    return words(
        dig(person, "first") or dig(person, "firstName"),
        dig(person, "last") or dig(person, "lastName"),
    )


ADAPTER = Adapter(
    translate,
    signature=SignatureRule("X-HelpScout-Signature", algorithm="sha1", encoding="base64"),
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
