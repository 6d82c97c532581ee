"""Figures that are not counts of scores: one reply, whatever they are computed from."""

from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

from sqlmodel.ext.asyncio.session import AsyncSession

from app.core.errors import InvalidInput
from app.metrics.parameters import MOST_ROWS, PROPERTY, Asked
from app.metrics.periods import Interval, periods_of, span_before
from app.metrics.service import ordered, shown_bound

Figure = dict[str, Any]
NO_CHANGE: Figure = {
    "delta": None, "z": None, "p_value": None, "significant": False, "ci": None
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Found:
    """One figure, of a period and group."""

    period: Any
    group: dict[str, Any]
    figure: Figure


@dataclass(frozen=True, slots=True)
class Plain:
    """One such metric: what it can be told apart by, and how its figures are found.

    `figures` returns one figure a period and group; without an interval and not grouped, one.
    """

    noun: str
    groups: Collection[str]
    filters: Collection[str]
    figures: Callable[[AsyncSession, Asked, Interval, bool], Awaitable[list[Found]]]
    empty: Callable[[Asked], Figure]
    change: Callable[[Figure, Figure], Figure]


async def measure_plain(session: AsyncSession, asked: Asked, metric: Plain) -> Figure:
    """Return the whole reply of such a metric."""
    _require_possible(asked, metric)
    reply: Figure = {
        "metric": asked.metric,
        "from": shown_bound(asked.span.start),
        "to": shown_bound(asked.span.end),
        "interval": str(asked.interval),
        "timezone": asked.timezone,
        "count": "all",
        "group_by": asked.groups,
        "source": "rows",
        "total": await _total(session, asked, metric),
    }
    if "source" in reply["total"]:
        reply["source"] = reply["total"].pop("source")
    rows: list[Figure] = []
    if asked.groups or asked.interval is not Interval.NONE:
        found = await metric.figures(session, asked, asked.interval, True)
        rows = _rows(asked, found, metric)
    for row in rows:
        row.pop("source", None)
    reply["rows"], truncated = ordered(asked, rows)
    if truncated:
        reply["truncated"] = True
    if asked.compare:
        span = span_before(asked.span, asked.compare, asked.zone)
        previous = await _total(session, replace(asked, span=span), metric)
        previous.pop("source", None)
        change = NO_CHANGE
        if previous["value"] is not None and reply["total"]["value"] is not None:
            change = metric.change(previous, reply["total"])
        bounds = {"from": shown_bound(span.start), "to": shown_bound(span.end)}
        reply |= {"previous": bounds | previous, "change": change}
    if asked.workspace.recount is not None:
        reply["recount"] = asked.workspace.recount
    return reply


async def _total(session: AsyncSession, asked: Asked, metric: Plain) -> Figure:
    found = await metric.figures(session, asked, Interval.NONE, False)
    return found[0].figure if found else metric.empty(asked)


def _require_possible(asked: Asked, metric: Plain) -> None:
    odd = [g for g in asked.groups if g not in metric.groups and not g.startswith(PROPERTY)]
    odd += [f for f in asked.filters if f not in metric.filters]
    if odd:
        names = ", ".join(metric.groups if odd[0] in asked.groups else metric.filters)
        msg = f"{metric.noun} cannot be told apart by `{odd[0]}`; use {names}"
        raise InvalidInput.at("query", "group_by" if odd[0] in asked.groups else odd[0], msg=msg)
    if asked.latest or asked.window or asked.scale:
        name = "count" if asked.latest else "window" if asked.window else "scale"
        raise InvalidInput.at("query", name, msg=f"is not for {metric.noun}; leave it out")


def _rows(asked: Asked, found: list[Found], metric: Plain) -> list[Figure]:
    if asked.interval is Interval.NONE:
        return [{"group": f.group} | f.figure for f in found]
    rows: list[Figure] = []
    by_period: dict[Any, list[Found]] = {}
    for one in found:
        by_period.setdefault(one.period, []).append(one)
    every = periods_of(asked.span, asked.interval, asked.zone, asked.today)
    for period in islice(every, MOST_ROWS + 1):
        here = by_period.get(period.first_day, [])
        if not here and not asked.groups:
            here = [Found(period.first_day, {}, metric.empty(asked))]
        for entry in here:
            row: Figure = {"period": period.first_day.isoformat()}
            if asked.groups:
                row |= {"group": entry.group}
            rows.append(row | entry.figure | {"complete": period.complete})
    return rows
