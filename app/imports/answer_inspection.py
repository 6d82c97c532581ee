# SPDX-License-Identifier: Apache-2.0
"""Look at a file of answers: its rows, what they would change, and whether it may be taken."""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlmodel.ext.asyncio.session import AsyncSession

from app.core.clock import utc_now
from app.core.database import Database
from app.core.errors import Conflict, InvalidInput
from app.imports.answer_refusal import refusal_of
from app.imports.columns import (
    ColumnUse,
    Vocabulary,
    pivot_rows,
    preset_of,
    require_known_names,
    uses_of,
    wanted_rows,
)
from app.imports.dates import DateReading, find_date_order, zone_of
from app.imports.encoding_check import require_one_reading
from app.imports.identities import IdentifiedRow, RowIdentities
from app.imports.models import ImportRun
from app.imports.options import FIELDS, ImportOptions, undated_moment
from app.imports.preset_rules import apply_rules
from app.imports.presets import presets
from app.imports.replacement import find_missing, find_replaced
from app.imports.report import file_report
from app.imports.row_queries import find_last_targets, find_latest, find_row_ids, has_source
from app.imports.row_scan import RowScan
from app.imports.rows import RowReader
from app.imports.source_file import SourceFile
from app.imports.spool import Spool
from app.imports.table import Table
from app.imports.table_reader import read_table
from app.imports.values import fold
from app.metrics.counts import Counts
from app.metrics.figures import Series
from app.metrics.registry import METRICS
from app.metrics.scores import ScoreCounter
from app.surveys.catalogue import find_published
from app.surveys.compiled import CompiledSurvey
from app.surveys.question_types import spec_of, traits_of
from app.surveys.scales import scale_of
from app.surveys.schemas import Definition
from app.workspaces.service import get_workspace

_MAIN, _COMMENT = "@main", "@comment"
CHUNK = 4000


@dataclass
class AnswerFile:
    """An opened file: its table, the columns that are taken, and the reader of its rows."""

    name: str
    table: Table
    uses: list[ColumnUse]
    reader: RowReader
    survey: CompiledSurvey
    options: ImportOptions
    preset: str | None
    dates: DateReading | None
    identities: RowIdentities
    scan: RowScan = field(default_factory=RowScan)
    # Whether a file of this source was imported before.
    is_known: bool = False
    # What the columns of the last file of this source became.
    last_targets: Set[str] = frozenset()
    _spool: Spool | None = None

    def chunks(self) -> Iterator[list[IdentifiedRow]]:
        """Yield the rows that can be taken, in chunks; `scan` counts the others.

        The file is read once; later calls yield the rows that the first call has spooled.
        """
        if self._spool is not None and self._spool.is_complete:
            for seen, chunk in self._spool.chunks():
                self.scan.seen = seen
                yield chunk
            return
        self._spool = Spool(tuple[int, list[IdentifiedRow]])
        for chunk in self._read():
            self._spool.keep((self.scan.seen, chunk))
            yield chunk
        self._spool.is_complete = True

    def _read(self) -> Iterator[list[IdentifiedRow]]:
        self.identities.clear()
        self.reader.clear()
        yield from self.scan.chunks(
            self.table, self.options.where, size=CHUNK, read=self.reader.read,
            identify=self.identities.identify, is_readable=self.reader.is_readable,
        )  # fmt: skip


async def open_answers(
    database: Database, workspace_id: UUID, survey: str, source: SourceFile, options: ImportOptions
) -> AnswerFile:
    """Find out what the file is and what its columns mean; raise InvalidInput with the remedy."""
    published = await survey_of(database, workspace_id, survey)
    async with database.session() as session:
        workspace = await get_workspace(session, workspace_id)
    return await asyncio.to_thread(_open_file, published, workspace.timezone, source, options)


async def survey_of(database: Database, workspace_id: UUID, survey: str) -> CompiledSurvey:
    """Return the published survey of a key or id; Conflict for a draft."""
    async with database.session() as session:
        published = await find_published(session, workspace_id, survey)
    if published is None:
        detail = f"The survey `{survey[:64]}` is a draft; publish it first."
        raise Conflict(detail)
    if not published.live:
        detail = f"The survey `{survey[:64]}` is closed; publish it again for the import."
        raise Conflict(detail)
    return published


