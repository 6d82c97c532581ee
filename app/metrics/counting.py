# SPDX-License-Identifier: Apache-2.0
"""Counting: from rollups where they suffice, else from the rows; the same cells from both.

Rollups hold counts per local day of the workspace's zone, and one segment at a time without
channel or locale. So another zone, exact times, two properties, a property with channel or
locale, undeclared properties and `latest_per_customer` read the rows, and so does everything
while a recount is under way.
"""

import datetime as dt
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from sqlalchemy import text
from sqlmodel.ext.asyncio.session import AsyncSession

from app.core.database import run_sql
from app.core.property_filters import PROPERTY, is_scalar_sql
from app.metrics.conditions import RequestConditions
from app.metrics.counts import Counts
from app.metrics.figures import Cell, Series
from app.metrics.metric import CellKey
from app.metrics.periods import Interval, Span
from app.metrics.request import MetricRequest
from app.responses.statements import COUNTED_VALUES, COUNTERS
from app.responses.states import HOLD_STATES
from app.surveys.emotions import option_valence_sql
from app.surveys.question_types import QuestionType, traits_of, types_of_metric

Cells = dict[CellKey, Cell]

_EXCLUDED = (*HOLD_STATES, "test")


@dataclass(frozen=True, slots=True)
class ScoreQuestions:
    """Which questions a metric reads, and which of them are counted together.

    `metric` is that of the entry of their type. If `per_question`, each question is counted by
    itself, because a share is of the answers to one question. Where each customer counts once, it
    is by their latest answer; with `latest_per_question`, by the latest answer to each question.
    `nps_as_yes_no` says what becomes of a yes/no question that is its survey's NPS: `added` to the
    questions, or `left_out`.
    """

    metric: str
    per_question: bool
    latest_per_question: bool
    nps_as_yes_no: Literal["added", "left_out"] | None = None

    @property
    def types(self) -> list[str]:
        """The types of the questions."""
        return [str(type_) for type_ in types_of_metric(self.metric)]

    @property
    def with_options(self) -> bool:
        """Whether the questions have options, which are counted one by one."""
        return any(traits_of(type_).has_options for type_ in types_of_metric(self.metric))


def must_read_rows(request: MetricRequest) -> bool:
    """Tell whether the rollups do not suffice for what is asked."""
    names = {*request.groups, *request.filters}
    has_channel = not names.isdisjoint({"channel", "locale"})
    return (
        request.needs_more_than_daily_counts
        or request.latest
        or (bool(request.property_names) and has_channel)
        or not names.isdisjoint(_OF_TICKETS)
    )


# How long the answer's ticket took, in five classes: opened to last solved, or to first solved
# while it is open again.
_RESOLUTION_TIME = """case when k.seconds < 3600 then '<1h' when k.seconds < 14400 then '1-4h'
  when k.seconds < 86400 then '4-24h' when k.seconds < 259200 then '1-3d'
  when k.seconds is not null then '>3d' end"""
_OF_TICKETS = frozenset({"resolution_time", "source"})


