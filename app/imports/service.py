# SPDX-License-Identifier: Apache-2.0
"""Verbs of imports: look, take, undo, list, read."""

import asyncio
import contextlib
import hashlib
import io
import logging
from collections.abc import AsyncIterator, Callable, Mapping, Set
from dataclasses import dataclass
from typing import Any, Protocol
from uuid import UUID

from sqlmodel import select
from sqlmodel.ext.asyncio.session import AsyncSession

from app.core.clock import utc_now
from app.core.cursors import newest_first
from app.core.database import Database
from app.core.errors import Conflict, NotFound
from app.imports import row_queries
from app.imports.answer_import import AnswerImporter, FileIdentity, begin
from app.imports.answer_inspection import AnswerFile, inspect_answers, open_answers
from app.imports.file_kinds import FILE_KINDS, WRITERS
from app.imports.models import ImportRun
from app.imports.options import ImportOptions, ImportTarget
from app.imports.record_import import RecordImporter, undo_records
from app.imports.records import RecordFile, inspect_records, open_records
from app.imports.rejects import write_rejects
from app.imports.schemas import INTERRUPTED_AFTER
from app.imports.source_file import SourceFile
from app.imports.undo import undo_answers
from app.responses.ingest import Ingest

logger = logging.getLogger(__name__)

_BLOCK_BYTES = 1 << 20


class FileImporter(Protocol):
    """Takes the rows of a file of any kind."""

    async def take(self, on_progress: Callable[[int], None] | None = None) -> Any:
        """Take every row that can be taken."""

    async def note(self, status: str, report: dict[str, Any] | None = None) -> None:
        """Note how far the import has come."""

    def report(self, look: dict[str, Any]) -> dict[str, Any]:
        """Return the report of the look, with what became of the rows."""


@dataclass
class FileInspection:
    """A file that was looked at, with the report about it."""

    file: AnswerFile | RecordFile
    report: dict[str, Any]
    fingerprint: str

    @property
    def refused(self) -> str | None:
        """Why it may not be taken, or None."""
        reason: str | None = self.report["refused"]
        return reason


async def inspect_file(
    database: Database,
    workspace_id: UUID,
    target: ImportTarget,
    source: SourceFile,
    options: ImportOptions,
) -> FileInspection:
    """Inspect a file and return what was seen; nothing is stored."""
    file: AnswerFile | RecordFile
    if target.survey is None:
        kind = FILE_KINDS[target.kind]
        file = await open_records(database, workspace_id, kind, source, options)
        report = await inspect_records(database, file)
    else:
        file = await open_answers(database, workspace_id, target.survey, source, options)
        report = await inspect_answers(database, workspace_id, file)
    return FileInspection(file, report, await asyncio.to_thread(_fingerprint, source, options))


def _fingerprint(source: SourceFile, options: ImportOptions) -> str:
    """Return the hash by which a repeated import is recognised: of the file and its options."""
    digest = hashlib.sha256()
    with source.open() as file:
        while block := file.read(_BLOCK_BYTES):
            digest.update(block)
    digest.update(repr(_sort_deeply(vars(options))).encode())
    return digest.hexdigest()


def _sort_deeply(value: Any) -> Any:
    """Return a value whose text is the same in every process, which that of a set is not."""
    if isinstance(value, Mapping):
        return sorted((str(name), _sort_deeply(part)) for name, part in value.items())
    if isinstance(value, Set):
        return sorted(map(str, value))
    return value


async def begin_import(
    ingest: Ingest, workspace_id: UUID, look: FileInspection
) -> tuple[ImportRun, FileImporter]:
    """Store the import run, and return it with the importer of its rows."""
    file, database = look.file, ingest.database
    survey_id = file.survey.id if isinstance(file, AnswerFile) else None
    kind = "answers" if isinstance(file, AnswerFile) else file.kind.name
    identity = FileIdentity(file.name, file.options.source, kind, survey_id, look.fingerprint)
    is_refused = look.refused is not None
    run, is_first = await begin(database, workspace_id, identity, is_refused=is_refused)
    rejects = await asyncio.to_thread(_rejects_of, file, run.id)
    async with database.transaction() as session:
        await row_queries.keep_rejects(session, workspace_id, run.id, rejects)
    if isinstance(file, AnswerFile):
        return run, AnswerImporter(ingest, run, file, is_first=is_first)
    return run, RecordImporter(database, run, file, WRITERS[kind])


def _rejects_of(file: AnswerFile | RecordFile, import_id: UUID) -> str | None:
    """Return the rejected rows as a file, None if there are none."""
    if not file.scan.rejected:
        return None
    out = io.StringIO(newline="")
    write_rejects(file, file.scan.rejected, out, import_id)
    return out.getvalue()


async def take(
    database: Database,
    run: ImportRun,
    importer: FileImporter,
    look: FileInspection,
    on_progress: Callable[[int], None] | None = None,
) -> dict[str, Any]:
    """Take the rows, or note why they are refused; return the report."""
    if look.refused is not None:
        await importer.note("refused", look.report)
        return look.report
    async with _heartbeat(database, run):
        await importer.take(on_progress)
    await importer.note("done", look.report)
    return importer.report(look.report)


@contextlib.asynccontextmanager
async def _heartbeat(database: Database, run: ImportRun) -> AsyncIterator[None]:
    """Note every few seconds that an import goes on, however long one part of it takes.

    An import that notes nothing counts as interrupted, and may be undone.
    """

    async def beat() -> None:
        while True:
            await asyncio.sleep(INTERRUPTED_AFTER.total_seconds() / 4)
            try:
                async with database.transaction() as session:
                    await row_queries.touch_run(session, run.workspace_id, run.id)
            except Exception:
                # The import itself goes on, and the next beat tries again.
                logger.exception("an import could not note that it goes on")

    task = asyncio.create_task(beat())
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def undo(ingest: Ingest, workspace_id: UUID, import_id: UUID) -> dict[str, Any]:
    """Undo an import: what it added is deleted, what it changed is restored.

    What was changed later, by a person or by another import, stays and is listed.
    """
    database = ingest.database
    async with database.session() as session:
        run = await find(session, workspace_id, import_id)
    if run.status == "reading" and utc_now() - run.updated_at < INTERRUPTED_AFTER:
        raise Conflict("The import is still being taken; undo it when it is done.")
    if run.kind in WRITERS:
        undone, left = await undo_records(database, run, WRITERS[run.kind])
    else:
        undone, left = await undo_answers(ingest, run)
    report = (run.report or {}) | {
        "undone": undone, "left": len(left), "left_ids": [str(id_) for id_ in left[:1000]],
    }  # fmt: skip
    async with database.transaction() as session:
        await row_queries.note_progress(
            session, workspace_id, import_id,
            {"status": "undone", "lines_done": run.lines_done, "accepted": run.accepted,
             "duplicates": run.duplicates, "rejected": run.rejected, "report": report},
        )  # fmt: skip
    return report


async def find(session: AsyncSession, workspace_id: UUID, import_id: UUID) -> ImportRun:
    """Return an import, or raise NotFound."""
    run = await session.get(ImportRun, (workspace_id, import_id))
    if run is None:
        raise NotFound.in_workspace("import")
    return run


async def find_page(
    session: AsyncSession, workspace_id: UUID, *, limit: int, cursor: str | None
) -> list[ImportRun]:
    """Return up to `limit + 1` imports, newest first."""
    query = select(ImportRun).where(ImportRun.workspace_id == workspace_id)
    query = newest_first(query, ImportRun, limit=limit, cursor=cursor)
    return list(await session.exec(query))
