# SPDX-License-Identifier: Apache-2.0
"""Delete test responses, interactions and invitations after seven days."""

import datetime as dt

from sqlalchemy import text
from sqlmodel.ext.asyncio.session import AsyncSession

from app.core.database import run_sql, select_workspace_ids

TEST_LIFETIME = dt.timedelta(days=7)
_DELETE_OLD = (
    # A withdrawn interaction is marked as a test; `changed_at` is when that happened.
    "delete from interaction where test and coalesce(changed_at, created_at) < :oldest",
    "delete from invitation where test and created_at < :oldest",
)


async def purge_tests(session: AsyncSession, now: dt.datetime) -> None:
    """Delete old tests; they are in no figure, so no rollup moves."""
    for statement in _DELETE_OLD:
        await run_sql(session, text(statement).bindparams(oldest=now - TEST_LIFETIME))
    old = "state not in ('counted', 'deleted') and test and created_at < :oldest"
    holding = f"select distinct workspace_id from response where {old}"
    for workspace_id in await select_workspace_ids(session, holding, oldest=now - TEST_LIFETIME):
        await run_sql(
            session,
            text(
                f"delete from response r using (select id from response where {old} "
                "and workspace_id = :workspace_id order by id for update) old "
                "where r.workspace_id = :workspace_id and r.id = old.id"
            ).bindparams(workspace_id=workspace_id, oldest=now - TEST_LIFETIME),
        )
