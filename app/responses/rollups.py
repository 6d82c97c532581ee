# SPDX-License-Identifier: Apache-2.0
"""Comparing rollups with the rows they were counted from, rebuilding and recounting them."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

from app.core.clock import utc_now
from app.core.database import Database, RawConnection
from app.core.jobs import Job
from app.interactions.tickets import recount_tickets
from app.responses.changes import RECOUNT
from app.responses.statements import COUNTERS, FROM_ROWS, ROLLUP_KEY
from app.workspaces.service import lock_out_writers_sql

_CHUNK = 500
_CELL = ROLLUP_KEY.removesuffix(", slot")
_COUNTER_COLUMNS = ", ".join(COUNTERS)
_SUMS = ", ".join(f"sum({counter})::int as {counter}" for counter in COUNTERS)

# Cells whose counts differ, from both sides, in one snapshot.
_DIFFERENCES = f"""
with fresh as ({FROM_ROWS}),
kept as (
  select {_CELL}, {_SUMS} from rollup where workspace_id = $1 group by {_CELL}
),
filled as (select * from kept where ({_COUNTER_COLUMNS}) <> ({", ".join("0" for _ in COUNTERS)}))
select {_CELL},
  jsonb_build_array({", ".join(f"fresh.{counter}" for counter in COUNTERS)}) as in_rows,
  jsonb_build_array({", ".join(f"filled.{counter}" for counter in COUNTERS)}) as in_rollups
from fresh full join filled using ({_CELL})
where ({", ".join(f"fresh.{counter}" for counter in COUNTERS)})
  is distinct from ({", ".join(f"filled.{counter}" for counter in COUNTERS)})
order by {_CELL}
"""

_REBUILD = f"""
insert into rollup (workspace_id, {ROLLUP_KEY}, {_COUNTER_COLUMNS})
select $1, {_CELL}, 0, {_COUNTER_COLUMNS} from ({FROM_ROWS}) fresh
where ({_COUNTER_COLUMNS}) <> ({", ".join("0" for _ in COUNTERS)})
"""

_OUTDATED = """
select id from response where workspace_id = $1 and id > $2 and counted_as <> $3
order by id limit $4
"""


async def differences(database: Database, workspace_id: UUID) -> list[dict[str, Any]]:
    """Return every rollup cell that differs from the rows; none is allowed."""
    connection = await database.connect()
    try:
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            rows = await connection.fetch(_DIFFERENCES, workspace_id)
            return [dict(row) for row in rows]
    finally:
        await connection.close()


async def rebuild(database: Database, workspace_id: UUID) -> None:
    """Count all rollups of a workspace anew, while its writers wait."""
    connection = await database.connect()
    try:
        async with connection.transaction():
            await connection.execute(lock_out_writers_sql("$1"), workspace_id)
            await connection.execute(
                "select 1 from workspace_config where workspace_id = $1 for update", workspace_id
            )
            await connection.execute("delete from rollup where workspace_id = $1", workspace_id)
            await connection.execute(_REBUILD, workspace_id)
    finally:
        await connection.close()


async def recount(database: Database, job: Job) -> None:
    """Count older tickets and answers under the present configuration, 500 a transaction.

    Responses can be written during the recount, and figures are read from the rows. If the
    configuration changes during the recount, it starts again.
    """
    workspace_id = job.workspace_id
    await recount_tickets(database, workspace_id)
    connection = await database.connect(jit="off")
    try:
        config: int = await connection.fetchval(
            "select config from workspace where id = $1", workspace_id
        )
        done = 0
        async for ids in _find_outdated(connection, workspace_id, config):
            await connection.execute(RECOUNT, workspace_id, utc_now(), 0, ids, ids)
            done += len(ids)
            await connection.execute(
                "update workspace set recount = recount || jsonb_build_object('done', $3::int) "
                "where id = $1 and config = $2 and recount is not null",
                workspace_id, config, done,
            )  # fmt: skip
        await connection.execute(
            "update workspace set recount = null where id = $1 and config = $2",
            workspace_id,
            config,
        )
    finally:
        await connection.close()


async def _find_outdated(
    connection: RawConnection, workspace_id: UUID, config: int
) -> AsyncIterator[list[UUID]]:
    """Yield chunks of responses that were counted under another configuration."""
    last = UUID(int=0)
    while True:
        rows = await connection.fetch(_OUTDATED, workspace_id, last, config, _CHUNK)
        if not rows:
            return
        ids = [row["id"] for row in rows]
        yield ids
        last = ids[-1]
