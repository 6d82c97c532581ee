# SPDX-License-Identifier: Apache-2.0
"""The report about a file that was looked at, for all kinds of rows."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from app.imports.columns import ColumnUse
from app.imports.dates import DateReading
from app.imports.options import ImportOptions
from app.imports.row_scan import RowScan
from app.imports.table import Table

MAX_REJECTED = 0.05
_QUOTED = re.compile("`[^`]*`")
_MAX_REASONS = 50


class NotedReader(Protocol):
    """A reader of rows, with notes on the values that it left out."""

    notes: Counter[str]


class InspectedFile(Protocol):
    """A file whose rows have been read."""

    @property
    def name(self) -> str: ...
    @property
    def table(self) -> Table: ...
    @property
    def options(self) -> ImportOptions: ...
    @property
    def preset(self) -> str | None: ...
    @property
    def dates(self) -> DateReading | None: ...
    @property
    def scan(self) -> RowScan: ...
    @property
    def reader(self) -> NotedReader: ...


def file_report(
    file: InspectedFile, uses: Sequence[ColumnUse], states: Mapping[str, int]
) -> dict[str, Any]:
    """Return the file's form, its columns, and its rows by what becomes of them."""
    reasons: Counter[tuple[str, str]] = Counter()
    first: dict[tuple[str, str], Any] = {}
    for row in file.scan.rejected:
        # Reasons differ by the value that they quote; otherwise they are the same.
        kind = row.column, _QUOTED.sub("``", row.reason)
        reasons[kind] += 1
        first.setdefault(kind, row)
    example = file.table.example
    targets = {position: use.target for use in uses for position in (use.position, *use.more)}
    return {
        "file": file.name,
        "source": file.options.source,
        "encoding": file.table.encoding,
        "delimiter": file.table.delimiter,
        "sheet": file.table.sheet,
        "header_rows": file.table.header_rows,
        "preset": file.preset,
        "dates": _dates(file.dates),
        "columns": [
            {"column": name, "example": example[position][:80], "becomes": targets.get(position)}
            for position, name in enumerate(file.table.columns)
        ],
        "rows": {
            "seen": file.scan.seen,
            "accepted": sum(states.values()),
            "empty": file.scan.empty,
            "rejected": len(file.scan.rejected),
            **{name: states.get(name, 0) for name in ("new", "changed", "already_here")},
        },
        "rejected": [
            {"column": kind[0], "n": count, "line": first[kind].line, "reason": first[kind].reason}
            for kind, count in reasons.most_common(_MAX_REASONS)
        ],
        "notes": [
            *file.table.notes,
            *(f"{note} (left out, {count} times)" for note, count in
              file.reader.notes.most_common(_MAX_REASONS)),
        ],
    }  # fmt: skip


def _dates(dates: DateReading | None) -> dict[str, Any] | None:
    if dates is None:
        return None
    return {"order": dates.format or dates.order, "timezone": dates.zone.key}


def refusal_of_replace(file: InspectedFile) -> str | None:
    """Return why a file with unreadable rows may not replace an import, or None."""
    if file.options.replace is None or not file.scan.rejected:
        return None
    return (
        f"{len(file.scan.rejected):,} rows cannot be read, and `replace` would take away what they "
        "stand for. Correct them, or import without `replace`."
    )


def too_many_rejects(file: InspectedFile, good_rows: int) -> str | None:
    """Return why nothing is taken where too many rows cannot be read, or None."""
    rejected = sum(row.rows for row in file.scan.rejected)
    rows = good_rows + rejected
    if file.options.allow_rejects or rejected <= MAX_REJECTED * rows:
        return None
    share = 100 * rejected / rows
    return (
        f"{rejected:,} of {rows:,} rows cannot be read ({share:.0f} %); more "
        "than 5 % are too many. Correct the file or the mapping, or set `allow_rejects`."
    )
