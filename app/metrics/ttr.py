"""`ttr` and `first_reply`: times of tickets, without any survey.

Below 10,000 tickets the figures are exact, read from the tickets; above, they are read from the
counts of a sketch per day, so that the cost does not grow with the tickets. A time belongs to
the period of its end; an unresolved ticket to that of its opening.
"""

import datetime as dt
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import text
from sqlmodel.ext.asyncio.session import AsyncSession

from app.core.database import run_sql
from app.core.errors import InvalidInput
from app.interactions.ticket_statements import BUCKET
from app.metrics.counts import half_away
from app.metrics.durations import Durations, seconds_of_bucket
from app.metrics.parameters import PROPERTY, Asked
from app.metrics.periods import Bound, Interval
from app.metrics.plain import NO_CHANGE, Figure, Found, Plain

MOST_EXACT = 10_000
_NAMES = ("source", "touchpoint", "stage")
_TIMED = {
    "first": ("first_solved_at", "first_{}"),
    "full": ("last_solved_at", "full_{}"),
    "reply": ("first_reply_at", "reply_{}"),
}
_COUNTED = {
    "unresolved": ("opened_at", "t.status = 'open'"),
    "reopened": ("first_solved_at", "t.reopened"),
    "invalid": ("last_solved_at", "t.invalid"),
}
_COLUMNS = {"calendar": "seconds", "business": "business"}


@dataclass(slots=True)
class _Cell:
    """The times and counts of one period and group."""

    times: dict[str, Durations] = field(default_factory=lambda: defaultdict(Durations))
    counts: dict[str, int] = field(default_factory=lambda: defaultdict(int))


class _Query:
    """The parts of a statement over `x`: counts a day, or tickets with one measure a row."""

    def __init__(self, asked: Asked, measures: Sequence[str], *, from_rows: bool) -> None:
        self.asked = asked
        self.measures = measures
        self.from_rows = from_rows
        self.bound: dict[str, Any] = {"workspace": asked.workspace.id}
        self.conditions = ["x.workspace_id = :workspace"]
        for name, values in asked.filters.items():
            self.conditions.append(
                f"{self._expression(name)} = any(:{self._bind(values)} ::text[])"
            )
        if from_rows:
            for name in _property_names(asked):
                parameter = self._bind(name)
                self.conditions.append(
                    f"jsonb_typeof(x.properties -> :{parameter}) in ('string', 'number', 'boolean')"
                )
                if name in asked.properties:
                    wanted = self._bind(asked.properties[name])
                    self.conditions.append(
                        f"x.properties ->> :{parameter} = any(:{wanted} ::text[])"
                    )
        else:
            self._narrow_counts()

    def _narrow_counts(self) -> None:
        names = _property_names(self.asked)
        self.conditions.append(f"x.segment = :{self._bind(next(iter(names), ''))}")
        for values in self.asked.properties.values():
            self.conditions.append(f"x.value = any(:{self._bind(values)} ::text[])")
        self.conditions.append(f"x.clock in ('', :{self._bind(self.asked.clock)})")
        self.conditions.append(f"x.measure = any(:{self._bind(list(self.measures))} ::text[])")
        self.conditions.append(f"x.local_date >= :{self._bind(self.asked.span.start)}")
        self.conditions.append(f"x.local_date < :{self._bind(self.asked.span.end)}")

    def _bind(self, value: Any) -> str:
        name = f"p{len(self.bound)}"
        self.bound[name] = value
        return name

    def _expression(self, name: str) -> str:
        if name.startswith(PROPERTY):
            if not self.from_rows:
                return "x.value"
            return f"x.properties ->> :{self._bind(name.removeprefix(PROPERTY))}"
        known = {"source": "x.source", "touchpoint": "nullif(x.touchpoint, '')", "stage": "p.stage"}
        return known[name]

    def source(self) -> str:
        """Return what is read, with the touchpoint where its stage is asked for."""
        table = self._tickets() if self.from_rows else "ticket_count"
        join = ""
        if "stage" in {*self.asked.groups, *self.asked.filters}:
            join = (
                " left join touchpoint p on p.workspace_id = x.workspace_id"
                " and p.key = x.touchpoint"
            )
        return f"{table} x{join}"

    def _tickets(self) -> str:
        """Return one row a ticket and measure; each is found by the index of its own time."""
        start, end = (self._moment(b) for b in (self.asked.span.start, self.asked.span.end))
        parts = []
        for measure in self.measures:
            if measure in _TIMED:
                at, pattern = _TIMED[measure]
                seconds = "t." + pattern.format(_COLUMNS[self.asked.clock])
                condition = f"{seconds} is not null"
            else:
                at, condition = _COUNTED[measure]
                seconds = "0"
            parts.append(
                f"select t.workspace_id, t.source, t.touchpoint, t.properties, "
                f"'{measure}' as measure, t.{at} as at, {seconds}::int8 as seconds from ticket t "
                f"where t.workspace_id = :workspace and t.{at} >= {start} and t.{at} < {end} "
                f"and {condition}"
            )
        return f"({' union all '.join(parts)})"

    def _moment(self, bound: Bound) -> str:
        parameter = self._bind(bound)
        if isinstance(bound, dt.datetime):
            return f":{parameter} ::timestamptz"
        self.bound["zone"] = self.asked.timezone
        return f":{parameter} ::date ::timestamp at time zone :zone"

    def period(self, interval: Interval) -> str:
        """Return the SQL of the period's first day."""
        if interval is Interval.NONE:
            return "null::date"
        day = "x.local_date::timestamp"
        if self.from_rows:
            self.bound["zone"] = self.asked.timezone
            day = "(x.at at time zone :zone)"
        return f"date_trunc('{interval}', {day})::date"

    def groups(self) -> list[str]:
        """Return the SQL of each group's value."""
        return [self._expression(name) for name in self.asked.groups]


