"""Read a file as rows of text; its encoding, delimiter, sheet and header are detected."""

import codecs
import csv
import datetime as dt
import io
import json
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any, BinaryIO

from app.core.errors import InvalidInput

REJECTED_COLUMN = "afterword_rejected"
_DELIMITERS = ",;\t|"
_SPREADSHEETS = (".xlsx", ".xls", ".xlsm", ".xlsb", ".ods")
_SINGLE_BYTE = ("cp1252", "cp1250", "iso8859_2")
_SAMPLE = 1 << 20
_ODD_LINES = 2000
# Of two plausible encodings, one wins only if it gives this many more known words.
_CLEARLY_MORE_WORDS = 2
# The letters beyond ASCII of each language; the right encoding gives those of one language.
_ALPHABETS = {
    "polish": "ąćęłńóśźż",
    "romanian": "ăâîșțşţ",
    "czech": "áčďéěíňóřšťúůýžäĺľôŕ",
    "hungarian": "áéíóöőúüű",
    "german": "äöüß",
    "french": "àâæçéèêëîïôœùûüÿ",
    "spanish": "áéíñóúü¿¡",
    "italian": "àèéìíîòóùú",
    "portuguese": "áâãàçéêíóôõú",
    "nordic": "åäöæøéü",
}
_PUNCTUATION = "«»“”„‘’‚–—…•·§€£©®™°%½¼¾×±²³ºª´`¨\xa0"


@dataclass(frozen=True)
class FileOptions:
    """What the caller states about the file's format; the rest is detected."""

    encoding: str | None = None
    sheet: str | None = None
    skip_rows: int = 0


@dataclass
class Table:
    """A file as a table: its columns, and rows of texts with their line numbers.

    `rows` reads the file anew each time. `other` is a second encoding that is as plausible.
    """

    columns: list[str]
    rows: Callable[[], Iterator[tuple[int, list[str]]]]
    encoding: str | None = None
    other: str | None = None
    delimiter: str | None = None
    sheet: str | None = None
    header_rows: int = 1
    notes: list[str] = field(default_factory=list)

    @property
    def example(self) -> list[str]:
        """The cells of the first row, empty ones where there is none."""
        return next(iter(self.rows()), (0, [""] * len(self.columns)))[1]


class SourceFile:
    """A file that can be opened again: from the disk, or from the body of a request."""

    def __init__(self, name: str, open_: Callable[[], BinaryIO]) -> None:
        """Name it; nothing is opened yet."""
        self.name = name
        self.open = open_

    @classmethod
    def of_bytes(cls, name: str, content: bytes) -> "SourceFile":
        """Make a source file of a request's body."""
        return cls(name, lambda: io.BytesIO(content))


def read_table(source: SourceFile, options: FileOptions) -> Table:
    """Detect the format and read the file; raise InvalidInput with the remedy if that fails."""
    with source.open() as file:
        head = file.read(4)
    if not head:
        raise InvalidInput("The file is empty.")
    is_sheet = source.name.lower().endswith(_SPREADSHEETS) or head in {
        b"PK\x03\x04",
        b"\xd0\xcf\x11\xe0",
    }
    if is_sheet:
        return _read_sheet(source, options)
    encoding, other = _detect_encoding(source, options.encoding)
    if _is_json(source, encoding):
        return _read_json(source, encoding)
    return _read_csv(source, encoding, other, options)


# --- Encodings


def _detect_encoding(source: SourceFile, asked: str | None) -> tuple[str, str | None]:
    """Return the file's encoding, and a second one where both are plausible and differ."""
    if asked is not None:
        try:
            return codecs.lookup(asked).name, None
        except LookupError:
            detail = f"`{asked[:40]}` is no encoding; use one such as utf-8, cp1250 or cp1252."
            raise InvalidInput(detail) from None
    with source.open() as file:
        head = file.read(4)
        for mark, name in ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"),
                           (codecs.BOM_UTF16_BE, "utf-16")):  # fmt: skip
            if head.startswith(mark):
                return name, None
        file.seek(0)
        if _is_utf8(file):
            return "utf-8", None
        file.seek(0)
        odd = [line for line in file.read(_SAMPLE * 8).splitlines() if not line.isascii()]
    if b"\x00" in head:
        return "utf-16-le" if head[1:2] == b"\x00" else "utf-16-be", None
    return _detect_single_byte(odd[:_ODD_LINES])


