# SPDX-License-Identifier: Apache-2.0
"""Record what inbound events of different cases report, and say what became of each."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from sqlmodel.ext.asyncio.session import AsyncSession

from app.core.clock import utc_now
from app.core.signing import SealedBox
from app.integrations import orders
from app.integrations.adapter import UnmappedStatusError
from app.integrations.inbound_events import (
    WAITS_FOR_END,
    WAITS_FOR_ORDER,
    WAITS_FOR_REOPENING,
    WAITS_FOR_STATUS,
    enqueue_waiting,
)
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
    interpreted_events: Sequence[InterpretedEvent],
) -> None:
    """Record what inbound events of different cases report, and set the status of each."""
    # Names of orders are locked in one order, so that two transactions cannot deadlock.
    in_order = sorted(
        interpreted_events,
        key=lambda interpreted_event: interpreted_event.interpretation.order_names,
    )
    recordable = [
        interpreted_event
        for interpreted_event in in_order
        if await _begin(session, integration, interpreted_event)
    ]
    drafts = [draft for interpreted_event in recordable for draft in interpreted_event.drafts]
    orders_before = await orders.read_order_histories(session, integration, drafts)
    tickets = await find_known_tickets(session, integration, _tickets_in(drafts))
    for interpreted_event in recordable:
        completed = orders.complete(integration, interpreted_event.drafts, orders_before)
        new_drafts, interpreted_event.waits_for = await drop_repeats(
            session,
            integration,
            interpreted_event.event,
            completed,
            interpreted_event.interpretation,
            tickets,
        )
        interpreted_event.drafts, interpreted_event.early_reopenings = await split_early_reopenings(
            session, integration, new_drafts
        )
    await _take(session, box, integration, recordable)
    await orders.mark_tests(
        session,
        integration,
        [draft for interpreted_event in recordable for draft in interpreted_event.drafts],
    )
    for interpreted_event in recordable:
        await wait_for_ends(
            session, integration, interpreted_event.event, interpreted_event.early_reopenings
        )
    await _wake_waiting(session, integration, recordable)
    fresh = _tickets_in(
        [
            interaction
            for interpreted_event in recordable
            for interaction in interpreted_event.created
        ]
    )
    after = await find_known_tickets(session, integration, fresh)
    invalid = {name for name, ticket in after.items() if ticket.invalid}
    for interpreted_event in recordable:
        _set_outcome(interpreted_event, invalid)


async def _begin(
    session: AsyncSession, integration: Integration, interpreted_event: InterpretedEvent
) -> bool:
    """Draft what an event reports; return False if it reports nothing now."""
    event, interpretation = interpreted_event.event, interpreted_event.interpretation
    event.waits_for = []
    event.notes = [note.replace("\x00", "")[:300] for note in interpretation.notes[:_MAX_NOTES]]
    if interpretation.skipped is not None:
        set_status(event, InboundEventStatus.SKIPPED, interpretation.skipped)
        return False
    interpreted_event.drafts = [body.draft(test=False) for body in interpretation.interactions]
    if not interpretation.order_names:
        return True
    order = await orders.resolve_order(
        session, integration, interpretation, interpreted_event.drafts
    )
    if order is None:
        set_status(
            event,
            InboundEventStatus.SKIPPED,
            "its order is not known yet; the webhook is translated again once it is",
        )
        event.waits_for = [WAITS_FOR_ORDER + name for name in interpretation.order_names]
        return False
    interpreted_event.drafts = [replace(draft, order=order) for draft in interpreted_event.drafts]
    return True


def _tickets_in(parts: Iterable[InteractionDraft | RecordedInteraction]) -> list[str]:
    return sorted({part.ticket for part in parts if part.ticket and not part.test})


async def _take(
    session: AsyncSession,
    box: SealedBox,
    integration: Integration,
    interpreted_events: Sequence[InterpretedEvent],
) -> None:
    """Record all drafts at once, and note with each inbound event which of its own are new."""
    drafts = [
        draft for interpreted_event in interpreted_events for draft in interpreted_event.drafts
    ]
    if not drafts:
        return
    recorded = iter(await take_interactions(session, box, integration.workspace_id, drafts))
    for interpreted_event in interpreted_events:
        parts = [next(recorded) for _ in interpreted_event.drafts]
        interpreted_event.created = [interaction for interaction in parts if interaction.created]


async def _wake_waiting(
    session: AsyncSession, integration: Integration, interpreted_events: Sequence[InterpretedEvent]
) -> None:
    """Translate again what waits for an order, or for a change of a ticket, that is known now."""
    names = {
        WAITS_FOR_ORDER + name
        for interpreted_event in interpreted_events
        for name in interpreted_event.interpretation.order_names
    }
    drafts = [
        draft for interpreted_event in interpreted_events for draft in interpreted_event.drafts
    ]
    names |= {
        WAITS_FOR_END + draft.ticket
        for draft in drafts
        if draft.type in TICKET_ENDS and draft.ticket
    }
    names |= {
        WAITS_FOR_REOPENING + draft.ticket
        for draft in drafts
        if draft.type in REOPENINGS and draft.ticket
    }
    if names:
        await enqueue_waiting(session, integration, names=sorted(names))


def _set_outcome(interpreted_event: InterpretedEvent, invalid: set[str]) -> None:
    """Set the status of an inbound event by what was recorded of it."""
    event, interpretation = interpreted_event.event, interpreted_event.interpretation
    if interpreted_event.created:
        event.interactions = [
            *event.interactions,
            *(str(interaction.id) for interaction in interpreted_event.created),
        ]
        set_status(
            event, InboundEventStatus.TRANSLATED, _odd_times(interpreted_event.created, invalid)
        )
    elif interpreted_event.early_reopenings:
        set_status(event, InboundEventStatus.SKIPPED, _NOT_SOLVED)
    else:
        set_status(event, InboundEventStatus.SKIPPED, _REPORTED_BEFORE)
        event.waits_for = sorted({*event.waits_for, *interpreted_event.waits_for})
    if interpretation.problems:
        _end_in_part(event, interpretation, len(interpreted_event.drafts))


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
        WAITS_FOR_STATUS + problem.status
        for problem in interpretation.problems
        if isinstance(problem, UnmappedStatusError)
    }
    prefix = f"{recorded_count} of its parts are recorded; " if recorded_count else ""
    set_status(
        event, InboundEventStatus.FAILED, f"{prefix}{'; '.join(map(str, interpretation.problems))}"
    )
    event.waits_for = [*event.waits_for, *sorted(unmapped)]


def set_status(event: InboundEvent, status: InboundEventStatus, reason: str | None) -> None:
    """Set what became of an inbound event, and why."""
    event.status, event.translated_at = str(status), utc_now()
    event.reason = reason.replace("\x00", "")[:_MAX_REASON_CHARACTERS] if reason else None
