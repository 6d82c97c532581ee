# SPDX-License-Identifier: Apache-2.0
"""The identity of a webhook, by which a repeated one is recognised."""

import datetime as dt
import hashlib
from collections.abc import Mapping
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import bindparam, text
from sqlmodel.ext.asyncio.session import AsyncSession

from app.core.database import Database, run_sql
from app.core.ids import derived_uuid, uuid7
from app.core.jobs import CHANNEL
from app.core.schema import Json
from app.integrations.adapter import InboundWebhook, SourceSettings, UntranslatableError
from app.integrations.bodies import decode_body
from app.integrations.inbound_commit import RawWebhook
from app.integrations.inbound_events import TRANSLATE_JOB
from app.integrations.mapping import headers_named
from app.integrations.models import Integration
from app.integrations.registry import ADAPTERS
from app.integrations.service import mapping_of

_MAX_IDENTITY_CHARACTERS = 200

# One round trip: the webhook, the job that translates it, and the worker's notice.
_STORE_TIMELESS = text("""
with stored as (
  insert into inbound_event (workspace_id, id, integration_id, delivery, headers, body, verified,
    status, reason, case_ref, waits_for, notes, interactions, received_at)
  values (:workspace_id, :id, :integration_id, :delivery, :headers, :body, :verified,
    'received', :reason, :case_ref, '[]', '[]', '[]', :now)
  on conflict do nothing returning id
),
queued as (
  insert into job (id, workspace_id, kind, payload, dedupe, run_at, attempts, max_attempts,
    created_at)
  select :job_id, :workspace_id, :kind, :payload, stored.id::text, :now, 0, 10, :now from stored
  where :verified on conflict do nothing returning 1
)
select stored.id, (select pg_notify(:channel, :kind)::text from queued) from stored
""").bindparams(bindparam("headers", type_=Json), bindparam("payload", type_=Json))


def identity_of(integration: Integration, headers: Mapping[str, str], body: bytes) -> str:
    """Return the identity of a webhook: the sender's id, else the body's hash; and its event."""
    adapter = ADAPTERS[integration.source]
    named = [headers[name] for name in adapter.id_headers if headers.get(name)]
    parts = named[:1]
    if adapter.id_field is not None:
        parts += _field(body, adapter.id_field)
    if adapter.hashes_body or not parts:
        parts.append(hashlib.sha256(body).hexdigest())
    events = {*adapter.event_headers, *headers_named(mapping_of(integration))}
    parts += [headers[name] for name in sorted(events) if headers.get(name)]
    identity = ":".join(parts).replace("\x00", "")
    if len(identity) <= _MAX_IDENTITY_CHARACTERS:
        return identity
    return f"{identity[:100]}…{hashlib.sha256(identity.encode()).hexdigest()}"


def _field(body: bytes, name: str) -> list[str]:
    try:
        found = msgspec.json.decode(body)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return []
    value = found.get(name) if isinstance(found, dict) else None
    return [value] if isinstance(value, str) and value else []


def timeless_case(
    integration: Integration, headers: Mapping[str, str], body: bytes, *, now: dt.datetime
) -> str | None:
    """Return the ticket or order of a webhook that carries neither an id nor a time."""
    find_case = ADAPTERS[integration.source].timeless_case
    if find_case is None:
        return None
    try:
        webhook = InboundWebhook(headers, decode_body(headers, body), now)
        found = find_case(webhook, SourceSettings(mapping=mapping_of(integration)))
    except UntranslatableError:
        return None
    return found[:_MAX_IDENTITY_CHARACTERS].replace("\x00", "") if found else None


async def store_timeless(
    database: Database, integration: Integration, raw: RawWebhook, case: str
) -> tuple[UUID | None, bool]:
    """Store a webhook whose id depends on the one before it; return its id, and whether new."""
    async with database.transaction() as session:
        event_id = await _id_of_timeless(session, integration, raw.identity, case)
        if event_id is None:
            return None, False
        stored = await run_sql(
            session,
            _STORE_TIMELESS.bindparams(
                workspace_id=integration.workspace_id,
                id=event_id,
                integration_id=integration.id,
                delivery=raw.identity,
                headers=dict(raw.headers),
                body=raw.body,
                verified=raw.verified,
                reason=None if raw.verified else "no secret is set yet",
                case_ref=case,
                now=raw.at,
                job_id=uuid7(),
                kind=TRANSLATE_JOB,
                payload={"event": str(event_id)},
                channel=CHANNEL,
            ),
        )
        return event_id, stored.first() is not None


async def _id_of_timeless(
    session: AsyncSession, integration: Integration, identity: str, case: str
) -> UUID | None:
    """Return an id derived from this webhook and the previous one; None if both are equal.

    The same content after another content is new: resolved, open, resolved are three webhooks.
    """
    rows = await run_sql(
        session,
        text(
            "select id, delivery from inbound_event where workspace_id = :workspace_id "
            "and integration_id = :integration_id and case_ref = :case_ref "
            "order by received_at desc limit 1"
        ).bindparams(
            workspace_id=integration.workspace_id, integration_id=integration.id, case_ref=case
        ),
    )
    last: Any = rows.first()
    if last is None:
        return derived_uuid(str(integration.id), identity)
    if last.delivery == identity:
        return None
    return derived_uuid(str(integration.id), identity, str(last.id))
