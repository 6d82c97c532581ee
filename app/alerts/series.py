# SPDX-License-Identifier: Apache-2.0
"""The series that an alert watches: each group's figures by period, as counts that add up."""

import asyncio
import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlmodel.ext.asyncio.session import AsyncSession

from app.alerts.control_chart import BASELINE_PERIODS, MIN_IN_BASELINE
from app.alerts.schemas import AlertRules
from app.core.errors import InvalidInput
from app.core.property_filters import PROPERTY
from app.metrics.answer_sums import AnswerSums, share_sums
from app.metrics.metric import CountReading, FigureDict
from app.metrics.parameters import MetricQuery, resolve
from app.metrics.periods import Interval, Period, Span, moment_of, period_start, periods_of
from app.metrics.registry import METRICS
from app.metrics.request import MetricRequest
from app.metrics.ticket_sketch import Durations
from app.metrics.ticket_times import TicketCounter
from app.workspaces.models import Workspace

HISTORY = dt.timedelta(days=365)
# The earliest start of a baseline, before its alert was made.
_MAX_BASELINE_AGE = dt.timedelta(days=5 * 366)


@dataclass(frozen=True, slots=True)
class GroupSeries:
    """One group's sums, one for each period, and the positions of its baseline."""

    group: str | None
    sums: Sequence[AnswerSums]
    baseline: Sequence[int]


@dataclass(frozen=True, slots=True)
class AlertSeries:
    """The completed periods, and the series of every group over them.

    `net` tells whether it is a net score, and `step` is the least by which two answers differ.
    """

    periods: Sequence[Period]
    series: Sequence[GroupSeries]
    net: bool
    step: float


async def request_of(
    session: AsyncSession, workspace: Workspace, rules: AlertRules, since: dt.date, today: dt.date
) -> MetricRequest:
    """Return the metric's request: from `since` to the period that is not over.

    Raise InvalidInput that names the alert's own field.
    """
    fields = {name: value for name, value in rules.filter.items() if not name.startswith(PROPERTY)}
    properties = {
        name.removeprefix(PROPERTY): [value]
        for name, value in rules.filter.items()
        if name.startswith(PROPERTY)
    }
    query = MetricQuery(
        interval=Interval(rules.interval),
        group_by=[rules.group_by] if rules.group_by else [],
        timezone=workspace.timezone,
        from_=since.isoformat(),
        to=today.isoformat(),
        **{name: [value] for name, value in fields.items()},
    )
    try:
        request = await resolve(session, workspace, str(rules.metric), query, properties)
        counter = METRICS[request.metric].counter
        for parameter, names, known in (
            ("group_by", request.groups, counter.groups),
            ("filter", list(request.filters), counter.filters),
        ):
            for name in names:
                if name not in known and not name.startswith(PROPERTY):
                    msg = f"`{name}` cannot be used with {counter.noun}; use {', '.join(known)}"
                    raise InvalidInput.at("query", parameter, msg=msg)
    except InvalidInput as error:
        raise InvalidInput(
            errors=[
                {"loc": _own_place(fault["loc"]), "msg": fault["msg"]} for fault in error.errors
            ]
        ) from None
    return request


def _own_place(loc: Sequence[str | int]) -> Sequence[str | int]:
    name = loc[-1]
    own = {"group_by", "filter", "timezone"}
    return ("body", name) if name in own else ("body", "filter", name)


def require_baseline(rules: AlertRules, today: dt.date) -> None:
    """Raise InvalidInput for a baseline that is too long ago, or ends in the future."""
    span = rules.baseline
    if span is None:
        return
    if span.from_ < today - _MAX_BASELINE_AGE:
        msg = "begins more than 5 years ago; choose a later day"
        raise InvalidInput.at("body", "baseline", "from", msg=msg)
    if span.to > today + dt.timedelta(days=1):
        raise InvalidInput.at(
            "body", "baseline", "to", msg="ends in the future; choose today or an earlier day"
        )


def start_of_series(rules: AlertRules, made_on: dt.date) -> dt.date:
    """Return where the series begins: a year before the alert was made, or with its baseline."""
    first = made_on - HISTORY
    if rules.baseline is not None:
        first = max(min(first, rules.baseline.from_), made_on - _MAX_BASELINE_AGE)
    return period_start(first, Interval(rules.interval))


