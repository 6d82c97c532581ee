# SPDX-License-Identifier: Apache-2.0
"""Read a file as rows of text; its encoding, delimiter, sheet and header are detected."""

import csv
import io
import itertools
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from app.core.errors import InvalidInput
from app.imports.json_rows import is_json, read_json
from app.imports.presets import presets
from app.imports.source_file import SourceFile, detect_encoding
from app.imports.table import Table, cell_text

_DELIMITERS = ",;\t|"
_SEPARATOR = re.compile(rf'"?sep=([{_DELIMITERS}])"?\s*', re.IGNORECASE)
_SHEET_BEGINNINGS = {b"PK\x03\x04", b"\xd0\xcf\x11\xe0"}
_OTHER_BEGINNINGS = {
    b"\x1f\x8b": "a gzip archive",
    b"%pdf": "a PDF",
    b"<htm": "a web page",
    b"<!do": "a web page",
    b"7z\xbc\xaf": "a 7-Zip archive",
    b"rar!": "a RAR archive",
}


@dataclass(frozen=True)
class FileOptions:
    """What the caller states about the file's format; the rest is detected."""

    encoding: str | None = None
    sheet: str | None = None
    skip_rows: int = 0


def read_table(source: SourceFile, options: FileOptions) -> Table:
    """Detect the format and read the file; raise InvalidInput with the remedy if that fails."""
    with source.open() as file:
        head = file.read(4)
    if not head:
        raise InvalidInput("The file is empty.")
    if head in _SHEET_BEGINNINGS:
        return _read_sheet(source, options)
    for beginning, kind in _OTHER_BEGINNINGS.items():
        if head.lower().startswith(beginning):
            detail = f"The file is {kind}; give the CSV, spreadsheet or NDJSON itself."
            raise InvalidInput(detail)
    encoding, other = detect_encoding(source, options.encoding)
    if is_json(source, encoding):
        return read_json(source, encoding)
    return _read_csv(source, encoding, other, options)


def _lines_of(source: SourceFile, encoding: str) -> Iterator[str]:
    """Yield the lines of a text file without NULs; InvalidInput if it is of another encoding."""
    with source.open() as file:
        text = io.TextIOWrapper(file, encoding, newline="")
        try:
            for line in text:
                yield line.replace("\x00", "") if "\x00" in line else line
        except UnicodeError as error:
            why = str(error)
            if isinstance(error, UnicodeDecodeError):
                why = f"byte {error.object[error.start]:#04x} is not a character there"
            detail = (
                f"The file cannot be read as {encoding}: {why}; say its encoding with `encoding`."
            )
            raise InvalidInput(detail) from None


def _read_csv(source: SourceFile, encoding: str, other: str | None, options: FileOptions) -> Table:
    csv.field_size_limit(sys.maxsize)

    def lines() -> Iterator[str]:
        return _lines_of(source, encoding)

    sample = []
    for position, line in enumerate(lines()):
        sample.append(line)
        if position >= 200:
            break
    separator_line = _SEPARATOR.fullmatch(sample[0].lstrip("\ufeff")) if sample else None
    skipped = options.skip_rows + (1 if separator_line else 0)
    delimiter = separator_line[1] if separator_line else _detect_delimiter(sample[skipped:])

    def records() -> Iterator[tuple[int, list[str]]]:
        reader = csv.reader(lines(), delimiter=delimiter, skipinitialspace=True)
        last_line = 0
        for number, record in enumerate(reader):
            line, last_line = last_line + 1, reader.line_num
            if number >= skipped:
                yield line, [cell.strip() for cell in record]

    table = _split_header(records)
    table.skipped_rows = options.skip_rows
    table.encoding, table.other, table.delimiter = encoding, other, delimiter
    return table


def _detect_delimiter(sample: Sequence[str]) -> str:
    """Return the delimiter that splits most rows into the same number of columns."""
    best, most = ",", (0, 0)
    for delimiter in _DELIMITERS:
        try:
            widths = Counter(
                len(row) for row in csv.reader(sample, delimiter=delimiter) if any(row)
            )
        except csv.Error:
            continue
        if not widths:
            continue
        width, n = widths.most_common(1)[0]
        if width > 1 and (n, width) > most:
            best, most = delimiter, (n, width)
    return best


