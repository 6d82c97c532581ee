# SPDX-License-Identifier: Apache-2.0
"""`ttr` and `first_reply`: times of tickets, without any survey.

Below 10,000 tickets the figures are exact, read from the tickets; above, they are read from the
counts of a sketch per day, so that the cost does not grow with the tickets. A time belongs to
the period of its end; an unresolved ticket to that of its opening.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import text
from sqlmodel.ext.asyncio.session import AsyncSession

from app.core.database import run_sql
from app.core.errors import InvalidInput
from app.core.property_filters import PROPERTY, is_scalar_sql
from app.interactions.ticket_statements import bucket_sql
from app.metrics.conditions import RequestConditions
from app.metrics.counts import reliability, round_half_away
from app.metrics.metric import CellKey, CountedRows, CountReading, FigureDict
from app.metrics.periods import Interval, Period
from app.metrics.request import MetricRequest
from app.metrics.statistics import Change
from app.metrics.ticket_sketch import Durations, seconds_of_bucket

MAX_EXACT_TICKETS = 10_000
_GROUP_NAMES = ("source", "touchpoint", "stage")
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
_COLUMN_OF_CLOCK = {"calendar": "seconds", "business": "business"}


@dataclass(slots=True)
class TicketCounts:
    """The times and counts of one period and group, and where they were read."""

    source: str = "rows"
    times: dict[str, Durations] = field(default_factory=lambda: defaultdict(Durations))
    counts: dict[str, int] = field(default_factory=lambda: defaultdict(int))

    def add(self, other: "TicketCounts") -> None:
        """Add the times and counts of other tickets."""
        for measure, durations in other.times.items():
            self.times[measure].add_all(durations)
        for measure, count in other.counts.items():
            self.counts[measure] += count


class _TicketQuery(RequestConditions):
    """The parts of a statement over `x`: counts a day, or tickets with one measure a row."""

    def __init__(self, request: MetricRequest, measures: Sequence[str], *, from_rows: bool) -> None:
        super().__init__(request)
        self.measures = measures
        self.from_rows = from_rows
        self.conditions.append("x.workspace_id = :workspace")
        for name, values in request.filters.items():
            self.narrow_to_values(self._expression(name), values)
        if from_rows:
            self.narrow_to_properties("x.properties")
            for name in request.property_names - set(request.properties):
                self.conditions.append(is_scalar_sql("x.properties", self.bind(name)))
        else:
            self._narrow_counts()

    def _narrow_counts(self) -> None:
        names = self.request.property_names
        self.conditions.append(f"x.segment = {self.bind(next(iter(names), ''))}")
        for values in self.request.properties.values():
            self.narrow_to_values("x.value", values)
        clock = self.bind(self.request.clock)
        is_timed = set(self.measures) <= _TIMED.keys()
        self.conditions.append(f"x.clock = {clock}" if is_timed else f"x.clock in ('', {clock})")
        self.narrow_to_values("x.measure", list(self.measures))
        self.conditions.append(f"x.local_date >= {self.bind(self.request.span.start)}")
        self.conditions.append(f"x.local_date < {self.bind(self.request.span.end)}")

    def _expression(self, name: str) -> str:
        if name.startswith(PROPERTY):
            if not self.from_rows:
                return "x.value"
            return f"x.properties ->> {self.bind(name.removeprefix(PROPERTY))}"
        known = {"source": "x.source", "touchpoint": "nullif(x.touchpoint, '')", "stage": "p.stage"}
        return known[name]

    def source(self) -> str:
        """Return what is read, with the touchpoint where its stage is asked for."""
        table = self._tickets() if self.from_rows else "ticket_count"
        join = ""
        if "stage" in {*self.request.groups, *self.request.filters}:
            join = (
                " left join touchpoint p on p.workspace_id = x.workspace_id"
                " and p.key = x.touchpoint"
            )
        return f"{table} x{join}"

    def _tickets(self) -> str:
        """Return one row a ticket and measure; each is found by the index of its own time."""
        start, end = (
            self.moment(bound) for bound in (self.request.span.start, self.request.span.end)
        )
        parts = []
        for measure in self.measures:
            if measure in _TIMED:
                at, pattern = _TIMED[measure]
                seconds = "t." + pattern.format(_COLUMN_OF_CLOCK[self.request.clock])
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

    def period(self, interval: Interval) -> str:
        """Return the SQL of the period's first day."""
        if self.from_rows:
            return self.period_of_moment(interval, "x.at")
        return self.period_of_day(interval, "x.local_date")

    def groups(self) -> list[str]:
        """Return the SQL of each group's value."""
        return [self._expression(name) for name in self.request.groups]


