"""Looking at a file: what was seen, what it would give, and whether it may be taken."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from app.core.clock import utc_now
from app.core.database import Database
from app.core.errors import Conflict, InvalidInput
from app.core.ids import keyed_uuid
from app.core.zones import is_zone
from app.imports.columns import ColumnUse, pivoted, preset_of, presets, uses_of
from app.imports.dates import DateReading, judge_dates
from app.imports.options import ImportOptions, undated_moment
from app.imports.reading import FileOptions, SourceFile, Table, read_table
from app.imports.rows import ReadRow, RowReader, RowRejected
from app.imports.stored import find_latest
from app.imports.values import OUT_OF_SCALE
from app.metrics.counts import Counts
from app.metrics.figures import Series
from app.metrics.registry import METRICS
from app.metrics.scores import ScoreCounter
from app.surveys.catalogue import find_published
from app.surveys.compiled import CompiledSurvey
from app.surveys.question_types import ScoreAnswers, spec_of
from app.surveys.scales import scale_of
from app.workspaces.service import get_workspace

MOST_REJECTED = 0.05
CHUNK = 2000
_MOST_REASONS = 50
_FEW = 3


@dataclass(frozen=True)
class IdentifiedRow:
    """One row with the id of its response, which its source and its own id or content give."""

    row: ReadRow
    id: UUID


@dataclass
class OpenFile:
    """A file that is understood: its table, the columns that are taken, and what reads them."""

    name: str
    table: Table
    uses: list[ColumnUse]
    reader: RowReader
    survey: CompiledSurvey
    options: ImportOptions
    preset: str | None
    dates: DateReading | None
    rejected: list["RejectedRow"] = field(default_factory=list)
    empty: int = 0
    seen: int = 0
    _repeats: Counter[str] = field(default_factory=Counter)

    def chunks(self) -> Iterator[list[IdentifiedRow]]:
        """Yield the rows that can be taken, some at a time; keep those that cannot."""
        self.rejected, self.empty, self.seen, self._repeats = [], 0, 0, Counter()
        self.reader.notes.clear()
        chunk = []
        for line, cells in self._wanted_rows():
            self.seen += 1
            try:
                row = self.reader.read(line, cells)
            except RowRejected as error:
                self.rejected.append(RejectedRow(line, cells, error.column, str(error)))
                continue
            if row is None:
                self.empty += 1
                continue
            chunk.append(IdentifiedRow(row, self._id_of(row)))
            if len(chunk) == CHUNK:
                yield chunk
                chunk = []
        yield chunk

    def _wanted_rows(self) -> Iterator[tuple[int, list[str]]]:
        places = {column.casefold(): place for place, column in enumerate(self.table.columns)}
        where = []
        for column, values in self.options.where.items():
            if column not in places:
                msg = f"the file has no column `{column[:80]}`"
                raise InvalidInput.at("query", "where", msg=msg)
            where.append((places[column], values))
        for line, cells in self.table.rows():
            if any(cells) and all(cells[place].casefold() in values for place, values in where):
                yield line, cells

    def _id_of(self, row: ReadRow) -> UUID:
        names = ["import", str(self.survey.id), self.options.source]
        if row.external_id is not None:
            names += ["id", row.external_id]
        else:
            self._repeats[row.content] += 1
            names += ["row", row.content, str(self._repeats[row.content])]
        return keyed_uuid(self.survey.derivation.key, *names)


@dataclass(frozen=True, slots=True)
class RejectedRow:
    """A row that was not taken: its line, its cells, the column and why."""

    line: int
    cells: list[str]
    column: str
    reason: str


async def open_file(
    database: Database, workspace_id: UUID, survey: str, source: SourceFile, options: ImportOptions
) -> OpenFile:
    """Find out what the file is and what its columns mean; raise InvalidInput with the remedy."""
    async with database.session() as session:
        found = await find_published(session, workspace_id, survey)
        workspace = await get_workspace(session, workspace_id)
    if found is None:
        detail = f"The survey `{survey[:64]}` is a draft; publish it first."
        raise Conflict(detail)
    return await asyncio.to_thread(_open, found, workspace.timezone, source, options)


def _open(
    survey: CompiledSurvey, workspace_zone: str, source: SourceFile, options: ImportOptions
) -> OpenFile:
    table = pivoted(read_table(source, options.file), options)
    preset = preset_of(table.columns, options.preset)
    uses = uses_of(table, options, survey.definition, preset)
    _require_one_reading(table, uses, source)
    zone_name = options.timezone or (presets()[preset].get("timezone") if preset else None)
    zone_name = zone_name or workspace_zone
    if not is_zone(zone_name):
        msg = "is no IANA time zone, such as Europe/Warsaw"
        raise InvalidInput.at("query", "timezone", msg=msg)
    undated = undated_moment(options.undated, utc_now())
    dated = next((use for use in uses if use.target == "responded_at"), None)
    if dated is None and "responded_at" not in options.constants and undated is None:
        detail = (
            "No column is the time of the answer (`responded_at`); name it by `map`, or say "
            "`undated`: `now` or a date."
        )
        raise InvalidInput(detail)
    dates = None
    if dated is not None:
        values = (cells[dated.place] for _, cells in table.rows())
        dates = judge_dates(values, ZoneInfo(zone_name), options.date_format, dated.name)
    elif "responded_at" in options.constants:
        dates = DateReading(ZoneInfo(zone_name))
    reader = RowReader(survey, uses, options, dates, undated)
    return OpenFile(source.name, table, uses, reader, survey, options, preset, dates)


def _require_one_reading(table: Table, uses: list[ColumnUse], source: SourceFile) -> None:
    """Refuse a file of which two readings are plausible and differ in a column that is taken."""
    if table.other is None:
        return
    other = read_table(source, FileOptions(encoding=table.other))
    for (_, first), (_, second) in zip(table.rows(), other.rows(), strict=False):
        for use in uses:
            if first[use.place] != second[use.place]:
                detail = (
                    f"The file can be read as {table.encoding} (`{first[use.place][:60]}`) or as "
                    f"{table.other} (`{second[use.place][:60]}`); say which by `encoding`."
                )
                raise InvalidInput(detail)


async def look_at(database: Database, workspace_id: UUID, file: OpenFile) -> dict[str, Any]:
    """Read the whole file and return what was seen; nothing is stored."""
    histograms: dict[str, Counter[str]] = {}
    states: Counter[str] = Counter()
    chunks = file.chunks()
    while (chunk := await asyncio.to_thread(next, chunks, None)) is not None:
        for one in chunk:
            for key, value in one.row.checked.answers.items():
                shown = value if isinstance(value, list) else [value]
                for part in shown:
                    histograms.setdefault(key, Counter())[_shown(part)] += 1
        async with database.session() as session:
            known = await find_latest(session, workspace_id, [one.id for one in chunk])
        for one in chunk:
            before = known.get(one.id)
            states[_state_of(before, one)] += 1
    return _report(file, histograms, states)


def _state_of(before: Any, one: IdentifiedRow) -> str:
    if before is None:
        return "new"
    return "already_here" if before.content == one.row.content else "changed"


def _shown(value: Any) -> str:
    if value is None:
        return "-"
    return str(value).lower() if isinstance(value, bool) else str(value)


def _report(
    file: OpenFile, histograms: dict[str, Counter[str]], states: Counter[str]
) -> dict[str, Any]:
    taken = sum(states.values())
    reasons: Counter[str] = Counter()
    first: dict[str, RejectedRow] = {}
    for row in file.rejected:
        reasons[row.column] += 1
        first.setdefault(row.column, row)
    example = next(iter(file.table.rows()), (0, [""] * len(file.table.columns)))[1]
    targets = {use.place: use.target for use in file.uses}
    report: dict[str, Any] = {
        "file": file.name,
        "source": file.options.source,
        "survey": file.survey.key,
        "encoding": file.table.encoding,
        "delimiter": file.table.delimiter,
        "sheet": file.table.sheet,
        "header_rows": file.table.header_rows,
        "preset": file.preset,
        "dates": _shown_dates(file),
        "columns": [
            {"column": name, "example": example[place][:80], "becomes": targets.get(place)}
            for place, name in enumerate(file.table.columns)
        ],
        "questions": [_question(file, key, found) for key, found in sorted(histograms.items())],
        "rows": {
            "seen": file.seen,
            "accepted": taken,
            "empty": file.empty,
            "rejected": len(file.rejected),
            **{name: states[name] for name in ("new", "changed", "already_here")},
        },
        "rejected": [
            {"column": column, "n": n, "line": first[column].line, "reason": first[column].reason}
            for column, n in reasons.most_common(_MOST_REASONS)
        ],
        "notes": [
            *file.table.notes,
            *(f"{note} (left out, {n} times)" for note, n in
              file.reader.notes.most_common(_MOST_REASONS)),
            *_hints(file, states),
        ],
    }  # fmt: skip
    return report | {"refused": _refusal(file, taken)}


def _shown_dates(file: OpenFile) -> dict[str, Any] | None:
    if file.dates is None:
        return None
    return {
        "order": file.dates.format or file.dates.order,
        "timezone": file.dates.zone.key,
    }


def _question(file: OpenFile, key: str, found: Counter[str]) -> dict[str, Any]:
    """Return a question's histogram, and the figure that it gives."""
    question = next(q for q in file.survey.definition.questions if q.key == key)
    metric = spec_of(question.type).metric
    scale = scale_of(question.type, question.points)
    shown: dict[str, Any] = {"question": key, "metric": metric}
    answers = spec_of(question.type).answers
    if not isinstance(answers, ScoreAnswers) or metric is None:
        return shown | {"histogram": dict(found.most_common(20)) if metric else {}}
    counts = Counts(tuple(found.get(str(score), 0) for score in range(11)))
    counter = METRICS[metric].counter
    assert isinstance(counter, ScoreCounter)  # noqa: S101 - scored metrics have this counter
    figure = counter.formula({Series(scale.name, scale.low, scale.high): counts})
    histogram = {str(s): found.get(str(s), 0) for s in range(scale.low, scale.high + 1)}
    return shown | {"histogram": histogram, "n": figure.n, "value": figure.value}


