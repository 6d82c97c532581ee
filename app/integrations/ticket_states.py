# SPDX-License-Identifier: Apache-2.0
"""Filter what senders report of a ticket's state: drop repeats, hold early reopenings."""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from sqlalchemy import text
from sqlmodel.ext.asyncio.session import AsyncSession

from app.core.clock import utc_now
from app.core.database import run_sql
from app.core.jobs import LaterError
from app.integrations.adapter import UntranslatableError
from app.integrations.inbound_events import WAITS_FOR_END, WAITS_FOR_REOPENING
from app.integrations.interpretation import CheckedInterpretation
from app.integrations.models import InboundEvent, Integration
from app.interactions.interaction_recorder import InteractionDraft
from app.interactions.known_types import RESOLVING_TYPES, WITHDRAWING_TYPES, KnownType
from app.interactions.tickets import delete_empty_tickets, lock_tickets, share_configuration_lock

# How long a webhook waits for an earlier one of its case.
TURN_DELAY = dt.timedelta(seconds=0.2)
_REOPENED = KnownType.TICKET_REOPENED
TICKET_ENDS = RESOLVING_TYPES | WITHDRAWING_TYPES
# A repeated state is new if the ticket had the opposite state in between.
_OPPOSITE: Mapping[str, str] = {
    KnownType.TICKET_SOLVED: WAITS_FOR_REOPENING,
    _REOPENED: WAITS_FOR_END,
}
# What opens a ticket again that was solved.
REOPENINGS = frozenset({_REOPENED, KnownType.TICKET_ON_HOLD})
_STATES = (
    KnownType.TICKET_OPENED,
    KnownType.TICKET_REOPENED,
    KnownType.TICKET_ON_HOLD,
    KnownType.TICKET_SOLVED,
    KnownType.TICKET_CLOSED,
    KnownType.TICKET_DELETED,
    KnownType.TICKET_MERGED,
)


@dataclass(slots=True)
class KnownTicket:
    """What is known of a ticket, and the states that were reported, the oldest first."""

    status: str
    opened_at: dt.datetime | None
    invalid: bool
    states: list[tuple[dt.datetime, str]] = field(default_factory=list)

    def state_at(self, at: dt.datetime | None) -> str | None:
        """Return the last state reported by `at`, or by now if it is None."""
        known = [type_ for since, type_ in self.states if at is None or since <= at]
        return known[-1] if known else None


class WaitsForEarlierError(UntranslatableError):
    """The webhook depends on an earlier webhook of its case that waits for a status."""

    def __init__(self, case: str) -> None:
        """Name the case."""
        super().__init__("an earlier webhook of the ticket waits for a status to be mapped")
        self.case = case


async def split_early_reopenings(
    session: AsyncSession, integration: Integration, drafts: Sequence[InteractionDraft]
) -> tuple[list[InteractionDraft], list[InteractionDraft]]:
    """Separate the drafts that reopen a ticket before it is known to have ended.

    Many senders report a ticket that is only new or open as reopened. Webhooks may overtake each
    other: if the ticket's end is reported later, the waiting webhooks are translated again.
    """
    ready_drafts: list[InteractionDraft] = []
    early: list[InteractionDraft] = []
    for draft in drafts:
        if draft.type != _REOPENED or draft.ticket is None:
            ready_drafts.append(draft)
            continue
        at = draft.occurred_at or utc_now()
        ends_here = any(
            other.type in TICKET_ENDS
            and other.ticket == draft.ticket
            and (other.occurred_at or at) <= at
            for other in drafts
        )
        has_ended = ends_here or await _ended_before(session, integration, draft)
        (ready_drafts if has_ended else early).append(draft)
    return ready_drafts, early


async def _ended_before(
    session: AsyncSession, integration: Integration, draft: InteractionDraft
) -> bool:
    rows = await run_sql(
        session,
        text(
            "select 1 from interaction where workspace_id = :workspace_id and source = :source "
            "and ticket = :ticket and test = :test and type = any(:ends) "
            "and occurred_at <= :at limit 1"
        ).bindparams(
            workspace_id=integration.workspace_id, source=integration.key, ticket=draft.ticket,
            test=draft.test, ends=sorted(TICKET_ENDS), at=draft.occurred_at,
        ),
    )  # fmt: skip
    return rows.first() is not None


async def wait_for_ends(
    session: AsyncSession,
    integration: Integration,
    event: InboundEvent,
    early: Sequence[InteractionDraft],
) -> None:
    """Let a webhook wait for the end of its tickets; LaterError if one came meanwhile."""
    tickets = {(draft.source, draft.ticket) for draft in early if draft.ticket}
    if not tickets:
        return
    configuration = await share_configuration_lock(session, integration.workspace_id)
    # A transaction that records an end holds the same lock until it commits.
    await lock_tickets(session, configuration, tickets)
    if any([await _ended_before(session, integration, draft) for draft in early]):
        raise LaterError("an end of the ticket has come meanwhile", after=TURN_DELAY, counted=False)
    await delete_empty_tickets(session, integration.workspace_id, tickets)
    event.waits_for = sorted(WAITS_FOR_END + ticket for _, ticket in tickets)


