"""Translate stored deliveries into interactions, or keep them with a reason.

Deliveries that wait are planned into runs: those of one integration and of different cases are
translated in one transaction. If that fails, each is translated by itself, so that one which
cannot be translated stops nobody.
"""

import asyncio
import datetime as dt
import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from uuid import UUID

from sqlalchemy import text
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from app.core import jobs
from app.core.clock import utc_now
from app.core.database import Database, is_connection_lost, run_sql
from app.core.errors import AfterwordError
from app.core.gathering import Gathering
from app.core.jobs import Job, LaterError
from app.core.settings import Settings
from app.core.signing import SealedBox
from app.core.telemetry import INBOUND
from app.integrations import orders
from app.integrations.adapter import InboundDelivery, UnmappedStatusError, UntranslatableError
from app.integrations.bodies import decode_body
from app.integrations.events import (
    END,
    ORDER,
    REOPENING,
    STATUS,
    TRANSLATE_JOB,
    TURN,
    enqueue_waiting,
)
from app.integrations.interpreting import CheckedInterpretation, interpret
from app.integrations.models import InboundEvent, Integration
from app.integrations.receiving import address_of, integration_by_id, refusal_of_delivery
from app.integrations.schemas import EventStatus
from app.integrations.service import awaits_secret, source_settings
from app.integrations.ticket_states import (
    ENDS,
    REOPENINGS,
    TURN_DELAY,
    BehindAnotherError,
    drop_repeats,
    find_stories,
    split_early_reopenings,
    wait_for_ends,
)
from app.interactions.recording import Draft, Recorded
from app.triggers.interaction_intake import take_interactions
from app.workspaces.service import get_workspace

logger = logging.getLogger(__name__)

# How many deliveries of a workspace are taken together, and how many such batches run at once.
MOST_AT_ONCE = 200
_BATCHES = 2
_LONGEST_REASON = 500
_MOST_NOTES = 20
# The order that a delivery waits for may be in a transaction that is still open.
_SECOND_LOOK = dt.timedelta(seconds=10)
_TOLD_BEFORE = "all of it was told before"
_NOT_SOLVED = "the ticket was not solved before, so it is not opened again"


@dataclass(slots=True)
class ReadDelivery:
    """A delivery, what its body says, and the drafts of it that are left to be recorded."""

    event: InboundEvent
    found: CheckedInterpretation
    drafts: list[Draft] = field(default_factory=list)
    early: list[Draft] = field(default_factory=list)
    would_change: list[str] = field(default_factory=list)
    fresh: list[Recorded] = field(default_factory=list)

    @property
    def cases(self) -> set[str]:
        """The tickets, orders and names of orders that it is about."""
        bodies = self.found.interactions
        cases = {f"ticket:{body.ticket}" for body in bodies if body.ticket}
        cases |= {f"order:{body.order}" for body in bodies if body.order}
        cases |= {f"name:{name}" for name in self.found.order_names}
        return cases | ({f"case:{self.event.case_ref}"} if self.event.case_ref else set())


@dataclass(slots=True)
class Run:
    """Deliveries of one integration, in the order they came.

    `cases` are what they are about, each of another case; None where one must go alone.
    """

    integration_id: UUID
    events: list[UUID]
    cases: set[str] | None