def _is_utf8(file: BinaryIO) -> bool:
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        while chunk := file.read(_SAMPLE):
            decoder.decode(chunk)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True


def _detect_single_byte(lines: Sequence[bytes]) -> tuple[str, str | None]:
    """Choose the encoding that gives the letters of one language, then its common words."""
    fits: dict[str, tuple[float, int]] = {}
    texts: dict[str, str] = {}
    for name in _SINGLE_BYTE:
        try:
            text = "\n".join(line.decode(name) for line in lines)
        except UnicodeDecodeError:
            continue
        if (fit := _fit_of(text)) is not None:
            texts[name], fits[name] = text, fit
    if not fits:
        return "cp1252", None
    ranked = sorted(fits, key=lambda name: (fits[name], -_SINGLE_BYTE.index(name)), reverse=True)
    best = ranked[0]
    share, word_count = fits[best]
    others = [
        name
        for name in ranked[1:]
        if texts[name] != texts[best]
        and fits[name][0] == share
        and word_count - fits[name][1] < _CLEARLY_MORE_WORDS
    ]
    return best, others[0] if others else None


def _fit_of(text: str) -> tuple[float, int] | None:
    """Return how well a text fits one language: the share of its letters, and its known words.

    None if it holds control characters, which text never does.
    """
    odd = Counter(c for c in text.lower() if ord(c) > 127)
    if any(0x80 <= ord(c) <= 0x9F for c in odd):
        return None
    letters = {c: n for c, n in odd.items() if c not in _PUNCTUATION}
    total = sum(letters.values())
    # Single letters are words of many languages, and parts of addresses.
    words = set(re.findall(r"[^\W\d_]{2,}", text.lower()))
    best = (0.0, 0)
    for language, alphabet in _ALPHABETS.items():
        share = sum(n for c, n in letters.items() if c in alphabet) / total if total else 1.0
        best = max(best, (round(share, 2), len(words & _common_words(language))))
    return best


@cache
def _common_words(language: str) -> frozenset[str]:
    from stop_words import get_stop_words  # noqa: PLC0415 - read when a file needs it

    name = {"nordic": "swedish"}.get(language, language)
    return frozenset(get_stop_words(name))


# --- Tables


def _read_csv(source: SourceFile, encoding: str, other: str | None, options: FileOptions) -> Table:
    csv.field_size_limit(sys.maxsize)

    def lines() -> Iterator[str]:
        with source.open() as file:
            yield from io.TextIOWrapper(file, encoding, errors="replace", newline="")

    sample = []
    for place, line in enumerate(lines()):
        sample.append(line)
        if place >= 200:
            break
    separator_line = re.fullmatch(r'"?sep=(.)"?\s*', sample[0].lstrip("\ufeff")) if sample else None
    skipped = options.skip_rows + (1 if separator_line else 0)
    delimiter = separator_line[1] if separator_line else _detect_delimiter(sample[skipped:])

    def records() -> Iterator[tuple[int, list[str]]]:
        reader = csv.reader(lines(), delimiter=delimiter)
        last_line = 0
        for number, record in enumerate(reader):
            line, last_line = last_line + 1, reader.line_num
            if number >= skipped:
                yield line, [cell.strip() for cell in record]

    table = _split_header(records)
    table.encoding, table.other, table.delimiter = encoding, other, delimiter
    return table


def _detect_delimiter(sample: Sequence[str]) -> str:
    """Return the delimiter that splits most rows into the same number of columns."""
    best, most = ",", (0, 0)
    for delimiter in _DELIMITERS:
        try:
            widths = Counter(len(r) for r in csv.reader(sample, delimiter=delimiter) if any(r))
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
        name = options.sheet or book.sheet_names[0]
        if name not in book.sheet_names:
            detail = f"There is no sheet `{name[:60]}`; there are {', '.join(book.sheet_names)}."
            raise InvalidInput(detail)
        content = book.get_sheet_by_name(name).to_python(skip_empty_area=False)
    except CalamineError as error:
        raise InvalidInput(f"The spreadsheet cannot be read: {error}") from None

    def records() -> Iterator[tuple[int, list[str]]]:
        for number, row in enumerate(content, start=1):
            if number > options.skip_rows and any(cell != "" for cell in row):
                yield number, [_cell_text(value) for value in row]

    table = _split_header(records)
    table.sheet = name
    if len(book.sheet_names) > 1 and options.sheet is None:
        table.notes.append(f"Of {len(book.sheet_names)} sheets the first is read.")
    return table


