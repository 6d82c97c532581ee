# SPDX-License-Identifier: Apache-2.0
"""Import answers: add new rows, update changed ones, and store no row twice."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar
from uuid import UUID

import asyncpg
import msgspec

from app.core.clock import utc_now
from app.core.database import Database, RawConnection
from app.core.ids import derived_uuid
from app.imports import row_queries
from app.imports.answer_inspection import AnswerFile
from app.imports.answer_writing import (
    import_caller,
    remove_responses,
    remove_responses_with_tombstones,
    restore_responses,
    write_responses,
)
from app.imports.identities import IdentifiedRow
from app.imports.models import WRITING, ImportRun
from app.imports.replacement import find_missing, find_replaced
from app.imports.row_change import RowChange
from app.responses.answer_rules import customer_reference_of
from app.responses.cases import find_cases
from app.responses.ingest import Ingest
from app.responses.replacement import find_documents, is_followed_up, restore_follow_ups
from app.responses.submission import SubmissionOrigin, submission_of
from app.responses.writing import MAX_ROWS, Submission

Entry = TypeVar("Entry")


@dataclass
class ImportCounts:
    """How many rows were added, updated, removed or left alone, and which failed."""

    added: int = 0
    updated: int = 0
    already_here: int = 0
    removed: int = 0
    shared_rows: int = 0
    deleted: int = 0
    problems: list[dict[str, Any]] = field(default_factory=list)
    lines_done: int = 0

    def report(self) -> dict[str, Any]:
        """Return it as the import's report shows it."""
        return {
            "added": self.added, "updated": self.updated, "already_here": self.already_here,
            "removed": self.removed, "kept": self.shared_rows, "left_deleted": self.deleted,
            "not_stored": self.problems,
        }  # fmt: skip


@dataclass(frozen=True)
class FileIdentity:
    """The values by which a repeated import of a file is recognised."""

    name: str
    source: str
    kind: str
    survey_id: UUID | None
    fingerprint: str


async def begin(
    database: Database, workspace_id: UUID, file: FileIdentity, *, is_refused: bool
) -> tuple[ImportRun, bool]:
    """Return the import of this file, and whether it is the first of its source.

    The same file sent again returns the same import, which may be interrupted or completed. A
    new import begins if the earlier one was undone, if another file of the source was imported
    since (so that each undo restores what its own import found), or if the file is refused now
    although it was imported before.
    """
    async with database.transaction() as session:
        await row_queries.lock_source(session, workspace_id, file.source)
        attempt = 0
        while True:
            names = ("import", file.kind, str(file.survey_id), file.source, file.fingerprint,
                     str(attempt))  # fmt: skip
            id_ = derived_uuid(str(workspace_id), *names)
            run = await session.get(ImportRun, (workspace_id, id_))
            if run is None or not (
                run.status == "undone"
                or (is_refused and run.status == "done")
                or await row_queries.has_later_import(session, run)
            ):
                break
            attempt += 1
        if run is None:
            now = utc_now()
            others = await row_queries.has_source(session, workspace_id, file.source)
            run = ImportRun(
                workspace_id=workspace_id, id=id_, survey_id=file.survey_id, name=file.name,
                kind=file.kind,
                status="reading", lines_done=0, accepted=0, duplicates=0, rejected=0,
                source=file.source, report=None, created_at=now, updated_at=now,
            )  # fmt: skip
            session.add(run)
            return run, not others
    return run, False


