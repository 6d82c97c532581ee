"""The feed of events to pull: the same news, for consumers that were down."""

import datetime as dt
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Collection
from dataclasses import dataclass, replace
from uuid import UUID

from sqlmodel.ext.asyncio.session import AsyncSession

from app.core import feed, flags
from app.core.errors import InvalidInput
from app.core.text import did_you_mean
from app.webhooks import queries
from app.webhooks.news import EventType, Told, Wish, shown, told_by
from app.webhooks.schemas import EventFeed, EventOut

# A restored database counts its transactions anew: whoever was further is read to again from a
# while before, and knows what it has by its id.
_AGAIN = dt.timedelta(minutes=10)
_NIL = UUID(int=0)


@dataclass(frozen=True, slots=True)
class Place:
    """How far a reader is: behind which event, and how many of its news it has."""

    xid: int = 0
    id: UUID = _NIL
    told: int = 0
    mark: str = ""

    def __str__(self) -> str:
        """Write the place as a cursor."""
        text = f"{self.xid}.{self.id.hex}.{self.told}.{self.mark}"
        return urlsafe_b64encode(text.encode()).decode().rstrip("=")

    @classmethod
    def read(cls, cursor: str | None) -> "Place":
        """Read a cursor, or raise InvalidInput where it is none of ours."""
        if cursor is None:
            return cls()
        try:
            text = urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode()
            xid, id_, told, mark = text.split(".")
            found = cls(int(xid), UUID(hex=id_), int(told), mark)
        except ValueError:
            found = cls(-1)
        if not (0 <= found.xid < 1 << 63 and 0 <= found.told <= 3):
            msg = "is no cursor of this feed; start without one"
            raise InvalidInput.at("query", "after", msg=msg)
        return found


def types_asked(text: str | None) -> frozenset[str]:
    """Read a comma-separated list of types; all where none is given."""
    if text is None:
        return frozenset(EventType)
    names = [name.strip() for name in text.split(",") if name.strip()]
    if not names:
        raise InvalidInput.at("query", "types", msg="names no event; leave it out for all")
    for name in names:
        if name not in set(EventType):
            msg = f"`{name[:64]}` is no event{did_you_mean(name, list(EventType))}"
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
    """Return the next news behind a cursor, oldest first."""
    place = Place.read(after)
    mark = await flags.read(session, flags.FEED) or ""
    if place.mark != mark:
        place = Place(1, _floor(place.id)) if place.xid else Place()
    which = queries.tells_of(types, any_score=False)
    top = await feed.top(session)
    # The event of the place itself is read again where some of its news are still to be told.
    start = (place.xid, UUID(int=max(place.id.int - 1, 0))) if place.told else (place.xid, place.id)
    events = await queries.events_after(session, workspace_id, start, limit=limit, which=which)
    wish = Wish(frozenset(types))
    found: list[Told] = []
    for event in events:
        wanted = [told for told in told_by(event) if wish.wants(told)]
        known = place.told if event.id == place.id else 0
        taken = wanted[known : known + limit - len(found)]
        if not taken:
            break
        found += taken
        reached = known + len(taken)
        place = Place(event.xid, event.id, reached if reached < len(wanted) else 0, mark)
    if len(events) < limit and len(found) < limit and top > place.xid:
        # Everything below has been looked at; what nobody asks for is not read again.
        place = Place(top)
    place = replace(place, mark=mark)
    return EventFeed(data=[_shown(told) for told in found], next_cursor=str(place))


def _shown(told: Told) -> EventOut:
    return EventOut(id=told.id, type=told.type, timestamp=told.at, data=shown(told)["data"])


def _floor(id_: UUID) -> UUID:
    """Return the least UUIDv7 of some minutes before another."""
    milliseconds = max((id_.int >> 80) - int(_AGAIN.total_seconds() * 1000), 0)
    return UUID(int=milliseconds << 80)
