"""The figures of a page, read as the API reads them, and laid out for its charts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from app.interactions.models import Journey
from app.metrics.journey import in_short, map_of
from app.metrics.parameters import Asked, resolve
from app.metrics.periods import Interval
from app.metrics.plain import measure_plain
from app.metrics.service import Reply, measure
from app.metrics.statistics import wilson
from app.metrics.ttr import TTR
from app.pages.dashboard.charts import Bars, Line, Point, bars_of, line_of
from app.pages.dashboard.filters import View
from app.pages.dashboard.visiting import Visit
from app.pages.dashboard.words import Said
from app.surveys.emotions import SHIPPED_EMOTIONS

CARDS = ("nps", "csat", "ces", "ttr")
_DIGITS = {"nps": 0, "csat": 0, "ces": 1}
_WITHIN = {"nps": (-100.0, 100.0), "csat": (0.0, 100.0), "ces": (1.0, 7.0)}
_SHARES = {"csat"}
_EMOTIONS = {one["key"]: one["text"] for one in SHIPPED_EMOTIONS}


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


def written(said: Said, metric: str, value: float | None) -> str:
    """Write a metric's value with its unit."""
    if metric == "ttr":
        return said.duration(value)
    unit = " %" if metric in _SHARES and value is not None else ""
    return said.number(value, _DIGITS.get(metric, 1)) + unit


def interval_of(said: Said, metric: str, ci: Sequence[float] | None) -> str | None:
    """Write an interval."""
    if not ci:
        return None
    return " … ".join(written(said, metric, bound) for bound in ci)


async def asked_of(
    visit: Visit, view: View, metric: str, properties: Mapping[str, list[str]], **more: Any
) -> Asked:
    """Make a view's query of one metric definite."""
    query = view.query(**more)
    if metric == "ttr":
        # A ticket belongs to no survey and no channel.
        query = query.model_copy(update={"survey": [], "channel": []})
    return await resolve(visit.session, visit.workspace, metric, query, properties)


async def read(
    visit: Visit, view: View, metric: str, properties: Mapping[str, list[str]], **more: Any
) -> Reply:
    """Read one metric of a view."""
    asked = await asked_of(visit, view, metric, properties, **more)
    if metric == "ttr":
        return await measure_plain(visit.session, asked, TTR)
    return await measure(visit.session, asked)


async def cards(visit: Visit, view: View, properties: Mapping[str, list[str]]) -> list[Card]:
    """Read the four figures, each against the period before."""
    more = {} if view.period == "all" else {"compare": "previous_period"}
    found = []
    for metric in CARDS:
        reply = await read(visit, view, metric, properties, **more)
        found.append(_card(visit.said, metric, reply))
    return found


def _card(said: Said, metric: str, reply: Reply) -> Card:
    total, change = reply["total"], reply.get("change") or {}
    delta = change.get("delta")
    # A shorter time is a better one.
    better = None if not delta else (delta < 0) is (metric == "ttr")
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


def _signed(said: Said, metric: str, delta: float) -> str:
    sign = "+" if delta > 0 else "−" if delta < 0 else "±"
    if metric == "ttr":
        return sign + said.duration(abs(delta))
    return sign + said.number(abs(delta), 1)


@dataclass(frozen=True, slots=True)
class Trend:
    """A metric over time and its distribution."""

    metric: str
    line: Line
    bars: Bars
    n: int


async def trend(
    visit: Visit, view: View, metric: str, properties: Mapping[str, list[str]]
) -> Trend:
    """Read one metric over time."""
    reply = await read(visit, view, metric, properties, interval=view.interval)
    points = [point_of(visit.said, metric, row["period"], row) for row in reply["rows"]]
    within = _WITHIN.get(metric)
    if metric == "ces" and reply.get("scale") == "5":
        within = (1.0, 5.0)
    counts = [(str(k), int(v)) for k, v in reply["total"].get("distribution", {}).items()]
    return Trend(metric, line_of(points, within=within), bars_of(counts), reply["total"]["n"])


def point_of(said: Said, metric: str, label: str, row: Mapping[str, Any]) -> Point:
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
    visit: Visit, view: View, group: str, properties: Mapping[str, list[str]]
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
    visit: Visit, view: View, properties: Mapping[str, list[str]]
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
    visit: Visit, view: View, properties: Mapping[str, list[str]], journey: Journey
) -> dict[str, Any]:
    """Read the map of touchpoints."""
    asked = {
        name: await asked_of(visit, view, name, properties, group_by=["touchpoint"])
        for name in ("csat", "nps", "ces", "emotion")
    }
    tickets = await asked_of(visit, view, "ttr", properties, group_by=["touchpoint"])
    rows = await TTR.figures(visit.session, tickets, Interval.NONE, True)
    times = {one.group["touchpoint"]: in_short(one.figure) for one in rows}
    return await map_of(visit.session, journey, asked, times=times)
