"""Reading the outbox: every event once, in order, to whoever wakes for it.

A consumer keeps its place in a row of its own. It reads in the order (`xid`, `id`) and only
below the oldest transaction still open, so that nothing can appear behind its place. What its
hearers write and the new place are one transaction: no event is heard twice, none is missed.
"""

import datetime as dt
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, text
from sqlmodel import Field, SQLModel
from sqlmodel.ext.asyncio.session import AsyncSession

from app.core.database import Database, is_connection_lost, run_sql
from app.core.schema import QUEUE, Json

logger = logging.getLogger(__name__)

# Most news is nobody's: it is passed over in the database.
CHUNK = 5000


class FeedPlace(SQLModel, table=True):
    """How far one consumer has read."""

    __tablename__ = "feed_place"
    __table_args__ = QUEUE

    consumer: str = Field(primary_key=True)
    xid: int = Field(sa_type=BigInteger)
    id: UUID


@dataclass(frozen=True, slots=True)
class News:
    """One event as it was written."""

    workspace_id: UUID
    id: UUID
    type: str
    data: dict[str, Any]
    created_at: dt.datetime


Hearer = Callable[[AsyncSession, Sequence[News]], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Heard:
    """Who wakes for one type of event, and for which of them: a condition in SQL on `data`."""

    by: Hearer
    only: str = "true"


async def _tell(session: AsyncSession, hearer: Hearer, news: Sequence[News]) -> None:
    """Give news to a hearer; one event that breaks it is logged and left out, the others pass."""
    try:
        async with session.begin_nested():
            await hearer(session, news)
    except Exception as error:
        if is_connection_lost(error):
            raise
        if len(news) == 1:
            logger.exception("an event was not heard", extra={"event": str(news[0].id)})
            return
        for one in news:
            await _tell(session, hearer, [one])


_AFTER = "(xid, id) > (cast(cast(:xid as text) as xid8), :id)"
_LAST = text(f"""
select xid::text::int8 as xid, id, n from (
  select xid, id, row_number() over (order by xid, id) as n from event
  where {_AFTER} and xid < pg_snapshot_xmin(pg_current_snapshot())
  order by xid, id limit :chunk
) part order by n desc limit 1
""")


async def _relevant(
    session: AsyncSession, hearers: Mapping[str, Heard], place: Mapping[str, Any], last: Any
) -> dict[str, list[News]]:
    """Return the events up to the last one that somebody wakes for, by type."""
    wanted = " or ".join(
        f"(type = :type{number} and {heard.only})" for number, heard in enumerate(hearers.values())
    )
    types = {f"type{number}": name for number, name in enumerate(hearers)}
    rows = await run_sql(
        session,
        text(
            f"select workspace_id, id, type, data, created_at from event where {_AFTER} "
            "and (xid, id) <= (cast(cast(:last_xid as text) as xid8), :last_id) "
            f"and ({wanted}) order by xid, id"
        )
        .columns(data=Json)
        .bindparams(**place, **types, last_xid=str(last.xid), last_id=last.id),
    )
    found: dict[str, list[News]] = {}
    for row in rows:
        found.setdefault(row.type, []).append(News(**row._mapping))
    return found


async def hear(database: Database, consumer: str, hearers: Mapping[str, Heard]) -> int:
    """Give the next events to their hearers by type; return how many were read.

    Another process that reads for the same consumer is left to it.
    """
    async with database.transaction() as session:
        await run_sql(
            session,
            text(
                "insert into feed_place (consumer, xid, id) "
                "values (:consumer, 0, '00000000-0000-0000-0000-000000000000') "
                "on conflict do nothing"
            ).bindparams(consumer=consumer),
        )
        place = await run_sql(
            session,
            text(
                # A restored database counts its transactions anew.
                "select case when xid >= pg_snapshot_xmax(pg_current_snapshot())::text::int8 "
                "then 0 else xid end as xid, id "
                "from feed_place where consumer = :consumer for update skip locked"
            ).bindparams(consumer=consumer),
        )
        row = place.first()
        if row is None:
            return 0
        place_bound = {"xid": str(row.xid), "id": row.id}
        ends = await run_sql(session, _LAST.bindparams(**place_bound, chunk=CHUNK))
        last = ends.first()
        if last is None:
            return 0
        by_type = await _relevant(session, hearers, place_bound, last)
        for kind, news_of_kind in by_type.items():
            await _tell(session, hearers[kind].by, news_of_kind)
        await run_sql(
            session,
            text(
                "update feed_place set xid = :xid, id = :id where consumer = :consumer"
            ).bindparams(xid=last.xid, id=last.id, consumer=consumer),
        )
        return int(last.n)
