# SPDX-License-Identifier: Apache-2.0
"""Zendesk: a trigger's own template (texts only), and the platform's event form."""

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
from app.integrations.signatures import SignatureRule
from app.integrations.statuses import type_of_status
from app.interactions.known_types import KnownType

_KNOWN_EVENTS = {
    KnownType.TICKET_SOLVED,
    KnownType.TICKET_REOPENED,
    KnownType.TICKET_OPENED,
    KnownType.TICKET_CLOSED,
    KnownType.TICKET_REPLIED,
    KnownType.TICKET_ON_HOLD,
    KnownType.TICKET_DELETED,
    KnownType.TICKET_MERGED,
}
_FORM = "zen:event-type:ticket."
_BY_KIND = {
    "created": KnownType.TICKET_OPENED,
    "soft_deleted": KnownType.TICKET_DELETED,
    "permanently_deleted": KnownType.TICKET_DELETED,
    "deleted": KnownType.TICKET_DELETED,
    "marked_as_spam": KnownType.TICKET_DELETED,
    "merged": KnownType.TICKET_MERGED,
    "undeleted": KnownType.TICKET_REOPENED,
}
_RESOLVED = {"SOLVED", "CLOSED"}
# Zendesk closes a ticket that was merged into another and says so with a tag only.
_MERGED_TAG = "closed_by_merge"


def translate(webhook: InboundWebhook, settings: SourceSettings) -> Translation:
    """Translate either form."""
    payload = webhook.payload
    if str(payload.get("type", "")).startswith("zen:event-type:"):
        return _from_event(payload, settings)
    return _from_trigger(payload, settings)


def _from_trigger(payload: Payload, settings: SourceSettings) -> Translation:
    ticket = text_of(payload.get("ticket_id"))
    if ticket is None:
        return UnusedWebhook("`ticket_id` is missing")
    labels = tags_of(payload.get("tags"), separator=None)
    type_ = text_of(payload.get("event"))
    if type_ not in _KNOWN_EVENTS:
        type_ = type_of_status(settings, payload.get("status"))
    if type_ in {KnownType.TICKET_SOLVED, KnownType.TICKET_CLOSED} and _MERGED_TAG in labels:
        type_ = KnownType.TICKET_MERGED
    if type_ is None:
        return UnusedWebhook(f"the status {payload.get('status')!r} makes no interaction")
    requester = payload.get("requester")
    shared = {
        "customer": build_customer(
            external_id=value_at(requester, "external_id"),
            address=value_at(requester, "email"),
            name=text_of(value_at(requester, "name")),
            locale=locale_of(value_at(requester, "locale")),
        ),
        "properties": build_properties(
            agent=value_at(payload, "assignee", "name"),
            agent_email=value_at(payload, "assignee", "email"),
            group=payload.get("group"),
            brand=payload.get("brand"),
            channel=payload.get("channel"),
            organization=payload.get("organization"),
            priority=payload.get("priority"),
            tags=labels,
        ),
    }
    at = time_of(payload.get("updated_at"), settings.timezone)
    event = build_interaction(type_, ticket, ticket=ticket, occurred_at=at, **shared)
    opened_at = time_of(payload.get("created_at"), settings.timezone)
    return Interpretation(with_opening([event], ticket, opened_at, **shared))


def _from_event(payload: Payload, settings: SourceSettings) -> Translation:
    detail = payload.get("detail")
    ticket = text_of(value_at(detail, "id"))
    if ticket is None:
        return UnusedWebhook("`detail.id` is missing")
    kind = str(payload["type"]).removeprefix(_FORM)
    labels = tags_of(value_at(detail, "tags"))
    type_: str | None = _BY_KIND.get(kind)
    if kind == "status_changed":
        type_ = _changed_to(payload, labels, settings)
    if type_ is None:
        current = value_at(payload, "event", "current")
        return UnusedWebhook(
            f"`{payload['type']}` with the status {current!r} makes no interaction"
        )
    shared = {
        "customer": build_customer(external_id=value_at(detail, "requester_id")),
        "properties": build_properties(
            agent=value_at(detail, "assignee_id"),
            group=value_at(detail, "group_id"),
            brand=value_at(detail, "brand_id"),
            channel=value_at(detail, "via", "channel"),
            organization=value_at(detail, "organization_id"),
            priority=value_at(detail, "priority"),
            tags=labels,
        ),
    }
    zone = settings.timezone
    at = time_of(payload.get("time"), zone) or time_of(value_at(detail, "updated_at"), zone)
    event = build_interaction(type_, ticket, ticket=ticket, occurred_at=at, **shared)
    opened_at = time_of(value_at(detail, "created_at"), zone)
    return Interpretation(with_opening([event], ticket, opened_at, **shared))


def _changed_to(payload: Payload, labels: list[str], settings: SourceSettings) -> str | None:
    """Return the interaction type of a status change; None if an unsolved ticket is opened."""
    current, previous = (
        (text_of(value_at(payload, "event", name)) or "").upper()
        for name in ("current", "previous")
    )
    if current in _RESOLVED and _MERGED_TAG in labels:
        return KnownType.TICKET_MERGED
    type_ = type_of_status(settings, current)
    return None if type_ == KnownType.TICKET_REOPENED and previous not in _RESOLVED else type_


def _write_back_requests(access: HelpdeskAccess, answer: WriteBackContent) -> list[HelpdeskRequest]:
    headers = basic_authorization(f"{access.user}/token", access.token)
    path = f"/api/v2/tickets/{quote(answer.ticket, safe='')}"
    note = {"ticket": {"comment": {"body": answer.note, "public": False}}}
    requests = []
    if access.tags and answer.band:
        # Before the note, since adding a tag twice does no harm.
        tag = {"tags": [f"{answer.survey}_{answer.band}"]}
        requests.append(HelpdeskRequest("PUT", f"{path}/tags.json", headers, tag))
    return [*requests, HelpdeskRequest("PUT", f"{path}.json", headers, note)]


ADAPTER = Adapter(
    translate,
    signature=SignatureRule(
        "X-Zendesk-Webhook-Signature",
        encoding="base64",
        timestamp_header="X-Zendesk-Webhook-Signature-Timestamp",
    ),
    id_headers=("x-zendesk-webhook-invocation-id",),
    id_field=None,
    write_back=WriteBackRules(
        _write_back_requests, needs={"auth.user": "is required: the agent's e-mail"}
    ),
    properties={
        "agent": "who solved it: the name (its id in the event form)",
        "agent_email": "the agent's address",
        "group": "the agent's group",
        "brand": "the brand",
        "channel": "how the ticket came in",
        "organization": "the customer's organization",
        "priority": "the priority",
        "tags": "the ticket's tags, a list",
    },
)
