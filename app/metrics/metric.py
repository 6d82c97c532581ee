# SPDX-License-Identifier: Apache-2.0
"""The types of a metric and its counter, which the engine in `service` uses."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, Protocol, TypeVar

from sqlmodel.ext.asyncio.session import AsyncSession

from app.metrics.answer_sums import FigureSums
from app.metrics.periods import Period
from app.metrics.request import MetricRequest
from app.metrics.statistics import Change

# One figure as a reply shows it.
FigureDict = dict[str, Any]
# The first day of a period (None without an interval), then the value of each group.
CellKey = tuple[Any, ...]
C = TypeVar("C")


@dataclass(frozen=True, slots=True)
class CountReading:
    """How the counts of one request are read: their scale, where they lie, what to warn of."""

    source: str = "rows"
    scale: str | None = None
    shown_scale: str | None = None
    warnings: Sequence[str] = ()


class CountedRows(NamedTuple):
    """The table whose rows a counter counts, and the column that gives a row's period."""

    table: str
    at: str


class MetricCounter(Protocol[C]):
    """Counts what a metric is made of, and makes figures of the counts.

    `noun` says what is counted, `counted` where it is stored; `groups` and `filters` are the
    names it knows beside properties, `features` those it knows of `count`, `window` and `scale`.
    `extent` is the SQL of the first and last moment of all rows; it binds `:id`, the workspace.
    """

    @property
    def noun(self) -> str: ...
    @property
    def counted(self) -> CountedRows: ...
    @property
    def groups(self) -> Collection[str]: ...
    @property
    def filters(self) -> Collection[str]: ...
    @property
    def features(self) -> Collection[str]: ...
    @property
    def extent(self) -> str: ...

    async def count_by_group(
        self, session: AsyncSession, request: MetricRequest, periods: Sequence[Period] | None
    ) -> dict[CellKey, C]:
        """Return the counts of each period and group; of each group alone without periods."""
        ...

    async def count_total(
        self, session: AsyncSession, request: MetricRequest, rows: Mapping[CellKey, C]
    ) -> C:
        """Return the counts of the whole span; `rows` may spare a second query."""
        ...

    async def count_span(self, session: AsyncSession, request: MetricRequest) -> C:
        """Return the counts of the request's span, to compare another span with them."""
        ...

    def choose_reading(self, request: MetricRequest, total: C) -> CountReading:
        """Decide by the total how all parts of the reply are read."""
        ...

    def select_rows(
        self, request: MetricRequest, rows: Mapping[CellKey, C], reading: CountReading
    ) -> Mapping[CellKey, C]:
        """Return the rows that the reply shows."""
        ...

    def make_figure(
        self,
        request: MetricRequest,
        counts: C | None,
        reading: CountReading,
        group: Mapping[str, Any],
    ) -> FigureDict:
        """Return the figure of the counts; `counts` is None if nothing was counted."""
        ...

    def compare_counts(self, before: C, now: C, reading: CountReading) -> Change | None:
        """Compare two counts, both of which have a value."""
        ...

    async def count_excluded(
        self, session: AsyncSession, request: MetricRequest
    ) -> dict[str, int] | None:
        """Count what the total leaves out, by reason; None where nothing can be left out."""
        ...


@dataclass(frozen=True, slots=True)
class Unit:
    """How values are written: `kind`, decimal places, and the ends of the scale, if it has any."""

    kind: Literal["points", "percent", "score", "duration"]
    digits: int = 0
    ends: tuple[float, float] | None = None

    @property
    def is_net(self) -> bool:
        """Whether a value is the difference of two shares."""
        return self.kind == "points"


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric: its name, what counts it, its unit, and which way is better.

    `about` says in words how it is computed. `sums` adds a figure up over periods, so that an alert
    can compute its mean and spread; None for a duration, which is watched as a share of tickets,
    and for a metric without one single figure. Metrics `on_overview` have a card on the dashboard;
    `short_counter`, if there is one, counts only what a card or a map shows.
    """

    name: str
    counter: MetricCounter[Any]
    unit: Unit
    about: str
    sums: FigureSums | None
    better: Literal["higher", "lower"]
    on_overview: bool = False
    short_counter: MetricCounter[Any] | None = None

    @property
    def can_be_watched(self) -> bool:
        """Whether an alert can watch it."""
        return self.sums is not None or self.unit.kind == "duration"