class _CellQuery(RequestConditions):
    """The parts of one statement over `x`, which is a rollup cell or a response."""

    def __init__(
        self, request: MetricRequest, questions: ScoreQuestions, *, from_rows: bool
    ) -> None:
        super().__init__(request)
        self.questions = questions
        self.from_rows = from_rows
        self.options = questions.with_options
        self.bound["types"] = questions.types
        self.conditions.append("x.workspace_id = :workspace")
        self._narrow()

    def groups(self) -> list[str]:
        """Return the SQL of each group's value."""
        return [self._expression(name) for name in self.request.groups]

    def joins(self) -> str:
        """Return the question, and the survey and touchpoint where they are asked for."""
        question = "a.key" if self.from_rows else "x.question"
        matched = f"split_part({question}, '=', 1)" if self.options else question
        of_type = "q.type = any(:types ::text[])"
        if self.questions.nps_as_yes_no == "added":
            of_type = f"({of_type} or q.recommends)"
        if self.questions.nps_as_yes_no == "left_out":
            of_type = f"({of_type} and not q.recommends)"
        joins = f"""
join question q on q.workspace_id = x.workspace_id and q.survey_id = x.survey_id
  and q.key = {matched} and {of_type}"""
        names = {*self.request.groups, *self.request.filters}
        if "survey" in self.request.groups or self.questions.per_question:
            joins += " join survey s on s.workspace_id = x.workspace_id and s.id = x.survey_id"
        if "stage" in names:
            joins += (
                " left join touchpoint t on t.workspace_id = x.workspace_id"
                " and t.key = coalesce(q.touchpoint, x.touchpoint)"
            )
        if _OF_TICKETS & names:
            # A response names its ticket by number. If two sources have that number, take the
            # source of the response's interaction, else the ticket that changed last.
            joins += """
left join lateral (
  select k.source, k.ticket, coalesce(k.full_seconds, k.first_seconds) as seconds from ticket k
  where k.workspace_id = x.workspace_id and k.ticket = x.ticket_ref
  order by k.source = x.interaction_ref ->> 'source' desc nulls last, k.updated_at desc limit 1
) k on true"""
        return joins

    def series(self) -> list[str]:
        """Return the SQL of what keeps counts apart inside a cell."""
        # Keys hold no blank, so this names one question of one survey.
        scale = "s.key || ' ' || q.key" if self.questions.per_question else "q.scale"
        if not self.options:
            return ["q.type", scale, "q.high", "q.reverse", "''", "null::int"]
        option = f"split_part({'a.key' if self.from_rows else 'x.question'}, '=', 2)"
        valence = option_valence_sql(option)
        return ["q.type", scale, "q.high", "false", option, valence]

    def _expression(self, name: str) -> str:
        if name.startswith(PROPERTY):
            if not self.from_rows:
                return "x.value"
            parameter = self.bind(name.removeprefix(PROPERTY))
            value = f"x.properties ->> {parameter}"
            return f"case when {is_scalar_sql('x.properties', parameter)} then {value} end"
        known = {
            "survey": "s.key",
            "question": "q.key",
            "touchpoint": "nullif(coalesce(q.touchpoint, x.touchpoint), '')",
            "stage": "t.stage",
            "channel": "x.channel",
            "locale": "x.locale",
            "scale": "q.scale",
            "resolution_time": _RESOLUTION_TIME,
            "source": "k.source",
        }
        return known.get(name, f"q.{name}")

    def _narrow(self) -> None:
        for name, values in self.request.filters.items():
            if name != "survey":
                self.narrow_to_values(self._expression(name), values)
        self.narrow_to_surveys("x.survey_id")
        if self.from_rows:
            self.narrow_to_properties("x.properties")
        else:
            self._narrow_rollups()

    def _narrow_rollups(self) -> None:
        names = self.request.property_names
        self.bound["segment"] = next(iter(names), "")
        self.conditions.append("x.segment = :segment")
        for values in self.request.properties.values():
            self.narrow_to_values("x.value", values)

    def narrow_to(self, span: Span) -> None:
        """Keep what lies in the span."""
        if self.from_rows:
            self.narrow_to_span(span, "x.responded_at")
        else:
            self.conditions.append(f"x.local_date >= {self.bind(span.start)}")
            self.conditions.append(f"x.local_date < {self.bind(span.end)}")

    def period(self, interval: Interval) -> str:
        """Return the SQL of the first local day of the period; null without one."""
        if self.from_rows:
            return self.period_of_moment(interval, "x.responded_at")
        return self.period_of_day(interval, "x.local_date")


