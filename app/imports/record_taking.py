"""Taking tickets and customers in: each part of a file in one transaction with its notes."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol
from uuid import UUID

from sqlmodel.ext.asyncio.session import AsyncSession

from app.core.database import Database
from app.core.errors import NotFound
from app.imports import stored, stored_records
from app.imports.records import OpenRecords, Record, state_of
from app.responses.models import ImportRun


@dataclass
class Made:
    """What a row has made: what it was before, what it is after, or why it could not be."""

    before: Any = None
    after: Any = None
    customer_id: UUID | None = None
    external_id: str | None = None
    problem: str | None = None


class RecordWriter(Protocol):
    """Writes the records of one kind, and puts them back."""

    async def write(
        self,
        session: AsyncSession,
        workspace_id: UUID,
        records: Sequence[Record],
        known: Mapping[UUID, Any],
    ) -> list[Made]:
        """Write records that are new or changed."""  # fmt: skip

    async def put_back(
        self, session: AsyncSession, workspace_id: UUID, notes: Sequence[Any]
    ) -> set[UUID]:
        """Make records what they were before; return the ids of those changed since, and left."""


@dataclass
class RecordTaker:
    """Takes the rows of one file; broken off, it can be begun again."""

    database: Database
    run: ImportRun
    file: OpenRecords
    writer: RecordWriter
    counts: dict[str, int] = field(
        default_factory=lambda: dict.fromkeys(("added", "updated", "already_here", "removed"), 0)
    )
    problems: list[dict[str, Any]] = field(default_factory=list)
    _line: int = 0
    _seen: set[UUID] = field(default_factory=set)

    async def take(self, on_progress: Callable[[int], None] | None = None) -> None:
        """Take every row that can be taken."""
        chunks = self.file.chunks()
        while (chunk := await asyncio.to_thread(next, chunks, None)) is not None:
            rows = {record.id: record for record in chunk}
            self.counts["already_here"] += len(chunk) - len(rows)
            self._seen |= set(rows)
            await self._take_chunk(rows)
            self._line = chunk[-1].line if chunk else self._line
            await self.note("reading")
            if on_progress is not None:
                on_progress(self.file.seen)
        if self.file.options.replace is not None:
            await self._take_away(self.file.options.replace)

    async def _take_chunk(self, rows: Mapping[UUID, Record]) -> None:
        workspace_id = self.run.workspace_id
        async with self.database.transaction() as session:
            known = await stored_records.find_latest(session, workspace_id, list(rows))
            states = {id_: state_of(known, record) for id_, record in rows.items()}
            writing = [rows[id_] for id_, state in states.items() if state != "already_here"]
            made = await self.writer.write(session, workspace_id, writing, known)
            done = [pair for pair in zip(writing, made, strict=True) if pair[1].problem is None]
            await stored_records.keep_records(
                session, workspace_id, self.run.id,
                [{"record_id": record.id, "external_id": one.external_id,
                  "customer_id": one.customer_id, "content": record.content,
                  "before": one.before, "after": one.after} for record, one in done],
            )  # fmt: skip
        self.counts["already_here"] += len(rows) - len(writing)
        for record, one in zip(writing, made, strict=True):
            if one.problem is not None:
                self.problems.append({"line": record.line, "reason": one.problem})
            else:
                self.counts["added" if states[record.id] == "new" else "updated"] += 1

    async def _take_away(self, replaced: UUID) -> None:
        """Put back what another import has made and this file does not hold."""
        workspace_id = self.run.workspace_id
        async with self.database.transaction() as session:
            if await session.get(ImportRun, (workspace_id, replaced)) is None:
                raise NotFound("There is no such import to `replace`.")
            notes = await stored_records.find_records(session, workspace_id, replaced)
            gone = [note for note in notes if note.record_id not in self._seen and not note.is_past]
            left = await self.writer.put_back(session, workspace_id, gone)
            ids = [note.record_id for note in gone if note.record_id not in left]
            await stored_records.drop_records(session, workspace_id, replaced, ids)
        self.counts["removed"] = len(ids)

    def report(self) -> dict[str, Any]:
        """Return what became of the rows."""
        return {**self.counts, "left_deleted": 0, "not_stored": self.problems}

    async def note(self, status: str, report: Mapping[str, Any] | None = None) -> None:
        """Note how far the import has come."""
        async with self.database.transaction() as session:
            await stored.note_progress(
                session, self.run.workspace_id, self.run.id,
                {
                    "status": status, "lines_done": self._line,
                    "accepted": self.counts["added"] + self.counts["updated"],
                    "duplicates": self.counts["already_here"],
                    "rejected": len(self.file.rejected) + len(self.problems),
                    "report": dict(report or {}) | self.report(),
                },
            )  # fmt: skip


async def undo_records(
    database: Database, run: ImportRun, writer: RecordWriter, *, part: int = 200
) -> tuple[int, list[UUID]]:
    """Take back what an import did; return how much of it, and what is left as it is."""
    async with database.session() as session:
        notes = await stored_records.find_records(session, run.workspace_id, run.id)
    left = [note.record_id for note in notes if note.is_past]
    mine = [note for note in notes if not note.is_past]
    undone = 0
    for start in range(0, len(mine), part):
        chunk = mine[start : start + part]
        async with database.transaction() as session:
            stays = await writer.put_back(session, run.workspace_id, chunk)
            ids = [note.record_id for note in chunk if note.record_id not in stays]
            await stored_records.drop_records(session, run.workspace_id, run.id, ids)
        left += sorted(stays)
        undone += len(ids)
    return undone, left
