# SPDX-License-Identifier: Apache-2.0
"""Files of tickets and customers: what is common to looking at them and taking them.

A row is recognised by its source and its id, or by its content; never by its line.
"""

import asyncio
import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol
from uuid import UUID

from sqlmodel.ext.asyncio.session import AsyncSession

from app.core.database import Database
from app.core.errors import InvalidInput
from app.core.ids import derived_uuid
from app.imports import record_queries
from app.imports.columns import ColumnUse, Vocabulary, preset_of, uses_of, wanted_rows
from app.imports.dates import DateReading, find_date_order, zone_of
from app.imports.encoding_check import require_one_reading
from app.imports.file_ids import FileIds, Repeat
from app.imports.options import ImportOptions
from app.imports.presets import presets
from app.imports.replacement import find_replaced
from app.imports.report import file_report, refusal_of_replace, too_many_rejects
from app.imports.row_scan import RowScan
from app.imports.rows import UnreadableRowError
from app.imports.source_file import SourceFile
from app.imports.table import Table
from app.imports.table_reader import read_table
from app.workspaces.service import get_workspace

CHUNK = 200
# Of a row that is not identified yet.
_NO_ID = UUID(int=0)


@dataclass(frozen=True, slots=True)
class Record:
    """One row as it is taken: what identifies it in its source, and what it says."""

    line: int
    identity: str | None
    content: str
    value: Any
    id: UUID = _NO_ID


class RecordReader(Protocol):
    """Reads the rows of one kind of file."""

    uses: Sequence[ColumnUse]
    notes: Counter[str]
    seen: Counter[str]

    def read(self, line: int, texts: Sequence[str]) -> Record | None:
        """Return the record of a row, or None where it is empty; raise UnreadableRowError."""

    def count(self, record: Record) -> None:
        """Count in `seen` what a row that is taken would give."""

    def figures(self) -> dict[str, Any]:
        """Return what the rows would give."""


@dataclass(frozen=True)
class FileKind:
    """One kind of file: its possible columns, which of them are times, and its reader."""

    name: str
    vocabulary: Callable[[str | None], Vocabulary]
    times: frozenset[str]
    required: Callable[[set[str]], str | None]
    reader: Callable[[Sequence[ColumnUse], ImportOptions, DateReading], RecordReader]


def hash_of(*values: Any) -> str:
    """Return the hash by which equal rows are recognised."""
    return hashlib.sha256(json.dumps(values, sort_keys=True, default=str).encode()).hexdigest()


@dataclass
class RecordFile:
    """An opened file; reading it collects in `scan` the rows that cannot be taken."""

    kind: FileKind
    name: str
    workspace_id: UUID
    table: Table
    reader: RecordReader
    options: ImportOptions
    preset: str | None
    dates: DateReading | None
    scan: RowScan = field(default_factory=RowScan)
    _repeats: FileIds = field(default_factory=FileIds)
    # Each with the beginning of its content's hash.
    ids: FileIds = field(default_factory=FileIds)
    # How many rows are known by their content alone.
    without_ids: int = 0

    def chunks(self) -> Iterator[list[Record]]:
        """Yield the rows that can be taken, some at a time."""
        self.without_ids = 0
        self._repeats.clear()
        self.ids.clear()
        self.reader.notes.clear()
        self.reader.seen.clear()
        yield from self.scan.chunks(
            self.table, self.options.where, size=CHUNK, read=self.reader.read,
            identify=self._identify, is_readable=self._is_readable,
        )  # fmt: skip

    def _is_readable(self, cells: Sequence[str]) -> bool:
        """Tell whether cells could be a row that is taken; nothing is noted."""
        notes = Counter(self.reader.notes)
        try:
            return self.reader.read(0, cells) is not None
        except UnreadableRowError:
            return False
        finally:
            self.reader.notes.clear()
            self.reader.notes.update(notes)

    def _identify(self, record: Record, _cells: Sequence[str]) -> Record | None:
        """Count the row and return it with its id; None if it repeats an earlier row with that id.

        Raises UnreadableRowError if an earlier row has its id and other values.
        """
        names = [record.identity or ""]
        if record.identity is None:
            number = self._repeats.count(record.content)
            names = ["row", record.content, str(number)]
            self.without_ids += 1
        id_ = derived_uuid(
            str(self.workspace_id), "record", self.kind.name, self.options.source, *names
        )
        repeat = self.ids.compare(id_, record.content)
        if repeat is None:
            identified = replace(record, id=id_)
            self.reader.count(identified)
            return identified
        if repeat is Repeat.OTHER_VALUES:
            name = (record.identity or "").rpartition(":")[2][:60]
            reason = f"an earlier row has the id `{name}` and other values"
            raise UnreadableRowError("id", reason)
        self.reader.notes["id: the row repeats an earlier one"] += 1
        return None


