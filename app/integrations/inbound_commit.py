# SPDX-License-Identifier: Apache-2.0
"""Store webhooks in batches, as they arrive while the previous batch is being written."""

import asyncio
import datetime as dt
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from cachetools import LRUCache, TTLCache
from sqlmodel.ext.asyncio.session import AsyncSession

from app.core.batch_retries import write_with_retries
from app.core.batching import Batcher
from app.core.database import Database
from app.core.errors import AfterwordError
from app.core.ids import derived_uuid, uuid7
from app.core.jobs import JOB_NOTICES
from app.core.notices import EVERYTHING
from app.core.prepared_statements import PreparedStatement, as_json
from app.integrations.inbound_events import TRANSLATE_JOB
from app.integrations.models import Integration
from app.integrations.verification import integration_by_id

_MAX_CONCURRENT_BATCHES, _MAX_BATCH_SIZE = 2, 200
_MAX_CACHED_INTEGRATIONS = 10_000

_UNVERIFIED = "no secret is set yet"

# One round trip: the webhooks, the jobs that translate them, and one notice to the workers.
_STORE = PreparedStatement("""
with given as materialized (
  select * from json_to_recordset(cast(:rows as json)) n(id uuid, integration_id uuid,
    delivery text, headers jsonb, body text, verified bool, reason text, case_ref text,
    now timestamptz, job_id uuid)
),
stored as (
  insert into inbound_event (workspace_id, id, integration_id, delivery, headers, body, verified,
    status, reason, case_ref, waits_for, notes, interactions, received_at)
  select cast(:workspace_id as uuid), n.id, n.integration_id, n.delivery, n.headers,
    decode(n.body, 'base64'), n.verified, 'received', n.reason, n.case_ref,
    '[]', '[]', '[]', n.now
  from given n order by n.id on conflict do nothing returning id
),
queued as (
  insert into job (id, workspace_id, kind, payload, dedupe, run_at, attempts, max_attempts,
    created_at)
  select n.job_id, cast(:workspace_id as uuid), cast(:kind as text),
    json_build_object('event', n.id)::jsonb, n.id::text, n.now, 0, 10, n.now
  from given n join stored s on s.id = n.id where n.verified
  on conflict do nothing returning 1
)
select s.id, (select pg_notify(:channel, :kind)::text from queued limit 1) from stored s
""")


@dataclass(frozen=True, slots=True)
class RawWebhook:
    """One webhook as it came, and whether its signature was right.

    `case` is the ticket or order of a webhook that carries neither an id nor a time.
    """

    id: UUID
    integration_id: UUID
    identity: str
    headers: Mapping[str, str]
    body: bytes
    verified: bool
    at: dt.datetime
    case: str | None = None

    def row(self) -> dict[str, Any]:
        """Return what is stored of it."""
        return {
            "id": self.id, "integration_id": self.integration_id,
            "delivery": self.identity, "headers": dict(self.headers),
            "body": b64encode(self.body).decode(), "verified": self.verified,
            "reason": None if self.verified else _UNVERIFIED, "case_ref": self.case,
            "now": self.at, "job_id": uuid7(),
        }  # fmt: skip