def _hints(file: OpenFile, states: Counter[str]) -> list[str]:
    """Say what a reader of the look should know beside the numbers."""
    without_ids = not any(use.target == "external_id" for use in file.uses)
    if without_ids and states["already_here"] and states["new"]:
        hint = (
            "Rows have no ids here, so a corrected row is a new one; `replace` with the id of the "
            "import before takes away what is no longer in the file."
        )
        return [hint]
    return []


def _refusal(file: OpenFile, taken: int) -> str | None:
    """Return why nothing is taken, or None."""
    with_answers = taken + len(file.rejected)
    if not with_answers:
        return "No row holds an answer."
    misfits = Counter(row.column for row in file.rejected if OUT_OF_SCALE.search(row.reason))
    for note, n in file.reader.notes.items():
        if OUT_OF_SCALE.search(note):
            misfits[note.partition(":")[0]] += n
    if file.options.allow_rejects:
        return None if taken else "No row can be taken."
    for column, n in misfits.items():
        if n >= max(_FEW, 0.01 * with_answers):
            return (
                f"The column `{column}` does not fit its question's scale ({n:,} values); ask on "
                "the scale that the file has, or say `allow_rejects`."
            )
    if len(file.rejected) > MOST_REJECTED * with_answers:
        share = 100 * len(file.rejected) / with_answers
        return (
            f"{len(file.rejected):,} of {with_answers:,} rows cannot be read ({share:.0f} %); more "
            "than 5 % are too many. Mend the file or the mapping, or say `allow_rejects`."
        )
    return None
