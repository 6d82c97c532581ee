"""What an alert says: its chart, what it would have said, and whether it is raised now."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any
from zoneinfo import ZoneInfo

from sqlmodel.ext.asyncio.session import AsyncSession

from app.alerts.control_chart import LIMITS, Baseline, ChartPoint, baseline_of, chart, rejected
from app.alerts.schemas import AlertRules, LimitRule
from app.alerts.series import HISTORY, GroupSeries, Watched, read_series, request_of, since_of
from app.core.clock import utc_now
from app.metrics.periods import Interval, period_start
from app.metrics.registry import METRICS
from app.workspaces.models import Workspace

# An older period is history: it stands on the chart and is silent.
_FRESH = dt.timedelta(days=7)


@dataclass(frozen=True, slots=True)
class GroupChart:
    """One group's points by period, with the course they are measured from."""

    group: str | None
    baseline: Baseline | None
    points: Sequence[ChartPoint]

    def expected(self, rules: AlertRules) -> float | None:
        """Return what the value was held against."""
        if isinstance(rules.rule, LimitRule):
            return rules.rule.value
        return self.baseline.mean if self.baseline else None


@dataclass(frozen=True, slots=True)
class AlertCharts:
    """The charts of an alert over the same periods, and the day that is not over."""

    rules: AlertRules
    days: Sequence[dt.date]
    ends: Sequence[dt.date]
    groups: Sequence[GroupChart]
    today: dt.date

    def group_of(self, group: str | None) -> dict[str, str | None] | None:
        """Return a group as replies and events name it."""
        return {self.rules.group_by: group} if self.rules.group_by else None


async def charts_of(
    session: AsyncSession, workspace: Workspace, rules: AlertRules, made: dt.datetime
) -> AlertCharts:
    """Compute the charts of an alert that was made at some time."""
    zone = ZoneInfo(workspace.timezone)
    today = utc_now().astimezone(zone).date()
    since = since_of(rules, made.astimezone(zone).date())
    request = await request_of(session, workspace, rules, since, today)
    return _charts(await read_series(session, request, rules), rules, today)


def _charts(watched: Watched, rules: AlertRules, today: dt.date) -> AlertCharts:
    groups = [_chart(series, rules, net=watched.net) for series in watched.series]
    if rules.group_by:
        groups = _without_false_discoveries(groups)
    return AlertCharts(
        rules,
        [period.first_day for period in watched.periods],
        [period.end for period in watched.periods],
        groups,
        today,
    )


def _chart(series: GroupSeries, rules: AlertRules, *, net: bool) -> GroupChart:
    if isinstance(rules.rule, LimitRule):
        points = [_held_against(rules.rule, m.mean if m.n else None, m.n) for m in series.moments]
        return GroupChart(series.group, None, points)
    if not series.baseline:
        points = [ChartPoint(m.mean if m.n else None, m.n) for m in series.moments]
        return GroupChart(series.group, None, points)
    baseline = baseline_of([series.moments[place] for place in series.baseline], net=net)
    points = chart(
        series.moments, baseline=baseline, first=series.baseline[-1] + 1,
        level=LIMITS[rules.interval], direction=rules.direction,
    )  # fmt: skip
    return GroupChart(series.group, baseline, points)


def _held_against(rule: LimitRule, value: float | None, n: int) -> ChartPoint:
    out = value is not None and n >= rule.min_n and (
        value < rule.value if rule.kind == "below" else value > rule.value
    )  # fmt: skip
    return ChartPoint(value, n, None, rule.value, out)


def _without_false_discoveries(groups: Sequence[GroupChart]) -> list[GroupChart]:
    """Take away the signals of a period that its number of groups explains."""
    points = [list(group.points) for group in groups]
    for place in range(len(points[0]) if points else 0):
        signals = [number for number, found in enumerate(points) if found[place].signal]
        if not signals or points[signals[0]][place].z is None:
            continue
        judged = {
            number: found[place].p_value for number, found in enumerate(points)
            if found[place].z is not None
        }  # fmt: skip
        for number in set(signals) - rejected(judged):
            points[number][place] = replace(points[number][place], signal=False)
    return [replace(group, points=found) for group, found in zip(groups, points, strict=True)]


def raised_now(found: AlertCharts) -> dict[str, Any]:
    """Return what is raised, by group: where the latest period that says anything is a signal.

    Periods that ended more than 7 days ago say nothing.
    """
    raised: dict[str, Any] = {}
    least = found.rules.rule.min_n if isinstance(found.rules.rule, LimitRule) else 1
    for group in found.groups:
        for place in reversed(range(len(found.days))):
            if found.ends[place] < found.today - _FRESH:
                break
            point = group.points[place]
            if point.n < least:
                continue
            if point.signal:
                raised[group.group or ""] = {
                    "group": found.group_of(group.group),
                    "period": found.days[place].isoformat(),
                    "value": point.value,
                    "n": point.n,
                    "expected": group.expected(found.rules),
                    "z": point.z,
                }
            break
    return raised


def chart_reply(found: AlertCharts) -> dict[str, Any]:
    """Return the chart as the API shows it."""
    rows = [
        {
            "period": day,
            "group": found.group_of(group.group),
            "value": point.value,
            "n": point.n,
            "z": point.z,
            "limit": point.limit,
            "signal": point.signal,
        }
        for group in found.groups
        for day, point in zip(found.days, group.points, strict=True)
    ]
    courses = [
        {"mean": g.expected(found.rules), "n_periods": g.baseline.periods if g.baseline else 0}
        for g in found.groups
    ]
    single = courses[0] if len(courses) == 1 else {"mean": None, "n_periods": 0}
    kind = METRICS[str(found.rules.metric)].unit.kind
    reply = {"baseline": single, "rows": rows, "unit": "percent" if kind == "duration" else kind}
    if found.rules.group_by:
        reply["baselines"] = [
            {"group": found.group_of(group.group), **course}
            for group, course in zip(found.groups, courses, strict=True)
        ]
    return reply


async def preview(session: AsyncSession, workspace: Workspace, rules: AlertRules) -> dict[str, Any]:
    """Return what the rule would have said over the last year; an alert raises once until clear."""
    found = await charts_of(session, workspace, rules, utc_now())
    interval = Interval(rules.interval)
    since = period_start(found.today - HISTORY, interval)
    least = rules.rule.min_n if isinstance(rules.rule, LimitRule) else 1
    rows: list[dict[str, Any]] = []
    for group in found.groups:
        is_raised = False
        for day, point in zip(found.days, group.points, strict=True):
            if point.n < least:
                continue
            if point.signal and not is_raised and day >= since:
                named = found.group_of(group.group)
                rows.append({"period": day, "value": point.value, "z": point.z, "group": named})
            is_raised = point.signal
    rows.sort(key=lambda row: str(row["period"]))
    periods = sum(day >= since for day in found.days)
    return {"periods": periods, "raised": len(rows), "rows": rows}
