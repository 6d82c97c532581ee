# SPDX-License-Identifier: Apache-2.0
"""One snapshot for all that a figure reads, so that its total and its rows agree."""

from sqlmodel.ext.asyncio.session import AsyncSession

_SNAPSHOT = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}


async def begin_snapshot(session: AsyncSession) -> None:
    """Make this transaction see one moment; it must be called before anything is read."""
    await session.connection(execution_options=_SNAPSHOT)
