# SPDX-License-Identifier: Apache-2.0
"""Files that were sent to the dashboard and wait there to be imported."""

import datetime as dt
from uuid import UUID

from sqlalchemy import text
from sqlmodel.ext.asyncio.session import AsyncSession

from app.core.clock import utc_now
from app.core.database import Database, run_sql
from app.core.ids import uuid7
from app.imports.models import ImportUpload

_KEPT_FOR = dt.timedelta(hours=1)


async def store(database: Database, workspace_id: UUID, content: bytes) -> UUID:
    """Keep a file for an hour, so that it need not be sent again to be imported."""
    upload = ImportUpload(
        workspace_id=workspace_id, id=uuid7(), content=content, created_at=utc_now()
    )
    async with database.transaction() as session:
        session.add(upload)
        return upload.id


async def read(database: Database, workspace_id: UUID, name: str) -> bytes | None:
    """Return the content of a file that is kept, None if there is none of that name."""
    try:
        id_ = UUID(name)
    except ValueError:
        return None
    async with database.session() as session:
        upload = await session.get(ImportUpload, (workspace_id, id_))
        return upload.content if upload else None


async def delete(database: Database, workspace_id: UUID, name: str) -> None:
    """Delete a file that was imported."""
    async with database.transaction() as session:
        await run_sql(
            session,
            text(
                "delete from import_upload where workspace_id = :workspace_id and id = :id"
            ).bindparams(workspace_id=workspace_id, id=UUID(name)),
        )


async def delete_expired(session: AsyncSession, now: dt.datetime) -> None:
    """Delete files whose hour is over."""
    await run_sql(
        session,
        text("delete from import_upload where created_at < :oldest").bindparams(
            oldest=now - _KEPT_FOR
        ),
    )
