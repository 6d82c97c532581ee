# SPDX-License-Identifier: Apache-2.0
"""Decide what each column becomes: by the caller, by a preset, or by its own name."""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from itertools import islice

from app.core.errors import InvalidInput
from app.core.property_filters import PROPERTY
from app.core.text_types import did_you_mean
from app.imports.options import ImportOptions
from app.imports.presets import presets
from app.imports.table import REJECTED_COLUMN, Table, too_wide
from app.imports.values import fold, plain_header

_SAMPLED_ROWS = 1000


@dataclass(frozen=True, slots=True)
class ColumnUse:
    """One column: its position, and the question or field that it becomes.

    `more` are the columns that hold further choices of one answer.
    """

    name: str
    position: int
    target: str
    more: tuple[int, ...] = ()


@dataclass(frozen=True)
class Vocabulary:
    """What columns may become.

    `targets` maps names in lower case to questions and fields; a column with such a name needs
    no mapping. `known` maps the columns of another tool, `texts` the wordings of questions.
    With `rest_as_properties` every other column becomes a property, except the `unwanted` ones.
    One of `ids` is also the row's id if no other column is. A column becomes one of `on_request`
    only if the caller maps it. `several` are the questions of which several options can be chosen.
    """

    targets: Mapping[str, str]
    known: Mapping[str, str] = field(default_factory=dict)
    texts: Mapping[str, str] = field(default_factory=dict)
    unwanted: Set[str] = frozenset()
    rest_as_properties: bool = False
    ids: Set[str] = frozenset()
    on_request: Set[str] = frozenset()
    several: Set[str] = frozenset()

    def is_question(self, meaning: str) -> bool:
        """Tell whether a column with this meaning holds answers to a question."""
        return meaning in self.texts.values()


def spellings_of(targets: Mapping[str, str]) -> dict[str, str]:
    """Return targets by their names, also written with blanks or hyphens: `first reply`."""
    return {name.replace("_", sign): target for sign in "_ -" for name, target in targets.items()}


def preset_of(columns: Sequence[str], requested: str | None, kind: str = "answers") -> str | None:
    """Return the preset asked for, or the one whose columns the file has."""
    known = presets(kind)
    if requested is not None:
        if requested not in known:
            msg = f"is not a preset{did_you_mean(requested, known)}; use one of {', '.join(known)}"
            raise InvalidInput.at("query", "preset", msg=msg)
        return requested
    names = {plain_header(column) for column in columns}
    for name, preset in known.items():
        if any(names.issuperset(header_names) for header_names in preset["detect"]):
            return name
    return None


def uses_of(table: Table, options: ImportOptions, words: Vocabulary) -> list[ColumnUse]:
    """Return the columns that are taken; raise InvalidInput where they contradict one another."""
    positions = {column.casefold(): position for position, column in enumerate(table.columns)}
    uses = _mapped_uses(table, options, positions, words)
    chosen = {*uses, *options.constants}
    skipped = {_require_column(positions, "ignore", column) for column in options.ignored}
    skipped |= {use.name.casefold() for use in uses.values()} | {REJECTED_COLUMN}
    others = [position for column, position in positions.items() if column not in skipped]
    _add_unasked_uses(table, uses, others, words, chosen)
    for target in words.several & set(uses):
        # One column for each option, under one header.
        more = table.parts.get(uses[target].position, ())
        uses[target] = replace(uses[target], more=tuple(more))
    _refuse_split_question(table, uses, skipped)
    for target in options.constants:
        _require_target(target, words, "set")
    if "external_id" not in chosen | set(uses) and (own_ids := sorted(words.ids & set(positions))):
        position = positions[own_ids[0]]
        uses["external_id"] = ColumnUse(table.columns[position], position, "external_id")
    return sorted(uses.values(), key=lambda use: use.position)


def _add_unasked_uses(
    table: Table, uses: dict[str, ColumnUse], others: Sequence[int], words: Vocabulary,
    chosen: Set[str],
) -> None:  # fmt: skip
    """Add what the other columns become by their own names, or by those of a preset or question.

    A column's own name beats a preset's.
    """
    own = {position: _own_meaning(table.columns[position], words) for position in others}
    own = {
        position: name for position, name in own.items() if name and name not in words.on_request
    }
    for position in sorted(others, key=lambda position: position not in own):
        name = table.columns[position]
        meaning = own.get(position) or _known_meaning(table, position, words)
        if meaning is None or meaning in chosen:
            continue
        use = ColumnUse(name, position, meaning)
        if meaning not in uses:
            uses[meaning] = use
        elif position in own or words.is_question(meaning):
            raise _conflict_of_columns(uses[meaning].name, name, meaning)
        elif uses[meaning].position in own:
            table.notes.append(f"`{name}` is left out: `{uses[meaning].name}` is the {meaning}.")
        else:
            # Both are mapped by the preset alone.
            uses[meaning] = _fuller_column(table, uses[meaning], use)


