# SPDX-License-Identifier: Apache-2.0
"""Read the outbox: each event is given once, in order, to the consumer of its type.

A row of `ConsumerCursor` holds how far a consumer has read. Events are read in the order (`xid`,
`id`) and only below the oldest open transaction, so that no event can appear behind the cursor.
What a consumer writes is committed together with its cursor. An event whose consumer fails is
logged and skipped. A restored database is read from its start, so consumers must accept repeats.
"""

import asyncio
import datetime as dt
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, text
from sqlmodel import Field, SQLModel
from sqlmodel.ext.asyncio.session import AsyncSession

from app.core.database import Database, is_cluster, is_connection_lost, run_sql
from app.core.event_types import EventType
from app.core.outbox import READ_BY_CONSUMERS_SQL
from app.core.schema import QUEUE, Json

logger = logging.getLogger(__name__)

CHUNK = 500
_MIN_SAVED_DISTANCE = 500

# The oldest open transaction that may still write an event: everything below it can be read. The
# roles of BI tools (`bi_access`) write none, so their open transactions are ignored.
HORIZON = """(select coalesce(
  (select x from pg_snapshot_xip(pg_current_snapshot()) x where not exists (
    select from pg_stat_activity a join bi_access b on b.role = a.usename
    where a.backend_xid is not null
    and a.backend_xid::text::int8 = mod(x::text::numeric, 4294967296)::int8)
   order by x limit 1),
  pg_snapshot_xmax(pg_current_snapshot())))"""


class ConsumerCursor(SQLModel, table=True):
    """How far one consumer has read."""

    __tablename__ = "feed_place"
    __table_args__ = QUEUE

    consumer: str = Field(primary_key=True)
    xid: int = Field(sa_type=BigInteger)
    id: UUID


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """One event as it was written."""

    workspace_id: UUID
    id: UUID
    type: str
    data: dict[str, Any]
    created_at: dt.datetime


EventConsumer = Callable[[AsyncSession, Sequence[StoredEvent]], Awaitable[None]]


async def _consume_each(
    session: AsyncSession, consumer: EventConsumer, events: Sequence[StoredEvent]
) -> None:
    """Give events to their consumer; an event on which it fails is logged and skipped."""
    try:
        async with session.begin_nested():
            await consumer(session, events)
    except Exception as error:
        if is_connection_lost(error):
            raise
        if len(events) == 1:
            logger.exception("an event could not be consumed", extra={"event": str(events[0].id)})
            return
        for event in events:
            await _consume_each(session, consumer, [event])


_NEXT = text(f"""
select workspace_id, xid::text::int8 as xid, id, type, data, created_at from event
where (xid, id) > (cast(cast(:xid as text) as xid8), :id)
and xid < cast(cast(:below as text) as xid8) and {READ_BY_CONSUMERS_SQL}
order by xid, id limit :chunk
""").columns(data=Json)

# On a cluster, a writer locks the lowest bits of its event number as an advisory lock.
EVENT_NUMBER_LOCKS, NUMBER_MASK = 1_100_001, 2**31 - 1
# Read the snapshot before the locks: a number is locked until its transaction has ended, so that
# it is always seen in one of them.
_OPEN_ON_CLUSTER = text(
    f"""
select least(xmin, (
  select min(case when near > xmax then near - {NUMBER_MASK + 1} else near end) from (
    select xmax - (xmax & {NUMBER_MASK}) + objid::int8 as near from pg_locks
    where locktype = 'advisory' and classid = {EVENT_NUMBER_LOCKS} and objsubid = 2
    and database = (select oid from pg_database where datname = current_database())) held))
from (select pg_snapshot_xmin(pg_current_snapshot())::text::int8 as xmin,
  pg_snapshot_xmax(pg_current_snapshot())::text::int8 as xmax) now
""".replace("::", r"\:\:")
)
# Transactions that a cluster has committed on some of its nodes only.
_HALF_DONE = text(
    r"""
select result from run_command_on_all_nodes(
  $$select coalesce(string_agg(gid, ','), '') from pg_prepared_xacts
  where database = current_database() and gid like 'citus%'$$)
""".replace(":", r"\:")
)
_MAX_CHECKS, _PAUSE_SECONDS = 100, 0.02


