"""The job that turns a stored delivery into interactions, or keeps it with a reason."""

import datetime as dt
import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from sqlalchemy import text
from sqlmodel import select
from sqlmodel.ext.asyncio.session import AsyncSession

from app.core import jobs
from app.core.clock import utc_now
from app.core.database import Database, is_connection_lost, run_sql
from app.core.errors import AfterwordError
from app.core.jobs import Job, LaterError
from app.core.settings import Settings
from app.core.signing import SealedBox
from app.core.telemetry import INBOUND
from app.integrations import orders
from app.integrations.adapter import InboundDelivery, UnmappedStatusError, UntranslatableError
from app.integrations.bodies import decode_body
from app.integrations.events import END, ORDER, STATUS, TRANSLATE_JOB, TURN, enqueue_waiting
from app.integrations.interpreting import CheckedInterpretation, interpret
from app.integrations.models import InboundEvent, Integration
from app.integrations.receiving import address_of, integration_by_id, refusal_of_delivery
from app.integrations.schemas import EventStatus
from app.integrations.service import awaits_secret, source_settings
from app.integrations.ticket_states import (
    ENDS,
    TURN_DELAY,
    BehindAnotherError,
    drop_repeats,
    find_ticket,
    split_early_reopenings,
    wait_for_ends,
)
from app.interactions.recording import Draft, Recorded
from app.triggers.interaction_intake import take_interactions
from app.workspaces.service import get_workspace

logger = logging.getLogger(__name__)

_LONGEST_REASON = 500
_MOST_NOTES = 20
# The order that a delivery waits for may be in a transaction that is still open.
_SECOND_LOOK = dt.timedelta(seconds=10)
_TOLD_BEFORE = "all of it was told before"
_NOT_SOLVED = "the ticket was not solved before, so it is not opened again"


@dataclass(frozen=True, slots=True)
class TranslationContext:
    """What every translation needs beside its event."""

    box: SealedBox
    settings: Settings


async def translate_event(database: Database, context: TranslationContext, job: Job) -> None:
    """Translate one delivery and record its interactions, in one transaction."""
    async with database.transaction() as session:
        event = await _lock_event(session, job)
        if event is None or event.status not in {EventStatus.RECEIVED, EventStatus.FAILED}:
            return
        await _wait_for_turn(session, event)
        integration = await integration_by_id(session, event.integration_id)
        event.waits_for, event.notes = [], []
        try:
            async with session.begin_nested():
                await _translate(session, context, integration, event)
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
        waits_for_order = any(name.startswith(ORDER) for name in event.waits_for)
        if event.status == EventStatus.SKIPPED and waits_for_order and not job.payload.get("again"):
            await _look_again(session, event)
        INBOUND.labels(integration.source, event.status).inc()
        session.add(event)


def _waits_for(error: Exception) -> list[str]:
    """Return what a delivery that failed waits for, if anything."""
    if isinstance(error, BehindAnotherError):
        return [TURN + error.case]
    return [STATUS + error.status] if isinstance(error, UnmappedStatusError) else []


async def _lock_event(session: AsyncSession, job: Job) -> InboundEvent | None:
    found = await session.exec(
        select(InboundEvent)
        .where(
            InboundEvent.workspace_id == job.workspace_id,
            InboundEvent.id == UUID(job.payload["event"]),
        )
        .with_for_update()
    )
    return found.first()


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


def _set_status(event: InboundEvent, status: EventStatus, reason: str | None) -> None:
    event.status, event.translated_at = str(status), utc_now()
    event.reason = reason.replace("\x00", "")[:_LONGEST_REASON] if reason else None