def _cell_text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, dt.datetime | dt.date | dt.time):
        return value.isoformat()
    return str(value).strip()


def _split_header(records: Callable[[], Iterator[tuple[int, list[str]]]]) -> Table:
    """Use the first row as the header, with further header rows that are known."""
    start = records()
    first = next(start, None)
    if first is None or not any(first[1]):
        raise InvalidInput("The file has no header row; `skip_rows` skips rows before it.")
    header = first[1]
    after = [row for _, row in _first(start, 2)]
    extra = _second_header(header, after)
    columns = _names(header, after[0] if extra else None)

    def rows() -> Iterator[tuple[int, list[str]]]:
        width = len(columns)
        for number, (line, row) in enumerate(records()):
            if number > extra:
                yield line, (row + [""] * (width - len(row)))[:width]

    return Table(columns, rows, header_rows=1 + extra)


def _first(items: Iterable[Any], most: int) -> Iterator[Any]:
    for place, item in enumerate(items):
        if place >= most:
            return
        yield item


def _second_header(header: Sequence[str], after: Sequence[Sequence[str]]) -> int:
    """Return how many more rows are header: SurveyMonkey has one, Qualtrics two."""
    if len(after) > 1 and any(cell.startswith('{"ImportId"') for cell in after[1]):
        return 2
    if after and any(cell.startswith('{"ImportId"') for cell in after[0]):
        return 1
    names = {name.casefold() for name in header}
    if after and "respondent id" in names and not (after[0][0] if after[0] else ""):
        return 1
    return 0


def _names(header: Sequence[str], second: Sequence[str] | None) -> list[str]:
    """Return unique column names; a second header row replaces empty names."""
    seen: Counter[str] = Counter()
    names = []
    for place, name in enumerate(header):
        below = second[place] if second and place < len(second) else ""
        label = (name or below or f"column {place + 1}").strip().lstrip("\ufeff")
        seen[label.casefold()] += 1
        count = seen[label.casefold()]
        names.append(label if count == 1 else f"{label}#{count}")
    return names


# --- JSON


def _is_json(source: SourceFile, encoding: str) -> bool:
    with source.open() as file:
        head = file.read(4096).decode(encoding, errors="replace").lstrip("\ufeff \t\r\n")
    return head.startswith(("{", "[{", "[ {", "[\n", "[\r"))


def _read_json(source: SourceFile, encoding: str) -> Table:
    """Read NDJSON, or one array of objects; parts of an object get dotted names."""
    columns: dict[str, None] = {}
    for _, entry in _objects(source, encoding):
        if not isinstance(entry, dict):
            raise InvalidInput("Each line, or each entry of the array, must be a JSON object.")
        columns |= dict.fromkeys(_flatten(entry))
    names = list(columns)

    def rows() -> Iterator[tuple[int, list[str]]]:
        for number, entry in _objects(source, encoding):
            flat = _flatten(entry)
            yield number, [flat.get(name, "") for name in names]

    return Table(names, rows, encoding=encoding, header_rows=0)


def _objects(source: SourceFile, encoding: str) -> Iterator[tuple[int, Any]]:
    """Yield each line's object, or each entry of one array, with its number."""
    with source.open() as file:
        text = io.TextIOWrapper(file, encoding)
        head = text.read(1)
        while head.isspace() or head == "\ufeff":
            head = text.read(1)
        if head == "[":
            yield from enumerate(_parse_json(head + text.read(), 1), start=1)
            return
        for number, line in enumerate(text, start=1):
            whole = head + line
            head = ""
            if whole.strip():
                yield number, _parse_json(whole, number)


def _parse_json(text: str, number: int) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise InvalidInput(f"Line {number} is not valid JSON: {error}") from None


def _flatten(entry: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    flat: dict[str, str] = {}
    for name, value in entry.items():
        own = name if prefix in {"", "answers."} else prefix + name
        if prefix == "properties.":
            own = f"property.{name}"
        if isinstance(value, dict):
            flat |= _flatten(value, f"{own}.")
        elif isinstance(value, list):
            flat[own] = ";".join(str(part) for part in value)
        elif value is not None:
            flat[own] = _cell_text(value)
    return flat
