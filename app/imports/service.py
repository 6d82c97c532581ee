"""Verbs of imports: look, take, list, read, undo."""

import asyncio
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlmodel import col, select, tuple_
from sqlmodel.ext.asyncio.session import AsyncSession

from app.core.errors import NotFound
from app.core.paging import decode_cursor
from app.imports.looking import OpenFile, look_at, open_file
from app.imports.options import ImportOptions
from app.imports.reading import SourceFile
from app.imports.taking import Taker, begin
from app.responses.batch_writing import Ingest
from app.responses.models import ImportRun

_BLOCK = 1 << 20


@dataclass
class Looked:
    """A file that was looked at, with the report of what was seen."""

    file: OpenFile
    report: dict[str, Any]
    fingerprint: str

    @property
    def refused(self) -> str | None:
        """Why it may not be taken, or None."""
        found: str | None = self.report["refused"]
        return found


async def look(
    ingest: Ingest, workspace_id: UUID, survey: str, source: SourceFile, options: ImportOptions
) -> Looked:
    """Look at a file; nothing is stored."""
    file = await open_file(ingest.database, workspace_id, survey, source, options)
    report = await look_at(ingest.database, workspace_id, file)
    return Looked(file, report, await asyncio.to_thread(_fingerprint, source, options))


def _fingerprint(source: SourceFile, options: ImportOptions) -> str:
    """Return what makes an import the same as one before: the file and what was said of it."""
    digest = hashlib.sha256()
    with source.open() as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    said = repr(sorted((name, repr(value)) for name, value in vars(options).items()))
    digest.update(said.encode())
    return digest.hexdigest()


async def begin_import(
    ingest: Ingest, workspace_id: UUID, looked: Looked
) -> tuple[ImportRun, Taker]:
    """Note the import, and return what takes its rows."""
    run = await begin(ingest.database, workspace_id, looked.file, looked.fingerprint)
    return run, Taker(ingest, workspace_id, run, looked.file)


async def take(
    taker: Taker, looked: Looked, on_progress: Callable[[int], None] | None = None
) -> dict[str, Any]:
    """Take the rows, or only note why not; return the report."""
    if looked.refused is not None:
        await taker.note("refused", looked.report)
        return looked.report
    await taker.take(on_progress)
    await taker.note("done", looked.report)
    return looked.report | taker.taken.report()


async def find(session: AsyncSession, workspace_id: UUID, import_id: UUID) -> ImportRun:
    """Return an import, or raise NotFound."""
    found = await session.get(ImportRun, (workspace_id, import_id))
    if found is None:
        raise NotFound("There is no such import in this workspace.")
    return found


async def find_page(
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