class Translator:
    """Translates deliveries; those of a workspace that wait are taken together."""

    def __init__(self, database: Database, box: SealedBox, settings: Settings) -> None:
        """Prepare; nothing runs before the first delivery."""
        self._database = database
        self._box = box
        self._settings = settings
        self._gathering: Gathering[Job, LaterError | None] = Gathering(
            self._translate_all, places=asyncio.Semaphore(_BATCHES), most=MOST_AT_ONCE,
            max_waiting=100 * MOST_AT_ONCE,
        )  # fmt: skip

    async def translate(self, _database: Database, job: Job) -> None:
        """Translate the delivery of a job; LaterError where another one comes first."""
        later = await self._gathering.submit(job.workspace_id, job)
        if later is not None:
            raise later

    async def _translate_all(
        self, workspace_id: UUID, waiting: list[Job]
    ) -> list[LaterError | None]:
        again = {_event_of(job) for job in waiting if job.payload.get("again")}
        async with self._database.session() as session:
            runs = await _plan_runs(session, workspace_id, {_event_of(job) for job in waiting})
        later: dict[UUID, LaterError] = {}
        for run in runs:
            if len(run.events) == 1 or not await self._translate_together(workspace_id, run, again):
                for event_id in run.events:
                    if error := await self._translate_alone(workspace_id, event_id, again):
                        later[event_id] = error
        return [later.get(_event_of(job)) for job in waiting]

    async def _translate_together(self, workspace_id: UUID, run: Run, again: set[UUID]) -> bool:
        """Translate a run in one transaction; False if that cannot be, and nothing was stored."""
        try:
            async with self._database.transaction() as session:
                events = await _lock_events(session, workspace_id, run.events)
                integration, timezone = await _integration_of(session, run.integration_id)
                readings = [_read(integration, event, timezone) for event in events]
                for event in events:
                    await _wait_for_turn(session, event)
                await _record(session, self._box, integration, readings)
                for event in events:
                    await _finish(session, integration, event, again)
        except Exception as error:
            if is_connection_lost(error):
                # The jobs are tried again.
                raise
            logger.info("deliveries are translated one by one", extra={"why": repr(error)[:300]})
            return False
        return True

    async def _translate_alone(
        self, workspace_id: UUID, event_id: UUID, again: set[UUID]
    ) -> LaterError | None:
        """Translate one delivery, or note why it cannot be; return why it must wait, if so."""
        try:
            async with self._database.transaction() as session:
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
                reading = _read(integration, event, timezone)
                await _record(session, self._box, integration, [reading])
        except LaterError:
            raise
        except (UntranslatableError, AfterwordError) as error:
            _set_status(event, EventStatus.FAILED, str(error))
            event.waits_for = _waits_for(error)
        except Exception as error:
            if is_connection_lost(error):
                # The job is tried again.
                raise
            logger.exception("webhook was not translated", extra={"event": str(event.id)})
            _set_status(event, EventStatus.FAILED, f"unexpected: {error!r}")


def _event_of(job: Job) -> UUID:
    return UUID(job.payload["event"])


async def _plan_runs(
    session: AsyncSession, workspace_id: UUID, wanted: Iterable[UUID]
) -> list[Run]:
    """Plan which deliveries are translated together; those of one case stay in their order."""
    found = await session.exec(
        select(InboundEvent)
        .where(InboundEvent.workspace_id == workspace_id, col(InboundEvent.id).in_(list(wanted)))
        .order_by(col(InboundEvent.received_at), col(InboundEvent.id))
    )
    runs: list[Run] = []
    senders: dict[UUID, tuple[Integration, str]] = {}
    for event in found.all():
        sender = event.integration_id
        if sender not in senders:
            senders[sender] = await _integration_of(session, sender)
        cases = _cases_of(*senders[sender], event)
        last = next((run for run in reversed(runs) if run.integration_id == sender), None)
        if last is None or not _may_join(last.cases, cases):
            runs.append(Run(sender, [event.id], cases))
        else:
            last.events.append(event.id)
            last.cases = (last.cases or set()) | (cases or set())
    return runs


def _may_join(run: set[str] | None, cases: set[str] | None) -> bool:
    return run is not None and cases is not None and run.isdisjoint(cases)


def _cases_of(integration: Integration, timezone: str, event: InboundEvent) -> set[str] | None:
    """Return what a delivery is about, or None where it must be translated by itself."""
    if not event.verified:
        return None
    try:
        return _read(integration, event, timezone).cases
    except (UntranslatableError, AfterwordError):
        return None


def _read(integration: Integration, event: InboundEvent, timezone: str) -> ReadDelivery:
    settings = source_settings(integration, workspace_timezone=timezone)
    payload = decode_body(event.headers, event.body)
    delivery = InboundDelivery(event.headers, payload, event.received_at)
    return ReadDelivery(event, interpret(integration, delivery, settings))


async def _integration_of(session: AsyncSession, integration_id: UUID) -> tuple[Integration, str]:
    """Return an integration, and the time zone of its workspace."""
    integration = await integration_by_id(session, integration_id)
    return integration, (await get_workspace(session, integration.workspace_id)).timezone


