"""One figure asked for: counted, pooled by period and group, computed, compared."""

import datetime as dt
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any

from sqlmodel.ext.asyncio.session import AsyncSession

from app.metrics.counting import (
    BY_QUESTION,
    Cells,
    Key,
    add_unchosen_options,
    count,
    count_excluded,
    count_latest,
    reads_rows,
)
from app.metrics.counts import Counts, pooled
from app.metrics.figures import COMPARISONS, FIGURES, Cell, Figure, Series, mean_0_100, pool_into
from app.metrics.parameters import MOST_ROWS, PROPERTY, TAGS, Asked
from app.metrics.periods import (
    Interval,
    Period,
    Span,
    first_local_day,
    periods_of,
    span_before,
    window_start,
)

Reply = dict[str, Any]


async def measure(session: AsyncSession, asked: Asked) -> Reply:
    """Return the whole reply of one metric, read in one snapshot."""
    whole = replace(asked, groups=[])
    periods, cells = await _count_rows(session, asked)
    if _adds_up(asked):
        total = _merged(cells)
    else:
        total = _merged(await _count_total(session, whole, asked.span))
    await add_unchosen_options(session, asked, total)
    scale, warnings = _choose_scale(asked, total)
    reply: Reply = {
        "metric": asked.metric,
        "from": shown_bound(asked.span.start),
        "to": shown_bound(asked.span.end),
        "interval": str(asked.interval),
        "timezone": asked.timezone,
        "count": "latest_per_customer" if asked.latest else "all",
        "group_by": asked.groups,
        "scale": _shown_scale(asked, scale),
        "source": "rows" if reads_rows(asked) else "rollups",
        "total": _shown(asked, total, scale) | {"excluded": await count_excluded(session, whole)},
    }
    rows, truncated = _rows(asked, periods, cells, scale)
    reply["rows"] = rows
    if truncated:
        reply["truncated"] = True
    if asked.compare:
        reply |= await _comparison(session, asked, total, scale)
    if warnings:
        reply["warnings"] = warnings
    if asked.workspace.recount is not None:
        reply["recount"] = asked.workspace.recount
    return reply


async def _count_total(session: AsyncSession, asked: Asked, span: Span) -> Cells:
    if asked.latest:
        return await count_latest(session, asked, [(None, span)])
    return await count(session, asked, span, Interval.NONE)


def _adds_up(asked: Asked) -> bool:
    """Tell whether the rows' cells hold every answer once, so that the total is their sum."""
    partial = [g for g in asked.groups if g in TAGS or g.startswith(PROPERTY)]
    whole_series = asked.interval is not Interval.NONE or bool(asked.groups)
    return whole_series and not (partial or asked.latest or asked.window)


async def _count_rows(session: AsyncSession, asked: Asked) -> tuple[list[Period], Cells]:
    """Return the periods asked for, none without an interval, and the cells of the rows."""
    if asked.interval is Interval.NONE:
        if not asked.groups:
            return [], {}
        return [], await _count_total(session, asked, asked.span)
    every = periods_of(asked.span, asked.interval, asked.zone, asked.today)
    periods = list(islice(every, MOST_ROWS + 1))
    return periods, await _count_periods(session, asked, periods)


def _rows(
    asked: Asked, periods: Sequence[Period], cells: Cells, scale: str | None
) -> tuple[list[Reply], bool]:
    if asked.groups and "scale" not in asked.groups and asked.metric != "rating":
        # A group that was asked on another scale only is no group of none.
        cells = {key: cell for key, cell in cells.items() if _of_scale(cell, scale)}
    if asked.interval is Interval.NONE:
        rows = [_row(asked, key, cell, scale, period=None) for key, cell in cells.items()]
        return ordered(asked, rows)
    empty: Cells = {} if asked.groups else {(period.first_day,): {} for period in periods}
    by_day = {period.first_day: period for period in periods}
    rows = [
        _row(asked, key, cell, scale, period=by_day[key[0]])
        for key, cell in (empty | cells).items()
        if key[0] in by_day
    ]
    return ordered(asked, rows)


