# SPDX-License-Identifier: Apache-2.0
"""The feed of events to pull: the same events as webhooks bring, for consumers that were down."""

import datetime as dt
from collections.abc import Collection
from dataclasses import dataclass, replace
from uuid import UUID

from sqlmodel.ext.asyncio.session import AsyncSession

from app.core import event_consumer, flags
from app.core.base64url import decode_base64url, encode_base64url
from app.core.clock import utc_now
from app.core.errors import InvalidInput
from app.core.event_types import EventType
from app.core.text_types import did_you_mean
from app.webhooks import queries
from app.webhooks.schemas import EventFeed, EventOut
from app.webhooks.subscriber_events import (
    EventFilter,
    SubscriberEvent,
    event_body,
    subscriber_events,
)

# A restored database restarts the numbers of its transactions. A reader that was ahead gets the
# last minutes again, and recognises by the ids which events it has.
_READ_AGAIN = dt.timedelta(minutes=10)
_NIL = UUID(int=0)


@dataclass(frozen=True, slots=True)
class FeedCursor:
    """How far a reader is: behind which event of the outbox, and how many of its events it has.

    `mark` names the numbering of the outbox under which the cursor was made. `caught_up_at` is
    when a reader that has read everything did so, in milliseconds since 1970.
    """

    xid: int = 0
    id: UUID = _NIL
    delivered: int = 0
    mark: str = ""
    caught_up_at: int = 0

    def __str__(self) -> str:
        """Write it as the reader keeps it."""
        text = f"{self.xid}.{self.id.hex}.{self.delivered}.{self.mark}.{self.caught_up_at}"
        return encode_base64url(text.encode())

    @classmethod
    def read(cls, cursor: str | None) -> "FeedCursor":
        """Read a cursor, or raise InvalidInput where it is none of ours."""
        if cursor is None:
            return cls()
        try:
            text = decode_base64url(cursor).decode()
            # A cursor of an older version does not say when its reader had caught up.
            xid, id_, delivered, mark, caught_up_at, *_ = [*text.split("."), "0"]
            parsed = cls(int(xid), UUID(hex=id_), int(delivered), mark, int(caught_up_at))
        except ValueError:
            parsed = cls(-1)
        if not (0 <= parsed.xid < 1 << 63 and 0 <= parsed.delivered <= 3):
            msg = "is not a cursor of this feed; start without one"
            raise InvalidInput.at("query", "after", msg=msg)
        return parsed


def parse_types(text: str | None) -> frozenset[str]:
    """Read a comma-separated list of types; all where none is given."""
    if text is None:
        return frozenset(EventType)
    names = [name.strip() for name in text.split(",") if name.strip()]
    if not names:
        raise InvalidInput.at("query", "types", msg="names no event; leave it out for all")
    for name in names:
        if name not in set(EventType):
            msg = f"`{name[:64]}` is not an event{did_you_mean(name, list(EventType))}"
            raise InvalidInput.at("query", "types", msg=msg)
    return frozenset(names)


async def read(
    session: AsyncSession,
    workspace_id: UUID,
    *,
    after: str | None,
    types: Collection[str],
    limit: int,
) -> EventFeed:
    """Return the next events behind a cursor, oldest first."""
    cursor = FeedCursor.read(after)
    mark = await flags.read(session, flags.FEED_FLAG) or ""
    if cursor.mark != mark:
        cursor = FeedCursor(1, _floor(cursor)) if cursor.xid else FeedCursor()
    top = await event_consumer.readable_below(session)
    outbox = await queries.events_after(
        session,
        workspace_id,
        _start_of(cursor),
        below=top,
        limit=limit,
        condition_sql=queries.event_condition_sql(types, any_score=False),
    )
    event_filter = EventFilter(frozenset(types))
    page: list[SubscriberEvent] = []
    for event in outbox:
        if len(page) == limit:
            break
        wanted_events = [
            derived_event
            for derived_event in subscriber_events(event)
            if event_filter.wants(derived_event)
        ]
        delivered = cursor.delivered if event.id == cursor.id else 0
        events = wanted_events[delivered : delivered + limit - len(page)]
        page += events
        reached = delivered + len(events)
        cursor = FeedCursor(
            event.xid, event.id, reached if reached < len(wanted_events) else 0, mark
        )
    if len(outbox) < limit and len(page) < limit and top > cursor.xid:
        # Everything below was read, so events that nobody asks for are not read again.
        cursor = FeedCursor(top, caught_up_at=int(utc_now().timestamp() * 1000))
    cursor = replace(cursor, mark=mark)
    return EventFeed(data=[_event_out(event) for event in page], next_cursor=str(cursor))


def _start_of(cursor: FeedCursor) -> tuple[int, UUID]:
    """Return the position to read from; a partly delivered event is read again."""
    if cursor.delivered:
        return cursor.xid, UUID(int=max(cursor.id.int - 1, 0))
    return cursor.xid, cursor.id


def _event_out(event: SubscriberEvent) -> EventOut:
    return EventOut(
        id=event.id, type=event.type, timestamp=event.at, data=event_body(event)["data"]
    )


def _floor(cursor: FeedCursor) -> UUID:
    """Return the least UUIDv7 of `_READ_AGAIN` before the time up to which the reader had read."""
    reached = cursor.caught_up_at or cursor.id.int >> 80
    milliseconds = max(reached - int(_READ_AGAIN.total_seconds() * 1000), 0)
    return UUID(int=milliseconds << 80)
