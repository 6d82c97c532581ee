# SPDX-License-Identifier: Apache-2.0
"""A file as a table of texts."""

import datetime as dt
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice
from typing import Any, NamedTuple
from uuid import UUID

_LOOKED_AT = 50
REJECTED_COLUMN = "afterword_rejected"
_UUID = "[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_ORIGIN = re.compile(
    r" \[source: (.{1,128}?)\](?: \[dates: (dmy|mdy|iso), ([\w/+-]+)\])?"
    rf"(?: \[imports: ({_UUID}(?:, {_UUID})*)\])?$"
)


class RejectsOrigin(NamedTuple):
    """The origin of rejected rows, which is written beside the reason of each row.

    `source` is the source of their file, `imports` are those of its other rows. `date_order` and
    `timezone` are how its dates were read.
    """

    source: str
    imports: tuple[UUID, ...]
    date_order: str | None = None
    timezone: str | None = None

    def __str__(self) -> str:
        """Return it as it stands behind the reason of each rejected row."""
        imports = ", ".join(map(str, self.imports))
        dates = f" [dates: {self.date_order}, {self.timezone}]" if self.date_order else ""
        return f"[source: {self.source}]{dates}" + (f" [imports: {imports}]" if imports else "")


@dataclass
class Table:
    """A file as a table: its columns, and rows of texts with their line numbers.

    `rows` reads the file anew each time; a row may have more cells than there are columns, never
    fewer. `labels` are the texts of a second header row, by column; `more_headers` are all
    header rows after the first, unchanged. `other` is a second encoding that is as plausible.
    `timezone` is stated in the file. If several rows of the file were joined into one, `originals`
    returns them by the line of the joined row; else it is None. `faults` names the rows that
    cannot be read whatever their columns mean, and why. `parts`: columns whose own header is
    empty but whose second header is not, by the column before them that has a header.
    """

    columns: list[str]
    rows: Callable[[], Iterator[tuple[int, list[str]]]]
    encoding: str | None = None
    other: str | None = None
    delimiter: str | None = None
    sheet: str | None = None
    header_rows: int = 1
    skipped_rows: int = 0
    timezone: str | None = None
    labels: list[str] = field(default_factory=list)
    more_headers: list[list[str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    original_columns: list[str] = field(default_factory=list)
    originals: Callable[[int], list[list[str]]] | None = None
    faults: dict[int, str] = field(default_factory=dict)
    parts: dict[int, list[int]] = field(default_factory=dict)

    def is_unreadable(self, line: int, cells: Sequence[str]) -> bool:
        """Tell whether a row is a text that could not be taken apart, beyond all columns."""
        return line in self.faults and not any(cells[: len(self.columns)])

    @property
    def example(self) -> list[str]:
        """The first value of each column among the first rows, empty where there is none."""
        values = [""] * len(self.columns)
        for _, cells in islice(self.rows(), _LOOKED_AT):
            values = [value or cell for value, cell in zip(values, cells, strict=False)]
        return values

    @cached_property
    def origin(self) -> RejectsOrigin | None:
        """Where its rows come from if they were rejected before; None for another table."""
        names = [name.casefold() for name in self.columns]
        if REJECTED_COLUMN not in names:
            return None
        position = names.index(REJECTED_COLUMN)
        for _, cells in self.rows():
            if match := _ORIGIN.search(cells[position]):
                imports = match[4].split(", ") if match[4] else ()
                return RejectsOrigin(match[1], tuple(map(UUID, imports)), match[2], match[3])
        return None


def cell_text(value: Any) -> str:
    """Return the text of a value from a spreadsheet or a document."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, dt.datetime | dt.date | dt.time):
        return value.isoformat()
    return clean(str(value))


def clean(text: str) -> str:
    """Return a text without outer blanks, NULs and halves of characters, which are no text."""
    if "\x00" in text:
        text = text.replace("\x00", "")
    if not text.isascii():
        text = text.encode(errors="replace").decode()
    return text.strip()


def too_wide(cells: Sequence[str], columns: Sequence[str]) -> str:
    """Return what is wrong with a row of more cells than there are columns."""
    extra = ", ".join(cells[len(columns) :])[:80]
    return f"the row has {len(cells)} cells and the header {len(columns)} (`{extra}` is beyond it)"
