# SPDX-License-Identifier: Apache-2.0
"""Verbs of the room: endpoints, their secrets, tests, replays, and the log of deliveries."""

import datetime as dt
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlmodel import select
from sqlmodel.ext.asyncio.session import AsyncSession

from app.core import event_consumer, jobs
from app.core.clock import utc_now
from app.core.database import run_sql
from app.core.errors import Conflict, InvalidInput, NotFound
from app.core.event_types import EventType
from app.core.expiry import Expiry
from app.core.guarded_http import require_public_url
from app.core.ids import uuid7
from app.core.settings import Settings
from app.core.signing import SealedBox
from app.core.telemetry import DUE_DELIVERIES, ENDPOINTS_NOW
from app.core.text_types import normalize_email
from app.responses.filter_values import require_known
from app.surveys import service as surveys
from app.webhooks import queries
from app.webhooks.models import Delivery, WebhookEndpoint
from app.webhooks.samples import sample_of
from app.webhooks.schemas import EndpointFilter, EndpointFormat, EndpointIn, EndpointPatch
from app.webhooks.signing import new_signing_secret
from app.webhooks.subscriber_events import EventFilter
from app.workspaces.service import OLD_SECRET_LIFETIME

MAILTO = "mailto:"
REPLAY_JOB = "webhooks.replay"
# As old as the events that they bring can be.
EXPIRY = Expiry("delivery", dt.timedelta(days=30))
# The address of a `mailto:` URL, without parameters and escapes.
_ADDRESS = re.compile(r"[^?%&,;\s]+")
_MAX_ENDPOINTS = 100


def consumer_name(workspace_id: UUID) -> str:
    """Return the name of a workspace's consumer cursor."""
    return f"webhooks:{workspace_id}"


def filter_of(endpoint: WebhookEndpoint) -> EventFilter:
    """Return which events an endpoint wants."""
    stored = dict(endpoint.filter)
    type_names = stored.pop("type", [])
    types = frozenset([type_names] if isinstance(type_names, str) else type_names)
    return EventFilter(frozenset(endpoint.events), types, **stored)


def event_condition_of(endpoint: WebhookEndpoint) -> str:
    """Return the SQL condition of the events that an endpoint may want."""
    return queries.event_condition_sql(endpoint.events, any_score=filter_of(endpoint).bounded)


async def create(
    session: AsyncSession,
    workspace_id: UUID,
    body: EndpointIn,
    *,
    box: SealedBox,
    settings: Settings,
) -> tuple[WebhookEndpoint, str]:
    """Make an endpoint and return it with its secret; it gets the events from now on."""
    await _check_url(body.url, body.format, settings)
    secret = new_signing_secret()
    now = utc_now()
    endpoint = WebhookEndpoint(
        workspace_id=workspace_id,
        id=uuid7(),
        url=body.url,
        format=body.format,
        events=_unique(body.events),
        filter=await _checked_filter(session, workspace_id, body.filter),
        include_personal=body.include_personal,
        header_names=[],
        secret=box.seal(secret.encode()),
        listens_from=now,
        created_at=now,
        updated_at=now,
    )
    _set_headers(endpoint, body.headers, box)
    await _lock_endpoints(session, workspace_id)
    others = await queries.find_endpoints(session, workspace_id, limit=_MAX_ENDPOINTS, cursor=None)
    _refuse_twin(endpoint, others)
    if len(others) >= _MAX_ENDPOINTS:
        detail = f"A workspace has {_MAX_ENDPOINTS} webhook endpoints at most; delete one."
        raise Conflict(detail)
    if not others:
        # It is the first endpoint, so earlier events are skipped.
        await event_consumer.create_cursor(
            session, consumer_name(workspace_id), at=await event_consumer.readable_below(session)
        )
    session.add(endpoint)
    await session.flush()
    return endpoint, secret


def _set_headers(endpoint: WebhookEndpoint, headers: Mapping[str, str], box: SealedBox) -> None:
    endpoint.header_names = list(headers)
    endpoint.headers = box.seal(json.dumps(dict(headers)).encode()) if headers else None


def live_headers(endpoint: WebhookEndpoint, box: SealedBox) -> dict[str, str] | None:
    """Return the headers that are sent along; None where no live secret key opens them."""
    if endpoint.headers is None:
        return {}
    plain = box.unseal(endpoint.headers)
    if plain is None:
        return None
    headers: dict[str, str] = json.loads(plain)
    return headers


async def _lock_endpoints(session: AsyncSession, workspace_id: UUID) -> None:
    """Lock the workspace against other new endpoints; answers are not blocked."""
    await run_sql(
        session,
        text("select 1 from workspace where id = :id for no key update").bindparams(
            id=workspace_id
        ),
    )


