# SPDX-License-Identifier: Apache-2.0
"""Complete abandoned responses: half an hour after its last change, a response is final."""

import datetime as dt
from collections import defaultdict
from uuid import UUID

from sqlalchemy import text
from sqlmodel.ext.asyncio.session import AsyncSession

from app.core import jobs
from app.core.database import Database, run_sql
from app.core.jobs import Job
from app.responses.changes import ABANDONED_AFTER, COMPLETE, change_responses

COMPLETE_JOB = "responses.complete_abandoned"
_CHUNK = 500


async def queue_abandoned(session: AsyncSession, now: dt.datetime) -> None:
    """Enqueue the answers that are abandoned."""
    rows = await run_sql(
        session,
        text(
            "select workspace_id, id from response where not settled and state = 'counted' "
            "and updated_at <= :oldest order by workspace_id, id limit 10000"
        ).bindparams(oldest=now - ABANDONED_AFTER),
    )
    ids_by_workspace: dict[UUID, list[str]] = defaultdict(list)
    for row in rows:
        ids_by_workspace[row.workspace_id].append(str(row.id))
    for workspace_id, ids in ids_by_workspace.items():
        await jobs.enqueue(
            session, COMPLETE_JOB, workspace_id=workspace_id, payload={"ids": ids}, dedupe="settle"
        )


async def complete_abandoned(database: Database, job: Job) -> None:
    """Mark answers as final and emit their events; one that was changed meanwhile waits again."""
    ids = [UUID(id_) for id_ in job.payload["ids"]]
    for start in range(0, len(ids), _CHUNK):
        await change_responses(
            database, 0, job.workspace_id, statement=COMPLETE, ids=ids[start : start + _CHUNK]
        )