def _property_names(asked: Asked) -> set[str]:
    grouped = {g.removeprefix(PROPERTY) for g in asked.groups if g.startswith(PROPERTY)}
    return grouped | set(asked.properties)


def _needs_rows(asked: Asked) -> bool:
    names = _property_names(asked)
    return (
        asked.workspace.recount is not None
        or asked.timezone != asked.workspace.timezone
        or not asked.span.whole_days
        or len(names) > 1
        or not names <= set(asked.workspace.segments)
    )


async def _is_small(session: AsyncSession, asked: Asked, measures: Sequence[str]) -> bool:
    """Tell whether there are few enough tickets to read them one by one."""
    query = _Query(asked, measures[:1], from_rows=_needs_rows(asked))
    n = "count(*)" if query.from_rows else "coalesce(sum(x.n), 0)"
    source = query.source()
    statement = f"select {n} from {source} where {' and '.join(query.conditions)}"
    found = (await run_sql(session, text(statement).bindparams(**query.bound))).one()[0]
    return int(found) < MOST_EXACT


async def _read(
    session: AsyncSession, asked: Asked, interval: Interval, measures: Sequence[str]
) -> tuple[dict[tuple[Any, ...], _Cell], str]:
    """Return the cells by period and groups, and where they were read."""
    exact = await _is_small(session, asked, measures)
    query = _Query(asked, measures, from_rows=exact or _needs_rows(asked))
    keys = [query.period(interval), *query.groups()]
    value = "x.bucket"
    if query.from_rows:
        value = "x.seconds" if exact else BUCKET.replace("m.seconds", "x.seconds")
    sums = "count(*), sum(x.seconds)" if query.from_rows else "sum(x.n), sum(x.seconds)"
    names = ", ".join(f"{sql} as k{number}" for number, sql in enumerate(keys))
    grouping = ", ".join(f"k{number}" for number in range(len(keys)))
    statement = (
        f"select {names}, x.measure, {value} as shown, {sums} from {query.source()} "
        f"where {' and '.join(query.conditions)} group by {grouping}, measure, shown"
    )
    rows = await run_sql(session, text(statement).bindparams(**query.bound))
    cells: dict[tuple[Any, ...], _Cell] = defaultdict(_Cell)
    for row in rows:
        *key, measure, found, n, seconds = tuple(row)
        cell = cells[tuple(key)]
        if measure in _TIMED:
            shown = float(found) if exact else seconds_of_bucket(int(found))
            cell.times[measure].add(shown, int(n), int(seconds))
        else:
            cell.counts[measure] += int(n)
    return cells, "rows" if query.from_rows else "rollups"