def _refuse_twin(endpoint: WebhookEndpoint, others: Sequence[WebhookEndpoint]) -> None:
    """Raise Conflict where another endpoint would send the same to the same URL."""
    for other in others:
        if other.id != endpoint.id and _subscription_of(other) == _subscription_of(endpoint):
            detail = (
                f"The endpoint {other.id} sends the same events to this URL already; change that "
                "one, or choose other events or another filter."
            )
            raise Conflict(detail)


def _subscription_of(endpoint: WebhookEndpoint) -> tuple[object, ...]:
    filter_values = endpoint.filter | {"type": sorted(filter_of(endpoint).types)}
    return endpoint.url, endpoint.format, sorted(endpoint.events), filter_values


async def _check_url(url: str, format_: str, settings: Settings) -> None:
    """Refuse a URL to which events cannot, or must not, be sent."""
    if url.lower().startswith(MAILTO):
        address = url.removeprefix(MAILTO)
        if normalize_email(address) is None or not _ADDRESS.fullmatch(address):
            raise InvalidInput.at(
                "body", "url", msg="is not an address such as mailto:ala@example.pl"
            )
        if format_ != EndpointFormat.STANDARD:
            raise InvalidInput.at("body", "format", msg="is not for mail; leave it out")
        return
    await require_public_url(url, "url", allow_private=settings.allow_private_webhooks)


async def _checked_filter(
    session: AsyncSession, workspace_id: UUID, endpoint_filter: EndpointFilter
) -> dict[str, Any]:
    """Return the filter as it is kept, by the survey's key; InvalidInput for an unknown survey."""
    if endpoint_filter.survey is not None:
        try:
            survey_row = await surveys.find(session, workspace_id, endpoint_filter.survey)
        except NotFound:
            msg = f"`{endpoint_filter.survey}` is not a survey of this workspace"
            raise InvalidInput.at("body", "filter", "survey", msg=msg) from None
        endpoint_filter = endpoint_filter.model_copy(update={"survey": survey_row.key})
    if endpoint_filter.touchpoint is not None:
        try:
            await require_known(session, workspace_id, "touchpoint", [endpoint_filter.touchpoint])
        except InvalidInput as error:
            msg = error.errors[0]["msg"]
            raise InvalidInput.at("body", "filter", "touchpoint", msg=msg) from None
    return endpoint_filter.model_dump(mode="json", exclude_none=True)


def _unique(events: list[EventType]) -> list[str]:
    return [str(event) for event in dict.fromkeys(events)]


async def find(
    session: AsyncSession, workspace_id: UUID, endpoint_id: UUID, *, lock: bool = False
) -> WebhookEndpoint:
    """Return an endpoint, or raise NotFound."""
    query = select(WebhookEndpoint).where(
        WebhookEndpoint.workspace_id == workspace_id, WebhookEndpoint.id == endpoint_id
    )
    if lock:
        # Deliveries may be made and end meanwhile.
        query = query.with_for_update(key_share=True)
    row = (await session.exec(query)).first()
    if row is None:
        raise NotFound.in_workspace("webhook endpoint")
    return row


async def change(
    session: AsyncSession,
    workspace_id: UUID,
    endpoint_id: UUID,
    patch: EndpointPatch,
    *,
    box: SealedBox,
    settings: Settings,
) -> WebhookEndpoint:
    """Change what is given; what is left out stays."""
    present = await find(session, workspace_id, endpoint_id)
    fields = patch.model_fields_set
    url = patch.url if "url" in fields else present.url
    format_ = patch.format if "format" in fields else EndpointFormat(present.format)
    if (url, format_) != (present.url, present.format):
        # Check before locking: a slow name server must not delay deliveries.
        await _check_url(url, format_, settings)
    endpoint = await find(session, workspace_id, endpoint_id, lock=True)
    endpoint.url, endpoint.format = url, format_
    if "events" in fields:
        endpoint.events = _unique(patch.events)
    if "filter" in fields:
        endpoint.filter = await _checked_filter(session, workspace_id, patch.filter)
    if "include_personal" in fields:
        endpoint.include_personal = patch.include_personal
    if "headers" in fields:
        _set_headers(endpoint, patch.headers, box)
    if {"url", "format", "events", "filter"} & fields:
        await _lock_endpoints(session, workspace_id)
        others = await queries.find_endpoints(
            session, workspace_id, limit=_MAX_ENDPOINTS, cursor=None
        )
        _refuse_twin(endpoint, others)
    if "active" in fields:
        _switch(endpoint, active=patch.active)
    endpoint.updated_at = utc_now()
    session.add(endpoint)
    return endpoint


def _switch(endpoint: WebhookEndpoint, *, active: bool) -> None:
    if active and endpoint.disabled_at is not None:
        endpoint.disabled_at = endpoint.disabled_reason = endpoint.failing_since = None
        endpoint.listens_from = utc_now()
    if not active and endpoint.disabled_at is None:
        endpoint.disabled_at, endpoint.disabled_reason = utc_now(), "switched off"


async def delete(session: AsyncSession, workspace_id: UUID, endpoint_id: UUID) -> None:
    """Delete an endpoint with its log; what was on its way is not sent."""
    await session.delete(await find(session, workspace_id, endpoint_id, lock=True))


