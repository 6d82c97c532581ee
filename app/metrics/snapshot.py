# SPDX-License-Identifier: Apache-2.0
"""One snapshot for all that a figure reads, so that its total and its rows agree."""

from sqlalchemy import text
from sqlmodel.ext.asyncio.session import AsyncSession

from app.core.database import run_sql


async def read_snapshot(session: AsyncSession) -> None:
    """Make this transaction see one moment; it must be called before anything is read."""
    await run_sql(session, text("set transaction isolation level repeatable read read only"))