async def _lock_events(
    session: AsyncSession, workspace_id: UUID, ids: Sequence[UUID]
) -> list[InboundEvent]:
    """Return the deliveries that are still to be translated, locked, in the order they came."""
    found = await session.exec(
        select(InboundEvent)
        .where(InboundEvent.workspace_id == workspace_id, col(InboundEvent.id).in_(ids))
        .order_by(col(InboundEvent.id))
        .with_for_update()
    )
    waiting = {EventStatus.RECEIVED, EventStatus.FAILED}
    events = [event for event in found.all() if event.status in waiting]
    return sorted(events, key=lambda event: (event.received_at, event.id))


async def _wait_for_turn(session: AsyncSession, event: InboundEvent) -> None:
    """Raise LaterError while an earlier delivery of a case without times is not translated."""
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
            "an earlier delivery of the case comes first", after=TURN_DELAY, counted=False
        )


async def _record(
    session: AsyncSession,
    box: SealedBox,
    integration: Integration,
    readings: Sequence[ReadDelivery],
) -> None:
    """Record what deliveries of different cases report, and set the status of each."""
    # Names of orders are locked in one order, so that two transactions cannot deadlock.
    in_order = sorted(readings, key=lambda reading: reading.found.order_names)
    used = [reading for reading in in_order if await _begin(session, integration, reading)]
    drafts = [draft for reading in used for draft in reading.drafts]
    orders_before = await orders.read_stories(session, integration, drafts)
    tickets = await find_stories(session, integration, _tickets_in(drafts))
    for reading in used:
        completed = orders.complete(integration, reading.drafts, orders_before)
        told, reading.would_change = await drop_repeats(
            session, integration, reading.event, completed, reading.found, tickets
        )
        reading.drafts, reading.early = await split_early_reopenings(session, integration, told)
    await _take(session, box, integration, used)
    await orders.mark_tests(session, integration, [d for r in used for d in r.drafts])
    for reading in used:
        await wait_for_ends(session, integration, reading.event, reading.early)
    await _wake_waiting(session, integration, used)
    fresh = _tickets_in([interaction for reading in used for interaction in reading.fresh])
    after = await find_stories(session, integration, fresh)
    invalid = {name for name, ticket in after.items() if ticket.invalid}
    for reading in used:
        _set_outcome(reading, invalid)


async def _begin(session: AsyncSession, integration: Integration, reading: ReadDelivery) -> bool:
    """Draft what a delivery reports; False where it reports nothing now, and its status is set."""
    event, found = reading.event, reading.found
    event.waits_for = []
    event.notes = [note.replace("\x00", "")[:300] for note in found.notes[:_MOST_NOTES]]
    if found.skipped is not None:
        _set_status(event, EventStatus.SKIPPED, found.skipped)
        return False
    reading.drafts = [body.draft(test=False) for body in found.interactions]
    if not found.order_names:
        return True
    order = await orders.resolve_order(session, integration, found, reading.drafts)
    if order is None:
        _set_status(event, EventStatus.SKIPPED, "its order was not told of yet; it waits for that")
        event.waits_for = [ORDER + name for name in found.order_names]
        return False
    reading.drafts = [replace(draft, order=order) for draft in reading.drafts]
    return True


def _tickets_in(told: Iterable[Draft | Recorded]) -> list[str]:
    return sorted({one.ticket for one in told if one.ticket and not one.test})


async def _take(
    session: AsyncSession,
    box: SealedBox,
    integration: Integration,
    readings: Sequence[ReadDelivery],
) -> None:
    """Record all drafts at once, and note with each delivery which of its own are new."""
    drafts = [draft for reading in readings for draft in reading.drafts]
    if not drafts:
        return
    recorded = iter(await take_interactions(session, box, integration.workspace_id, drafts))
    for reading in readings:
        told = [next(recorded) for _ in reading.drafts]
        reading.fresh = [interaction for interaction in told if interaction.created]


