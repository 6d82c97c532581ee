# SPDX-License-Identifier: Apache-2.0
"""Evaluate an alert: its chart, when it would have been raised, and whether it is raised now."""

import asyncio
import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from zoneinfo import ZoneInfo

from sqlmodel.ext.asyncio.session import AsyncSession

from app.alerts.control_chart import (
    FALSE_DISCOVERIES,
    LIMITS,
    Baseline,
    ChartPoint,
    baseline_of,
    chart,
    find_rejected,
)
from app.alerts.schemas import AlertRules, LimitRule
from app.alerts.series import (
    HISTORY,
    AlertSeries,
    GroupSeries,
    read_series,
    request_of,
    require_baseline,
    start_of_series,
)
from app.core.clock import utc_now
from app.metrics.periods import Interval, period_start
from app.metrics.registry import METRICS
from app.metrics.statistics import two_sided
from app.workspaces.models import Workspace

# Older periods are shown on the chart but raise nothing.
_MAX_AGE_TO_RAISE = dt.timedelta(days=7)


@dataclass(frozen=True, slots=True)
class GroupChart:
    """One group's points by period, with the course they are measured from."""

    group: str | None
    baseline: Baseline | None
    points: Sequence[ChartPoint]

    def expected_value(self, rules: AlertRules) -> float | None:
        """Return the value that the figure is compared with."""
        if isinstance(rules.rule, LimitRule):
            return rules.rule.value
        return self.baseline.mean if self.baseline else None


@dataclass(frozen=True, slots=True)
class AlertCharts:
    """The charts of an alert over the same periods, and today's date."""

    rules: AlertRules
    days: Sequence[dt.date]
    ends: Sequence[dt.date]
    groups: Sequence[GroupChart]
    today: dt.date

    def group_of(self, group: str | None) -> dict[str, str | None] | None:
        """Return a group as replies and events name it."""
        return {self.rules.group_by: group} if self.rules.group_by else None


async def charts_of(
    session: AsyncSession, workspace: Workspace, rules: AlertRules, created_at: dt.datetime
) -> AlertCharts:
    """Compute the charts of an alert that was made at some time."""
    zone = ZoneInfo(workspace.timezone)
    today = utc_now().astimezone(zone).date()
    since = start_of_series(rules, created_at.astimezone(zone).date())
    request = await request_of(session, workspace, rules, since, today)
    alert_series = await read_series(session, request, rules)
    return await asyncio.to_thread(_charts, alert_series, rules, today)


def _charts(alert_series: AlertSeries, rules: AlertRules, today: dt.date) -> AlertCharts:
    net, step = alert_series.net, alert_series.step
    groups = [_chart(series, rules, net=net, step=step) for series in alert_series.series]
    if rules.group_by:
        groups = remove_false_discoveries(groups, LIMITS[rules.interval])
    return AlertCharts(
        rules,
        [period.first_day for period in alert_series.periods],
        [period.end for period in alert_series.periods],
        groups,
        today,
    )


def _chart(series: GroupSeries, rules: AlertRules, *, net: bool, step: float) -> GroupChart:
    if isinstance(rules.rule, LimitRule):
        points = [
            _point_by_limit(rules.rule, period.mean if period.n else None, period.n)
            for period in series.sums
        ]
        return GroupChart(series.group, None, points)
    if not series.baseline:
        points = [ChartPoint(period.mean if period.n else None, period.n) for period in series.sums]
        return GroupChart(series.group, None, points)
    periods = [series.sums[index] for index in series.baseline]
    baseline = baseline_of(periods, net=net, step=step)
    points = chart(
        series.sums, baseline=baseline, first=series.baseline[-1] + 1,
        level=LIMITS[rules.interval], direction=rules.direction,
    )  # fmt: skip
    return GroupChart(series.group, baseline, points)


def _point_by_limit(rule: LimitRule, value: float | None, n: int) -> ChartPoint:
    out = value is not None and n >= rule.min_n and (
        value < rule.value if rule.kind == "below" else value > rule.value
    )  # fmt: skip
    return ChartPoint(value, n, None, rule.value, out)


