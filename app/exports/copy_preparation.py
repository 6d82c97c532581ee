# SPDX-License-Identifier: Apache-2.0
"""Prepare a copy of the data, so that no event is consumed or sent twice.

A copy gets new transaction numbers, so its events are numbered anew: first those that were
delivered to webhooks, then those that were not, then all new ones. Readers of the feed notice
this by the feed's mark, and get the events of the last minutes again.
"""

import asyncio
import json
import logging
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import CursorResult, text

from app.core import flags
from app.core.database import Database, run_sql
from app.core.outbox import READ_BY_CONSUMERS_SQL
from app.core.signing import SealedBox
from app.exports.erasure import JOURNAL, ErasureReason, erase_by_id

logger = logging.getLogger(__name__)

_FIRST_ID, _LAST = UUID(int=0), UUID(int=(1 << 128) - 1)
# Whether events remain behind a cursor that a consumer still has to read.
_HAS_UNREAD_EVENTS = f"""select exists (select 1 from event
  where (xid, id) > (cast(cast(:xid as text) as xid8), :id) and {READ_BY_CONSUMERS_SQL})"""
_MARK_SENT_EVENTS = """update event set xid =
  case when (xid, id) > (cast(cast(:xid as text) as xid8), :id) then '2'::xid8 else '1'::xid8 end
  where workspace_id = :workspace_id"""
_MARK_EVENTS_OF_OTHERS = (
    "update event set xid = '1'::xid8 where not workspace_id = any(:sent ::uuid[])"
)
_RENUMBER_DELIVERIES = """update delivery d set event_xid = e.xid::text::int8
from event e where e.workspace_id = d.workspace_id and e.id = d.event_id"""
_MOVE_CURSOR = "update feed_place set xid = :xid, id = :id where consumer = :consumer"
_WEBHOOK_CONSUMER_PREFIX = "webhooks:"


async def prepare_copy(database: Database) -> None:
    """Renumber the events of a copy and move its consumers' cursors to match."""
    async with database.transaction() as session:

        async def run(statement: str, **bound: Any) -> CursorResult[Any]:
            return await run_sql(session, text(statement).bindparams(**bound))

        # Preparing a large copy may take longer than the usual timeout.
        await run("set local statement_timeout = 0")
        # Their roles belong to the server that the copy came from.
        roles = [row[0] for row in await run("select rolname::text from pg_roles")]
        await run("delete from bi_access where not role = any(:roles ::text[])", roles=roles)
        await run("update job set worker = null")
        sent: list[UUID] = []
        for cursor in (await run("select consumer, xid, id from feed_place")).all():
            where: dict[str, Any] = {"xid": str(cursor.xid), "id": cursor.id}
            if cursor.consumer.startswith(_WEBHOOK_CONSUMER_PREFIX):
                sent.append(UUID(cursor.consumer.removeprefix(_WEBHOOK_CONSUMER_PREFIX)))
                await run(_MARK_SENT_EVENTS, workspace_id=sent[-1], **where)
                await run(_MOVE_CURSOR, consumer=cursor.consumer, xid=1, id=_LAST)
            else:
                has_unread = (await run(_HAS_UNREAD_EVENTS, **where)).one()[0]
                xid, id_ = (0, _FIRST_ID) if has_unread else (2, _LAST)
                await run(_MOVE_CURSOR, consumer=cursor.consumer, xid=xid, id=id_)
        await run(_MARK_EVENTS_OF_OTHERS, sent=sent)
        await run(_RENUMBER_DELIVERIES)
        await flags.write(session, flags.FEED_FLAG, uuid4().hex[:8])


async def pause_sending(database: Database, why: str) -> None:
    """Pause all mails and webhooks of this database, if its schema has the flag."""
    async with database.transaction() as session:
        rows = await run_sql(session, text("select to_regclass('public.service_flag')"))
        if rows.one()[0] is not None:
            await flags.write(session, flags.PAUSED, why)


async def erase_again(database: Database, box: SealedBox, data_dir: Path) -> int:
    """Erase the customers in the journal of the data folder; return how many were erased."""
    journal = data_dir / JOURNAL
    lines = await asyncio.to_thread(_lines_of, journal)
    done = 0
    for workspace_id, customer_id, reason in _journal_entries(lines):
        done += await erase_by_id(database, box, data_dir, workspace_id, customer_id, reason=reason)
    return done


def _lines_of(journal: Path) -> list[str]:
    return journal.read_text().splitlines() if journal.exists() else []


def _journal_entries(lines: Iterable[str]) -> Iterable[tuple[UUID, UUID, ErasureReason]]:
    for number, line in enumerate(lines, start=1):
        try:
            entry = json.loads(line)
            # Earlier versions did not note the reason.
            reason: ErasureReason = "retention" if entry.get("reason") == "retention" else "asked"
            yield UUID(entry["workspace"]), UUID(entry["customer"]), reason
        except (ValueError, KeyError, TypeError):
            # A power cut can leave the last line incomplete.
            logger.warning(
                "a line of the journal of erasures cannot be read", extra={"line": number}
            )


async def count_rows(database: Database) -> dict[str, int]:
    """Count the rows of every table, to compare two copies."""
    async with database.session() as session:
        tables = await run_sql(
            session,
            text("select tablename from pg_tables where schemaname = 'public' order by 1"),
        )
        counts = {}
        for table in [row.tablename for row in tables]:
            rows = await run_sql(session, text(f"select count(*) from {table}"))
            counts[table] = int(rows.one()[0])
        return counts
