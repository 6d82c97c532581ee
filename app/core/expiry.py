# SPDX-License-Identifier: Apache-2.0
"""Delete expired rows of traffic in small batches, so that no long transaction delays ingest."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import text

from app.core.clock import utc_now
from app.core.database import Database, run_sql

EXPIRE_JOB = "core.expire"
MAX_ROWS_PER_TRANSACTION = 5000


@dataclass(frozen=True, slots=True)
class Expiry:
    """How long the rows of a table are kept, counted from the column `at`.

    `key` are the columns that identify a row in its workspace. `order` are the
    columns of the index that finds the oldest; rows may lie a little out of order by `at`.
    """

    table: str
    kept_for: dt.timedelta
    key: Sequence[str] = ("id",)
    at: str = "created_at"
    order: Sequence[str] = ("created_at",)

    def statement(self) -> str:
        """Return the SQL that deletes the oldest rows of one workspace, if their time is over."""
        key = ", ".join(self.key)
        same = " and ".join(f"t.{column} = o.{column}" for column in self.key)
        return (
            f"with first as materialized (select {key}, {self.at} as at from {self.table} "
            f"where workspace_id = :workspace_id order by {', '.join(self.order)} limit :most), "
            f"old as materialized (select {key} from first where at < :oldest) "
            f"delete from {self.table} t using old o "
            f"where t.workspace_id = :workspace_id and {same} returning 1"
        )


async def delete_expired(
    database: Database, expiries: Sequence[Expiry], workspace_id: UUID
) -> None:
    """Delete the expired rows of one workspace, at most 5,000 in each transaction."""
    for expiry in expiries:
        deleted = MAX_ROWS_PER_TRANSACTION
        while deleted == MAX_ROWS_PER_TRANSACTION:
            deleted = await _delete_some(database, expiry, workspace_id)


async def _delete_some(database: Database, expiry: Expiry, workspace_id: UUID) -> int:
    """Delete at most 5,000 rows; return how many."""
    async with database.transaction() as session:
        rows = await run_sql(
            session,
            text(expiry.statement()).bindparams(
                workspace_id=workspace_id,
                most=MAX_ROWS_PER_TRANSACTION,
                oldest=utc_now() - expiry.kept_for,
            ),
        )
        return len(rows.all())
