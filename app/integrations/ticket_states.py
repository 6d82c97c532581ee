"""What a ticket's state tells: repeats left out, openings that came too early, states that wait."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import text
from sqlmodel.ext.asyncio.session import AsyncSession

from app.core.clock import utc_now
from app.core.database import run_sql
from app.core.jobs import LaterError
from app.integrations.adapter import UntranslatableError
from app.integrations.events import END
from app.integrations.interpreting import Interpreted
from app.integrations.models import InboundEvent, Integration
from app.interactions.recording import Draft
from app.interactions.tickets import forget_empty_tickets, lock_counting, lock_tickets

# What was sent before about the same case is translated first.
TURN_SECONDS = dt.timedelta(seconds=0.2)
_REOPENED = "ticket.reopened"
ENDS = frozenset({"ticket.solved", "ticket.closed", "ticket.deleted", "ticket.merged"})
_STATES = (
    "ticket.opened", "ticket.reopened", "ticket.on_hold", "ticket.solved", "ticket.closed",
    "ticket.deleted", "ticket.merged",
)  # fmt: skip


class BehindAnotherError(UntranslatableError):
    """What it tells hangs on an earlier delivery of its case that waits for a status."""

    def __init__(self, case: str) -> None:
        """Name the case."""
        super().__init__("an earlier delivery of the ticket waits for a status to be mapped")
        self.case = case


async def without_early(
    session: AsyncSession, integration: Integration, drafts: Sequence[Draft]
) -> tuple[list[Draft], list[Draft]]:
    """Set apart what is told as opened again before any end of the ticket is known.

    A ticket that is merely new or open is told so by many senders; where an end comes later,
    because deliveries overtook each other, what waits is looked at again.
    """
    kept: list[Draft] = []
    early: list[Draft] = []
    for draft in drafts:
        if draft.type != _REOPENED or draft.ticket is None:
            kept.append(draft)
            continue
        at = draft.occurred_at or utc_now()
        before = any(
            d.type in ENDS and d.ticket == draft.ticket and (d.occurred_at or at) <= at
            for d in drafts
        )
        known = before or await _ended_before(session, integration, draft)
        (kept if known else early).append(draft)
    return kept, early


async def _ended_before(session: AsyncSession, integration: Integration, draft: Draft) -> bool:
    rows = await run_sql(
        session,
        text(
            "select 1 from interaction where workspace_id = :workspace_id and source = :source "
            "and ticket = :ticket and test = :test and type = any(:ends) "
            "and occurred_at <= :at limit 1"
        ).bindparams(
            workspace_id=integration.workspace_id, source=integration.key, ticket=draft.ticket,
            test=draft.test, ends=sorted(ENDS), at=draft.occurred_at,
        ),
    )  # fmt: skip
    return rows.first() is not None


async def wait_for_ends(
    session: AsyncSession, integration: Integration, event: InboundEvent, early: Sequence[Draft]
) -> None:
    """Have a delivery wait for the end of its tickets; LaterError where one came meanwhile."""
    named = {(draft.source, draft.ticket) for draft in early if draft.ticket}
    if not named:
        return
    counting = await lock_counting(session, integration.workspace_id)
    # Whoever tells of an end holds the same lock until that can be seen.
    await lock_tickets(session, counting, named)
    if any([await _ended_before(session, integration, draft) for draft in early]):
        raise LaterError(
            "an end of the ticket has come meanwhile", after=TURN_SECONDS, counted=False
        )
    await forget_empty_tickets(session, integration.workspace_id, named)
    event.waits_for = sorted(END + ticket for _, ticket in named)


async def not_known(
    session: AsyncSession,
    integration: Integration,
    event: InboundEvent,
    drafts: list[Draft],
    found: Interpreted,
) -> list[Draft]:
    """Leave out what the ticket's state says already: senders repeat the same resolution."""
    kept = []
    for draft in drafts:
        if draft.ticket is None:
            kept.append(draft)
            continue
        ticket = await find_ticket(session, integration, draft.ticket)
        if found.timeless:
            fresh = await _news_of_state(session, integration, event, draft)
            if fresh is not None:
                kept.append(fresh)
        elif ticket is None or not _is_repeated(draft, ticket):
            kept.append(draft)
    return kept


async def _news_of_state(
    session: AsyncSession, integration: Integration, event: InboundEvent, draft: Draft
) -> Draft | None:
    """Return what a state without a time tells: nothing where it is the last one known.

    Raises BehindAnotherError where that hangs on a state which nobody has mapped yet.
    """
    if draft.type not in _STATES:
        return draft
    fresh, hangs = await _judge_state(session, integration, draft)
    if hangs and await _is_behind(session, event):
        raise BehindAnotherError(event.case_ref or "")
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


async def _judge_state(
    session: AsyncSession, integration: Integration, draft: Draft
) -> tuple[Draft | None, bool]:
    """Return what a state tells after the last one, and whether one between would change that."""
    rows = await run_sql(
        session,
        text(
            "select type from interaction where workspace_id = :workspace_id "
            "and source = :source and ticket = :ticket and test = :test and type = any(:types) "
            "and occurred_at <= :at "
            "order by occurred_at desc, type = 'ticket.opened', id desc limit 1"
        ).bindparams(
            workspace_id=integration.workspace_id, source=integration.key, ticket=draft.ticket,
            test=draft.test, types=list(_STATES), at=draft.occurred_at,
        ),
    )  # fmt: skip
    last: Any = rows.first()
    if draft.type == _REOPENED and not await _ended_before(session, integration, draft):
        # Nothing was solved before: the ticket is new, or still open.
        return (replace(draft, type="ticket.opened") if last is None else None), True
    is_known = last is not None and last.type == draft.type
    return (None if is_known else draft), is_known


def _is_repeated(draft: Draft, ticket: Any) -> bool:
    at = draft.occurred_at
    if draft.type == "ticket.opened":
        return ticket.opened_at is not None
    if draft.type == "ticket.solved" and ticket.status in {"solved", "closed"}:
        return bool(at is None or ticket.last_solved_at is None or at >= ticket.last_solved_at)
    if draft.type == "ticket.reopened" and ticket.status == "open":
        return bool(at is None or ticket.last_solved_at is None or at >= ticket.last_solved_at)
    return bool(draft.type.removeprefix("ticket.") == ticket.status in {"deleted", "merged"})


async def find_ticket(session: AsyncSession, integration: Integration, ticket: str) -> Any:
    """Return how far a ticket is, or None."""
    rows = await run_sql(
        session,
        text(
            "select status, opened_at, last_solved_at, invalid from ticket "
            "where workspace_id = :workspace_id and source = :source and ticket = :ticket"
        ).bindparams(workspace_id=integration.workspace_id, source=integration.key, ticket=ticket),
    )
    return rows.first()