async def create_cursor(session: AsyncSession, consumer: str, *, at: int = 0) -> None:
    """Create a consumer's cursor before all events or at a transaction; never move it back."""
    await run_sql(
        session,
        text(
            "insert into feed_place (consumer, xid, id) values (:consumer, :at, :first) "
            "on conflict (consumer) do update set xid = excluded.xid, id = excluded.id "
            "where feed_place.xid < excluded.xid"
        ).bindparams(consumer=consumer, at=at, first=UUID(int=0)),
    )


async def lock_cursor(session: AsyncSession, consumer: str) -> tuple[int, UUID] | None:
    """Lock a consumer's cursor; None if there is none, or if another process holds it."""
    rows = await run_sql(
        session,
        text(
            # A restored database counts its transactions anew.
            "select case when xid >= pg_snapshot_xmax(pg_current_snapshot())::text::int8 "
            "then 0 else xid end as xid, id "
            "from feed_place where consumer = :consumer for update skip locked"
        ).bindparams(consumer=consumer),
    )
    row = rows.first()
    return (row.xid, row.id) if row is not None else None


async def advance_cursor(session: AsyncSession, consumer: str, cursor: tuple[int, UUID]) -> None:
    """Store how far a consumer has read; this transaction must hold the lock of its cursor."""
    await run_sql(
        session,
        text("update feed_place set xid = :xid, id = :id where consumer = :consumer").bindparams(
            xid=cursor[0], id=cursor[1], consumer=consumer
        ),
    )


async def readable_below(session: AsyncSession) -> int:
    """Return the oldest transaction that is still open: all events below it can be read."""
    if await is_cluster(session):
        return await _below_on_cluster(session)
    query = text(f"select {HORIZON}::text::int8")
    oldest_open: int = (await run_sql(session, query)).one()[0]
    return oldest_open


async def _below_on_cluster(session: AsyncSession) -> int:
    """Return the same limit on a cluster, whose coordinator numbers the transactions.

    The limit is read before the events, which lie on other nodes. It is below every open
    transaction and every number that a writer holds (`responses.cluster_ingest`). It is 0 while a
    transaction is committed on some nodes only.
    """
    oldest_open: int = (await run_sql(session, _OPEN_ON_CLUSTER)).one()[0]
    half = await _half_done(session)
    for _ in range(_MAX_CHECKS):
        if not half:
            return oldest_open
        await asyncio.sleep(_PAUSE_SECONDS)
        half &= await _half_done(session)
    return 0


async def _half_done(session: AsyncSession) -> set[str]:
    rows = await run_sql(session, _HALF_DONE)
    return {name for row in rows for name in row[0].split(",") if name}


def is_worth_saving(cursor: tuple[int, UUID], reached: tuple[int, UUID]) -> bool:
    """Tell whether a cursor is so far behind that it should be stored."""
    return reached[0] - cursor[0] > _MIN_SAVED_DISTANCE


async def consume(
    database: Database, consumer: str, consumers: Mapping[EventType, EventConsumer]
) -> int:
    """Give the next events to the consumers of their types; return how many events were read.

    If another process is reading for the same consumer, nothing is read here.
    """
    async with database.transaction() as session:
        cursor = await lock_cursor(session, consumer)
        if cursor is None:
            await create_cursor(session, consumer)
            cursor = await lock_cursor(session, consumer)
        if cursor is None:
            return 0
        xid, id_ = cursor
        below = await readable_below(session)
        bound = {"xid": str(xid), "id": id_, "below": str(below), "chunk": CHUNK}
        rows = await run_sql(session, _NEXT.bindparams(**bound))
        events = rows.all()
        if not events:
            return 0
        by_type: dict[EventType, list[StoredEvent]] = {}
        for event in events:
            if event.type in consumers:
                by_type.setdefault(EventType(event.type), []).append(
                    StoredEvent(
                        event.workspace_id, event.id, event.type, event.data, event.created_at
                    )
                )
        for kind, events_of_type in by_type.items():
            await _consume_each(session, consumers[kind], events_of_type)
        await advance_cursor(session, consumer, (events[-1].xid, events[-1].id))
        return len(events)
