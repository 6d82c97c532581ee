"""The figures of a page, read as the API reads them, and laid out for its charts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from app.interactions.models import Journey
from app.metrics.journey import ON_MAP, map_of
from app.metrics.parameters import resolve
from app.metrics.registry import METRICS
from app.metrics.request import MetricRequest
from app.metrics.service import Reply, measure
from app.metrics.statistics import wilson
from app.pages.dashboard.charts import Bars, ChartLine, Point, bars_of, line_of
from app.pages.dashboard.filters import PageFilter
from app.pages.dashboard.sessions import DashboardVisit
from app.pages.dashboard.texts import DashboardTexts
from app.surveys.emotions import SHIPPED_EMOTIONS

CARDS = ("nps", "csat", "ces", "ttr")
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


def written(said: DashboardTexts, metric: str, value: float | None) -> str:
    """Write a metric's value with its unit."""
    unit = METRICS[metric].unit
    if unit.kind == "duration":
        return said.duration(value)
    sign = " %" if unit.kind == "percent" and value is not None else ""
    return said.number(value, unit.digits) + sign


def interval_of(said: DashboardTexts, metric: str, ci: Sequence[float] | None) -> str | None:
    """Write an interval."""
    if not ci:
        return None
    return " … ".join(written(said, metric, bound) for bound in ci)


async def request_of(
    visit: DashboardVisit,
    view: PageFilter,
    metric: str,
    properties: Mapping[str, list[str]],
    **more: Any,
) -> MetricRequest:
    """Make a view's query of one metric definite."""
    query = view.query(**more)
    # A ticket belongs to no survey, channel or language.
    unknown = {"survey", "channel", "locale"} - set(METRICS[metric].counter.filters)
    query = query.model_copy(update={name: [] for name in unknown})
    return await resolve(visit.session, visit.workspace, metric, query, properties)


async def read(
    visit: DashboardVisit,
    view: PageFilter,
    metric: str,
    properties: Mapping[str, list[str]],
    **more: Any,
) -> Reply:
    """Read one metric of a view."""
    request = await request_of(visit, view, metric, properties, **more)
    return await measure(visit.session, request)


async def cards(
    visit: DashboardVisit, view: PageFilter, properties: Mapping[str, list[str]]
) -> list[Card]:
    """Read the four figures, each against the period before."""
    more = {} if view.period == "all" else {"compare": "previous_period"}
    found = []
    for metric in CARDS:
        reply = await read(visit, view, metric, properties, **more)
        found.append(_card(visit.said, metric, reply))
    return found


def _card(said: DashboardTexts, metric: str, reply: Reply) -> Card:
    total, change = reply["total"], reply.get("change") or {}
    delta = change.get("delta")
    lower = METRICS[metric].better == "lower"
    better = None if not delta else (delta < 0) is lower
    return Card(
        metric=metric,
        value=written(said, metric, total["value"]),
        interval=interval_of(said, metric, total["ci"]),
        n=said.number(total["n"]),
        is_empty=not total["n"],
        reliability=total["reliability"],
        delta=None if delta is None else _signed(said, metric, delta),
        direction="same" if better is None else "better" if better else "worse",
        significant=bool(change.get("significant")),
        excluded=sum((total.get("excluded") or {}).values()),
    )


def _signed(said: DashboardTexts, metric: str, delta: float) -> str:
    sign = "+" if delta > 0 else "−" if delta < 0 else "±"
    if METRICS[metric].unit.kind == "duration":
        return sign + said.duration(abs(delta))
    return sign + said.number(abs(delta), 1)


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
    """Read one metric over time."""
    reply = await read(visit, view, metric, properties, interval=view.interval)
    points = [point_of(visit.said, metric, row["period"], row) for row in reply["rows"]]
    within = METRICS[metric].unit.ends
    if metric == "ces" and reply.get("scale") == "5":
        within = (1.0, 5.0)
    counts = [(str(k), int(v)) for k, v in reply["total"].get("distribution", {}).items()]
    return Trend(metric, line_of(points, within=within), bars_of(counts), reply["total"]["n"])


def point_of(said: DashboardTexts, metric: str, label: str, row: Mapping[str, Any]) -> Point:
    """Return one row of a reply as a chart's point."""
    low, high = row["ci"] or (None, None)
    return Point(
        label, row["value"], low, high, row["n"], written(said, metric, row["value"]),
        interval_of(said, metric, row["ci"]) or "–",
    )  # fmt: skip


def first_with_answers(found: Sequence[Card]) -> str:
    """Return the metric to look at first."""
    return next(
        (card.metric for card in found if not card.is_empty and card.metric != "ttr"), "nps"
    )


async def tag_points(
    visit: DashboardVisit, view: PageFilter, group: str, properties: Mapping[str, list[str]]
) -> list[Point]:
    """Read the mean of each driver or pillar on 0-100, the weakest first."""
    reply = await read(visit, view, "rating", properties, group_by=[group])
    points = [
        point_of(
            visit.said,
            "rating",
            visit.said.name(group, row["group"][group]),
            {"value": row.get("mean_0_100"), "ci": row.get("mean_0_100_ci"), "n": row["n"]},
        )
        for row in reply["rows"]
        if row["group"][group]
    ]
    return sorted(points, key=lambda point: 101.0 if point.value is None else point.value)


async def emotion_points(
    visit: DashboardVisit, view: PageFilter, properties: Mapping[str, list[str]]
) -> tuple[list[Point], Reply]:
    """Read how often each emotion was chosen, in per cent."""
    reply = await read(visit, view, "emotion", properties)
    total = reply["total"]
    points = []
    for name, n in total.get("distribution", {}).items():
        ci = [100 * bound for bound in wilson(n, total["n"]) or ()]
        row = {"value": 100 * n / total["n"] if total["n"] else None, "ci": ci, "n": n}
        label = _EMOTIONS.get(name, {}).get(visit.said.language, name)
        points.append(point_of(visit.said, "csat", label, row))
    return points, total


async def journey_of(
    visit: DashboardVisit, view: PageFilter, properties: Mapping[str, list[str]], journey: Journey
) -> dict[str, Any]:
    """Read the map of touchpoints."""
    requests = {
        name: await request_of(visit, view, name, properties, group_by=["touchpoint"])
        for name in ON_MAP
    }
    return await map_of(visit.session, journey, requests)