async def count_answers(
    session: AsyncSession,
    request: MetricRequest,
    questions: ScoreQuestions,
    span: Span,
    interval: Interval,
) -> Cells:
    """Return the cells by (period's first day or None, each group's value).

    Rollups hold the answers of each value of a segment, and all answers; the answers without the
    segment are the difference.
    """
    cells = await _count_cells(session, request, questions, span, interval)
    position = next(
        (number for number, name in enumerate(request.groups) if name.startswith(PROPERTY)), None
    )
    if position is None or must_read_rows(request) or request.properties:
        return cells
    others = [name for name in request.groups if not name.startswith(PROPERTY)]
    without = replace(request, groups=others)
    all_cells = await _count_cells(session, without, questions, span, interval)
    return cells | _cells_without_value(all_cells, cells, position + 1)


def _cells_without_value(all_cells: Cells, cells: Cells, position: int) -> Cells:
    """Return the counts of the cells without a value at one position of the key."""
    remaining = {key: dict(cell) for key, cell in all_cells.items()}
    for key, cell in cells.items():
        remainder = remaining[*key[:position], *key[position + 1 :]]
        for series, counts in cell.items():
            remainder[series] = remainder[series] - counts
    blank_cells = {}
    for key, cell in remaining.items():
        counts_by_series = {series: counts for series, counts in cell.items() if counts != Counts()}
        if counts_by_series:
            blank_cells[*key[:position], None, *key[position:]] = counts_by_series
    return blank_cells


async def _count_cells(
    session: AsyncSession,
    request: MetricRequest,
    questions: ScoreQuestions,
    span: Span,
    interval: Interval,
) -> Cells:
    from_rows = must_read_rows(request)
    query = _CellQuery(request, questions, from_rows=from_rows)
    query.narrow_to(span)
    keys = [query.period(interval), *query.groups(), *query.series()]
    if from_rows:
        sums = [f"count(*) filter (where a.value = '{value}')" for value in COUNTED_VALUES]
        source = "response x cross join lateral jsonb_each_text(x.scores) a"
        query.conditions.append("x.state = 'counted'")
    else:
        sums = [f"sum(x.{counter})::int8" for counter in COUNTERS]
        source = "rollup x"
    statement = f"""
select {", ".join(keys)}, {", ".join(sums)}
from {source} {query.joins()}
where {query.where()}
group by {", ".join(str(i + 1) for i in range(len(keys)))}
having {" or ".join(f"{sum_} <> 0" for sum_ in sums)}"""
    rows = await run_sql(session, text(statement).bindparams(**query.bound))
    return _cells(rows, groups=len(request.groups))


async def count_latest(
    session: AsyncSession,
    request: MetricRequest,
    questions: ScoreQuestions,
    periods: Sequence[tuple[dt.date | None, Span]],
) -> Cells:
    """Count only the latest answer of each customer in each period; anonymous ones all count.

    For each customer this is the latest valid answer on the scale, else the latest `missing` or
    `na`; with `latest_per_question` it is chosen for each question.
    """
    query = _CellQuery(request, questions, from_rows=True)
    starts = [query.moment(span.start) for _, span in periods]
    ends = [query.moment(span.end) for _, span in periods]
    query.conditions.append("x.state = 'counted'")
    outer = [f"k{position}" for position in range(len(request.groups) + len(query.series()) + 1)]
    keys = ["p.number", *query.groups(), *query.series()]
    columns_sql = ", ".join(f"{sql} as {name}" for sql, name in zip(keys, outer, strict=True))
    per = "q.key, " if questions.latest_per_question else ""
    per = "x.survey_id, q.key, " if questions.per_question else per
    sums = [f"count(*) filter (where value = '{value}')" for value in COUNTED_VALUES]
    statement = f"""
select {", ".join(outer)}, {", ".join(sums)} from (
  select {columns_sql}, a.value, dense_rank() over (
    partition by p.number, q.scale, {per}coalesce(x.customer_id, x.id)
    order by a.value::int >= 0 desc, x.responded_at desc, x.id desc) as place
  from unnest(array[{", ".join(starts)}], array[{", ".join(ends)}]) with ordinality
    p(begins, ends, number)
  join response x on x.responded_at >= p.begins and x.responded_at < p.ends
  cross join lateral jsonb_each_text(x.scores) a {query.joins()}
  where {query.where()}
) ranked where place = 1
group by {", ".join(outer)}"""
    rows = await run_sql(session, text(statement).bindparams(**query.bound))
    cells = _cells(rows, groups=len(request.groups))
    return {(periods[key[0] - 1][0], *key[1:]): cell for key, cell in cells.items()}


