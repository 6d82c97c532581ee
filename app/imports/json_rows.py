# SPDX-License-Identifier: Apache-2.0
"""Read NDJSON, or one array of objects, as rows; parts of an object get dotted names."""

import io
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from app.core.errors import InvalidInput
from app.imports.source_file import SourceFile
from app.imports.table import Table, cell_text, clean

_MAX_DEPTH = 20
_BEGINS = re.compile(r"\[?\s*\{")
# What an API calls the list in which it returns its rows.
_LISTS = (
    "data", "items", "result", "results", "responses", "survey_responses", "satisfaction_ratings",
    "records", "rows", "tickets", "customers",
)  # fmt: skip
_REPEATED = {"score", "comment"}


def is_json(source: SourceFile, encoding: str) -> bool:
    """Tell whether a file holds JSON objects."""
    with source.open() as file:
        head = file.read(4096).decode(encoding, errors="replace").lstrip("\ufeff \t\r\n")
    return bool(_BEGINS.match(head))


def read_json(source: SourceFile, encoding: str) -> Table:
    """Read NDJSON, or one array of objects; parts of an object get dotted names."""
    columns: dict[str, None] = {}
    faults: dict[int, str] = {}
    for number, entry in _entries(source, encoding):
        if isinstance(entry, _BadEntry):
            faults[number] = entry.reason
        else:
            columns |= dict.fromkeys(flatten(entry))
    if faults and not columns:
        number, reason = next(iter(faults.items()))
        detail = f"Line {number} {reason}. Give one object a line, or one array of objects."
        raise InvalidInput(detail)
    names = list(columns)

    def rows() -> Iterator[tuple[int, list[str]]]:
        for number, entry in _entries(source, encoding):
            if isinstance(entry, _BadEntry):
                # Beyond all columns, so that the text is in none of them.
                yield number, [*("" for _ in names), entry.text]
                continue
            flat = flatten(entry)
            yield number, [flat.get(name, "") for name in names]

    return Table(names, rows, encoding=encoding, header_rows=0, faults=faults)


class _BadEntry(NamedTuple):
    """A line or an entry that is not a valid JSON object: its text, and what is wrong with it."""

    text: str
    reason: str


def _entries(
    source: SourceFile, encoding: str
) -> Iterator[tuple[int, Mapping[str, Any] | _BadEntry]]:
    """Yield each line's object, or each entry of one array, with its number."""
    with source.open() as file:
        text = io.TextIOWrapper(file, encoding, errors="replace")
        head, skipped = text.read(1), 0
        while head.isspace() or head == "\ufeff":
            skipped += head == "\n"
            head = text.read(1)
        if head == "[":
            for number, entry in enumerate(_parse_array(head + text.read()), start=1):
                yield number, _object_or_bad(entry)
            return
        if (entries := _listed_entries(source, encoding)) is not None:
            yield from ((number, _object_or_bad(entry)) for number, entry in entries)
            return
        for number, line in enumerate(text, start=1 + skipped):
            full_line = head + line
            head = ""
            if full_line.strip():
                yield number, _parse_line(full_line.strip())


def _listed_entries(source: SourceFile, encoding: str) -> Iterator[tuple[int, Any]] | None:
    """Return the entries of a document such as {"data": [{…}, …]}; None for any other file.

    It is such a document if it is one JSON value, and not one object on each line.
    """
    with source.open() as file:
        text = io.TextIOWrapper(file, encoding, errors="replace")
        first = next((line for line in text if line.strip("\ufeff \t\r\n")), "")
        try:
            document = json.loads(first.strip("\ufeff \t\r\n"))
        except (ValueError, RecursionError):
            try:
                document = json.loads((first + text.read()).strip("\ufeff \t\r\n"))
            except (ValueError, RecursionError):
                return None
        else:
            if any(line.strip() for line in text):
                return None
    lists = [document[name] for name in _LISTS if isinstance(document.get(name), list)]
    object_lists = [entries for entries in lists if entries and isinstance(entries[0], dict)]
    return enumerate(object_lists[0], start=1) if len(object_lists) == 1 else None


def _parse_line(text: str) -> Mapping[str, Any] | _BadEntry:
    try:
        return _object_or_bad(json.loads(text))
    except ValueError as error:
        return _BadEntry(text, f"is not valid JSON: {error}")
    except RecursionError:
        return _BadEntry(text, "is nested too deeply")


def _object_or_bad(entry: Any) -> Mapping[str, Any] | _BadEntry:
    if isinstance(entry, dict):
        return entry
    return _BadEntry(json.dumps(entry), "is not a JSON object")


def _parse_array(text: str) -> list[Any]:
    try:
        entries: list[Any] = json.loads(text)
    except ValueError as error:
        detail = f"The array is not valid JSON: {error}. Give one object a line, or one array."
        raise InvalidInput(detail) from None
    except RecursionError:
        raise InvalidInput("The array is nested too deeply.") from None
    return entries


def flatten(entry: Mapping[str, Any], prefix: str = "", depth: int = 0) -> dict[str, str]:
    """Return the parts of an object as texts, by their dotted names; lists are joined by `;`."""
    flat: dict[str, str] = {}
    if isinstance(entry.get("answers"), dict):
        # Our own form: what stands beside the answers only repeats some of them.
        entry = {name: value for name, value in entry.items() if name not in _REPEATED}
    for name, value in entry.items():
        own = name if prefix in {"", "answers."} else prefix + name
        if prefix == "properties.":
            own = f"property.{name}"
        own = clean(own)
        if isinstance(value, dict) and depth < _MAX_DEPTH:
            flat |= flatten(value, f"{own}.", depth + 1)
        elif isinstance(value, list):
            flat[own] = ";".join(cell_text(part) for part in value)
        elif value is not None:
            flat[own] = cell_text(value)
    return flat
