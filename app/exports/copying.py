"""What a copy of the data needs before it may work: nothing is heard, or sent, twice.

A copy's transactions are numbered anew, so its events are too: those that webhooks have heard
come first, those that they have not second, and every new one after them. Whoever pulls events
notices by the feed's mark, and is read to again from a while before.
"""

import asyncio
import json
import logging
from collections.abc import Iterable
from pathlib import Path
from uuid import UUID, uuid4

from sqlalchemy import text

from app.core import flags
from app.core.database import Database, run_sql
from app.core.outbox import WAKES
from app.core.signing import SealedBox
from app.exports.erasure import JOURNAL
from app.exports.retention import erase_by_id

logger = logging.getLogger(__name__)

# An answer that wakes nobody does not make its reader begin again.
_UNHEARD = f"""exists (
    select from event e where (e.xid, e.id) > (w.xid::text::xid8, w.id) and {WAKES})"""
_RENUMBER = (
    # A copy is settled however long that takes.
    "set local statement_timeout = 0",
    # Their roles belong to the server that the copy came from.
    "delete from bi_access where role not in (select rolname from pg_roles)",
    "update job set worker = null",
    f"""
update feed_place w set xid = case when {_UNHEARD} then 0 else 2 end,
  id = case when {_UNHEARD} then '00000000-0000-0000-0000-000000000000'::uuid
    else 'ffffffff-ffff-ffff-ffff-ffffffffffff'::uuid end
where w.consumer not like 'webhooks:%'
""",
    """
update event e set xid = case when exists (
    select from feed_place p where p.consumer = 'webhooks:' || e.workspace_id
    and (e.xid, e.id) > (p.xid::text::xid8, p.id)) then '2'::xid8 else '1'::xid8 end
""",
    """
update feed_place set xid = 1, id = 'ffffffff-ffff-ffff-ffff-ffffffffffff'::uuid
where consumer like 'webhooks:%'
""",
    """
update delivery d set event_xid = e.xid::text::int8
from event e where e.workspace_id = d.workspace_id and e.id = d.event_id
""",
)


async def prepare_copy(database: Database) -> None:
    """Make a copy ready to work."""
    async with database.transaction() as session:
        for statement in _RENUMBER:
            await run_sql(session, text(statement))
        await flags.write(session, flags.FEED, uuid4().hex[:8])


async def pause(database: Database, why: str) -> None:
    """Hold every mail and webhook of this database, where its schema knows of pausing."""
    async with database.transaction() as session:
        known = await run_sql(session, text("select to_regclass('public.service_flag')"))
        if known.one()[0] is not None:
            await flags.write(session, flags.PAUSED, why)


async def erase_again(database: Database, box: SealedBox, data_dir: Path) -> int:
    """Erase whom the journal of the data folder names; return how many were there again."""
    journal = data_dir / JOURNAL
    lines = await asyncio.to_thread(_lines_of, journal)
    done = 0
    for workspace_id, customer_id in _named(lines):
        done += await erase_by_id(database, box, data_dir, (workspace_id, customer_id))
    return done


def _lines_of(journal: Path) -> list[str]:
    return journal.read_text().splitlines() if journal.exists() else []


def _named(lines: Iterable[str]) -> Iterable[tuple[UUID, UUID]]:
    for number, line in enumerate(lines, start=1):
        try:
            entry = json.loads(line)
            yield UUID(entry["workspace"]), UUID(entry["customer"])
        except (ValueError, KeyError, TypeError):
            # A power cut can tear the last one.
            logger.warning("a line of the list of erasures is broken", extra={"line": number})


async def count_rows(database: Database) -> dict[str, int]:
    """Count the rows of every table, to compare two copies."""
    async with database.session() as session:
        tables = await run_sql(
            session,
            text("select tablename from pg_tables where schemaname = 'public' order by 1"),
        )
        found = {}
        for table in [row.tablename for row in tables]:
            rows = await run_sql(session, text(f"select count(*) from {table}"))
            found[table] = int(rows.one()[0])
        return found