@dataclass(frozen=True, slots=True)
class TicketCounter:
    """Counts tickets by duration; the figure is of the first of `measures`.

    With `medians_only` the sums of the times are not read, and the figure has the median alone.
    """

    measures: Sequence[str]
    medians_only: bool = False

    noun = "tickets"
    groups = _GROUP_NAMES
    filters = _GROUP_NAMES
    features = ()
    extent = (
        "select min(coalesce(opened_at, first_solved_at)) as first, "
        "max(greatest(opened_at, last_solved_at, first_reply_at)) as last "
        "from ticket where workspace_id = :id"
    )

    @property
    def counted(self) -> CountedRows:
        """The tickets, by the end of the first measure."""
        return CountedRows("ticket", _TIMED[self.measures[0]][0])

    async def count_by_group(
        self, session: AsyncSession, request: MetricRequest, periods: Sequence[Period] | None
    ) -> dict[CellKey, TicketCounts]:
        """Return the counts of each period and group."""
        _require_clock(request)
        interval = Interval.NONE if periods is None else request.interval
        return await _read(session, request, interval, self)

    async def count_total(
        self, session: AsyncSession, request: MetricRequest, rows: Mapping[CellKey, TicketCounts]
    ) -> TicketCounts:
        """Return the counts of the whole span: each ticket lies in one period and one group.

        A group by a property leaves out the tickets without it, so that they are read again.
        """
        if not rows or any(name.startswith(PROPERTY) for name in request.groups):
            counts_by_key = await self.count_by_group(session, request.without_groups(), None)
            return next(iter(counts_by_key.values()), TicketCounts())
        total = TicketCounts(next(iter(rows.values())).source)
        for counts in rows.values():
            total.add(counts)
        return total

    async def count_span(self, session: AsyncSession, request: MetricRequest) -> TicketCounts:
        """Return the counts of the first measure alone: another span is compared by its median."""
        _require_clock(request)
        medians = TicketCounter(self.measures[:1], medians_only=True)
        counts_by_key = await _read(session, request, Interval.NONE, medians)
        return next(iter(counts_by_key.values()), TicketCounts())

    def choose_reading(self, request: MetricRequest, total: TicketCounts) -> CountReading:
        """Times have no scales; the total says where it was read."""
        return CountReading(total.source)

    def select_rows(
        self, request: MetricRequest, rows: Mapping[CellKey, TicketCounts], reading: CountReading
    ) -> Mapping[CellKey, TicketCounts]:
        """Show every row."""
        return rows

    def make_figure(
        self,
        request: MetricRequest,
        counts: TicketCounts | None,
        reading: CountReading,
        group: Mapping[str, Any],
    ) -> FigureDict:
        """Return the median of the first measure, with what else was measured."""
        counts = counts or TicketCounts()
        main = counts.times[self.measures[0]]
        figure = _median_figure(request, main)
        if self.medians_only or figure["reliability"] == "hidden":
            return figure
        if len(self.measures) == 1:
            return figure | _times(main)
        timed = {name: _times(counts.times[name]) for name in self.measures if name in _TIMED}
        return figure | timed | {name: counts.counts[name] for name in _COUNTED}

    def compare_counts(
        self, before: TicketCounts, now: TicketCounts, reading: CountReading
    ) -> Change | None:
        """Return the difference of the medians; two medians have no test here."""
        medians = [cell.times[self.measures[0]].quantile(0.5) for cell in (before, now)]
        if medians[0] is None or medians[1] is None:
            return None
        return Change(medians[1] - medians[0], None, None, None)

    async def count_excluded(self, session: AsyncSession, request: MetricRequest) -> None:
        """Return None: tickets with impossible times are counted as `invalid` beside the figure."""


RESOLUTIONS = TicketCounter(("first", "full", *_COUNTED))
MEDIAN_RESOLUTIONS = TicketCounter(("first",), medians_only=True)
FIRST_REPLIES = TicketCounter(("reply",))


async def _read(
    session: AsyncSession, request: MetricRequest, interval: Interval, counter: TicketCounter
) -> dict[CellKey, TicketCounts]:
    """Return the counts by period and groups; without groups there is always one count.

    The counts a day are read first: they say whether there are so few tickets that the figures
    are exact. Where they do not suffice, the tickets are counted up to that many.
    """
    main = counter.measures[0]
    if not request.needs_more_than_daily_counts:
        daily_counts = await _read_daily_counts(session, request, interval, counter)
        if sum(counts.times[main].n for counts in daily_counts.values()) >= MAX_EXACT_TICKETS:
            return daily_counts
    exact = not request.needs_more_than_daily_counts or await _are_few(session, request, main)
    return await _read_tickets(session, request, interval, counter, exact=exact)


