# SPDX-License-Identifier: Apache-2.0
"""Translate stored inbound events into interactions, or keep them with a reason.

Events that wait are planned into batches: those of one integration and of different cases are
translated in one transaction. If that fails, each is translated by itself, so that an
untranslatable one does not stop the others.
"""

import asyncio
import datetime as dt
import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import text
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from app.core import jobs
from app.core.batching import Batcher
from app.core.clock import utc_now
from app.core.database import Database, is_connection_lost, run_sql
from app.core.errors import AfterwordError
from app.core.jobs import Job, LaterError
from app.core.settings import Settings
from app.core.signing import SealedBox
from app.core.telemetry import INBOUND
from app.integrations.adapter import InboundWebhook, UnmappedStatusError, UntranslatableError
from app.integrations.bodies import decode_body
from app.integrations.inbound_events import (
    TRANSLATE_JOB,
    WAITS_FOR_ORDER,
    WAITS_FOR_STATUS,
    WAITS_FOR_TURN,
)
from app.integrations.inbound_recording import InterpretedEvent, record_events, set_status
from app.integrations.interpretation import interpret
from app.integrations.models import InboundEvent, Integration
from app.integrations.schemas import InboundEventStatus
from app.integrations.service import awaits_secret, source_settings
from app.integrations.ticket_states import (
    TURN_DELAY,
    WaitsForEarlierError,
)
from app.integrations.verification import address_of, integration_by_id, refusal_of_webhook
from app.workspaces.service import get_workspace

logger = logging.getLogger(__name__)

# How many inbound events of a workspace are taken together, and of how many workspaces at once.
MAX_WEBHOOKS_TOGETHER = 200
_WORKSPACES = 2
# When an event that waits for its order is tried again: the order may be committed by then.
_SECOND_LOOK = dt.timedelta(seconds=10)


@dataclass(slots=True)
class EventBatch:
    """Inbound events of one integration, in the order they came.

    `cases` are all their cases, and no two events share one; None for an event translated alone.
    """

    integration_id: UUID
    events: list[UUID]
    cases: set[str] | None


class Translator:
    """Translates inbound events; those of a workspace that wait are taken together."""

    def __init__(self, database: Database, box: SealedBox, settings: Settings) -> None:
        """Prepare; nothing runs before the first event."""
        self._database = database
        self._box = box
        self._settings = settings
        self._batcher: Batcher[Job, LaterError | None] = Batcher(
            self._translate_all, slots=asyncio.Semaphore(_WORKSPACES), most=MAX_WEBHOOKS_TOGETHER,
            max_waiting=100 * MAX_WEBHOOKS_TOGETHER,
        )  # fmt: skip

    async def translate(self, _database: Database, job: Job) -> None:
        """Translate the event of a job; LaterError where another one comes first."""
        later = await self._batcher.submit(job.workspace_id, job)
        if later is not None:
            raise later

    async def _translate_all(
        self, workspace_id: UUID, waiting: list[Job]
    ) -> list[LaterError | None]:
        again = {_event_of(job) for job in waiting if job.payload.get("again")}
        async with self._database.session() as session:
            batches = await _plan_batches(
                session, workspace_id, {_event_of(job) for job in waiting}
            )
        later: dict[UUID, LaterError] = {}
        for batch in batches:
            if len(batch.events) == 1 or not await self._translate_together(
                workspace_id, batch, again
            ):
                for event_id in batch.events:
                    if error := await self._translate_alone(workspace_id, event_id, again):
                        later[event_id] = error
        return [later.get(_event_of(job)) for job in waiting]

    async def _translate_together(
        self, workspace_id: UUID, batch: EventBatch, again: set[UUID]
    ) -> bool:
        """Translate a batch in one transaction; False if that cannot be, and nothing was stored."""
        try:
            async with self._database.recording_transaction() as session:
                events = await _lock_events(session, workspace_id, batch.events)
                integration, timezone = await _integration_of(session, batch.integration_id)
                interpreted_events = [_read(integration, event, timezone) for event in events]
                for event in events:
                    await _wait_for_turn(session, event)
                await record_events(session, self._box, integration, interpreted_events)
                for event in events:
                    await _finish(session, integration, event, again)
        except Exception as error:
            if is_connection_lost(error):
                # The jobs are tried again.
                raise
            logger.info("events are translated one by one", extra={"why": repr(error)[:300]})
            return False
        return True

    async def _translate_alone(
        self, workspace_id: UUID, event_id: UUID, again: set[UUID]
    ) -> LaterError | None:
        """Translate one event, or note why it cannot be; return why it must wait, if so."""
        try:
            async with self._database.recording_transaction() as session:
                for event in await _lock_events(session, workspace_id, [event_id]):
                    await _wait_for_turn(session, event)
                    integration, timezone = await _integration_of(session, event.integration_id)
                    await self._translate_or_note(session, integration, event, timezone)
                    await _finish(session, integration, event, again)
        except LaterError as error:
            return error
        return None

    async def _translate_or_note(
        self, session: AsyncSession, integration: Integration, event: InboundEvent, timezone: str
    ) -> None:
        event.waits_for, event.notes = [], []
        try:
            async with session.begin_nested():
                if not event.verified:
                    _require_verified(integration, event, self._box, self._settings)
                interpreted_event = _read(integration, event, timezone)
                await record_events(session, self._box, integration, [interpreted_event])
        except LaterError:
            raise
        except (UntranslatableError, AfterwordError) as error:
            set_status(event, InboundEventStatus.FAILED, str(error))
            event.waits_for = _waits_for(error)
        except Exception as error:
            if is_connection_lost(error):
                # The job is tried again.
                raise
            logger.exception("webhook was not translated", extra={"event": str(event.id)})
            set_status(event, InboundEventStatus.FAILED, f"unexpected: {error!r}")


