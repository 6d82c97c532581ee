# SPDX-License-Identifier: Apache-2.0
"""The counter of scores: histograms of answers, kept apart by scale, and the figures of them."""

import datetime as dt
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from sqlmodel.ext.asyncio.session import AsyncSession

from app.core.property_filters import PROPERTY
from app.metrics.counting import (
    Cells,
    ScoreQuestions,
    add_unchosen_options,
    count_answers,
    count_excluded_answers,
    count_latest,
    must_read_rows,
)
from app.metrics.counts import Counts, pool
from app.metrics.figures import Cell, Figure, FigureComparison, Series, mean_0_100, pool_into
from app.metrics.metric import CellKey, CountedRows, CountReading, FigureDict
from app.metrics.periods import Interval, Period, Span, first_local_day, window_start
from app.metrics.request import FILTERS, GROUPS, TAGS, MetricRequest
from app.metrics.statistics import Change
from app.surveys.scales import SCALES


@dataclass(frozen=True, slots=True)
class ScoreCounter:
    """Counts the scores of the questions of one metric.

    `formula` makes the figure of one scale, `compare` tests two of them; `rescaled` adds the mean
    on 0-100, the one figure that pools scales.
    """

    questions: ScoreQuestions
    formula: Callable[[Cell], Figure]
    compare: FigureComparison | None
    rescaled: bool

    noun = "answers"
    counted = CountedRows("response", "responded_at")
    groups = GROUPS
    filters = FILTERS
    features = ("count", "window", "scale")
    extent = (
        "select min(responded_at) as first, max(responded_at) as last from response "
        "where workspace_id = :id and state = 'counted'"
    )

    async def count_by_group(
        self, session: AsyncSession, request: MetricRequest, periods: Sequence[Period] | None
    ) -> Cells:
        """Return the histograms of each period and group."""
        if periods is None:
            return await self._count_span(session, request)
        spans = [(period, _span_of(request, period)) for period in periods]
        if request.latest:
            dated_spans = [(period.first_day, span) for period, span in spans]
            if not dated_spans:
                return {}
            return await count_latest(session, request, self.questions, dated_spans)
        if not request.window or not spans:
            return await count_answers(
                session, request, self.questions, request.span, request.interval
            )
        full_span = Span(min(span.start for _, span in spans), request.span.end)
        daily = await count_answers(session, request, self.questions, full_span, Interval.DAY)
        return _pool_windows(daily, spans)

    async def count_total(
        self, session: AsyncSession, request: MetricRequest, rows: Mapping[CellKey, Cell]
    ) -> Cell:
        """Return the histograms of the whole span, with every option there is."""
        if _adds_up(request):
            total = _pool_all(rows)
        else:
            total = await self.count_span(session, request.without_groups())
        await add_unchosen_options(session, request, self.questions, total)
        return total

    async def count_span(self, session: AsyncSession, request: MetricRequest) -> Cell:
        """Return the histograms of a span."""
        return _pool_all(await self._count_span(session, request))

    async def _count_span(self, session: AsyncSession, request: MetricRequest) -> Cells:
        if request.latest:
            return await count_latest(session, request, self.questions, [(None, request.span)])
        return await count_answers(session, request, self.questions, request.span, Interval.NONE)

    def choose_reading(self, request: MetricRequest, total: Cell) -> CountReading:
        """Take the scale asked for, else the one with most answers; the others are warned of.

        Where questions are not pooled, the question stands in the place of the scale.
        """
        source = "rows" if must_read_rows(request) else "rollups"
        answers: dict[str, int] = defaultdict(int)
        for series, counts in total.items():
            answers[series.scale] += 0 if series.option else counts.n
        per_question = self.questions.per_question
        if request.scale and not per_question:
            return CountReading(source, request.scale, request.scale)
        if not answers:
            return CountReading(source)
        chosen = max(sorted(answers), key=lambda scale: answers[scale])
        if per_question:
            name = "yes_no" if request.metric == "yes_no" else chosen.partition(" ")[2]
            return CountReading(source, chosen, name, _warn_of_questions(chosen, answers))
        warnings = [] if "scale" in request.groups else _warn_of_scales(chosen, answers)
        return CountReading(source, chosen, chosen, warnings)

    def select_rows(
        self, request: MetricRequest, rows: Mapping[CellKey, Cell], reading: CountReading
    ) -> Mapping[CellKey, Cell]:
        """Leave out groups that were asked on another scale only."""
        if not request.groups or "scale" in request.groups or self.rescaled:
            return rows
        return {key: cell for key, cell in rows.items() if _of_scale(cell, reading.scale)}

    def make_figure(
        self,
        request: MetricRequest,
        counts: Cell | None,
        reading: CountReading,
        group: Mapping[str, str | None],
    ) -> FigureDict:
        """Return the figure of one scale; small groups are shown without their value."""
        cell = counts or {}
        by_scale = "scale" in group and not self.questions.per_question
        scale = group["scale"] if by_scale else reading.scale
        figure = self.formula(_of_scale(cell, scale) or _empty(scale))
        if request.hides(figure.n):
            hidden = dict.fromkeys(("value", "display", "n_missing", "n_na", "ci", "margin"))
            return hidden | {"n": figure.n, "reliability": "hidden"}
        figure_dict: FigureDict = {
            "value": figure.value,
            "display": figure.display,
            "n": figure.n,
            "n_missing": figure.n_missing,
            "n_na": figure.n_na,
            "ci": list(figure.ci) if figure.ci else None,
            "margin": (figure.ci[1] - figure.ci[0]) / 2 if figure.ci else None,
            "reliability": figure.reliability,
            **figure.parts,
        }
        if self.rescaled:
            figure_dict |= mean_0_100(_of_scale(cell, request.scale) if request.scale else cell)
        return figure_dict | {"distribution": figure.distribution}

    def compare_counts(self, before: Cell, now: Cell, reading: CountReading) -> Change | None:
        """Compare two figures of one scale by their own test."""
        if self.compare is None:
            return None
        return self.compare(_of_scale(before, reading.scale), _of_scale(now, reading.scale))

    async def count_excluded(self, session: AsyncSession, request: MetricRequest) -> dict[str, int]:
        """Count the responses that no figure holds, by reason."""
        return await count_excluded_answers(session, request, self.questions)