def _read_sheet(source: SourceFile, options: FileOptions) -> Table:
    from python_calamine import CalamineError, CalamineWorkbook  # noqa: PLC0415 - for these alone

    try:
        with source.open() as file:
            book = CalamineWorkbook.from_filelike(io.BytesIO(file.read()))
        name = options.sheet or _first_shown(book)
        if name not in book.sheet_names:
            detail = f"There is no sheet `{name[:60]}`; there are {', '.join(book.sheet_names)}."
            raise InvalidInput(detail)
        content = book.get_sheet_by_name(name).to_python(skip_empty_area=False)
    except CalamineError as error:
        detail = f"The file is not a spreadsheet that can be read, or is a zip of others: {error}"
        raise InvalidInput(detail) from None

    def records() -> Iterator[tuple[int, list[str]]]:
        for number, row in enumerate(content, start=1):
            if number > options.skip_rows and any(cell != "" for cell in row):
                yield number, [cell_text(value) for value in row]

    try:
        table = _split_header(records)
    except InvalidInput as error:
        detail = f"The sheet `{name}` has no header row; `sheet` names another one: "
        raise InvalidInput(detail + ", ".join(book.sheet_names[:10])) from error
    table.sheet, table.skipped_rows = name, options.skip_rows
    if len(book.sheet_names) > 1 and options.sheet is None:
        names = ", ".join(book.sheet_names[:10])
        table.notes.append(f"Of the sheets {names} `{name}` is read; `sheet` names another.")
    return table


def _first_shown(book: Any) -> str:
    """Return the first sheet that a person sees; the first one if all are hidden."""
    names = [sheet.name for sheet in book.sheets_metadata if str(sheet.visible).endswith("Visible")
             and str(sheet.typ).endswith("WorkSheet")]  # fmt: skip
    name: str = (names or book.sheet_names)[0]
    return name


def _split_header(records: Callable[[], Iterator[tuple[int, list[str]]]]) -> Table:
    """Use the first row that is not empty as the header, with further header rows that are known.

    Raises InvalidInput if there is no such row.
    """
    start = enumerate(records())
    position, (_, header) = next(
        ((index, record) for index, record in start if any(record[1])), (0, (0, []))
    )
    if not header:
        raise InvalidInput("The file has no header row; `skip_rows` skips rows before it.")
    after = [row for _, (_, row) in islice(start, 2)]
    extra = _second_header(header, after)
    below = after[0] if extra else []
    columns = _names(header, below)

    def rows() -> Iterator[tuple[int, list[str]]]:
        width = len(columns)
        for number, (line, row) in enumerate(records()):
            if number > position + extra:
                yield (
                    line,
                    row + [""] * (width - len(row)) if len(row) <= width else _cut(row, width),
                )

    labels = (list(below) + [""] * len(columns))[: len(columns)] if below else []
    zone = _stated_zone(after[1]) if extra == 2 else None
    return Table(
        columns, rows, header_rows=1 + extra, labels=labels, timezone=zone,
        more_headers=[list(row) for row in after[:extra]], parts=_parts(header, below),
    )  # fmt: skip


def _parts(header: Sequence[str], below: Sequence[str]) -> dict[int, list[int]]:
    """Return the columns that have only a second header, by the column whose header they share."""
    parts: dict[int, list[int]] = {}
    first = None
    for position, name in enumerate(header):
        if name:
            first = position
        elif first is not None and position < len(below) and below[position]:
            parts.setdefault(first, []).append(position)
    return parts


def _cut(row: list[str], width: int) -> list[str]:
    """Leave out empty cells beyond the header; others stay, so that the row can be rejected."""
    return row if any(row[width:]) else row[:width]


def _second_header(header: Sequence[str], after: Sequence[Sequence[str]]) -> int:
    """Return how many more rows are header, as presets say: SurveyMonkey has one, Qualtrics two."""
    rules = [preset.get("more_headers", {}) for preset in presets().values()]
    begins = tuple(text for rule in rules for text in rule.get("begins_with", ()))
    for position in (1, 0):
        if len(after) > position and any(cell.startswith(begins) for cell in after[position]):
            return position + 1
    empty_below = {name for rule in rules for name in rule.get("empty_below", ())}
    first = header[0].casefold()
    return int(bool(after) and first in empty_below and not (after[0][0] if after[0] else ""))


def _stated_zone(cells: Sequence[str]) -> str | None:
    """Return the time zone that Qualtrics states in its third header row."""
    for cell in cells:
        if match := re.search(r'"timeZone"\s*:\s*"([^"]+)"', cell):
            return match[1]
    return None


def _names(header: Sequence[str], second: Sequence[str]) -> list[str]:
    """Return unique column names; a second header row replaces empty names."""
    keys: set[str] = set()
    names = []
    for position, cell in enumerate(header):
        below = second[position] if position < len(second) else ""
        label = (cell or below or f"column {position + 1}").strip().lstrip("\ufeff")
        numbered = (f"{label}#{number}" for number in itertools.count(2))
        name = next(
            candidate
            for candidate in itertools.chain([label], numbered)
            if candidate.casefold() not in keys
        )
        keys.add(name.casefold())
        names.append(name)
    return names
