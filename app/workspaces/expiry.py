# SPDX-License-Identifier: Apache-2.0
"""The deletion of traffic whose time is over, workspace by workspace."""

import datetime as dt

from sqlmodel.ext.asyncio.session import AsyncSession

from app.core import jobs
from app.core.database import select_workspace_ids
from app.core.expiry import EXPIRE_JOB


async def queue_expiry(session: AsyncSession, now: dt.datetime) -> None:
    """Enqueue the deletion of what is over, for each workspace."""
    for workspace_id in await select_workspace_ids(session, "select id from workspace"):
        await jobs.enqueue(
            session, EXPIRE_JOB, workspace_id=workspace_id, dedupe="expire", run_at=now
        )
