# SPDX-License-Identifier: Apache-2.0
"""Read the rows of a file once: yield those that can be taken, collect and count the others."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from app.imports.columns import wanted_rows
from app.imports.rows import UnreadableRowError, require_sound
from app.imports.table import Table

R = TypeVar("R")
E = TypeVar("E")


@dataclass(frozen=True, slots=True)
class RejectedRow:
    """A row that was not taken: its line, its cells, the column and why.

    `rows` is the number of rows in it: more than one if a quote was not closed.
    """

    line: int
    cells: list[str]
    column: str
    reason: str
    rows: int = 1


def rejected_row(line: int, cells: list[str], error: UnreadableRowError) -> RejectedRow:
    """Return a row with the error for which it is rejected."""
    return RejectedRow(line, cells, error.column, str(error), error.rows)


@dataclass
class RowScan:
    """Rows that were read: how many there are, how many are empty, and those that are rejected."""

    seen: int = 0
    empty: int = 0
    rejected: list[RejectedRow] = field(default_factory=list)

    def chunks(
        self,
        table: Table,
        where: Mapping[str, frozenset[str]],
        *,
        size: int,
        read: Callable[[int, Sequence[str]], R | None],
        identify: Callable[[R, Sequence[str]], E | None],
        is_readable: Callable[[Sequence[str]], bool],
    ) -> Iterator[list[E]]:
        """Yield the rows that can be taken, `size` at a time; the last list may be empty.

        `read` returns what a row says, None if it is empty; `identify` gives it an id, None if it
        repeats an earlier row. Both raise UnreadableRowError for a row that is rejected.
        `is_readable` tells whether cells could be a row of this file.
        """
        self.seen, self.empty, self.rejected = 0, 0, []
        chunk: list[E] = []
        for line, cells in wanted_rows(table, where):
            self.seen += 1
            try:
                row = self._read(table, line, cells, read, is_readable)
                entry = identify(row, cells) if row is not None else None
            except UnreadableRowError as error:
                self.rejected.append(rejected_row(line, cells, error))
                continue
            if row is None:
                self.empty += 1
            if entry is None:
                continue
            chunk.append(entry)
            if len(chunk) == size:
                yield chunk
                chunk = []
        yield chunk

    @staticmethod
    def _read(
        table: Table,
        line: int,
        cells: Sequence[str],
        read: Callable[[int, Sequence[str]], R | None],
        is_readable: Callable[[Sequence[str]], bool],
    ) -> R | None:
        if not any(cells):
            return None
        require_sound(table, line, cells, is_readable)
        return read(line, cells)