async def open_records(
    database: Database,
    workspace_id: UUID,
    kind: FileKind,
    source: SourceFile,
    options: ImportOptions,
) -> RecordFile:
    """Find out what the file is and what its columns mean; raise InvalidInput with the remedy."""
    async with database.session() as session:
        workspace = await get_workspace(session, workspace_id)
    own_zone = workspace.timezone

    def open_file() -> RecordFile:
        table = read_table(source, options.file)
        own_options = options.of_rejects(table.origin)
        preset = preset_of(table.columns, own_options.preset, kind.name)
        uses = uses_of(table, own_options, kind.vocabulary(preset))
        targets = {use.target for use in uses} | set(own_options.constants)
        if missing := kind.required(targets):
            columns = ", ".join(table.columns[:20])
            detail = f"{missing} The file has {columns}."
            raise InvalidInput(detail)
        require_one_reading(
            table,
            uses,
            lambda encoding: read_table(source, replace(options.file, encoding=encoding)),
        )
        known = presets(kind.name).get(preset or "", {})
        zone = zone_of(own_options.timezone or known.get("timezone") or own_zone)
        dates = _dates(table, uses, kind, zone=zone, options=own_options)
        reader = kind.reader(uses, own_options, dates or DateReading(zone))
        return RecordFile(
            kind, source.name, workspace_id, table, reader, own_options, preset, dates
        )

    return await asyncio.to_thread(open_file)


def _dates(
    table: Table, uses: Sequence[ColumnUse], kind: FileKind, *, zone: Any, options: ImportOptions
) -> DateReading | None:
    """Find the order of day and month from all columns of times together."""
    timed = [use for use in uses if use.target in kind.times]
    if not timed:
        return None
    rows = wanted_rows(table, options.where)
    values = (cells[use.position] for _, cells in rows for use in timed)
    names = ", ".join(use.name for use in timed)
    order = table.origin.date_order if table.origin else None
    return find_date_order(values, zone, options.date_format, names, order=order)


async def inspect_records(database: Database, file: RecordFile) -> dict[str, Any]:
    """Read the whole file and return what was seen; nothing is stored."""
    states: Counter[str] = Counter()
    chunks = file.chunks()
    while (chunk := await asyncio.to_thread(next, chunks, None)) is not None:
        async with database.session() as session:
            earlier_records = await record_queries.find_latest(
                session, file.workspace_id, [record.id for record in chunk]
            )
        states.update(state_of(earlier_records, record) for record in chunk)
    good_rows = sum(states.values())
    report = file_report(file, file.reader.uses, states)
    if (replaced := file.options.replace) is not None:
        async with database.session() as session:
            missing = await find_missing_records(session, file, replaced)
        report["rows"]["removed"] = len(missing)
        report["replaces"] = str(replaced)
    too_many = too_many_rejects(file, good_rows) if good_rows else "No row can be taken."
    refused = refusal_of_replace(file) or too_many
    is_known = states["already_here"] or states["changed"]
    if file.without_ids and is_known and states["new"] and file.options.replace is None:
        report["notes"].append(
            "The events have no ids, so a corrected one counts as new beside the old one; "
            "`replace` with the id of the earlier import removes those that are no longer in the "
            "file."
        )
    return report | {
        "kind": file.kind.name, "figures": file.reader.figures(), "questions": [],
        "refused": refused,
    }  # fmt: skip


async def find_missing_records(
    session: AsyncSession, file: RecordFile, replaced: UUID
) -> list[Any]:
    """Return the notes on what the replaced import made and the file does not hold.

    The file must have been read to its end.

    Raises InvalidInput if the import is of other rows.
    """
    workspace_id = file.workspace_id
    run = await find_replaced(
        session, workspace_id, replaced, kind=file.kind.name, source=file.options.source
    )
    notes = await record_queries.find_records(session, workspace_id, run.id)
    return [note for note in notes if note.record_id not in file.ids and not note.was_changed_later]


def state_of(known: Mapping[UUID, Any], record: Record) -> str:
    """Tell whether a row is new, changed, or already here."""
    earlier = known.get(record.id)
    if earlier is None:
        return "new"
    return "already_here" if earlier.content == record.content else "changed"