async def read_series(
    session: AsyncSession, request: MetricRequest, rules: AlertRules
) -> AlertSeries:
    """Read the series of every group, with the places of its baseline's periods."""
    counter = METRICS[request.metric].counter
    interval = Interval(rules.interval)
    end = period_start(request.today, interval)
    span = Span(request.span.start, end)
    if not moment_of(span.start, request.zone) < moment_of(end, request.zone):
        return AlertSeries([], [], net=False, step=1.0)
    request = MetricRequest(**{**vars(request), "span": span})
    periods = list(periods_of(span, interval, request.zone, request.today))
    counts = await counter.count_by_group(session, request, periods)
    reading = counter.choose_reading(request, await counter.count_total(session, request, counts))
    # Years of days of many groups take a second, which must not hold up the event loop.
    return await asyncio.to_thread(_series_of, request, rules, periods, counts, reading)


def _series_of(
    request: MetricRequest,
    rules: AlertRules,
    periods: Sequence[Period],
    counts: Mapping[Any, Any],
    reading: CountReading,
) -> AlertSeries:
    """Return the series of every group that was counted."""
    counter = METRICS[request.metric].counter
    row_counts = counter.select_rows(request, counts, reading)
    by_group: dict[str | None, dict[dt.date, Any]] = {} if rules.group_by else {None: {}}
    for (day, *names), count in row_counts.items():
        by_group.setdefault(names[0] if names else None, {})[day] = count
    series = []
    for group, counts_by_day in sorted(by_group.items(), key=lambda item: item[0] or ""):
        group_values = {rules.group_by: group} if rules.group_by else {}
        counted = [counts_by_day.get(period.first_day) for period in periods]
        if METRICS[request.metric].unit.kind == "duration":
            series.append(_in_time(group, request, counted, periods, rules))
            continue
        figures = [counter.make_figure(request, tally, reading, group_values) for tally in counted]
        sums = [_sums_of(request.metric, figure) for figure in figures]
        series.append(GroupSeries(group, sums, baseline_positions(sums, periods, rules)))
    kind = METRICS[request.metric].unit.kind
    return AlertSeries(periods, series, kind == "points", 1.0 if kind == "score" else 100.0)


def _sums_of(metric: str, figure: FigureDict) -> AnswerSums:
    """Return the figure as sums; they are empty if it is hidden or has no answers."""
    sums_of = METRICS[metric].sums
    assert sums_of is not None  # noqa: S101 - an alert watches no metric without sums
    return AnswerSums() if figure["value"] is None else sums_of(figure)


def _in_time(
    group: str | None,
    request: MetricRequest,
    counted: Sequence[Any],
    periods: Sequence[Period],
    rules: AlertRules,
) -> GroupSeries:
    """Return the share of tickets that took no longer than the baseline's median."""
    counter = METRICS[request.metric].counter
    assert isinstance(counter, TicketCounter)  # noqa: S101 - times are those of tickets
    measure = counter.measures[0]
    times = [Durations() if tally is None else tally.times[measure] for tally in counted]
    times = [Durations() if request.hides(time.n) else time for time in times]
    positions = baseline_positions([AnswerSums(time.n) for time in times], periods, rules)
    pooled = Durations()
    for position in positions:
        for value, count in times[position].counts.items():
            pooled.add(value, count, 0)
    median = pooled.quantile(0.5)
    sums = []
    for durations in times:
        good = sum(
            count
            for value, count in durations.counts.items()
            if median is not None and value <= median
        )
        sums.append(share_sums(durations.n, good))
    return GroupSeries(group, sums, positions)


def baseline_positions(
    sums: Sequence[AnswerSums], periods: Sequence[Period], rules: AlertRules
) -> list[int]:
    """Return the places of the baseline: the first 20 periods of 10 answers, or those named."""
    if rules.baseline is not None:
        span = rules.baseline
        return [
            position
            for position, (period, period_sums) in enumerate(zip(periods, sums, strict=True))
            if span.from_ <= period.first_day < span.to and period_sums.n
        ]
    enough = [
        position for position, period_sums in enumerate(sums) if period_sums.n >= MIN_IN_BASELINE
    ]
    return enough[:BASELINE_PERIODS] if len(enough) >= BASELINE_PERIODS else []