def _open_file(
    survey: CompiledSurvey, workspace_zone: str, source: SourceFile, options: ImportOptions
) -> AnswerFile:
    table = pivot_rows(read_table(source, options.file), options)
    preset = preset_of(table.columns, options.preset)
    rules = presets().get(preset or "", {})
    table, options = apply_rules(table, rules, options, survey.key)
    if options.pivot is not None and "external_id" not in options.maps.values():
        # What the rows are joined by is their id.
        options = replace(options, maps={str(options.by): "external_id"} | dict(options.maps))
    options = options.of_rejects(table.origin)
    require_known_names(table, options, [question.key for question in survey.definition.questions])
    uses = uses_of(table, options, vocabulary_of(survey.definition, preset))
    _require_question(table, {*(use.target for use in uses), *options.constants}, survey.definition)
    require_one_reading(
        table, uses, lambda encoding: _other_reading(source, options, rules, encoding)
    )
    zone = zone_of(options.timezone or table.timezone or rules.get("timezone") or workspace_zone)
    undated = undated_moment(options.undated, utc_now(), zone)
    dates = _dates(table, uses, options, zone, is_dated=undated is None)
    reader = RowReader(survey, uses, options, dates, undated)
    identities = RowIdentities(survey, options.source, table.columns, reader.notes)
    return AnswerFile(source.name, table, uses, reader, survey, options, preset, dates, identities)


def _dates(
    table: Table, uses: list[ColumnUse], options: ImportOptions, zone: ZoneInfo, *, is_dated: bool
) -> DateReading | None:
    """Find how the dates are read; InvalidInput if there are none, but answers need them."""
    column = next((use for use in uses if use.target == "responded_at"), None)
    if column is not None:
        values = (cells[column.position] for _, cells in wanted_rows(table, options.where))
        order = table.origin.date_order if table.origin else None
        is_sheet = table.sheet is not None
        return find_date_order(
            values, zone, options.date_format, column.name, order=order, is_sheet=is_sheet
        )
    if "responded_at" in options.constants:
        # A single date does not show the order of day and month, so only ISO dates are accepted.
        return DateReading(zone, "iso")
    if is_dated:
        detail = (
            "No column is the time of the answer (`responded_at`); name it with `map`, or set "
            "`undated`: `now` or a date."
        )
        raise InvalidInput(detail)
    return None


def vocabulary_of(definition: Definition, preset: str | None) -> Vocabulary:
    """Return what columns may become in a survey."""
    main = definition.main_question
    comments = [
        question.key
        for question in definition.questions
        if traits_of(question.type).control == "text"
    ]
    question_keys = {_MAIN: main.key if main else None, _COMMENT: comments[0] if comments else None}
    rules = presets().get(preset or "", {})
    known = rules.get("columns", {})
    targets = {name: name for name in FIELDS}
    return Vocabulary(
        targets=targets
        | {question.key.casefold(): question.key for question in definition.questions},
        known={
            column: own
            for column, target in known.items()
            if (own := question_keys.get(target, target)) is not None
        },
        texts={
            fold(text): question.key
            for question in definition.questions
            for text in question.text.values()
        },
        ids=frozenset(rules.get("ids", ())),
        several=frozenset(
            question.key
            for question in definition.questions
            if traits_of(question.type).control == "several"
        ),
    )


def _require_question(table: Table, targets: Set[str], definition: Definition) -> None:
    keys = [question.key for question in definition.questions]
    if targets.isdisjoint(keys):
        detail = (
            f"No column is a question of the survey. It has {', '.join(keys)}; say which "
            f"columns they are with `map`: COLUMN=QUESTION. The file has "
            f"{', '.join(table.columns[:20])}. Other fields are {', '.join(FIELDS)} and "
            "property.NAME. If these are no headers, `skip_rows` skips rows before them"
            f"{', and `sheet` names another sheet' if table.sheet else ''}."
        )
        raise InvalidInput(detail)


def _other_reading(
    source: SourceFile, options: ImportOptions, rules: Mapping[str, Any], encoding: str
) -> Table:
    """Return the table of a file as another encoding reads it."""
    table = read_table(source, replace(options.file, encoding=encoding))
    return apply_rules(pivot_rows(table, options), rules, options, None)[0]


