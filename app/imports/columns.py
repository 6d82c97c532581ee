"""What each column becomes: as the caller says, as a preset knows, or by its own name."""

import json
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from functools import cache
from importlib.resources import files
from typing import Any

from app.core.errors import InvalidInput
from app.core.text import did_you_mean
from app.imports.options import PROPERTY, ImportOptions
from app.imports.reading import REJECTED_COLUMN, Table
from app.imports.values import fold


@dataclass(frozen=True, slots=True)
class ColumnUse:
    """One column: where it stands, and the question or field that it becomes."""

    name: str
    place: int
    target: str


@dataclass(frozen=True)
class Vocabulary:
    """What columns may become.

    `targets` are the questions and fields, by their names without case; a column of that name
    becomes it by itself. `known` are columns of another tool, `texts` those of questions.
    With `rest_as_properties` every other column becomes a property, but those `unwanted`.
    """

    targets: Mapping[str, str]
    known: Mapping[str, str] = field(default_factory=dict)
    texts: Mapping[str, str] = field(default_factory=dict)
    unwanted: Set[str] = frozenset()
    rest_as_properties: bool = False


@cache
def presets(kind: str = "answers") -> dict[str, Any]:
    """Return the exports of other tools that are known, by name."""
    found: dict[str, Any] = json.loads(files("app.imports").joinpath("presets.json").read_text())
    presets_of_kind: dict[str, Any] = found[kind]
    return presets_of_kind


def preset_of(columns: Sequence[str], asked: str | None, kind: str = "answers") -> str | None:
    """Return the preset asked for, or the one whose columns the file has."""
    known = presets(kind)
    if asked is not None:
        if asked not in known:
            msg = f"is no preset{did_you_mean(asked, known)}; {', '.join(known)} are"
            raise InvalidInput.at("query", "preset", msg=msg)
        return asked
    names = {_plain(column) for column in columns}
    for name, preset in known.items():
        if any(names.issuperset(wanted) for wanted in preset["detect"]):
            return name
    return None


def _plain(column: str) -> str:
    """Return a header as presets write it: LimeSurvey puts its own code before the words."""
    folded = fold(column)
    _, dot, words = folded.partition(". ")
    return words if dot and words else folded


def uses_of(table: Table, options: ImportOptions, words: Vocabulary) -> list[ColumnUse]:
    """Return the columns that are taken; raise InvalidInput where they contradict one another."""
    places = {column.casefold(): place for place, column in enumerate(table.columns)}
    uses = _said_uses(table, options, places, words)
    chosen = {*uses, *options.constants}
    skipped = {_existing(places, "ignore", column) for column in options.ignored}
    skipped |= {use.name.casefold() for use in uses.values()} | {REJECTED_COLUMN}
    for column, place in places.items():
        if column in skipped:
            continue
        name = table.columns[place]
        own = _own_meaning(name, words)
        found = own or words.known.get(_plain(name)) or words.texts.get(fold(name))
        if found is None and words.rest_as_properties and _plain(name) not in words.unwanted:
            found = PROPERTY + name
        if found is None or found in chosen:
            continue
        if found not in uses:
            uses[found] = ColumnUse(name, place, found)
        elif own is not None:
            # Of two columns that only a preset knows, the first is taken.
            raise _both_become(uses[found].name, name, found)
    for target in options.constants:
        _target(target, words)
    return sorted(uses.values(), key=lambda use: use.place)


def _said_uses(
    table: Table, options: ImportOptions, places: Mapping[str, int], words: Vocabulary
) -> dict[str, ColumnUse]:
    """Return the columns that the caller has mapped, by what they become."""
    uses: dict[str, ColumnUse] = {}
    for said, target in options.maps.items():
        place = places[_existing(places, "map", said)]
        use = ColumnUse(table.columns[place], place, _target(target, words))
        if use.target in uses:
            raise _both_become(uses[use.target].name, use.name, use.target)
        uses[use.target] = use
    return uses


def _own_meaning(name: str, words: Vocabulary) -> str | None:
    """Return the question or field that a column names itself."""
    folded = name.casefold()
    if folded.startswith(PROPERTY) and len(name) > len(PROPERTY):
        return PROPERTY + name[len(PROPERTY) :]
    return words.targets.get(folded)


def _both_become(first: str, second: str, target: str) -> InvalidInput:
    detail = f"The columns `{first}` and `{second}` both become `{target}`; map one of them only."
    return InvalidInput(detail)


def _existing(places: Mapping[str, int], option: str, column: str) -> str:
    if column.casefold() not in places:
        hint = did_you_mean(column.casefold(), places)
        msg = f"the file has no column `{column[:80]}`{hint}"
        raise InvalidInput.at("query", option, msg=msg)
    return column.casefold()


def _target(target: str, words: Vocabulary) -> str:
    if found := _own_meaning(target, words):
        return found
    known = list(words.targets.values())
    hint = did_you_mean(target, known)
    known_names = ", ".join(known)
    msg = f"`{target[:80]}` is no question or field{hint}; there are {known_names}, property.NAME"
    raise InvalidInput.at("query", "map", msg=msg)


def wanted_rows(
    table: Table, where: Mapping[str, frozenset[str]]
) -> Iterator[tuple[int, list[str]]]:
    """Yield the rows that are not empty and have one of the values asked for in each column."""
    places = {column.casefold(): place for place, column in enumerate(table.columns)}
    asked = [(places[_existing(places, "where", column)], values)
             for column, values in where.items()]  # fmt: skip
    for line, cells in table.rows():
        if any(cells) and all(cells[place].casefold() in values for place, values in asked):
            yield line, cells


def pivoted(table: Table, options: ImportOptions) -> Table:
    """Turn a long file, one answer a row, into one row for each id."""
    if options.pivot is None:
        return table
    if options.by is None:
        raise InvalidInput.at("query", "by", msg="names the column of the ids that `pivot` joins")
    places = {column.casefold(): place for place, column in enumerate(table.columns)}
    question, answer, by = (
        places[_existing(places, option, column)]
        for option, column in (("pivot", options.pivot[0]), ("pivot", options.pivot[1]),
                               ("by", options.by))
    )  # fmt: skip
    kept = [p for p in range(len(table.columns)) if p not in {question, answer}]
    rows: dict[str, tuple[int, list[str], dict[str, str]]] = {}
    names: dict[str, None] = {}
    for line, cells in table.rows():
        _, _, answers = rows.setdefault(cells[by], (line, [cells[p] for p in kept], {}))
        answers[cells[question]] = cells[answer]
        names |= {cells[question]: None}

    def joined() -> Iterator[tuple[int, list[str]]]:
        for line, others, answers in rows.values():
            yield line, [*others, *(answers.get(name, "") for name in names)]

    return replace(table, columns=[*(table.columns[p] for p in kept), *names], rows=joined)
