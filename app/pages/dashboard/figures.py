# SPDX-License-Identifier: Apache-2.0
"""The figures of a page, read as the API reads them, and laid out for its charts."""

import datetime as dt
from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from app.core.clock import utc_now
from app.insights.labels import NON_DRIVER_TAGS
from app.metrics.journey import (
    ON_MAP,
    WeakestTouchpoint,
    all_touchpoints,
    find_weakest,
    read_journey_map,
)
from app.metrics.parameters import resolve
from app.metrics.periods import span_before
from app.metrics.registry import CARD_METRICS, METRICS, SCORE_METRICS
from app.metrics.request import MetricRequest
from app.metrics.service import MetricReply, measure
from app.metrics.statistics import wilson
from app.metrics.written_values import write_value
from app.pages.dashboard.charts import Bars, ChartLine, Point, bars_of, line_of
from app.pages.dashboard.filters import PageFilter
from app.pages.dashboard.texts import DashboardTexts
from app.pages.dashboard.visit import DashboardVisit
from app.surveys.emotions import SHIPPED_EMOTIONS
from app.surveys.question_types import QuestionType
from app.surveys.scales import HIGH_BANDS, LOW_BANDS, MIDDLE_BANDS, band_of, scale_of

_MINUTE_SECONDS, _HOUR_SECONDS, _DAY_SECONDS = 60, 3600, 86_400
_LEVELS = {band: level for level, bands in (
    ("low", LOW_BANDS), ("middle", MIDDLE_BANDS), ("high", HIGH_BANDS)
) for band in bands}  # fmt: skip
_EMOTIONS = {emotion["key"]: emotion["text"] for emotion in SHIPPED_EMOTIONS}


@dataclass(frozen=True, slots=True)
class Card:
    """One figure as it is shown: with its interval, its n and its change."""

    metric: str
    value: str
    interval: str | None
    n: str
    is_empty: bool
    reliability: str
    delta: str | None
    direction: str
    significant: bool
    excluded: int


def format_value(texts: DashboardTexts, metric: str, value: float | None) -> str:
    """Write a metric's value with its unit; a dash for none."""
    return "–" if value is None else write_value(texts.language, metric, value)


def interval_of(texts: DashboardTexts, metric: str, ci: Sequence[float] | None) -> str | None:
    """Write an interval; the percent sign is written once, at the end."""
    if not ci:
        return None
    unit = METRICS[metric].unit
    if unit.kind == "percent":
        low, high = (texts.number(bound, unit.digits) for bound in ci)
        return f"{low} … {high} %"
    return " … ".join(format_value(texts, metric, bound) for bound in ci)


def unknown_filters(metric: str) -> set[str]:
    """Return the page filters that a metric does not have, such as `survey` for ticket times."""
    return {"survey", "channel", "locale"} - set(METRICS[metric].counter.filters)


def knows_filters_of(view: PageFilter, metric: str) -> bool:
    """Tell whether a metric knows all filters of a page; else its figure would not change."""
    return not any(getattr(view, name) for name in unknown_filters(metric))


async def request_of(
    visit: DashboardVisit,
    view: PageFilter,
    metric: str,
    properties: Mapping[str, list[str]],
    **more: Any,
) -> MetricRequest:
    """Resolve a view's query of one metric: exact dates, zone and filters."""
    query = view.query(**more)
    query = query.model_copy(update={name: [] for name in unknown_filters(metric)})
    return await resolve(visit.session, visit.workspace, metric, query, properties)


async def read(
    visit: DashboardVisit,
    view: PageFilter,
    metric: str,
    properties: Mapping[str, list[str]],
    short: bool = False,
    **more: Any,
) -> MetricReply:
    """Read one metric of a view; with `short` its values, intervals, n and change alone."""
    request = await request_of(visit, view, metric, properties, **more)
    return await measure(visit.session, request, short=short)


async def read_cards(
    visit: DashboardVisit,
    view: PageFilter,
    properties: Mapping[str, list[str]],
    metrics: Container[str] = CARD_METRICS,
) -> list[Card]:
    """Read those of `CARD_METRICS` that are wanted, with their change since the period before."""
    is_all = view.period == "all" and not view.has_dates
    more = {} if is_all else {"compare": "previous_period"}
    shown_cards = []
    for metric in CARD_METRICS:
        if metric not in metrics or not knows_filters_of(view, metric):
            continue
        reply = await read(visit, view, metric, properties, short=True, **more)
        if metric != "response_rate" or reply["total"]["n"]:
            shown_cards.append(_card(visit.texts, metric, reply))
    return shown_cards


def _card(texts: DashboardTexts, metric: str, reply: MetricReply) -> Card:
    total, change = reply["total"], reply.get("change") or {}
    delta = change.get("delta")
    lower = METRICS[metric].better == "lower"
    better = None if not delta else (delta < 0) is lower
    return Card(
        metric=metric,
        value=format_value(texts, metric, total["value"]),
        interval=interval_of(texts, metric, total["ci"]),
        n=texts.number(total["n"]),
        is_empty=not total["n"],
        reliability=total["reliability"],
        delta=None if delta is None else _write_with_sign(texts, metric, delta),
        direction="same" if better is None else "better" if better else "worse",
        significant=bool(change.get("significant")),
        excluded=sum((total.get("excluded") or {}).values()),
    )


def _write_with_sign(texts: DashboardTexts, metric: str, delta: float) -> str:
    sign = "+" if delta > 0 else "−" if delta < 0 else "±"
    if METRICS[metric].unit.kind == "duration":
        return sign + texts.duration(abs(delta))
    return sign + texts.number(abs(delta), 1)


@dataclass(frozen=True, slots=True)
class Trend:
    """A metric over time and its distribution."""

    metric: str
    line: ChartLine
    bars: Bars
    n: int