async def _count_periods(session: AsyncSession, asked: Asked, periods: Sequence[Period]) -> Cells:
    """Return the cells of each period: its own answers, or those of the window ending there."""
    if asked.window:
        spans = [(p, Span(window_start(p.end, asked.window) or p.start, p.end)) for p in periods]
    else:
        spans = [(p, _period_span(asked, p)) for p in periods]
    if asked.latest:
        named = [(period.first_day, span) for period, span in spans]
        return await count_latest(session, asked, named) if named else {}
    if not asked.window or not spans:
        return await count(session, asked, asked.span, asked.interval)
    whole = Span(min(s.start for _, s in spans), asked.span.end)
    daily = await count(session, asked, whole, Interval.DAY)
    return _pool_windows(daily, spans)


def _pool_windows(daily: Cells, spans: Sequence[tuple[Period, Span]]) -> Cells:
    """Pool each window by moving its two ends over the days: each day enters and leaves once."""
    days = sorted(((key[0], key[1:], cell) for key, cell in daily.items()), key=_day_of)
    running: Cells = defaultdict(dict)
    found: Cells = {}
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
                found[period.first_day, *group] = dict(cell)
    return found


def _period_span(asked: Asked, period: Period) -> Span:
    """Cut a period to exact bounds where the query has them."""
    start = (
        asked.span.start
        if period.start == first_local_day(asked.span.start, asked.zone)
        else period.start
    )
    whole_end = not isinstance(asked.span.end, dt.datetime)
    is_last = period.end > first_local_day(asked.span.end, asked.zone)
    return Span(start, period.end if whole_end or not is_last else asked.span.end)


def _day_of(entry: tuple[dt.date, Key, Cell]) -> dt.date:
    return entry[0]


def _subtract(into: Cell, cell: Cell) -> None:
    for series, counts in cell.items():
        into[series] = into[series] - counts


def _merged(cells: Cells) -> Cell:
    total: Cell = {}
    for cell in cells.values():
        pool_into(total, cell)
    return total


def _choose_scale(asked: Asked, total: Cell) -> tuple[str | None, list[str]]:
    """Take the scale asked for, else the one with most answers; name the others in warnings."""
    answers: dict[str, int] = defaultdict(int)
    for series, counts in total.items():
        answers[series.scale] += 0 if series.option else counts.n
    if asked.scale and asked.metric not in BY_QUESTION:
        return asked.scale, []
    if not answers:
        return None, []
    chosen = max(sorted(answers), key=lambda scale: answers[scale])
    if asked.metric in BY_QUESTION:
        return chosen, _other_questions(chosen, answers)
    others = [f"{s} (n = {n})" for s, n in sorted(answers.items()) if s != chosen and n]
    if others and "scale" not in asked.groups:
        told = f"this is {chosen}; there are also {', '.join(others)}."
        remedy = "Add `scale=` for one of them, or `group_by=scale`."
        return chosen, [f"Scales are never pooled: {told} {remedy}"]
    return chosen, []


def _other_questions(chosen: str, answers: Mapping[str, int]) -> list[str]:
    """Name the questions that the figure is not of, with their surveys where that is needed."""
    keys = [name.partition(" ")[2] for name in answers]

    def named(name: str) -> str:
        survey, _, key = name.partition(" ")
        return key if keys.count(key) == 1 else f"{key} of {survey}"

    others = [f"{named(s)} (n = {n})" for s, n in sorted(answers.items()) if s != chosen and n]
    if not others:
        return []
    told = f"this is {named(chosen)}; there are also {', '.join(others)}."
    remedy = "Add `question=` or `survey=` for one of them."
    return [f"Questions are never pooled: {told} {remedy}"]


def _shown_scale(asked: Asked, scale: str | None) -> str | None:
    """Return the scale as the reply names it: of a choice it is the question."""
    if scale is None or asked.metric not in BY_QUESTION:
        return scale
    return "yes_no" if asked.metric == "yes_no" else scale.partition(" ")[2]