def _figures(
    measures: Sequence[str], figure_of: Callable[[Asked, _Cell], Figure]
) -> Callable[[AsyncSession, Asked, Interval, bool], Any]:
    async def figures(
        session: AsyncSession,
        asked: Asked,
        interval: Interval,
        grouped: bool,
    ) -> list[Found]:
        _require_clock(asked)
        narrowed = asked if grouped else asked.ungrouped()
        cells, source = await _read(session, narrowed, interval, measures)
        if not grouped and not cells:
            cells = {(None,): _Cell()}
        return [
            Found(
                key[0],
                dict(zip(narrowed.groups, key[1:], strict=True)),
                figure_of(asked, cell) | {"source": source},
            )
            for key, cell in cells.items()
        ]

    return figures


def _require_clock(asked: Asked) -> None:
    if asked.clock == "business" and asked.workspace.business_hours is None:
        msg = "`business` needs the workspace's `business_hours`; set them first"
        raise InvalidInput.at("query", "clock", msg=msg)


def _times(durations: Durations) -> Figure:
    interval = durations.median_interval()
    return {
        "n": durations.n,
        "median_seconds": durations.quantile(0.5),
        "p90_seconds": durations.quantile(0.9),
        "mean_seconds": durations.mean,
        "ci": list(interval) if interval else None,
    }


def _shown(asked: Asked, durations: Durations) -> Figure:
    """Return the median as any figure is shown."""
    if asked.hides(durations.n):
        hidden = dict.fromkeys(("value", "display", "ci", "margin"))
        return hidden | {"n": durations.n, "reliability": "hidden", "clock": asked.clock}
    found = _times(durations)
    median, ci = found["median_seconds"], found["ci"]
    n = durations.n
    return {
        "value": median,
        "display": None if median is None else half_away(median),
        "n": n,
        "ci": ci,
        "margin": (ci[1] - ci[0]) / 2 if ci else None,
        "reliability": "none" if n == 0 else "indicative" if n < 30 else "ok",
        "clock": asked.clock,
    }


def _ttr(asked: Asked, cell: _Cell) -> Figure:
    figure = _shown(asked, cell.times["first"])
    if figure["reliability"] == "hidden":
        return figure
    return (
        figure
        | {measure: _times(cell.times[measure]) for measure in ("first", "full")}
        | {name: cell.counts[name] for name in _COUNTED}
    )


def _first_reply(asked: Asked, cell: _Cell) -> Figure:
    figure = _shown(asked, cell.times["reply"])
    return figure if figure["reliability"] == "hidden" else figure | _times(cell.times["reply"])


def _change(before: Figure, now: Figure) -> Figure:
    """Return the difference of the medians; two medians have no test here."""
    return NO_CHANGE | {"delta": now["value"] - before["value"]}


TTR = Plain(
    noun="tickets",
    groups=_NAMES,
    filters=_NAMES,
    figures=_figures(("first", "full", *_COUNTED), _ttr),
    empty=lambda asked: _ttr(asked, _Cell()),
    change=_change,
)
FIRST_REPLY = Plain(
    noun="tickets",
    groups=_NAMES,
    filters=_NAMES,
    figures=_figures(("reply",), _first_reply),
    empty=lambda asked: _first_reply(asked, _Cell()),
    change=_change,
)