async def trend(
    visit: DashboardVisit, view: PageFilter, metric: str, properties: Mapping[str, list[str]]
) -> Trend:
    """Read one metric over time, beside the period before."""
    reply = await read(visit, view, metric, properties, interval=view.interval)
    points = [
        point_of(visit.texts, metric, visit.texts.period(row["period"]), row)
        for row in reply["rows"]
    ]
    within = METRICS[metric].unit.ends
    if metric == "ces" and reply.get("scale") == "5":
        within = (1.0, 5.0)
    counts = [
        (str(key), int(value)) for key, value in reply["total"].get("distribution", {}).items()
    ]
    before = await _read_values_before(visit, view, metric, properties)
    is_time = METRICS[metric].unit.kind == "duration"
    today = utc_now().astimezone(visit.zone).date()
    line = line_of(
        points,
        within=within,
        before=before,
        is_complete=dt.date.fromisoformat(reply["to"][:10]) <= today,
        **(time_axis(visit.texts, points) if is_time else {}),
    )
    band = band_reader(metric, reply.get("scale"))
    return Trend(metric, line, bars_of(counts, band), reply["total"]["n"])


def time_axis(texts: DashboardTexts, points: Sequence[Point]) -> dict[str, Any]:
    """Return how an axis of durations is labelled: in whole minutes, hours or days."""
    longest = max((point.high or point.value or 0 for point in points), default=0)
    units = (unit for unit in (_DAY_SECONDS, _HOUR_SECONDS) if longest > 2 * unit)
    unit = next(units, _MINUTE_SECONDS)
    return {"write": texts.duration, "unit": unit}


async def _read_values_before(
    visit: DashboardVisit, view: PageFilter, metric: str, properties: Mapping[str, list[str]]
) -> list[float | None]:
    """Return the values of the previous period, in order; none if there is no such period."""
    if view.period == "all" and not view.has_dates:
        return []
    request = await request_of(visit, view, metric, properties, interval=view.interval)
    span = span_before(request.span, "previous_period", request.zone)
    reply = await measure(visit.session, replace(request, span=span))
    return [row["value"] for row in reply["rows"]]


def band_reader(metric: str, scale: str | None) -> Callable[[str], str]:
    """Return a function that names the band of a score: low, middle, high, or none."""
    if metric == QuestionType.NPS and scale == QuestionType.YES_NO:
        return lambda answer: {"no": "low", "yes": "high"}.get(answer, "")
    points = int(scale) if scale and scale.isdigit() else None
    if metric not in set(QuestionType) or (metric != "nps" and points is None):
        return lambda _: ""
    question_scale = scale_of(QuestionType(metric), points)

    def band(score: str) -> str:
        score_band = band_of(question_scale, int(score))
        return "" if score_band is None else _LEVELS[score_band]

    return band


def point_of(texts: DashboardTexts, metric: str, label: str, row: Mapping[str, Any]) -> Point:
    """Return one row of a reply as a chart's point."""
    low, high = row["ci"] or (None, None)
    return Point(
        label, row["value"], low, high, row["n"], format_value(texts, metric, row["value"]),
        interval_of(texts, metric, row["ci"]) or "–",
    )  # fmt: skip


def first_metric_with_answers(shown_cards: Sequence[Card]) -> str:
    """Return the metric to look at first."""
    return next(
        (card.metric for card in shown_cards if not card.is_empty and card.metric in SCORE_METRICS),
        "nps",
    )


async def tag_points(
    visit: DashboardVisit, view: PageFilter, group: str, properties: Mapping[str, list[str]]
) -> list[Point]:
    """Read the mean of each driver or pillar on 0-100, the weakest first."""
    reply = await read(visit, view, "rating", properties, group_by=[group])
    points = [
        point_of(
            visit.texts,
            "rating",
            visit.texts.name(group, row["group"][group]),
            {
                "value": row.get("mean_0_100"),
                "ci": row.get("mean_0_100_ci"),
                "n": row.get("mean_0_100_n", row["n"]),
            },
        )
        for row in reply["rows"]
        if row["group"][group]
        and not (group == "driver" and row["group"][group] in NON_DRIVER_TAGS)
    ]
    return sorted(points, key=lambda point: 101.0 if point.value is None else point.value)


async def emotion_points(
    visit: DashboardVisit, view: PageFilter, properties: Mapping[str, list[str]]
) -> tuple[list[Point], MetricReply]:
    """Read how often each emotion was chosen, in per cent."""
    reply = await read(visit, view, "emotion", properties)
    total = reply["total"]
    points = []
    for name, count in total.get("distribution", {}).items():
        ci = [100 * bound for bound in wilson(count, total["n"]) or ()]
        row = {"value": 100 * count / total["n"] if total["n"] else None, "ci": ci, "n": count}
        label = _EMOTIONS.get(name, {}).get(visit.texts.language, name)
        points.append(point_of(visit.texts, "csat", label, row))
    return points, total


async def journey_of(
    visit: DashboardVisit, view: PageFilter, properties: Mapping[str, list[str]]
) -> dict[str, Any]:
    """Read the map of all touchpoints."""
    requests = {
        name: await request_of(visit, view, name, properties, group_by=["touchpoint"])
        for name in ON_MAP
    }
    journey = await all_touchpoints(visit.session, visit.workspace.id)
    return await read_journey_map(visit.session, journey, requests)


async def weakest_of(
    visit: DashboardVisit, view: PageFilter, properties: Mapping[str, list[str]]
) -> WeakestTouchpoint | None:
    """Return the touchpoint that the map shows as weakest."""
    requests = {
        name: await request_of(visit, view, name, properties, group_by=["touchpoint"])
        for name in SCORE_METRICS
    }
    return await find_weakest(visit.session, requests)