def _of_scale(cell: Cell, scale: str | None) -> Cell:
    return {s: c for s, c in cell.items() if s.scale == scale}


def _figure(asked: Asked, cell: Cell, scale: str | None) -> Figure:
    chosen = _of_scale(cell, scale)
    if not chosen and scale and scale.isdigit():
        chosen = {Series(scale, 1, int(scale)): pooled([])}
    if not chosen and scale == "yes_no":
        chosen = {Series(scale, 0, 1): pooled([])}
    return FIGURES[asked.metric](chosen)


def _shown(asked: Asked, cell: Cell, scale: str | None) -> Reply:
    figure = _figure(asked, cell, scale)
    if asked.hides(figure.n):
        return {
            "value": None,
            "display": None,
            "n": figure.n,
            "n_missing": None,
            "n_na": None,
            "ci": None,
            "margin": None,
            "reliability": "hidden",
        }
    reply: Reply = {
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
    if asked.metric == "rating":
        reply |= mean_0_100(_of_scale(cell, asked.scale) if asked.scale else cell)
    return reply | {"distribution": figure.distribution}


def _row(asked: Asked, key: Key, cell: Cell, scale: str | None, *, period: Period | None) -> Reply:
    row: Reply = {}
    if period is not None:
        row["period"] = period.first_day.isoformat()
    if asked.groups:
        row["group"] = dict(zip(asked.groups, key[1:], strict=True))
    by_scale = "scale" in asked.groups and asked.metric not in BY_QUESTION
    own_scale = row["group"]["scale"] if by_scale else scale
    row |= _shown(asked, cell, own_scale)
    if period is not None:
        row["complete"] = period.complete
    return row


def ordered(asked: Asked, rows: list[Reply]) -> tuple[list[Reply], bool]:
    """Drop small rows, order, and cut; say whether anything was cut."""
    kept = [row for row in rows if row["n"] >= asked.min_n]
    name = asked.order_by.removeprefix("-")

    def group_of(row: Reply) -> tuple[str, ...]:
        return tuple("" if v is None else str(v) for v in row.get("group", {}).values())

    kept.sort(key=lambda row: (row.get("period", ""), group_of(row)))
    turned = asked.order_by.startswith("-")
    if name == "group":
        kept.sort(key=group_of, reverse=turned)
    elif name == "period":
        kept.sort(key=lambda row: row.get("period", ""), reverse=turned)
    else:
        known = [row for row in kept if row[name] is not None]
        known.sort(key=lambda row: row[name], reverse=turned)
        kept = known + [row for row in kept if row[name] is None]
    limit = min(asked.limit, MOST_ROWS)
    return kept[:limit], len(kept) > limit


async def _comparison(session: AsyncSession, asked: Asked, total: Cell, scale: str | None) -> Reply:
    span = span_before(asked.span, asked.compare or "", asked.zone)
    before = _merged(await _count_total(session, replace(asked, groups=[]), span))
    change: Reply = {"delta": None, "z": None, "p_value": None, "significant": False, "ci": None}
    compare = COMPARISONS.get(asked.metric)
    shown_before, shown_now = _shown(asked, before, scale), _shown(asked, total, scale)
    if compare and shown_before["value"] is not None and shown_now["value"] is not None:
        found = compare(_of_scale(before, scale), _of_scale(total, scale))
        change = {
            "delta": found.delta,
            "z": found.z,
            "p_value": found.p_value,
            "significant": found.significant,
            "ci": list(found.ci) if found.ci else None,
        }
    bounds = {"from": shown_bound(span.start), "to": shown_bound(span.end)}
    return {"previous": bounds | shown_before, "change": change}


def shown_bound(bound: dt.date | dt.datetime) -> str:
    if isinstance(bound, dt.datetime):
        return bound.astimezone(dt.UTC).isoformat().replace("+00:00", "Z")
    return bound.isoformat()