class AnswerImporter:
    """Writes the rows of one file."""

    def __init__(
        self, ingest: Ingest, run: ImportRun, file: AnswerFile, *, is_first: bool = False
    ) -> None:
        """Prepare; with `is_first` no row of this source can be stored already."""
        workspace_id = run.workspace_id
        self._is_first = is_first
        self._ingest = ingest
        self._workspace_id = workspace_id
        self._run = run
        self._file = file
        self._origin = SubmissionOrigin(
            import_caller(workspace_id), now=utc_now(), import_id=run.id
        )
        self.taken = ImportCounts()
        self._connection: RawConnection | None = None
        self._copying = asyncio.Lock()

    async def take(self, on_progress: Any = None) -> ImportCounts:
        """Take every row that can be taken; it may be interrupted and started again."""
        try:
            return await self._take_all(on_progress)
        finally:
            if self._connection is not None:
                await self._connection.close()

    async def _take_all(self, on_progress: Any) -> ImportCounts:
        chunks = self._file.chunks()
        reading = asyncio.create_task(asyncio.to_thread(next, chunks, None))
        writing: asyncio.Task[int] | None = None
        try:
            while (chunk := await reading) is not None:
                # Two chunks are written at a time, while the next rows are read.
                reading = asyncio.create_task(asyncio.to_thread(next, chunks, None))
                before, writing = writing, asyncio.create_task(self._take_chunk(chunk))
                if before is not None:
                    await self._note_taken(await before, on_progress)
            if writing is not None:
                await self._note_taken(await writing, on_progress)
        except BaseException:
            await asyncio.gather(*filter(None, (reading, writing)), return_exceptions=True)
            raise
        if self._file.options.replace is not None:
            await self._remove_missing(self._file.options.replace)
        return self.taken

    async def _note_taken(self, line: int, on_progress: Any) -> None:
        self.taken.lines_done = max(self.taken.lines_done, line)
        await self.note("reading")
        if on_progress is not None:
            on_progress(self._file.scan.seen)

    def report(self, looked: dict[str, Any]) -> dict[str, Any]:
        """Return the report of the look, with what became of the rows."""
        return looked | self.taken.report()

    async def note(self, status: str, report: dict[str, Any] | None = None) -> None:
        """Note how far the import has come."""
        counts = self.taken
        async with self._ingest.database.transaction() as session:
            await row_queries.note_progress(
                session, self._workspace_id, self._run.id,
                {
                    "status": status, "lines_done": counts.lines_done,
                    "accepted": counts.added + counts.updated, "duplicates": counts.already_here,
                    "rejected": len(self._file.scan.rejected) + len(counts.problems),
                    "report": self.report(report or {}),
                },
            )  # fmt: skip

    async def _take_chunk(self, chunk: Sequence[IdentifiedRow]) -> int:
        """Take some rows, and return the line of the last of them, 0 for none.

        Rows that are counted together are written together, so that few counts are written.
        """
        last = chunk[-1].row.line if chunk else 0
        chunk = sorted(chunk, key=_rollup_key)
        if self._is_first:
            changes = [RowChange(entry, None) for entry in chunk]
            await self._save_rows(changes)
            await asyncio.gather(*map(self._write_noted, _parts_of(changes)))
        else:
            await asyncio.gather(*map(self._take_part, _parts_of(chunk)))
        return last

    async def _take_part(self, chunk: Sequence[IdentifiedRow]) -> None:
        async with self._ingest.database.session() as session:
            ids = [id_ for entry in chunk for id_ in entry.ids]
            earlier_rows = await row_queries.find_latest(session, self._workspace_id, ids)
            chunk = [entry.known_as(earlier_rows) for entry in chunk]
            ids = [entry.id for entry in chunk]
            responses = await find_documents(session, self._workspace_id, ids)
        changes: list[RowChange] = []
        stored_changes: list[RowChange] = []
        for entry in chunk:
            change = self._change_of(entry, earlier_rows.get(entry.id), responses.get(entry.id))
            if change is None:
                self.taken.deleted += 1
            else:
                (stored_changes if change.is_stored else changes).append(change)
        self.taken.already_here += len(stored_changes)
        is_own = {id_ for id_, row in earlier_rows.items() if row.import_id == self._run.id}
        await self._save_rows(
            [change for change in stored_changes if change.entry.id not in is_own]
        )
        await self._save_rows(changes)
        await self._write_noted(changes)

    def _change_of(
        self, entry: IdentifiedRow, earlier: Any, response: dict[str, Any] | None
    ) -> RowChange | None:
        """Return what becomes of a row; None if a person has deleted its response."""
        if earlier is not None and earlier.seq == WRITING and earlier.import_id == self._run.id:
            # The import was interrupted while it changed this response.
            return RowChange(entry, earlier.before, clears=response is not None)
        if response is None:
            return RowChange(entry, None)
        if response["state"] == "deleted":
            was_removed_by_import = earlier is None or earlier.content == ""
            return RowChange(entry, None, clears=True) if was_removed_by_import else None
        if earlier is None:
            # An older version of this program noted a row after it had written the response.
            return RowChange(entry, None, clears=True)
        if earlier.content == entry.row.content:
            return RowChange(entry, None, is_stored=True, seq=response["seq"])
        return RowChange(entry, response, clears=True)

    async def _write_noted(self, changes: Sequence[RowChange]) -> None:
        """Make the changes that are noted, and note that they are made."""
        if not changes:
            return
        ingest, workspace_id = self._ingest, self._workspace_id
        cleared = [change.entry.id for change in changes if change.clears]
        await remove_responses_with_tombstones(ingest, workspace_id, cleared)
        errors = await write_responses(ingest, workspace_id, await self._submissions(changes))
        failed: dict[UUID, RowChange] = {}
        updated: dict[UUID, RowChange] = {}
        for change, error in zip(changes, errors, strict=True):
            if error is not None:
                reason = {"line": change.entry.row.line, "reason": str(error)}
                self.taken.problems.append(reason)
                failed[change.entry.id] = change
            elif change.before is None:
                self.taken.added += 1
            else:
                updated[change.entry.id] = change
        self.taken.updated += len(updated)
        if failed or updated:
            await self._finish(failed, updated)

    async def _finish(
        self, failed: Mapping[UUID, RowChange], updated: Mapping[UUID, RowChange]
    ) -> None:
        """Restore what was refused, and forget the notes on it; finish the other notes."""
        workspace_id, import_id = self._workspace_id, self._run.id
        await restore_responses(
            self._ingest,
            self._file.survey,
            [change.before for change in failed.values() if change.before],
        )
        befores = [change.before for change in updated.values() if change.before]
        followed_up = [before for before in befores if is_followed_up(before)]
        async with self._ingest.database.transaction() as session:
            await row_queries.drop_rows(session, workspace_id, import_id, list(failed))
            if followed_up:
                await restore_follow_ups(session, workspace_id, followed_up)
            seqs = {id_: change.new_seq for id_, change in updated.items()}
            await row_queries.set_seqs(session, workspace_id, import_id, seqs)

    async def _submissions(self, changes: Sequence[RowChange]) -> list[Submission]:
        ingest, workspace_id = self._ingest, self._workspace_id
        bodies = [change.body() for change in changes]
        references = [
            customer_reference_of(body.customer) if body.customer else None for body in bodies
        ]
        customers = await ingest.customers.resolve(
            workspace_id, (reference for reference in references if reference)
        )
        cases = await find_cases(ingest.database, workspace_id, bodies)
        submissions = []
        for position, (change, body) in enumerate(zip(changes, bodies, strict=True)):
            reference, case = references[position], cases.get(position)
            origin = msgspec.structs.replace(self._origin, case=case) if case else self._origin
            submissions.append(
                submission_of(
                    body,
                    self._file.survey,
                    origin,
                    checked=change.entry.row.checked,
                    customer_id=customers[reference] if reference else None,
                )
            )
        return submissions

    async def _save_rows(self, changes: Sequence[RowChange]) -> None:
        """Note with the import what becomes of its rows, before it is done."""
        if not changes:
            return
        at = utc_now()
        rows = [
            {
                "response_id": change.entry.id, "external_id": change.entry.row.external_id,
                "content": change.entry.row.content, "seq": change.noted_seq,
                "before": change.before, "was_there": change.is_stored, "tags": change.tags,
                "at": at,
            }
            for change in changes
        ]  # fmt: skip
        if all(row["before"] is None for row in rows):
            try:
                async with self._copying:
                    connection = self._connection = (
                        self._connection or await self._ingest.database.connect()
                    )
                    await row_queries.add_rows(connection, self._workspace_id, self._run.id, rows)
            except (asyncpg.UniqueViolationError, asyncpg.InternalServerError) as error:
                # An import that was interrupted has noted some of them before; a cluster's
                # coordinator passes on the error of a node under another name.
                if "duplicate key" not in str(error):
                    raise
            else:
                return
        await self._upsert_rows(rows)

    async def _upsert_rows(self, rows: Sequence[dict[str, Any]]) -> None:
        async with self._ingest.database.transaction() as session:
            await row_queries.keep_rows(session, self._workspace_id, self._run.id, rows)

    async def _remove_missing(self, replaced_id: UUID) -> None:
        """Remove the responses of the replaced import that this file does not hold."""
        workspace_id = self._workspace_id
        async with self._ingest.database.session() as session:
            replaced = await find_replaced(
                session, workspace_id, replaced_id,
                kind="answers", source=self._file.options.source,
                survey_id=self._file.survey.id,
            )  # fmt: skip
            missing = await find_missing(session, replaced, self._run.id, self._file.identities.ids)
        removed_ids = missing.removed
        for start in range(0, len(removed_ids), MAX_ROWS):
            ids = removed_ids[start : start + MAX_ROWS]
            async with self._ingest.database.session() as session:
                current = await find_documents(session, workspace_id, ids)
            at = utc_now()
            await self._upsert_rows(
                [
                    {"response_id": id_, "external_id": None, "content": "", "seq": document["seq"],
                     "before": document, "at": at}
                    for id_, document in current.items()
                ]
            )  # fmt: skip
            await remove_responses(self._ingest, workspace_id, ids)
        self.taken.removed, self.taken.shared_rows = len(removed_ids), missing.shared_rows


def _parts_of(rows: Sequence[Entry]) -> list[Sequence[Entry]]:
    """Return the rows in parts that are written by one statement each."""
    return [rows[start : start + MAX_ROWS] for start in range(0, len(rows), MAX_ROWS)]


def _rollup_key(entry: IdentifiedRow) -> tuple[str, int]:
    """Return the touchpoint and the day of a row."""
    body = entry.row.body
    return body.touchpoint or "", body.responded_at.toordinal() if body.responded_at else 0