def _refuse_split_question(
    table: Table, uses: Mapping[str, ColumnUse], skipped: Collection[str]
) -> None:
    """Refuse a file in which the answers to one question are split over columns of one header.

    A form with branches writes such columns; if only one of them is taken, answers are lost.
    """
    positions = {use.position for use in uses.values()}
    halves = [
        (use, position)
        for use in uses.values()
        for position, column in enumerate(table.columns)
        if position not in positions and column.casefold() not in skipped
        and re.fullmatch(re.escape(use.name.casefold()) + r"#\d+", column.casefold())
    ]  # fmt: skip
    for _, cells in table.rows() if halves else ():
        for use, position in halves:
            if cells[position] and not cells[use.position]:
                detail = (
                    f"The columns `{use.name}` and `{table.columns[position]}` have one name, and "
                    f"there are rows in which only the second one is filled; read the file once "
                    f"for each with `map`, or leave one out with `ignore`."
                )
                raise InvalidInput(detail)


def _known_meaning(table: Table, position: int, words: Vocabulary) -> str | None:
    """Return what a column becomes by a preset, by a question's wording, or as a property."""
    name = table.columns[position]
    meaning = words.known.get(plain_header(name)) or _question_of(table, position, words)
    # A repeated header has a number.
    first = plain_header(name).partition("#")[0]
    if meaning is None and words.rest_as_properties and first not in words.unwanted:
        return PROPERTY + name
    return meaning


def _question_of(table: Table, position: int, words: Vocabulary) -> str | None:
    """Return the question whose wording a header has, or the row below the header."""
    name, below = table.columns[position], table.labels[position] if table.labels else ""
    candidates = (fold(name), plain_header(name), fold(below))
    return next((words.texts[text] for text in candidates if text in words.texts), None)


def _fuller_column(table: Table, first: ColumnUse, second: ColumnUse) -> ColumnUse:
    """Return the column with more values, the first one if both have as many; note the other."""
    counts = [0, 0]
    for _, cells in islice(table.rows(), _SAMPLED_ROWS):
        counts[0] += cells[first.position] != ""
        counts[1] += cells[second.position] != ""
    main_use, other = (second, first) if counts[1] > counts[0] else (first, second)
    table.notes.append(f"`{other.name}` is left out: `{main_use.name}` is the {main_use.target}.")
    return main_use


def _mapped_uses(
    table: Table, options: ImportOptions, positions: Mapping[str, int], words: Vocabulary
) -> dict[str, ColumnUse]:
    """Return the columns that the caller has mapped, by what they become."""
    uses: dict[str, ColumnUse] = {}
    for header, target in options.maps.items():
        position = positions[_require_column(positions, "map", header)]
        use = ColumnUse(table.columns[position], position, _require_target(target, words))
        if use.target in uses:
            raise _conflict_of_columns(uses[use.target].name, use.name, use.target)
        uses[use.target] = use
    return uses


def _own_meaning(name: str, words: Vocabulary) -> str | None:
    """Return the question or field that a column names itself."""
    folded = name.casefold()
    if folded.startswith(PROPERTY) and len(name) > len(PROPERTY):
        return PROPERTY + name[len(PROPERTY) :]
    return words.targets.get(folded)


def _conflict_of_columns(first: str, second: str, target: str) -> InvalidInput:
    detail = (
        f"The columns `{first}` and `{second}` both become `{target}`; map one of them, or leave "
        "one out with `ignore`."
    )
    return InvalidInput(detail)


def _require_column(positions: Mapping[str, int], option: str, column: str) -> str:
    if column.casefold() not in positions:
        hint = did_you_mean(column.casefold(), positions)
        columns = ", ".join(list(positions)[:20])
        msg = f"the file has no column `{column[:80]}`{hint}; it has {columns}"
        raise InvalidInput.at("query", option, msg=msg)
    return column.casefold()