def _event_of(job: Job) -> UUID:
    return UUID(job.payload["event"])


async def _plan_batches(
    session: AsyncSession, workspace_id: UUID, event_ids: Iterable[UUID]
) -> list[EventBatch]:
    """Plan which events are translated together; those of one case stay in their order."""
    rows = await session.exec(
        select(InboundEvent)
        .where(InboundEvent.workspace_id == workspace_id, col(InboundEvent.id).in_(list(event_ids)))
        .order_by(col(InboundEvent.received_at), col(InboundEvent.id))
    )
    batches: list[EventBatch] = []
    senders: dict[UUID, tuple[Integration, str]] = {}
    for event in rows.all():
        sender = event.integration_id
        if sender not in senders:
            senders[sender] = await _integration_of(session, sender)
        cases = _cases_of(*senders[sender], event)
        last = next((batch for batch in reversed(batches) if batch.integration_id == sender), None)
        if last is None or not _may_join(last.cases, cases):
            batches.append(EventBatch(sender, [event.id], cases))
        else:
            last.events.append(event.id)
            last.cases = (last.cases or set()) | (cases or set())
    return batches


def _may_join(batch: set[str] | None, cases: set[str] | None) -> bool:
    return batch is not None and cases is not None and batch.isdisjoint(cases)


def _cases_of(integration: Integration, timezone: str, event: InboundEvent) -> set[str] | None:
    """Return what an inbound event is about, or None where it must be translated by itself."""
    if not event.verified:
        return None
    try:
        return _read(integration, event, timezone).cases
    except (UntranslatableError, AfterwordError):
        return None


def _read(integration: Integration, event: InboundEvent, timezone: str) -> InterpretedEvent:
    settings = source_settings(integration, workspace_timezone=timezone)
    payload = decode_body(event.headers, event.body)
    webhook = InboundWebhook(event.headers, payload, event.received_at)
    return InterpretedEvent(event, interpret(integration, webhook, settings))


async def _integration_of(session: AsyncSession, integration_id: UUID) -> tuple[Integration, str]:
    """Return an integration, and the time zone of its workspace."""
    integration = await integration_by_id(session, integration_id)
    return integration, (await get_workspace(session, integration.workspace_id)).timezone


async def _lock_events(
    session: AsyncSession, workspace_id: UUID, ids: Sequence[UUID]
) -> list[InboundEvent]:
    """Return the events that are still to be translated, locked, in the order they came."""
    rows = await session.exec(
        select(InboundEvent)
        .where(InboundEvent.workspace_id == workspace_id, col(InboundEvent.id).in_(ids))
        .order_by(col(InboundEvent.id))
        .with_for_update()
    )
    waiting = {InboundEventStatus.RECEIVED, InboundEventStatus.FAILED}
    events = [event for event in rows.all() if event.status in waiting]
    return sorted(events, key=lambda event: (event.received_at, event.id))


async def _wait_for_turn(session: AsyncSession, event: InboundEvent) -> None:
    """Raise LaterError while an earlier event of a case without times is not translated."""
    if event.case_ref is None:
        return
    rows = await run_sql(
        session,
        text(
            "select 1 from inbound_event where workspace_id = :workspace_id "
            "and integration_id = :integration_id and case_ref = :case_ref "
            "and received_at < :received_at and status = 'received' and verified limit 1"
        ).bindparams(
            workspace_id=event.workspace_id,
            integration_id=event.integration_id,
            case_ref=event.case_ref,
            received_at=event.received_at,
        ),
    )
    if rows.first() is not None:
        raise LaterError(
            "an earlier inbound event of the case comes first", after=TURN_DELAY, counted=False
        )


def _waits_for(error: Exception) -> list[str]:
    """Return what an inbound event that failed waits for, if anything."""
    if isinstance(error, WaitsForEarlierError):
        return [WAITS_FOR_TURN + error.case]
    return [WAITS_FOR_STATUS + error.status] if isinstance(error, UnmappedStatusError) else []


async def _finish(
    session: AsyncSession, integration: Integration, event: InboundEvent, again: set[UUID]
) -> None:
    """Store what became of an event; one that waits for its order is tried once more soon."""
    waits_for_order = any(name.startswith(WAITS_FOR_ORDER) for name in event.waits_for)
    if event.status == InboundEventStatus.SKIPPED and waits_for_order and event.id not in again:
        await _look_again(session, event)
    INBOUND.labels(integration.source, event.status).inc()
    session.add(event)


def _require_verified(
    integration: Integration, event: InboundEvent, box: SealedBox, settings: Settings
) -> None:
    """Verify an inbound event that came before its secret was known."""
    if awaits_secret(integration):
        raise UntranslatableError("no secret is set yet")
    refusal = refusal_of_webhook(
        integration, box, event.headers, event.body, now=event.received_at,
        uri=address_of(settings, integration),
    )  # fmt: skip
    if refusal is not None:
        raise UntranslatableError(refusal)
    event.verified = True


async def _look_again(session: AsyncSession, event: InboundEvent) -> None:
    """Enqueue one more try for an inbound event that waits for its order."""
    event.status = str(InboundEventStatus.RECEIVED)
    await jobs.enqueue(
        session,
        TRANSLATE_JOB,
        workspace_id=event.workspace_id,
        payload={"event": str(event.id), "again": True},
        dedupe=f"{event.id}:again",
        run_at=utc_now() + _SECOND_LOOK,
    )
