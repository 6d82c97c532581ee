# SPDX-License-Identifier: Apache-2.0
"""Record what inbound events of different cases report, and say what became of each."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from sqlmodel.ext.asyncio.session import AsyncSession

from app.core.clock import utc_now
from app.core.signing import SealedBox
from app.integrations import orders
from app.integrations.adapter import UnmappedStatusError
from app.integrations.inbound_events import END, ORDER, REOPENING, STATUS, enqueue_waiting
from app.integrations.interpretation import CheckedInterpretation
from app.integrations.models import InboundEvent, Integration
from app.integrations.schemas import InboundEventStatus
from app.integrations.ticket_states import (
    REOPENINGS,
    TICKET_ENDS,
    drop_repeats,
    find_known_tickets,
    split_early_reopenings,
    wait_for_ends,
)
from app.interactions.interaction_recorder import InteractionDraft, RecordedInteraction
from app.triggers.interaction_intake import take_interactions

_MAX_REASON_CHARACTERS = 500
_MAX_NOTES = 20
_REPORTED_BEFORE = "nothing new: it was reported before"
_NOT_SOLVED = "ignored: the ticket was reopened before it was solved"


@dataclass(slots=True)
class InterpretedEvent:
    """An inbound event, what its body says, and the drafts of it that are left to be recorded."""

    event: InboundEvent
    interpretation: CheckedInterpretation
    drafts: list[InteractionDraft] = field(default_factory=list)
    early_reopenings: list[InteractionDraft] = field(default_factory=list)
    waits_for: list[str] = field(default_factory=list)
    created: list[RecordedInteraction] = field(default_factory=list)

    @property
    def cases(self) -> set[str]:
        """The tickets, orders and names of orders that it is about."""
        bodies = self.interpretation.interactions
        cases = {f"ticket:{body.ticket}" for body in bodies if body.ticket}
        cases |= {f"order:{body.order}" for body in bodies if body.order}
        cases |= {f"name:{name}" for name in self.interpretation.order_names}
        return cases | ({f"case:{self.event.case_ref}"} if self.event.case_ref else set())


async def record_events(
    session: AsyncSession,
    box: SealedBox,
    integration: Integration,
    readings: Sequence[InterpretedEvent],
) -> None:
    """Record what inbound events of different cases report, and set the status of each."""
    # Names of orders are locked in one order, so that two transactions cannot deadlock.
    in_order = sorted(readings, key=lambda reading: reading.interpretation.order_names)
    used = [reading for reading in in_order if await _begin(session, integration, reading)]
    drafts = [draft for reading in used for draft in reading.drafts]
    orders_before = await orders.read_order_histories(session, integration, drafts)
    tickets = await find_known_tickets(session, integration, _tickets_in(drafts))
    for reading in used:
        completed = orders.complete(integration, reading.drafts, orders_before)
        new_drafts, reading.waits_for = await drop_repeats(
            session, integration, reading.event, completed, reading.interpretation, tickets
        )
        reading.drafts, reading.early_reopenings = await split_early_reopenings(
            session, integration, new_drafts
        )
    await _take(session, box, integration, used)
    await orders.mark_tests(session, integration, [d for r in used for d in r.drafts])
    for reading in used:
        await wait_for_ends(session, integration, reading.event, reading.early_reopenings)
    await _wake_waiting(session, integration, used)
    fresh = _tickets_in([interaction for reading in used for interaction in reading.created])
    after = await find_known_tickets(session, integration, fresh)
    invalid = {name for name, ticket in after.items() if ticket.invalid}
    for reading in used:
        _set_outcome(reading, invalid)


async def _begin(
    session: AsyncSession, integration: Integration, reading: InterpretedEvent
) -> bool:
    """Draft what an event reports; return False if it reports nothing now."""
    event, interpretation = reading.event, reading.interpretation
    event.waits_for = []
    event.notes = [note.replace("\x00", "")[:300] for note in interpretation.notes[:_MAX_NOTES]]
    if interpretation.skipped is not None:
        set_status(event, InboundEventStatus.SKIPPED, interpretation.skipped)
        return False
    reading.drafts = [body.draft(test=False) for body in interpretation.interactions]
    if not interpretation.order_names:
        return True
    order = await orders.resolve_order(session, integration, interpretation, reading.drafts)
    if order is None:
        set_status(
            event,
            InboundEventStatus.SKIPPED,
            "its order is not known yet; the webhook is translated again once it is",
        )
        event.waits_for = [ORDER + name for name in interpretation.order_names]
        return False
    reading.drafts = [replace(draft, order=order) for draft in reading.drafts]
    return True


def _tickets_in(parts: Iterable[InteractionDraft | RecordedInteraction]) -> list[str]:
    return sorted({part.ticket for part in parts if part.ticket and not part.test})


async def _take(
    session: AsyncSession,
    box: SealedBox,
    integration: Integration,
    readings: Sequence[InterpretedEvent],
) -> None:
    """Record all drafts at once, and note with each inbound event which of its own are new."""
    drafts = [draft for reading in readings for draft in reading.drafts]
    if not drafts:
        return
    recorded = iter(await take_interactions(session, box, integration.workspace_id, drafts))
    for reading in readings:
        parts = [next(recorded) for _ in reading.drafts]
        reading.created = [interaction for interaction in parts if interaction.created]


async def _wake_waiting(
    session: AsyncSession, integration: Integration, readings: Sequence[InterpretedEvent]
) -> None:
    """Translate again what waits for an order, or for a change of a ticket, that is known now."""
    names = {ORDER + name for reading in readings for name in reading.interpretation.order_names}
    drafts = [draft for reading in readings for draft in reading.drafts]
    names |= {END + draft.ticket for draft in drafts if draft.type in TICKET_ENDS and draft.ticket}
    names |= {REOPENING + d.ticket for d in drafts if d.type in REOPENINGS and d.ticket}
    if names:
        await enqueue_waiting(session, integration, names=sorted(names))


def _set_outcome(reading: InterpretedEvent, invalid: set[str]) -> None:
    """Set the status of an inbound event by what was recorded of it."""
    event, interpretation = reading.event, reading.interpretation
    if reading.created:
        event.interactions = [
            *event.interactions,
            *(str(interaction.id) for interaction in reading.created),
        ]
        set_status(event, InboundEventStatus.TRANSLATED, _odd_times(reading.created, invalid))
    elif reading.early_reopenings:
        set_status(event, InboundEventStatus.SKIPPED, _NOT_SOLVED)
    else:
        set_status(event, InboundEventStatus.SKIPPED, _REPORTED_BEFORE)
        event.waits_for = sorted({*event.waits_for, *reading.waits_for})
    if interpretation.problems:
        _end_in_part(event, interpretation, len(reading.drafts))


def _odd_times(fresh: Sequence[RecordedInteraction], invalid: set[str]) -> str | None:
    """Return a remedy if a ticket would have been solved before it was opened, else None."""
    odd = next((name for name in _tickets_in(fresh) if name in invalid), None)
    if odd is None:
        return None
    return (
        f"the ticket {odd} seems to have been solved before it was opened; if its times have no "
        "zone, set the `timezone` of this integration"
    )


def _end_in_part(
    event: InboundEvent, interpretation: CheckedInterpretation, recorded_count: int
) -> None:
    """Note which parts made no interaction; those with an unmapped status wait for its mapping."""
    unmapped = {
        STATUS + problem.status
        for problem in interpretation.problems
        if isinstance(problem, UnmappedStatusError)
    }
    whole = f"{recorded_count} of its parts are recorded; " if recorded_count else ""
    set_status(
        event, InboundEventStatus.FAILED, f"{whole}{'; '.join(map(str, interpretation.problems))}"
    )
    event.waits_for = [*event.waits_for, *sorted(unmapped)]


def set_status(event: InboundEvent, status: InboundEventStatus, reason: str | None) -> None:
    """Set what became of an inbound event, and why."""
    event.status, event.translated_at = str(status), utc_now()
    event.reason = reason.replace("\x00", "")[:_MAX_REASON_CHARACTERS] if reason else None
