"""What each column becomes: as the caller says, as a preset knows, or by its own name."""

import json
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files
from typing import Any

from app.core.errors import InvalidInput
from app.core.text import did_you_mean
from app.imports.options import FIELDS, PROPERTY, ImportOptions
from app.imports.reading import REJECTED_COLUMN, Table
from app.imports.values import fold
from app.surveys.question_types import QuestionType
from app.surveys.schemas import Definition

_MAIN, _COMMENT = "@main", "@comment"


@dataclass(frozen=True, slots=True)
class ColumnUse:
    """One column: where it stands, and the question or field that it becomes."""

    name: str
    place: int
    target: str


@cache
def presets() -> dict[str, Any]:
    """Return the exports of other tools that are known, by name."""
    found: dict[str, Any] = json.loads(files("app.imports").joinpath("presets.json").read_text())
    return found


def preset_of(columns: Sequence[str], asked: str | None) -> str | None:
    """Return the preset asked for, or the one whose columns the file has."""
    if asked is not None:
        if asked not in presets():
            msg = f"is no preset{did_you_mean(asked, presets())}; {', '.join(presets())} are"
            raise InvalidInput.at("query", "preset", msg=msg)
        return asked
    names = {_plain(column) for column in columns}
    for name, preset in presets().items():
        if any(names.issuperset(wanted) for wanted in preset["detect"]):
            return name
    return None


def _plain(column: str) -> str:
    """Return a header as presets write it: LimeSurvey puts its own code before the words."""
    folded = fold(column)
    _, dot, words = folded.partition(". ")
    return words if dot and words else folded


def uses_of(
    table: Table, options: ImportOptions, definition: Definition, preset: str | None
) -> list[ColumnUse]:
    """Return the columns that are taken; raise InvalidInput where they contradict one another."""
    places = {column.casefold(): place for place, column in enumerate(table.columns)}
    keys = {question.key.casefold(): question.key for question in definition.questions}
    uses = _said_uses(table, options, places, keys)
    chosen = {*uses, *options.constants}
    skipped = {_existing(places, "ignore", column) for column in options.ignored}
    skipped |= {use.name.casefold() for use in uses.values()} | {REJECTED_COLUMN}
    known = _preset_columns(preset, definition)
    texts = {fold(t): q.key for q in definition.questions for t in q.text.values()}
    for column, place in places.items():
        if column in skipped:
            continue
        name = table.columns[place]
        own = _own_meaning(name, keys)
        found = own or known.get(_plain(name)) or texts.get(fold(name))
        if found is None or found in chosen:
            continue
        if found not in uses:
            uses[found] = ColumnUse(name, place, found)
        elif own is not None:
            # Of two columns that only a preset knows, the first is taken.
            raise _both_become(uses[found].name, name, found)
    for target in options.constants:
        _target(target, keys)
    _require_question(table, {*uses, *options.constants}, keys)
    return sorted(uses.values(), key=lambda use: use.place)


def _said_uses(
    table: Table, options: ImportOptions, places: Mapping[str, int], keys: Mapping[str, str]
) -> dict[str, ColumnUse]:
    """Return the columns that the caller has mapped, by what they become."""
    uses: dict[str, ColumnUse] = {}
    for said, target in options.maps.items():
        place = places[_existing(places, "map", said)]
        use = ColumnUse(table.columns[place], place, _target(target, keys))
        if use.target in uses:
            raise _both_become(uses[use.target].name, use.name, use.target)
        uses[use.target] = use
    return uses


def _own_meaning(name: str, keys: Mapping[str, str]) -> str | None:
    """Return the question or field that a column names itself."""
    folded = name.casefold()
    if folded.startswith(PROPERTY) and len(name) > len(PROPERTY):
        return PROPERTY + name[len(PROPERTY) :]
    return keys.get(folded) or (folded if folded in FIELDS else None)


def _both_become(first: str, second: str, target: str) -> InvalidInput:
    detail = f"The columns `{first}` and `{second}` both become `{target}`; map one of them only."
    return InvalidInput(detail)


def _require_question(table: Table, taken: Set[str], keys: Mapping[str, str]) -> None:
    if not taken & set(keys.values()):
        detail = (
            f"No column is a question of the survey. It has {', '.join(keys.values())}; say which "
            f"columns they are by `map`: COLUMN=QUESTION. The file has "
            f"{', '.join(table.columns[:20])}. Other fields are {', '.join(FIELDS)} and "
            "property.NAME."
        )
        raise InvalidInput(detail)


def _existing(places: Mapping[str, int], option: str, column: str) -> str:
    if column.casefold() not in places:
        hint = did_you_mean(column.casefold(), places)
        msg = f"the file has no column `{column[:80]}`{hint}"
        raise InvalidInput.at("query", option, msg=msg)
    return column.casefold()


def _target(target: str, keys: Mapping[str, str]) -> str:
    folded = target.casefold()
    if folded in keys:
        return keys[folded]
    if folded in FIELDS:
        return folded
    if folded.startswith(PROPERTY) and len(target) > len(PROPERTY):
        return PROPERTY + target[len(PROPERTY) :]
    known = [*keys.values(), *FIELDS]
    hint = did_you_mean(target, known)
    known_names = ", ".join(known)
    msg = f"`{target[:80]}` is no question or field{hint}; there are {known_names}, property.NAME"
    raise InvalidInput.at("query", "map", msg=msg)


def _preset_columns(preset: str | None, definition: Definition) -> dict[str, str]:
    """Return what a preset's columns become in this survey."""
    if preset is None:
        return {}
    main = definition.main_question
    comments = [q.key for q in definition.questions if q.type is QuestionType.TEXT]
    meant = {_MAIN: main.key if main else None, _COMMENT: comments[0] if comments else None}
    found = {}
    for column, target in presets()[preset]["columns"].items():
        if (own := meant.get(target, target)) is not None:
            found[column] = own
    return found


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
