"""Imports: files of answers that were read in, listed, and undone as a whole."""

import datetime as dt
from typing import Any
from uuid import UUID

from pydantic import BaseModel
from sqlalchemy import text
from sqlmodel import col, select, tuple_
from sqlmodel.ext.asyncio.session import AsyncSession

from app.core.batch_lines import LinesReport
from app.core.clock import utc_now
from app.core.database import Database, run_sql
from app.core.errors import Conflict, NotFound
from app.core.paging import decode_cursor
from app.responses.models import ImportRun
from app.responses.service import change_state
from app.responses.statements import DELETE

_CHUNK = 500


class ImportOut(BaseModel):
    """One file that was read in."""

    id: UUID
    survey_id: UUID
    name: str
    status: str
    lines_done: int
    accepted: int
    duplicates: int
    rejected: int
    created_at: dt.datetime
    updated_at: dt.datetime


async def begin(
    session: AsyncSession, workspace_id: UUID, *, import_id: UUID, survey_id: UUID, name: str
) -> ImportRun:
    """Return the import of this file, begun now or broken off before."""
    found = await session.exec(
        select(ImportRun).where(ImportRun.workspace_id == workspace_id, ImportRun.id == import_id)
    )
    known = found.first()
    if known is not None and known.status == "undone":
        detail = (
            "This import was undone, and what is deleted stays deleted. To read the file again, "
            "change it, such as by an `external_id` column."
        )
        raise Conflict(detail)
    if known is not None:
        return known
    now = utc_now()
    fresh = ImportRun(
        workspace_id=workspace_id, id=import_id, survey_id=survey_id, name=name, status="running",
        lines_done=0, accepted=0, duplicates=0, rejected=0, created_at=now, updated_at=now,
    )  # fmt: skip
    session.add(fresh)
    return fresh


async def advance(
    session: AsyncSession, run: ImportRun, report: LinesReport, *, lines_done: int
) -> None:
    """Note how far the import has come."""
    await run_sql(
        session,
        text(
            "update import_run set lines_done = :lines_done, accepted = accepted + :accepted, "
            "duplicates = duplicates + :duplicates, rejected = rejected + :rejected, "
            "updated_at = :now where workspace_id = :workspace_id and id = :id"
        ).bindparams(
            lines_done=lines_done,
            accepted=report.accepted,
            duplicates=report.duplicates,
            rejected=len(report.rejected),
            now=utc_now(),
            workspace_id=run.workspace_id,
            id=run.id,
        ),
    )


async def set_status(session: AsyncSession, workspace_id: UUID, run_id: UUID, status: str) -> None:
    """Set an import to `running`, `done` or `undone`."""
    await run_sql(
        session,
        text(
            "update import_run set status = :status, updated_at = :now "
            "where workspace_id = :workspace_id and id = :id"
        ).bindparams(status=status, now=utc_now(), workspace_id=workspace_id, id=run_id),
    )


async def list_all(
    session: AsyncSession, workspace_id: UUID, *, limit: int, cursor: str | None
) -> list[ImportRun]:
    """Return up to `limit + 1` imports, newest first."""
    query = (
        select(ImportRun)
        .where(ImportRun.workspace_id == workspace_id)
        .order_by(col(ImportRun.created_at).desc(), col(ImportRun.id).desc())
        .limit(limit + 1)
    )
    if position := decode_cursor(cursor, UUID):
        query = query.where(tuple_(col(ImportRun.created_at), col(ImportRun.id)) < position)
    return list(await session.exec(query))


async def undo(database: Database, slot: int, workspace_id: UUID, import_id: UUID) -> None:
    """Delete every response of an import, 500 a transaction; its figures go with them."""
    ids = await _ids(database, workspace_id, import_id)
    for start in range(0, len(ids), _CHUNK):
        chunk = ids[start : start + _CHUNK]
        await change_state(database, slot, workspace_id, statement=DELETE, ids=chunk)
    async with database.transaction() as session:
        await set_status(session, workspace_id, import_id, "undone")


async def _ids(database: Database, workspace_id: UUID, import_id: UUID) -> list[UUID]:
    names: dict[str, Any] = {"workspace_id": workspace_id, "id": import_id}
    async with database.session() as session:
        known = await run_sql(
            session,
            text(
                "select 1 from import_run where workspace_id = :workspace_id and id = :id"
            ).bindparams(**names),
        )
        if known.first() is None:
            detail = "There is no such import in this workspace."
            raise NotFound(detail)
        rows = await run_sql(
            session,
            text(
                "select id from response where workspace_id = :workspace_id "
                "and import_id = :id and state <> 'deleted' order by id"
            ).bindparams(**names),
        )
        return [row.id for row in rows]