async def _wake_waiting(
    session: AsyncSession, integration: Integration, readings: Sequence[ReadDelivery]
) -> None:
    """Translate again what waits for an order, or for a change of a ticket, that is known now."""
    names = {ORDER + name for reading in readings for name in reading.found.order_names}
    drafts = [draft for reading in readings for draft in reading.drafts]
    names |= {END + draft.ticket for draft in drafts if draft.type in ENDS and draft.ticket}
    names |= {REOPENING + d.ticket for d in drafts if d.type in REOPENINGS and d.ticket}
    if names:
        await enqueue_waiting(session, integration, names=sorted(names))


def _set_outcome(reading: ReadDelivery, invalid: set[str]) -> None:
    """Set the status of a delivery by what was recorded of it."""
    event, found = reading.event, reading.found
    if reading.fresh:
        event.interactions = [*event.interactions, *(str(one.id) for one in reading.fresh)]
        _set_status(event, EventStatus.TRANSLATED, _odd_times(reading.fresh, invalid))
    elif reading.early:
        _set_status(event, EventStatus.SKIPPED, _NOT_SOLVED)
    else:
        _set_status(event, EventStatus.SKIPPED, _TOLD_BEFORE)
        event.waits_for = sorted({*event.waits_for, *reading.would_change})
    if found.problems:
        _end_in_part(event, found, len(reading.drafts))


def _odd_times(fresh: Sequence[Recorded], invalid: set[str]) -> str | None:
    """Return a remedy if a ticket would have been solved before it was opened, else None."""
    odd = next((name for name in _tickets_in(fresh) if name in invalid), None)
    if odd is None:
        return None
    return (
        f"the ticket {odd} would have been solved before it was opened: if its times "
        "have no zone, say where they are local with the `timezone` of this integration"
    )


def _end_in_part(event: InboundEvent, found: CheckedInterpretation, recorded_count: int) -> None:
    """Note which parts made no interaction; those with an unmapped status wait for its mapping."""
    unmapped = {STATUS + p.status for p in found.problems if isinstance(p, UnmappedStatusError)}
    whole = f"{recorded_count} of its parts are told; " if recorded_count else ""
    _set_status(event, EventStatus.FAILED, f"{whole}{'; '.join(map(str, found.problems))}")
    event.waits_for = [*event.waits_for, *sorted(unmapped)]


def _set_status(event: InboundEvent, status: EventStatus, reason: str | None) -> None:
    event.status, event.translated_at = str(status), utc_now()
    event.reason = reason.replace("\x00", "")[:_LONGEST_REASON] if reason else None


def _waits_for(error: Exception) -> list[str]:
    """Return what a delivery that failed waits for, if anything."""
    if isinstance(error, BehindAnotherError):
        return [TURN + error.case]
    return [STATUS + error.status] if isinstance(error, UnmappedStatusError) else []


async def _finish(
    session: AsyncSession, integration: Integration, event: InboundEvent, again: set[UUID]
) -> None:
    """Store what became of a delivery; one that waits for its order is tried once more soon."""
    waits_for_order = any(name.startswith(ORDER) for name in event.waits_for)
    if event.status == EventStatus.SKIPPED and waits_for_order and event.id not in again:
        await _look_again(session, event)
    INBOUND.labels(integration.source, event.status).inc()
    session.add(event)


def _require_verified(
    integration: Integration, event: InboundEvent, box: SealedBox, settings: Settings
) -> None:
    """Verify a delivery that came before its secret was known."""
    if awaits_secret(integration):
        raise UntranslatableError("no secret is set yet")
    refusal = refusal_of_delivery(
        integration, box, event.headers, event.body, now=event.received_at,
        uri=address_of(settings, integration),
    )  # fmt: skip
    if refusal is not None:
        raise UntranslatableError(refusal)
    event.verified = True


async def _look_again(session: AsyncSession, event: InboundEvent) -> None:
    """Enqueue one more try for a delivery that waits for its order."""
    event.status = str(EventStatus.RECEIVED)
    await jobs.enqueue(
        session,
        TRANSLATE_JOB,
        workspace_id=event.workspace_id,
        payload={"event": str(event.id), "again": True},
        dedupe=f"{event.id}:again",
        run_at=utc_now() + _SECOND_LOOK,
    )
