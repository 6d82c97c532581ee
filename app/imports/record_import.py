# SPDX-License-Identifier: Apache-2.0
"""Import tickets and customers: each chunk of a file is written in one transaction."""

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol
from uuid import UUID

from sqlmodel.ext.asyncio.session import AsyncSession

from app.core.database import Database
from app.imports import record_queries, row_queries
from app.imports.models import ImportRun
from app.imports.records import Record, RecordFile, find_missing_records, state_of


@dataclass
class WrittenRecord:
    """The result of one row: the states before and after, or why it was not stored.

    `notes` say what of the row was not taken.
    """

    before: Any = None
    after: Any = None
    customer_id: UUID | None = None
    external_id: str | None = None
    problem: str | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RecordNote:
    """What an import made of a record, and the state that its undo restores.

    `before` is None if the record is to be removed; `state_before` is what the import itself found.
    `superseded` are the undone imports whose states the undo skips.
    """

    record_id: UUID
    customer_id: UUID | None
    before: Any
    after: Any
    state_before: Any = None
    superseded: tuple[UUID, ...] = ()


class RecordWriter(Protocol):
    """Writes the records of one kind, and puts them back."""

    async def write(
        self,
        session: AsyncSession,
        workspace_id: UUID,
        records: Sequence[Record],
        known: Mapping[UUID, Any],
    ) -> list[WrittenRecord]:
        """Write records that are new or changed."""  # fmt: skip

    async def put_back(
        self, session: AsyncSession, workspace_id: UUID, notes: Sequence["RecordNote"]
    ) -> set[UUID]:
        """Restore the earlier state of records; return the ids that were changed since and stay."""

    def is_made_by(self, state: Any, after: Any) -> bool:
        """Tell whether a stored state is still what an import made, its note's `after`."""


@dataclass
class RecordImporter:
    """Takes the rows of one file; an interrupted import can be started again."""

    database: Database
    run: ImportRun
    file: RecordFile
    writer: RecordWriter
    counts: dict[str, int] = field(
        default_factory=lambda: dict.fromkeys(("added", "updated", "already_here", "removed"), 0)
    )
    problems: list[dict[str, Any]] = field(default_factory=list)
    notes: Counter[str] = field(default_factory=Counter)
    _line: int = 0

    async def take(self, on_progress: Callable[[int], None] | None = None) -> None:
        """Take every row that can be taken."""
        chunks = self.file.chunks()
        while (chunk := await asyncio.to_thread(next, chunks, None)) is not None:
            rows = {record.id: record for record in chunk}
            self.counts["already_here"] += len(chunk) - len(rows)
            await self._take_chunk(rows)
            self._line = chunk[-1].line if chunk else self._line
            await self.note("reading")
            if on_progress is not None:
                on_progress(self.file.scan.seen)
        if self.file.options.replace is not None:
            await self._undo_missing(self.file.options.replace)

    async def _take_chunk(self, rows: Mapping[UUID, Record]) -> None:
        workspace_id = self.run.workspace_id
        async with self.database.transaction() as session:
            earlier = await record_queries.find_latest(session, workspace_id, list(rows))
            states = {id_: state_of(earlier, record) for id_, record in rows.items()}
            writing = [rows[id_] for id_, state in states.items() if state != "already_here"]
            results = await self.writer.write(session, workspace_id, writing, earlier)
            done = [pair for pair in zip(writing, results, strict=True) if pair[1].problem is None]
            await record_queries.keep_records(
                session, workspace_id, self.run.id,
                [{"record_id": record.id, "external_id": written.external_id,
                  "customer_id": written.customer_id, "content": record.content,
                  "before": written.before, "after": written.after} for record, written in done],
            )  # fmt: skip
        self.counts["already_here"] += len(rows) - len(writing)
        for record, written in zip(writing, results, strict=True):
            if written.problem is not None:
                self.problems.append({"line": record.line, "reason": written.problem})
            else:
                self.notes.update(written.notes)
                self.counts["added" if states[record.id] == "new" else "updated"] += 1

    async def _undo_missing(self, replaced: UUID) -> None:
        """Undo the records of another import that this file does not hold."""
        workspace_id = self.run.workspace_id
        async with self.database.transaction() as session:
            rows = await find_missing_records(session, self.file, replaced)
            earlier = await record_queries.find_earlier(session, workspace_id, replaced)
            missing_notes = [
                _to_restore(row, earlier.get(row.record_id, ()), self.writer) for row in rows
            ]
            left = await _put_back(session, workspace_id, replaced, self.writer, missing_notes)
        self.counts["removed"] = len(missing_notes) - len(left)

    def report(self, looked: dict[str, Any]) -> dict[str, Any]:
        """Return the inspection's report with the outcome of the rows."""
        notes = [f"{note} (left out, {count} times)" for note, count in self.notes.most_common()]
        return looked | {
            **self.counts, "left_deleted": 0, "not_stored": self.problems,
            "notes": [*looked.get("notes", ()), *notes],
        }  # fmt: skip

    async def note(self, status: str, report: dict[str, Any] | None = None) -> None:
        """Note how far the import has come."""
        async with self.database.transaction() as session:
            await row_queries.note_progress(
                session, self.run.workspace_id, self.run.id,
                {
                    "status": status, "lines_done": self._line,
                    "accepted": self.counts["added"] + self.counts["updated"],
                    "duplicates": self.counts["already_here"],
                    "rejected": len(self.file.scan.rejected) + len(self.problems),
                    "report": self.report(report or {}),
                },
            )  # fmt: skip