async def _are_few(session: AsyncSession, request: MetricRequest, measure: str) -> bool:
    """Tell whether there are few enough tickets to read them one by one."""
    query = _TicketQuery(request, [measure], from_rows=True)
    statement = (
        f"select count(*) from (select from {query.source()} where {query.where()} "
        f"limit {MAX_EXACT_TICKETS}) x"
    )
    rows = await run_sql(session, text(statement).bindparams(**query.bound))
    return int(rows.one()[0]) < MAX_EXACT_TICKETS


async def _read_daily_counts(
    session: AsyncSession, request: MetricRequest, interval: Interval, counter: TicketCounter
) -> dict[CellKey, TicketCounts]:
    query = _TicketQuery(request, counter.measures, from_rows=False)
    seconds = "0" if counter.medians_only else "sum(x.seconds)"
    rows = await _group(session, query, interval, f"x.bucket as shown, sum(x.n), {seconds}")
    return _collect(rows, request, interval, in_buckets=True, source="rollups")


async def _read_tickets(
    session: AsyncSession,
    request: MetricRequest,
    interval: Interval,
    counter: TicketCounter,
    *,
    exact: bool,
) -> dict[CellKey, TicketCounts]:
    query = _TicketQuery(request, counter.measures, from_rows=True)
    value = "x.seconds" if exact else bucket_sql("x.seconds")
    rows = await _group(session, query, interval, f"{value} as shown, count(*), sum(x.seconds)")
    return _collect(rows, request, interval, in_buckets=not exact, source="rows")


async def _group(
    session: AsyncSession, query: _TicketQuery, interval: Interval, counts: str
) -> Iterable[Any]:
    """Run a query by period, groups, measure and `shown`."""
    keys = [query.period(interval), *query.groups()]
    names = ", ".join(f"{sql} as k{number}" for number, sql in enumerate(keys))
    # Constants are left out: they would only slow the grouping down.
    varying = [f"k{number}" for number in range(1 if interval is Interval.NONE else 0, len(keys))]
    measure = f"'{query.measures[0]}'::text"
    if len(query.measures) > 1:
        measure = "x.measure"
        varying.append("measure")
    statement = (
        f"select {names}, {measure} as measure, {counts} from {query.source()} "
        f"where {query.where()} group by {', '.join([*varying, 'shown'])}"
    )
    return await run_sql(session, text(statement).bindparams(**query.bound))


def _collect(
    rows: Iterable[Any],
    request: MetricRequest,
    interval: Interval,
    *,
    in_buckets: bool,
    source: str,
) -> dict[CellKey, TicketCounts]:
    counts_by_key: dict[CellKey, TicketCounts] = defaultdict(lambda: TicketCounts(source))
    if interval is Interval.NONE and not request.groups:
        counts_by_key[(None,)] = TicketCounts(source)
    for row in rows:
        *key, measure, value, n, seconds = tuple(row)
        counts = counts_by_key[tuple(key)]
        if measure in _TIMED:
            took = seconds_of_bucket(int(value)) if in_buckets else float(value)
            counts.times[measure].add(took, int(n), int(seconds))
        else:
            counts.counts[measure] += int(n)
    return dict(counts_by_key)


def _require_clock(request: MetricRequest) -> None:
    if request.clock == "business" and request.workspace.business_hours is None:
        msg = "`business` needs the workspace's `business_hours`; set them first"
        raise InvalidInput.at("query", "clock", msg=msg)


def _times(durations: Durations) -> FigureDict:
    interval = durations.median_interval()
    return {
        "n": durations.n,
        "median_seconds": durations.quantile(0.5),
        "p90_seconds": durations.quantile(0.9),
        "mean_seconds": durations.mean,
        "ci": list(interval) if interval else None,
    }


def _median_figure(request: MetricRequest, durations: Durations) -> FigureDict:
    """Return the median as any figure is shown."""
    n = durations.n
    if request.hides(n):
        hidden = dict.fromkeys(("value", "display", "ci", "margin"))
        return hidden | {"n": n, "reliability": "hidden", "clock": request.clock}
    times = _times(durations)
    median, ci = times["median_seconds"], times["ci"]
    return {
        "value": median,
        "display": None if median is None else round_half_away(median),
        "n": n,
        "ci": ci,
        "margin": (ci[1] - ci[0]) / 2 if ci else None,
        "reliability": reliability(n),
        "clock": request.clock,
    }