async def drop_repeats(
    session: AsyncSession,
    integration: Integration,
    event: InboundEvent,
    drafts: Sequence[InteractionDraft],
    interpretation: CheckedInterpretation,
    tickets: Mapping[str, KnownTicket],
) -> tuple[list[InteractionDraft], list[str]]:
    """Drop drafts that the ticket's state already contains, since senders repeat themselves.

    Return the new drafts, and the names of changes that would make the dropped drafts new if they
    are reported later.
    """
    new_drafts: list[InteractionDraft] = []
    would_change: list[str] = []
    for draft in drafts:
        if draft.ticket is None:
            new_drafts.append(draft)
        elif interpretation.timeless:
            fresh = await _new_state_of(session, integration, event, draft)
            if fresh is not None:
                new_drafts.append(fresh)
        elif draft.ticket not in tickets or not _is_repeated(draft, tickets[draft.ticket]):
            new_drafts.append(draft)
        elif draft.type in _OPPOSITE:
            would_change.append(_OPPOSITE[draft.type] + draft.ticket)
    return new_drafts, would_change


async def _new_state_of(
    session: AsyncSession, integration: Integration, event: InboundEvent, draft: InteractionDraft
) -> InteractionDraft | None:
    """Return the draft of a state without a time, or None if it is the last known state.

    Raises WaitsForEarlierError if that depends on a state which is not mapped yet.
    """
    if draft.type not in _STATES:
        return draft
    fresh, depends = await _compare_state(session, integration, draft)
    if depends and await _is_behind(session, event):
        raise WaitsForEarlierError(event.case_ref or "")
    return fresh


async def _is_behind(session: AsyncSession, event: InboundEvent) -> bool:
    rows = await run_sql(
        session,
        text(
            "select 1 from inbound_event where workspace_id = :workspace_id "
            "and integration_id = :integration_id and case_ref = :case_ref "
            "and received_at < :received_at and exists (select from "
            "jsonb_array_elements_text(waits_for) w where w like 'status:%') limit 1"
        ).bindparams(
            workspace_id=event.workspace_id,
            integration_id=event.integration_id,
            case_ref=event.case_ref,
            received_at=event.received_at,
        ),
    )
    return rows.first() is not None


async def _compare_state(
    session: AsyncSession, integration: Integration, draft: InteractionDraft
) -> tuple[InteractionDraft | None, bool]:
    """Return the draft if its state is new, and whether an unmapped state could change that."""
    rows = await run_sql(
        session,
        text(
            "select type from interaction where workspace_id = :workspace_id "
            "and source = :source and ticket = :ticket and test = :test and type = any(:types) "
            "and occurred_at <= :at "
            f"order by occurred_at desc, type = '{KnownType.TICKET_OPENED}', id desc limit 1"
        ).bindparams(
            workspace_id=integration.workspace_id, source=integration.key, ticket=draft.ticket,
            test=draft.test, types=list(_STATES), at=draft.occurred_at,
        ),
    )  # fmt: skip
    last: Any = rows.first()
    if draft.type == _REOPENED and not await _ended_before(session, integration, draft):
        # Nothing was solved before: the ticket is new, or still open.
        return (replace(draft, type=KnownType.TICKET_OPENED) if last is None else None), True
    is_known = last is not None and last.type == draft.type
    return (None if is_known else draft), is_known


def _is_repeated(draft: InteractionDraft, ticket: KnownTicket) -> bool:
    """Tell whether the ticket was in that state already, at the time of the draft."""
    if draft.type == KnownType.TICKET_OPENED:
        return ticket.opened_at is not None
    if draft.type == KnownType.TICKET_SOLVED:
        return ticket.state_at(draft.occurred_at) in {
            KnownType.TICKET_SOLVED,
            KnownType.TICKET_CLOSED,
        }
    if draft.type == _REOPENED:
        return ticket.state_at(draft.occurred_at) in {KnownType.TICKET_OPENED, _REOPENED}
    return bool(draft.type.removeprefix("ticket.") == ticket.status in {"deleted", "merged"})


async def find_known_tickets(
    session: AsyncSession, integration: Integration, names: Sequence[str]
) -> dict[str, KnownTicket]:
    """Return what is known of tickets, by their name."""
    if not names:
        return {}
    bound = {"workspace_id": integration.workspace_id, "source": integration.key,
             "names": list(names)}  # fmt: skip
    tickets = await run_sql(
        session,
        text(
            "select ticket, status, opened_at, invalid from ticket "
            "where workspace_id = :workspace_id and source = :source and ticket = any(:names)"
        ).bindparams(**bound),
    )
    known_tickets = {
        row.ticket: KnownTicket(row.status, row.opened_at, row.invalid) for row in tickets
    }
    states = await run_sql(
        session,
        text(
            "select ticket, type, occurred_at from interaction "
            "where workspace_id = :workspace_id and source = :source and ticket = any(:names) "
            "and not test and type = any(:types) "
            f"order by occurred_at, type <> '{KnownType.TICKET_OPENED}', id"
        ).bindparams(**bound, types=list(_STATES)),
    )
    for row in states:
        if row.ticket in known_tickets:
            known_tickets[row.ticket].states.append((row.occurred_at, row.type))
    return known_tickets