def _adds_up(request: MetricRequest) -> bool:
    """Tell whether the rows' cells hold every answer once, so that the total is their sum."""
    partial = [group for group in request.groups if group in TAGS or group.startswith(PROPERTY)]
    whole_series = request.interval is not Interval.NONE or bool(request.groups)
    return whole_series and not (partial or request.latest or request.window)


def _span_of(request: MetricRequest, period: Period) -> Span:
    """Return a period's own span, or that of the window which ends with it.

    A query with exact bounds cuts its first and last period.
    """
    if request.window:
        return Span(window_start(period.end, request.window) or period.start, period.end)
    start = (
        request.span.start
        if period.start == first_local_day(request.span.start, request.zone)
        else period.start
    )
    whole_end = not isinstance(request.span.end, dt.datetime)
    is_last = period.end > first_local_day(request.span.end, request.zone)
    return Span(start, period.end if whole_end or not is_last else request.span.end)


def _pool_windows(daily: Cells, spans: Sequence[tuple[Period, Span]]) -> Cells:
    """Pool each window by moving its two ends over the days: each day enters and leaves once."""
    days = sorted(((key[0], key[1:], cell) for key, cell in daily.items()), key=_day_of)
    running: Cells = defaultdict(dict)
    window_cells: Cells = {}
    entered = left = 0
    for period, span in spans:
        while entered < len(days) and days[entered][0] < span.end:
            pool_into(running[days[entered][1]], days[entered][2])
            entered += 1
        while left < entered and days[left][0] < span.start:
            _subtract(running[days[left][1]], days[left][2])
            left += 1
        for group, cell in running.items():
            if any(counts != Counts() for counts in cell.values()):
                window_cells[period.first_day, *group] = dict(cell)
    return window_cells


def _day_of(entry: tuple[dt.date, CellKey, Cell]) -> dt.date:
    return entry[0]


def _subtract(into: Cell, cell: Cell) -> None:
    for series, counts in cell.items():
        into[series] = into[series] - counts


def _pool_all(cells: Mapping[CellKey, Cell]) -> Cell:
    total: Cell = {}
    for cell in cells.values():
        pool_into(total, cell)
    return total


def _of_scale(cell: Cell, scale: str | None) -> Cell:
    return {series: counts for series, counts in cell.items() if series.scale == scale}


def _empty(scale: str | None) -> Cell:
    """Return the series of a scale without any answer, so that its distribution is complete."""
    bounds = SCALES.get(scale or "")
    return {Series(bounds.name, bounds.low, bounds.high): pool([])} if bounds else {}


def _warn_of_scales(chosen: str, answers: Mapping[str, int]) -> list[str]:
    others = [
        f"{scale} (n = {count})"
        for scale, count in sorted(answers.items())
        if scale != chosen and count
    ]
    if not others:
        return []
    remedy = "Add `scale=` for one of them, or `group_by=scale`."
    also = ", ".join(others)
    return [
        f"Scales are never pooled. This figure is of the scale {chosen}; others: {also}. {remedy}"
    ]


def _warn_of_questions(chosen: str, answers: Mapping[str, int]) -> list[str]:
    """Warn which questions are left out, with their surveys if keys are ambiguous."""
    keys = [name.partition(" ")[2] for name in answers]

    def question_of(name: str) -> str:
        survey, _, key = name.partition(" ")
        return key if keys.count(key) == 1 else f"{key} of {survey}"

    others = [
        f"{question_of(name)} (n = {count})"
        for name, count in sorted(answers.items())
        if name != chosen and count
    ]
    if not others:
        return []
    remedy = "Add `question=` or `survey=` for one of them."
    also = ", ".join(others)
    this = question_of(chosen)
    return [f"Questions are never pooled. This figure is of {this}; others: {also}. {remedy}"]