def _cells(rows: Any, *, groups: int) -> Cells:
    cells: Cells = defaultdict(dict)
    for row in rows:
        row = tuple(row)  # noqa: PLW2901 - the row as a plain tuple
        key = row[: groups + 1]
        type_, scale, high, reverse, option, valence = row[groups + 1 : groups + 7]
        low = traits_of(QuestionType(type_)).lowest_score
        series = Series(scale, low, high, reverse, option, valence)
        numbers = row[groups + 7 :]
        counts = Counts(
            tuple(int(number) for number in numbers[:11]), int(numbers[11]), int(numbers[12])
        )
        cells[key][series] = cells[key].get(series, Counts()) + counts
    return dict(cells)


async def add_unchosen_options(
    session: AsyncSession, request: MetricRequest, questions: ScoreQuestions, total: Cell
) -> None:
    """Add to a total the options that nobody chose, so that every share is there."""
    if not questions.with_options or not total:
        return
    rows = await run_sql(
        session,
        text(
            "select s.key || ' ' || q.key, q.scale, q.high, o ->> 'key', (o ->> 'valence')::int "
            "from question q join survey s on s.workspace_id = q.workspace_id "
            "and s.id = q.survey_id cross join jsonb_array_elements(q.options) o "
            "where q.workspace_id = :workspace and q.type = any(:types ::text[])"
        ).bindparams(workspace=request.workspace.id, types=questions.types),
    )
    scales = {series.scale for series in total}
    for key, scale, high, option, valence in map(tuple, rows):
        name = key if questions.per_question else scale
        if name in scales:
            total.setdefault(Series(name, 0, high, option=option, valence=valence), Counts())


async def count_excluded_answers(
    session: AsyncSession, request: MetricRequest, questions: ScoreQuestions
) -> dict[str, int]:
    """Count the responses that the same filters find but no figure holds, by reason."""
    counts_by_state: dict[str, int] = {}
    if await _has_excluded(session, request):
        counts_by_state = await _count_by_state(session, request, questions)
    return {state: counts_by_state.get(state, 0) for state in _EXCLUDED}


async def _has_excluded(session: AsyncSession, request: MetricRequest) -> bool:
    """Tell by one look into an index whether any response of the span is excluded: most are not."""
    query = RequestConditions(request)
    query.narrow_to_span(request.span, "x.responded_at")
    query.narrow_to_surveys("x.survey_id")
    statement = f"""
select 1 from response x where x.workspace_id = :workspace
and x.state not in ('counted', 'deleted') and {query.where()} limit 1"""
    return (await run_sql(session, text(statement).bindparams(**query.bound))).first() is not None


async def _count_by_state(
    session: AsyncSession, request: MetricRequest, questions: ScoreQuestions
) -> dict[str, int]:
    query = _CellQuery(request, questions, from_rows=True)
    query.narrow_to(request.span)
    query.conditions.append("x.state = any(:excluded ::text[])")
    query.bound["excluded"] = list(_EXCLUDED)
    statement = f"""
select x.state, count(distinct x.id)
from response x cross join lateral jsonb_each_text(x.scores) a {query.joins()}
where x.state not in ('counted', 'deleted') and {query.where()}
group by 1"""
    rows = await run_sql(session, text(statement).bindparams(**query.bound))
    return dict(tuple(row) for row in rows)
