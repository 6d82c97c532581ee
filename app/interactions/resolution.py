# SPDX-License-Identifier: Apache-2.0
"""Compute the resolution of a ticket from its events, in whatever order they arrive. Pure."""

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple
from uuid import UUID

from app.interactions.known_types import KnownType

_RANKS: Mapping[str, int] = {
    KnownType.TICKET_OPENED: 0,
    KnownType.TICKET_REOPENED: 1,
    KnownType.TICKET_SOLVED: 3,
    KnownType.TICKET_CLOSED: 4,
    KnownType.TICKET_DELETED: 5,
    KnownType.TICKET_MERGED: 5,
}
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
class TicketProgress:
    """How far a ticket is: when it was opened, first answered, first and last solved.

    `ordinals` gives for each event how often the ticket had been resolved by then, which is the
    number of the resolution that the event belongs to. Closing an unsolved ticket resolves it. A
    deleted or merged ticket keeps its resolution; a solved ticket that is put on hold is no longer
    solved.
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


def progress_of(events: Iterable[TicketEvent]) -> TicketProgress:
    """Compute how far a ticket is from its events.

    Events of one instant count in the order opened, reopened, solved, closed.
    """
    progress = TicketProgress()
    history = sorted(set(events), key=_order)
    for event in history:
        is_open = not progress.is_resolved
        if event.type == KnownType.TICKET_OPENED and progress.opened_at is None:
            progress.opened_at = event.at
        elif event.type == KnownType.TICKET_REPLIED and progress.first_reply_at is None:
            progress.first_reply_at = event.at
        elif event.type == KnownType.TICKET_SOLVED or (
            event.type == KnownType.TICKET_CLOSED and is_open
        ):
            progress.resolutions += is_open
            progress.first_solved_at = progress.first_solved_at or event.at
            progress.last_solved_at = event.at
        elif event.type == KnownType.TICKET_REOPENED or (
            event.type == KnownType.TICKET_ON_HOLD and progress.is_resolved
        ):
            # A reopening implies that the ticket was solved before, at whatever time.
            progress.reopened |= (
                event.type == KnownType.TICKET_REOPENED or progress.first_solved_at is not None
            )
            progress.reopenings += progress.is_resolved
        progress.status = _status_after(event.type, progress.status)
        if progress.status not in {TicketStatus.DELETED, TicketStatus.MERGED}:
            progress.is_resolved = progress.status is not TicketStatus.OPEN
        progress.ordinals[event.id] = progress.resolutions
    # A ticket solved and reopened at the same moment counts as reopened.
    progress.reopened |= any(
        event.type == KnownType.TICKET_REOPENED and event.at == progress.first_solved_at
        for event in history
    )
    return progress


_AFTER: Mapping[str, TicketStatus] = {
    KnownType.TICKET_SOLVED: TicketStatus.SOLVED,
    KnownType.TICKET_CLOSED: TicketStatus.CLOSED,
    KnownType.TICKET_REOPENED: TicketStatus.OPEN,
    KnownType.TICKET_DELETED: TicketStatus.DELETED,
    KnownType.TICKET_MERGED: TicketStatus.MERGED,
}


def _status_after(type_: str, status: TicketStatus) -> TicketStatus:
    if type_ == KnownType.TICKET_ON_HOLD and status in {TicketStatus.SOLVED, TicketStatus.CLOSED}:
        return TicketStatus.OPEN
    return _AFTER.get(type_, status)