class InboundCommit:
    """Stores webhooks in batches; each caller learns whether its own is new."""

    def __init__(self, database: Database, *, max_waiting: int) -> None:
        """Prepare; nothing runs before the first webhook."""
        self._database = database
        self._batcher: Batcher[RawWebhook, bool] = Batcher(
            self._write,
            slots=asyncio.Semaphore(_MAX_CONCURRENT_BATCHES),
            most=_MAX_BATCH_SIZE,
            max_waiting=max_waiting,
        )

    async def store(self, workspace_id: UUID, webhook: RawWebhook) -> bool:
        """Store a webhook once; tell whether it is new."""
        return await self._batcher.submit(workspace_id, webhook)

    async def store_in_sequence(
        self, workspace_id: UUID, webhook: RawWebhook
    ) -> tuple[UUID | None, bool]:
        """Store a webhook whose id depends on the one before it of its case.

        Return its id, None if it repeats the one before it, and whether it is new.
        """
        async with self._database.recording_transaction() as session:
            id_ = await _id_in_sequence(session, workspace_id, webhook)
            if id_ is None:
                return None, False
            new = await _insert(session, workspace_id, [replace(webhook, id=id_)])
        return id_, bool(new)

    async def close(self) -> None:
        """Store what waits."""
        await self._batcher.close()

    async def _write(
        self, workspace_id: UUID, webhooks: list[RawWebhook]
    ) -> list[bool | AfterwordError]:
        new = await write_with_retries(
            lambda _: self._store(workspace_id, webhooks), part="webhooks"
        )
        results: list[bool | AfterwordError] = []
        for webhook in webhooks:
            results.append(webhook.id in new)
            # Of two equal webhooks in one batch, the first is new.
            new.discard(webhook.id)
        return results

    async def _store(self, workspace_id: UUID, webhooks: list[RawWebhook]) -> set[UUID]:
        async with self._database.recording_transaction() as session:
            return await _insert(session, workspace_id, webhooks)


async def _insert(
    session: AsyncSession, workspace_id: UUID, webhooks: Sequence[RawWebhook]
) -> set[UUID]:
    """Insert webhooks and the jobs that translate them; return the ids that are new."""
    rows = await _STORE.run(
        session, workspace_id=workspace_id, kind=TRANSLATE_JOB, channel=JOB_NOTICES,
        rows=as_json([webhook.row() for webhook in webhooks]),
    )  # fmt: skip
    return {row["id"] for row in rows}


_LAST_OF_CASE = PreparedStatement("""
select id, delivery from inbound_event where workspace_id = :workspace_id
and integration_id = :integration_id and case_ref = :case order by received_at desc limit 1
""")


async def _id_in_sequence(
    session: AsyncSession, workspace_id: UUID, webhook: RawWebhook
) -> UUID | None:
    """Return an id derived from this webhook and the previous one; None if both are equal.

    The same content after another content is new: resolved, open, resolved are three webhooks.
    """
    rows = await _LAST_OF_CASE.run(
        session, workspace_id=workspace_id, integration_id=webhook.integration_id,
        case=webhook.case,
    )  # fmt: skip
    if not rows:
        return derived_uuid(str(webhook.integration_id), webhook.identity)
    if rows[0]["delivery"] == webhook.identity:
        return None
    return derived_uuid(str(webhook.integration_id), webhook.identity, str(rows[0]["id"]))


class IntegrationCache:
    """Caches integrations by id until an integration of the workspace changes."""

    def __init__(self, database: Database) -> None:
        """Start with an empty memory."""
        self._database = database
        self._known: LRUCache[UUID, Integration] = LRUCache(_MAX_CACHED_INTEGRATIONS)
        self._generation = 0
        self._refused: TTLCache[UUID, bool] = TTLCache(_MAX_CACHED_INTEGRATIONS, ttl=60)

    def is_first_refusal(self, integration_id: UUID) -> bool:
        """Tell whether no other webhook to this address was refused within a minute."""
        first = integration_id not in self._refused
        self._refused[integration_id] = True
        return first

    async def get(self, integration_id: UUID) -> Integration:
        """Return the sender of an address, or raise NotFound."""
        cached = self._known.get(integration_id)
        if cached is not None:
            return cached
        generation = self._generation
        async with self._database.session() as session:
            integration = await integration_by_id(session, integration_id)
        if generation == self._generation:
            self._known[integration_id] = integration
        return integration

    def forget(self, payload: str = EVERYTHING) -> None:
        """Clear the cache of one workspace, or all; a read that has begun is not cached."""
        self._generation += 1
        for id_, integration in list(self._known.items()):
            if payload in {EVERYTHING, str(integration.workspace_id)}:
                del self._known[id_]