def remove_false_discoveries(groups: Sequence[GroupChart], level: float) -> list[GroupChart]:
    """Remove the signals of a period that chance explains, given the number of groups.

    The rate of false discoveries is that of one chart at this level, which is far below 5 %: so
    that many groups together raise hardly more often in a year than one.
    """
    rate = min(FALSE_DISCOVERIES, two_sided(level))
    points = [list(group.points) for group in groups]
    for index in range(len(points[0]) if points else 0):
        signals = [number for number, row in enumerate(points) if row[index].signal]
        if not signals or points[signals[0]][index].z is None:
            continue
        p_values = {
            number: row[index].p_value for number, row in enumerate(points)
            if row[index].z is not None
        }  # fmt: skip
        for number in set(signals) - find_rejected(p_values, rate):
            points[number][index] = replace(points[number][index], signal=False)
    return [replace(group, points=row) for group, row in zip(groups, points, strict=True)]


def raised_now(charts: AlertCharts, before: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is raised, by group: a group whose latest period with answers is a signal.

    Periods that ended more than 7 days ago raise and clear nothing: a group without answers since
    then is raised if it was raised `before`.
    """
    raised: dict[str, Any] = {}
    for group in charts.groups:
        name = group.group or ""
        index = _find_latest(charts, group)
        if index is None:
            if name in before:
                raised[name] = before[name]
        elif group.points[index].signal:
            raised[name] = _point_shown(charts, group, index)
    return raised


def _point_shown(charts: AlertCharts, group: GroupChart, index: int) -> dict[str, Any]:
    """Return a point as events and the alert show it."""
    point = group.points[index]
    return {
        "group": charts.group_of(group.group),
        "period": charts.days[index].isoformat(),
        "value": point.value,
        "n": point.n,
        "expected": group.expected_value(charts.rules),
        "z": point.z,
    }


def cleared_by(charts: AlertCharts, name: str, raised: Mapping[str, Any]) -> dict[str, Any]:
    """Return the point that clears a group; without answers there is no value."""
    for group in charts.groups:
        index = _find_latest(charts, group)
        if (group.group or "") == name and index is not None:
            return _point_shown(charts, group, index)
    return {**raised, "value": None, "n": 0, "z": None}


def has_baseline(charts: AlertCharts) -> bool:
    """Tell whether any group has a course to be measured from."""
    return any(group.baseline is not None for group in charts.groups)


def _find_latest(charts: AlertCharts, group: GroupChart) -> int | None:
    """Return the index of the latest period with enough answers that ended in the last 7 days."""
    least = charts.rules.rule.min_n if isinstance(charts.rules.rule, LimitRule) else 1
    for index in reversed(range(len(charts.days))):
        if charts.ends[index] < charts.today - _MAX_AGE_TO_RAISE:
            return None
        if group.points[index].n >= least:
            return index
    return None


def chart_reply(charts: AlertCharts) -> dict[str, Any]:
    """Return the chart as the API shows it."""
    rows = [
        {
            "period": day,
            "group": charts.group_of(group.group),
            "value": point.value,
            "n": point.n,
            "z": point.z,
            "limit": point.limit,
            "signal": point.signal,
        }
        for group in charts.groups
        for day, point in zip(charts.days, group.points, strict=True)
    ]
    courses = [
        {
            "mean": group.expected_value(charts.rules),
            "n_periods": group.baseline.periods if group.baseline else 0,
        }
        for group in charts.groups
    ]
    single = courses[0] if len(courses) == 1 else {"mean": None, "n_periods": 0}
    kind = METRICS[str(charts.rules.metric)].unit.kind
    reply = {"baseline": single, "rows": rows, "unit": "percent" if kind == "duration" else kind}
    if charts.rules.group_by:
        reply["baselines"] = [
            {"group": charts.group_of(group.group), **course}
            for group, course in zip(charts.groups, courses, strict=True)
        ]
    return reply


async def preview(session: AsyncSession, workspace: Workspace, rules: AlertRules) -> dict[str, Any]:
    """Return when the rule would have raised the alert in the last year, once until it clears."""
    require_baseline(rules, utc_now().astimezone(ZoneInfo(workspace.timezone)).date())
    charts = await charts_of(session, workspace, rules, utc_now())
    interval = Interval(rules.interval)
    since = period_start(charts.today - HISTORY, interval)
    least = rules.rule.min_n if isinstance(rules.rule, LimitRule) else 1
    rows: list[dict[str, Any]] = []
    for group in charts.groups:
        is_raised = False
        for day, point in zip(charts.days, group.points, strict=True):
            if point.n < least:
                continue
            if point.signal and not is_raised and day >= since:
                label = charts.group_of(group.group)
                rows.append({"period": day, "value": point.value, "z": point.z, "group": label})
            is_raised = point.signal
    rows.sort(key=lambda row: str(row["period"]))
    periods = sum(day >= since for day in charts.days)
    return {"periods": periods, "raised": len(rows), "rows": rows}