async def _translate(
    session: AsyncSession,
    context: TranslationContext,
    integration: Integration,
    event: InboundEvent,
) -> None:
    if not event.verified:
        _require_verified(context, integration, event)
        event.verified = True
    workspace = await get_workspace(session, integration.workspace_id)
    settings = source_settings(integration, workspace_timezone=workspace.timezone)
    payload = decode_body(event.headers, event.body)
    interpreted = interpret(
        integration, InboundDelivery(event.headers, payload, event.received_at), settings
    )
    event.notes = [note.replace("\x00", "")[:300] for note in interpreted.notes[:_MOST_NOTES]]
    if interpreted.skipped is not None:
        _set_status(event, EventStatus.SKIPPED, interpreted.skipped)
        return
    drafts = await _drafts(session, integration, interpreted)
    if drafts is None:
        _set_status(event, EventStatus.SKIPPED, "its order was not told of yet; it waits for that")
        event.waits_for = [ORDER + name for name in interpreted.order_names]
        return
    drafts = await drop_repeats(session, integration, event, drafts, interpreted)
    drafts, too_early = await split_early_reopenings(session, integration, drafts)
    recorded = (
        await take_interactions(session, context.box, integration.workspace_id, drafts)
        if drafts
        else []
    )
    await orders.mark_tests(session, integration, drafts)
    await wait_for_ends(session, integration, event, too_early)
    ended = {END + d.ticket for d in drafts if d.type in ENDS and d.ticket}
    if ended:
        await enqueue_waiting(session, integration, names=sorted(ended))
    fresh = [interaction for interaction in recorded if interaction.created]
    if fresh:
        event.interactions = [*event.interactions, *(str(draft.id) for draft in fresh)]
        _set_status(event, EventStatus.TRANSLATED, await _odd_times(session, integration, fresh))
    elif too_early:
        _set_status(event, EventStatus.SKIPPED, _NOT_SOLVED)
    else:
        _set_status(event, EventStatus.SKIPPED, _TOLD_BEFORE)
    if interpreted.problems:
        _end_in_part(event, interpreted, len(drafts))


def _end_in_part(event: InboundEvent, found: CheckedInterpretation, recorded_count: int) -> None:
    """Note which parts made no interaction; those with an unmapped status wait for its mapping."""
    unmapped = {STATUS + p.status for p in found.problems if isinstance(p, UnmappedStatusError)}
    whole = f"{recorded_count} of its parts are told; " if recorded_count else ""
    _set_status(event, EventStatus.FAILED, f"{whole}{'; '.join(map(str, found.problems))}")
    event.waits_for = [*event.waits_for, *sorted(unmapped)]


async def _drafts(
    session: AsyncSession, integration: Integration, found: CheckedInterpretation
) -> list[Draft] | None:
    """Return the drafts with their order; None if the order is not known yet."""
    drafts = [body.draft(test=False) for body in found.interactions]
    if found.order_names:
        order = await orders.resolve_order(session, integration, found, drafts)
        if order is None:
            return None
        drafts = [replace(draft, order=order) for draft in drafts]
        names = [ORDER + name for name in found.order_names]
        await enqueue_waiting(session, integration, names=names)
    return await orders.complete(session, integration, drafts)


def _require_verified(
    context: TranslationContext, integration: Integration, event: InboundEvent
) -> None:
    """Verify a delivery that came before its secret was known."""
    if awaits_secret(integration):
        raise UntranslatableError("no secret is set yet")
    refusal = refusal_of_delivery(
        integration, context.box, event.headers, event.body, now=event.received_at,
        uri=address_of(context.settings, integration),
    )  # fmt: skip
    if refusal is not None:
        raise UntranslatableError(refusal)


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


async def _odd_times(
    session: AsyncSession, integration: Integration, recorded: Sequence[Recorded]
) -> str | None:
    """Return a remedy if a ticket would have been solved before it was opened, else None."""
    for name in sorted(
        {
            interaction.ticket
            for interaction in recorded
            if interaction.ticket and not interaction.test
        }
    ):
        ticket = await find_ticket(session, integration, name)
        if ticket is not None and ticket.invalid:
            return (
                f"the ticket {name} would have been solved before it was opened: if its times "
                "have no zone, say where they are local with the `timezone` of this integration"
            )
    return None
