# SPDX-License-Identifier: Apache-2.0
"""Apply what a preset knows of another tool's rows, beside the names of its columns.

`unpack` names columns that hold a JSON document, each with the prefix of the new columns for its
members; `repeated` names columns that repeat those members, and `drop` columns to leave out.
`only` maps a column to the values that rows must have; `unless` to values whose rows are left out.
`survey` names the column with the survey's key.
"""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from app.core.errors import InvalidInput
from app.imports.json_rows import flatten
from app.imports.options import ImportOptions
from app.imports.table import Table
from app.imports.values import plain_header

_MAX_NAMED = 10


def apply_rules(
    table: Table, rules: Mapping[str, Any], options: ImportOptions, survey_key: str | None
) -> tuple[Table, ImportOptions]:
    """Return the table and the options with the rules of a preset.

    `survey_key` is the survey whose rows are kept, None for the rows of all.
    """
    table = _unpack_documents(table, rules)
    table = _leave_out_rows(table, rules)
    missing = {
        column.casefold(): frozenset(values)
        for column in table.columns
        if (values := rules.get("missing", {}).get(plain_header(column))) is not None
    }
    options = replace(options, missing=missing | dict(options.missing))
    column = rules.get("survey")
    if survey_key is not None and column is not None and column not in options.where:
        return _keep_survey(table, column, survey_key), options
    return table, options


def _positions(table: Table) -> dict[str, int]:
    return {name.casefold(): position for position, name in enumerate(table.columns)}


def _unpack_documents(table: Table, rules: Mapping[str, Any]) -> Table:
    """Put the members of documents into columns of their own."""
    positions = _positions(table)
    prefixes = {
        positions[key]: prefix
        for key, prefix in rules.get("unpack", {}).items()
        if key in positions
    }
    names = [*rules.get("drop", ()), *(rules.get("repeated", ()) if prefixes else ())]
    dropped = {positions[name] for name in names if name in positions}
    if not prefixes and not dropped:
        return table
    numbers = [
        number
        for number in range(len(table.columns))
        if number not in prefixes and number not in dropped
    ]
    members: dict[str, None] = {}
    for _, cells in table.rows():
        members |= dict.fromkeys(_members_of(cells, prefixes))

    def rows() -> Iterator[tuple[int, list[str]]]:
        for line, cells in table.rows():
            values = _members_of(cells, prefixes)
            own = [cells[position] for position in numbers]
            yield (
                line,
                own + [values.get(name, "") for name in members] + cells[len(table.columns) :],
            )

    return replace(
        table, columns=[*(table.columns[position] for position in numbers), *members], rows=rows,
        more_headers=[],
    )  # fmt: skip


def _members_of(cells: Sequence[str], prefixes: Mapping[int, str]) -> dict[str, str]:
    members: dict[str, str] = {}
    for position, prefix in prefixes.items():
        try:
            document = json.loads(cells[position] or "{}")
        except ValueError:
            continue
        if isinstance(document, dict):
            members |= {prefix + name: text for name, text in flatten(document).items()}
    return members


def _leave_out_rows(table: Table, rules: Mapping[str, Any]) -> Table:
    """Leave out the rows that the tool itself does not count."""
    only = _values_by_position(table, rules.get("only", {}))
    unless = _values_by_position(table, rules.get("unless", {}))
    if not only and not unless:
        return table

    def rows() -> Iterator[tuple[int, list[str]]]:
        for line, cells in table.rows():
            if table.is_unreadable(line, cells):
                yield line, cells
                continue
            is_wanted = all(
                cells[position].casefold() in values for position, values in only.items()
            )
            if is_wanted and not any(
                cells[position].casefold() in values for position, values in unless.items()
            ):
                yield line, cells

    names = table.columns
    notes = [
        f"Only rows whose `{names[position]}` is {_list_in_words(values)} are read."
        for position, values in only.items()
    ]
    notes += [
        f"Rows whose `{names[position]}` is {_list_in_words(values)} are left out."
        for position, values in unless.items()
    ]
    return replace(table, rows=rows, notes=[*table.notes, *notes])


def _values_by_position(table: Table, rule: Mapping[str, Sequence[str]]) -> dict[int, set[str]]:
    positions = _positions(table)
    return {positions[name]: set(values) for name, values in rule.items() if name in positions}


def _list_in_words(values: set[str]) -> str:
    return " or ".join(f"`{value}`" if value else "empty" for value in sorted(values))


def _keep_survey(table: Table, column: str, key: str) -> Table:
    """Leave out the answers to other surveys; InvalidInput if it has several, but not this one."""
    position = _positions(table).get(column)
    if position is None:
        return table
    counts = Counter(
        cells[position]
        for line, cells in table.rows()
        if any(cells) and not table.is_unreadable(line, cells)
    )
    if len(counts) <= 1:
        return table
    if key not in counts:
        names = ", ".join(list(counts)[:_MAX_NAMED])
        detail = (
            f"The file has answers of several surveys: {names}; choose one by `where`, such as "
            f"{column}={next(iter(counts))}."
        )
        raise InvalidInput(detail)

    def rows() -> Iterator[tuple[int, list[str]]]:
        return (
            (line, cells)
            for line, cells in table.rows()
            if cells[position] == key or table.is_unreadable(line, cells)
        )

    others = ", ".join(f"{name} ({count:,})" for name, count in counts.items() if name != key)
    return replace(
        table, rows=rows, notes=[*table.notes, f"Rows of other surveys are left out: {others}."]
    )
