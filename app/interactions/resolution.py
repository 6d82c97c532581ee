"""What became of a ticket, from its events alone: late, twice or out of order, the same. Pure."""

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple
from uuid import UUID

OPENED, REPLIED, SOLVED = "ticket.opened", "ticket.replied", "ticket.solved"
REOPENED, CLOSED, ON_HOLD = "ticket.reopened", "ticket.closed", "ticket.on_hold"
DELETED, MERGED = "ticket.deleted", "ticket.merged"
# What ends a ticket without solving it.
GONE = frozenset({DELETED, MERGED})
_RANKS = {OPENED: 0, REOPENED: 1, SOLVED: 3, CLOSED: 4, DELETED: 5, MERGED: 5}
_OTHER = 2


class TicketStatus(StrEnum):
    """Where a ticket stands."""

    OPEN = "open"
    SOLVED = "solved"
    CLOSED = "closed"
    DELETED = "deleted"
    MERGED = "merged"


class TicketEvent(NamedTuple):
    """One interaction of a ticket."""

    at: dt.datetime
    type: str
    id: UUID


@dataclass(slots=True)
class Resolution:
    """A ticket's story: when it was opened, first answered, first and last solved.

    `ordinals` numbers, for each event, the resolution it belongs to: how often the ticket had
    been resolved by then. A ticket closed without being solved is resolved by the close; one that
    was deleted or merged is as resolved as it was before. One on hold is not solved any more.
    """

    status: TicketStatus = TicketStatus.OPEN
    opened_at: dt.datetime | None = None
    first_reply_at: dt.datetime | None = None
    first_solved_at: dt.datetime | None = None
    last_solved_at: dt.datetime | None = None
    reopened: bool = False
    is_resolved: bool = False
    resolutions: int = 0
    reopenings: int = 0
    ordinals: dict[UUID, int] = field(default_factory=dict)

    @property
    def invalid(self) -> bool:
        """Whether it would have been solved before it was opened."""
        solved, opened = self.first_solved_at, self.opened_at
        return solved is not None and opened is not None and solved < opened


def _order(event: TicketEvent) -> tuple[dt.datetime, int, UUID]:
    return event.at, _RANKS.get(event.type, _OTHER), event.id


def resolution_of(events: Iterable[TicketEvent]) -> Resolution:
    """Tell a ticket's story.

    Events of one instant count in the order opened, reopened, solved, closed.
    """
    found = Resolution()
    story = sorted(set(events), key=_order)
    for event in story:
        is_open = not found.is_resolved
        if event.type == OPENED and found.opened_at is None:
            found.opened_at = event.at
        elif event.type == REPLIED and found.first_reply_at is None:
            found.first_reply_at = event.at
        elif event.type == SOLVED or (event.type == CLOSED and is_open):
            found.resolutions += is_open
            found.first_solved_at = found.first_solved_at or event.at
            found.last_solved_at = event.at
        elif event.type == REOPENED or (event.type == ON_HOLD and found.is_resolved):
            # Who tells of a reopening says that it had been solved, whenever that was.
            found.reopened |= event.type == REOPENED or found.first_solved_at is not None
            found.reopenings += found.is_resolved
        found.status = _status_after(event.type, found.status)
        if found.status not in {TicketStatus.DELETED, TicketStatus.MERGED}:
            found.is_resolved = found.status is not TicketStatus.OPEN
        found.ordinals[event.id] = found.resolutions
    # One that was solved and reopened within one instant was reopened.
    found.reopened |= any(e.type == REOPENED and e.at == found.first_solved_at for e in story)
    return found


def _status_after(type_: str, status: TicketStatus) -> TicketStatus:
    after = {
        SOLVED: TicketStatus.SOLVED,
        CLOSED: TicketStatus.CLOSED,
        REOPENED: TicketStatus.OPEN,
        DELETED: TicketStatus.DELETED,
        MERGED: TicketStatus.MERGED,
    }
    if type_ == ON_HOLD and status in {TicketStatus.SOLVED, TicketStatus.CLOSED}:
        return TicketStatus.OPEN
    return after.get(type_, status)