async def undo_records(
    database: Database, run: ImportRun, writer: RecordWriter, *, part: int = 200
) -> tuple[int, list[UUID]]:
    """Undo an import; return how many records were undone, and the ids of those that stay."""
    async with database.session() as session:
        notes = await record_queries.find_records(session, run.workspace_id, run.id)
        earlier = await record_queries.find_earlier(session, run.workspace_id, run.id)
    left = [note.record_id for note in notes if note.was_changed_later]
    undoable_notes = [
        _to_restore(note, earlier.get(note.record_id, ()), writer)
        for note in notes
        if not note.was_changed_later
    ]
    undone = 0
    for start in range(0, len(undoable_notes), part):
        chunk = undoable_notes[start : start + part]
        async with database.transaction() as session:
            stays = await _put_back(session, run.workspace_id, run.id, writer, chunk)
        left += sorted(stays)
        undone += len(chunk) - len(stays)
    return undone, left


async def _put_back(
    session: AsyncSession,
    workspace_id: UUID,
    import_id: UUID,
    writer: RecordWriter,
    notes: Sequence[RecordNote],
) -> set[UUID]:
    """Restore records, and forget the notes on them; return the ids of those that stay."""
    stays = await writer.put_back(session, workspace_id, notes)
    record_ids_by_import: dict[UUID, list[UUID]] = {}
    for note in notes:
        if note.record_id not in stays:
            for id_ in (import_id, *note.superseded):
                record_ids_by_import.setdefault(id_, []).append(note.record_id)
    for id_, record_ids in record_ids_by_import.items():
        await record_queries.drop_records(session, workspace_id, id_, record_ids)
    return stays


def _to_restore(row: Any, earlier: Sequence[Any], writer: RecordWriter) -> RecordNote:
    """Return the note on a record with what its undo restores.

    If an import that was undone wrote the earlier state, restore what that import had found, unless
    somebody has changed it since. `earlier` are the notes of earlier imports, the latest first.
    """
    before, superseded = row.before, []
    for note in earlier:
        if before is None or not note.is_undone or not writer.is_made_by(before, note.after):
            break
        before = note.before
        superseded.append(note.import_id)
    return RecordNote(
        row.record_id, row.customer_id, before, row.after, row.before, tuple(superseded)
    )
