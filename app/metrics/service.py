# SPDX-License-Identifier: Apache-2.0
"""The engine: counts what a metric is made of, and replies with its figures.

Every metric goes this way: rows by period and group, their total, the figure of each, and the
change since the span before. What differs (scores, times of tickets, ratios) is in its counter.
"""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any

from sqlmodel.ext.asyncio.session import AsyncSession

from app.core.errors import InvalidInput
from app.core.property_filters import PROPERTY
from app.metrics.metric import CellKey, CountReading, FigureDict, MetricCounter
from app.metrics.periods import Interval, Period, periods_of, span_before
from app.metrics.registry import METRICS
from app.metrics.request import MAX_ROWS, MetricRequest
from app.metrics.statistics import Change

MetricReply = dict[str, Any]
_NO_CHANGE: MetricReply = {
    "delta": None, "z": None, "p_value": None, "significant": False, "ci": None
}  # fmt: skip


async def measure(
    session: AsyncSession, request: MetricRequest, *, short: bool = False
) -> MetricReply:
    """Return the whole reply of one metric, read in one snapshot.

    With `short` only the value, its interval, n and the change are sure to be read.
    """
    metric = METRICS[request.metric]
    counter = (short and metric.short_counter) or metric.counter
    _require_supported(request, counter)
    periods = _periods(request)
    counts: dict[CellKey, Any] = {}
    if periods is not None or request.groups:
        counts = await counter.count_by_group(session, request, periods)
    total = await counter.count_total(session, request, counts)
    reading = counter.choose_reading(request, total)
    rows, truncated = _rows(request, counter, periods, counts, reading)
    reply: MetricReply = {
        "metric": request.metric,
        "from": format_bound(request.span.start),
        "to": format_bound(request.span.end),
        "interval": str(request.interval),
        "timezone": request.timezone,
        "count": "latest_per_customer" if request.latest else "all",
        "group_by": request.groups,
        "scale": reading.shown_scale,
        "source": reading.source,
        "total": await _total(session, request, counter, total, reading),
        "rows": rows,
    }
    if truncated:
        reply["truncated"] = True
    if request.compare:
        reply |= await _comparison(session, request, counter, total, reading)
    if reading.warnings:
        reply["warnings"] = list(reading.warnings)
    if request.workspace.recount is not None:
        reply["recount"] = request.workspace.recount
    return reply


def _require_supported(request: MetricRequest, counter: MetricCounter[Any]) -> None:
    """Refuse a group, a filter or a way of counting that the metric does not know."""
    for parameter, asked_names, known in (
        ("group_by", request.groups, counter.groups),
        (None, list(request.filters), counter.filters),
    ):
        for name in asked_names:
            if name not in known and not name.startswith(PROPERTY):
                names = ", ".join(known)
                msg = f"{counter.noun} cannot be grouped or filtered by `{name}`; use {names}"
                raise InvalidInput.at("query", parameter or name, msg=msg)
    given_options = {"count": request.latest, "window": request.window, "scale": request.scale}
    for name, value in given_options.items():
        if value and name not in counter.features:
            raise InvalidInput.at("query", name, msg=f"is not for {counter.noun}; leave it out")


def _periods(request: MetricRequest) -> list[Period] | None:
    """Return the periods of the rows; None without an interval."""
    if request.interval is Interval.NONE:
        return None
    every = periods_of(request.span, request.interval, request.zone, request.today)
    return list(islice(every, MAX_ROWS + 1))


async def _total(
    session: AsyncSession,
    request: MetricRequest,
    counter: MetricCounter[Any],
    total: Any,
    reading: CountReading,
) -> FigureDict:
    figure = counter.make_figure(request, total, reading, {})
    excluded = await counter.count_excluded(session, request.without_groups())
    return figure if excluded is None else figure | {"excluded": excluded}


def _rows(
    request: MetricRequest,
    counter: MetricCounter[Any],
    periods: Sequence[Period] | None,
    counts: Mapping[CellKey, Any],
    reading: CountReading,
) -> tuple[list[MetricReply], bool]:
    """Return a row for each group, and of each period; say whether some were cut off."""
    counts_by_key = dict(counter.select_rows(request, counts, reading))
    by_day = {period.first_day: period for period in periods or ()}
    if not request.groups:
        # Without groups every period has a row, also where nothing was counted.
        counts_by_key = dict.fromkeys(((day,) for day in by_day), None) | counts_by_key
    rows = []
    for key, counted in counts_by_key.items():
        period = by_day.get(key[0])
        if periods is not None and period is None:
            continue
        row: MetricReply = {} if period is None else {"period": period.first_day.isoformat()}
        group = dict(zip(request.groups, key[1:], strict=True))
        if group:
            row["group"] = group
        row |= counter.make_figure(request, counted, reading, group)
        if period is not None:
            row["complete"] = period.complete
        rows.append(row)
    return _order_and_cut(request, rows)


def _order_and_cut(
    request: MetricRequest, rows: list[MetricReply]
) -> tuple[list[MetricReply], bool]:
    """Drop small rows, order, and cut; say whether anything was cut."""
    shown_rows = [row for row in rows if row["n"] >= request.min_n]
    name = request.order_by.removeprefix("-")

    def group_of(row: MetricReply) -> tuple[str, ...]:
        return tuple("" if value is None else str(value) for value in row.get("group", {}).values())

    shown_rows.sort(key=lambda row: (row.get("period", ""), group_of(row)))
    is_descending = request.order_by.startswith("-")
    if name == "group":
        shown_rows.sort(key=group_of, reverse=is_descending)
    elif name == "period":
        shown_rows.sort(key=lambda row: row.get("period", ""), reverse=is_descending)
    else:
        known = [row for row in shown_rows if row[name] is not None]
        known.sort(key=lambda row: row[name], reverse=is_descending)
        shown_rows = known + [row for row in shown_rows if row[name] is None]
    limit = min(request.limit, MAX_ROWS)
    return shown_rows[:limit], len(shown_rows) > limit


async def _comparison(
    session: AsyncSession,
    request: MetricRequest,
    counter: MetricCounter[Any],
    total: Any,
    reading: CountReading,
) -> MetricReply:
    span = span_before(request.span, request.compare or "", request.zone)
    before = await counter.count_span(session, replace(request.without_groups(), span=span))
    shown_before = counter.make_figure(request, before, reading, {})
    shown_now = counter.make_figure(request, total, reading, {})
    change = None
    if shown_before["value"] is not None and shown_now["value"] is not None:
        change = counter.compare_counts(before, total, reading)
    bounds = {"from": format_bound(span.start), "to": format_bound(span.end)}
    return {"previous": bounds | shown_before, "change": _change_reply(change)}


def _change_reply(change: Change | None) -> MetricReply:
    if change is None:
        return _NO_CHANGE
    return {
        "delta": change.delta,
        "z": change.z,
        "p_value": change.p_value,
        "significant": change.significant,
        "ci": list(change.ci) if change.ci else None,
    }


def format_bound(bound: dt.date | dt.datetime) -> str:
    """Return a bound of the span as the reply writes it."""
    if isinstance(bound, dt.datetime):
        return bound.astimezone(dt.UTC).isoformat().replace("+00:00", "Z")
    return bound.isoformat()