async def inspect_answers(
    database: Database, workspace_id: UUID, file: AnswerFile
) -> dict[str, Any]:
    """Read the whole file and return what was seen; nothing is stored."""
    histograms: dict[str, Counter[str]] = defaultdict(Counter)
    states: Counter[str] = Counter()
    chunks = file.chunks()
    async with database.session() as session:
        replaced = await _find_earlier(session, workspace_id, file)
    while (chunk := await asyncio.to_thread(next, chunks, None)) is not None:
        for entry in chunk:
            for key, value in entry.row.checked.answers.items():
                parts = value if isinstance(value, list) else [value]
                for part in parts:
                    histograms[key][_value_text(part)] += 1
        earlier: dict[UUID, Any] = {}
        if file.is_known:
            async with database.session() as session:
                ids = [id_ for entry in chunk for id_ in entry.ids]
                earlier = await find_latest(session, workspace_id, ids)
        for entry in (entry.known_as(earlier) for entry in chunk):
            file.identities.ids.add(entry.id)
            states[_state_of(earlier.get(entry.id), entry)] += 1
    report = _report(file, histograms, states)
    if replaced is not None:
        async with database.session() as session:
            missing = await find_missing(session, replaced, None, file.identities.ids)
        report["rows"] |= {"removed": len(missing.removed), "kept": missing.shared_rows}
        report["replaces"] = str(replaced.id)
    return report


async def _find_earlier(
    session: AsyncSession, workspace_id: UUID, file: AnswerFile
) -> ImportRun | None:
    """Find out what is stored of the file's source; return the import that it replaces."""
    source = file.options.source
    file.is_known = await has_source(session, workspace_id, source, is_taken=True)
    file.last_targets = await find_last_targets(session, workspace_id, source, file.survey.id)
    if file.table.origin is not None:
        imports = file.table.origin.imports
        file.identities.elsewhere = await find_row_ids(session, workspace_id, imports)
    if (replaced_id := file.options.replace) is None:
        return None
    return await find_replaced(
        session,
        workspace_id,
        replaced_id,
        kind="answers",
        source=source,
        survey_id=file.survey.id,
    )


def _state_of(earlier: Any, entry: IdentifiedRow) -> str:
    if earlier is None:
        return "new"
    return "already_here" if earlier.content == entry.row.content else "changed"


def _value_text(value: Any) -> str:
    if value is None:
        return "-"
    return str(value).lower() if isinstance(value, bool) else str(value)


def _report(
    file: AnswerFile, histograms: dict[str, Counter[str]], states: Counter[str]
) -> dict[str, Any]:
    report = file_report(file, file.uses, states)
    report["notes"] += _hints(file, states)
    return report | {
        "kind": "answers",
        "survey": file.survey.key,
        "questions": [_question(file, key, counts) for key, counts in sorted(histograms.items())],
        "refused": refusal_of(file, file.reader, sum(states.values()), histograms),
    }


def _question(file: AnswerFile, key: str, value_counts: Counter[str]) -> dict[str, Any]:
    """Return a question's histogram, and the figure that it gives."""
    question = next(
        candidate for candidate in file.survey.definition.questions if candidate.key == key
    )
    metric = spec_of(question.type).metric
    scale = scale_of(question.type, question.points)
    report: dict[str, Any] = {"question": key, "metric": metric}
    if traits_of(question.type).control != "scale" or metric is None:
        return report | {"histogram": dict(value_counts.most_common(20)) if metric else {}}
    counts = Counts(tuple(value_counts.get(str(score), 0) for score in range(11)))
    counter = METRICS[metric].counter
    assert isinstance(counter, ScoreCounter)  # noqa: S101 - scored metrics have this counter
    figure = counter.formula({Series(scale.name, scale.low, scale.high): counts})
    histogram = {
        str(score): value_counts.get(str(score), 0) for score in range(scale.low, scale.high + 1)
    }
    return report | {"histogram": histogram, "n": figure.n, "value": figure.value}


def _hints(file: AnswerFile, states: Counter[str]) -> list[str]:
    """Return hints for the person who reads the report."""
    hints: list[str] = []
    without_ids = not any(use.target == "external_id" for use in file.uses)
    is_known = states["already_here"] or states["changed"] or file.is_known
    if (
        file.table.origin is None
        and without_ids
        and is_known
        and states["new"]
        and file.options.replace is None
    ):
        hint = (
            "The rows have no ids, so a corrected row counts as new; `replace` with the id of the "
            "earlier import removes the rows that are no longer in the file."
        )
        hints.append(hint)
    now = {use.target for use in file.uses} | set(file.options.constants)
    if states["changed"] and (missing := sorted(file.last_targets - now)):
        hints.append(
            f"The last file of this source also had {', '.join(missing)}. Rows that change now "
            "lose their earlier values for it."
        )
    return hints