async def rotate(
    session: AsyncSession, workspace_id: UUID, endpoint_id: UUID, *, box: SealedBox
) -> str:
    """Make the next secret; for 24 hours the one before signs too."""
    endpoint = await find(session, workspace_id, endpoint_id, lock=True)
    secret = new_signing_secret()
    endpoint.old_secret, endpoint.old_until = endpoint.secret, utc_now() + OLD_SECRET_LIFETIME
    endpoint.secret = box.seal(secret.encode())
    endpoint.updated_at = utc_now()
    session.add(endpoint)
    return secret


async def send_test(
    session: AsyncSession, workspace_id: UUID, endpoint_id: UUID, event: EventType | None
) -> Delivery:
    """Send a sample, once; Conflict where the endpoint is disabled."""
    endpoint = await find(session, workspace_id, endpoint_id)
    _require_active(endpoint)
    type_ = event or EventType(endpoint.events[0])
    delivery = _new_single_delivery(endpoint, type_, uuid7())
    delivery.sample = dict(sample_of(type_))
    session.add(delivery)
    return delivery


def _require_active(endpoint: WebhookEndpoint) -> None:
    if endpoint.disabled_at is not None:
        detail = 'The endpoint is disabled; enable it with PATCH {"active": true} first.'
        raise Conflict(detail)


def _new_single_delivery(endpoint: WebhookEndpoint, type_: str, webhook_id: UUID) -> Delivery:
    now = utc_now()
    return Delivery(
        workspace_id=endpoint.workspace_id, id=uuid7(), endpoint_id=endpoint.id, type=type_,
        webhook_id=webhook_id, once=True, status="pending", attempts=[], tries=0, next_at=now,
        created_at=now, updated_at=now,
    )  # fmt: skip


async def redeliver(session: AsyncSession, workspace_id: UUID, delivery_id: UUID) -> Delivery:
    """Send one delivery again, once, under the same `webhook-id`."""
    rows = await session.exec(
        select(Delivery).where(Delivery.workspace_id == workspace_id, Delivery.id == delivery_id)
    )
    old = rows.first()
    if old is None:
        raise NotFound.in_workspace("delivery")
    endpoint = await find(session, workspace_id, old.endpoint_id)
    _require_active(endpoint)
    copy = _new_single_delivery(endpoint, old.type, old.webhook_id)
    copy.event_xid, copy.event_id, copy.sample = old.event_xid, old.event_id, old.sample
    session.add(copy)
    return copy


async def start_replay(
    session: AsyncSession, workspace_id: UUID, endpoint_id: UUID, since: dt.datetime
) -> int:
    """Enqueue a replay of the events since a moment that it wants; return how many."""
    endpoint = await find(session, workspace_id, endpoint_id)
    _require_active(endpoint)
    top = await event_consumer.readable_below(session)
    count = await queries.count_wanted(session, workspace_id, since, filter_of(endpoint), below=top)
    payload = {
        "endpoint": str(endpoint_id), "since": since.isoformat(), "below": top,
        "run": str(uuid7()),
    }  # fmt: skip
    await jobs.enqueue(session, REPLAY_JOB, workspace_id=workspace_id, payload=payload)
    return count


async def update_gauges(session: AsyncSession, now: dt.datetime) -> None:
    """Update the gauges of the endpoints and of the deliveries that are due."""
    rows = await run_sql(
        session,
        text(
            "select count(*) filter (where disabled_at is not null) as disabled, "
            "count(*) filter (where disabled_at is null and failing_since is not null) as failing, "
            "count(*) filter (where disabled_at is null and failing_since is null) as working "
            "from webhook_endpoint"
        ),
    )
    row = rows.one()
    due = await run_sql(
        session,
        text(
            "select count(*) as due from delivery where status = 'pending' and next_at <= :now"
        ).bindparams(now=now),
    )
    for state in ("working", "failing", "disabled"):
        ENDPOINTS_NOW.labels(state).set(getattr(row, state))
    DUE_DELIVERIES.set(due.one().due)


def kind_of(delivery: Delivery) -> str:
    """Say why a delivery is sent: for its event, as a test, or once more by hand."""
    if delivery.sample is not None:
        return "test"
    return "single" if delivery.once else "event"


def live_secrets(endpoint: WebhookEndpoint, box: SealedBox, now: dt.datetime) -> list[str]:
    """Return the secrets that sign now, the newest first."""
    sealed = [endpoint.secret]
    if endpoint.old_secret is not None and endpoint.old_until and endpoint.old_until > now:
        sealed.append(endpoint.old_secret)
    opened = [box.unseal(secret) for secret in sealed]
    return [secret.decode() for secret in opened if secret is not None]


def endpoint_filter_of(filter_values: Mapping[str, Any]) -> EndpointFilter:
    """Return a filter as it was given."""
    return EndpointFilter.model_validate(filter_values)