def _require_target(target: str, words: Vocabulary, option: str = "map") -> str:
    if meaning := _own_meaning(target, words):
        return meaning
    known = list(dict.fromkeys(words.targets.values()))
    hint = did_you_mean(target, known)
    known_names = ", ".join(known)
    msg = (
        f"`{target[:80]}` is not a question or field{hint}; there are {known_names}, property.NAME"
    )
    raise InvalidInput.at("query", option, msg=msg)


def require_known_names(table: Table, options: ImportOptions, questions: Sequence[str]) -> None:
    """Refuse options about columns that the file lacks, or questions that the survey lacks."""
    positions = {column.casefold(): position for position, column in enumerate(table.columns)}
    for option, columns in (("missing", options.named_missing), ("na", options.na)):
        for column in columns:
            _require_column(positions, option, column)
    for question in options.values:
        if question not in questions:
            hint = did_you_mean(question, questions)
            msg = (
                f"the survey has no question `{question[:80]}`{hint}; it has {', '.join(questions)}"
            )
            raise InvalidInput.at("query", "value", msg=msg)


def wanted_rows(
    table: Table, where: Mapping[str, frozenset[str]]
) -> Iterator[tuple[int, list[str]]]:
    """Yield the rows that match the `where` option in each of its columns; without it all rows.

    Rows that cannot be read are always among them, so that they are reported.
    """
    positions = {column.casefold(): position for position, column in enumerate(table.columns)}
    filters = [(positions[_require_column(positions, "where", column)], values)
             for column, values in where.items()]  # fmt: skip
    if not filters:
        yield from table.rows()
        return
    for line, cells in table.rows():
        if table.is_unreadable(line, cells) or (
            any(cells) and all(cells[position].casefold() in values for position, values in filters)
        ):
            yield line, cells


def _positions_of_pivot(
    table: Table, pivot: tuple[str, str], by: str | None
) -> tuple[int, int, int]:
    """Return the positions of the questions, of the answers, and of the ids that are joined."""
    if by is None:
        raise InvalidInput.at(
            "query",
            "by",
            msg="is required with `pivot`: the column of the ids by which rows are joined",
        )
    positions = {column.casefold(): position for position, column in enumerate(table.columns)}
    question, answer = (positions[_require_column(positions, "pivot", column)] for column in pivot)
    return question, answer, positions[_require_column(positions, "by", by)]


def _fault_of(
    table: Table, cells: Sequence[str], positions: tuple[int, int, int], other: str
) -> str | None:
    """Return why a row cannot be joined; `other` is the id's earlier answer to the question."""
    question, answer, by = positions
    if not cells[by]:
        return f"`{table.columns[by]}` is empty, so that its answer has no id"
    if len(cells) > len(table.columns):
        return too_wide(cells, table.columns)
    if cells[answer] not in {"", other}:
        return f"`{cells[question][:40]}` has two answers under `{cells[by][:40]}`"
    return None


def pivot_rows(table: Table, options: ImportOptions) -> Table:
    """Turn a file with one answer per row into a table with one row per id."""
    if options.pivot is None:
        return table
    question, answer, by = _positions_of_pivot(table, options.pivot, options.by)
    positions_kept = [
        position for position in range(len(table.columns)) if position not in {question, answer}
    ]
    rows: dict[str, tuple[int, list[str], dict[str, str]]] = {}
    originals: dict[int, list[list[str]]] = {}
    names: dict[str, None] = {}
    faults: dict[int, str] = {}
    unreadable: list[tuple[int, str]] = []
    for line, cells in table.rows():
        if table.is_unreadable(line, cells):
            unreadable.append((line, cells[-1]))
            originals[line], faults[line] = [cells], table.faults[line]
            continue
        first, _, answers = rows.setdefault(
            cells[by], (line, [cells[position] for position in positions_kept], {})
        )
        originals.setdefault(first, []).append(cells)
        other = answers.get(cells[question]) or cells[answer]
        answers[cells[question]] = other
        if fault := _fault_of(table, cells, (question, answer, by), other):
            faults[first] = fault
        names |= {cells[question]: None}

    def join_rows() -> Iterator[tuple[int, list[str]]]:
        for line, others, answers in rows.values():
            yield line, [*others, *(answers.get(name, "") for name in names)]
        for line, text in unreadable:
            yield line, [*("" for _ in (*positions_kept, *names)), text]

    return replace(
        table, columns=[*(table.columns[position] for position in positions_kept), *names],
        rows=join_rows, labels=[],
        original_columns=table.columns, originals=originals.__getitem__, faults=faults,
    )  # fmt: skip
