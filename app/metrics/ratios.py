# SPDX-License-Identifier: Apache-2.0
"""The counter of ratios: rows of a table that have a time, and the part of them that counts.

Used for the response rate (answered of delivered invitations) and follow-ups (closed of opened),
with Wilson's interval.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import text
from sqlmodel.ext.asyncio.session import AsyncSession

from app.core.database import run_sql
from app.core.property_filters import PROPERTY, is_scalar_sql
from app.metrics import statistics
from app.metrics.conditions import RequestConditions
from app.metrics.counts import reliability, round_half_away
from app.metrics.metric import CellKey, CountedRows, CountReading, FigureDict
from app.metrics.periods import Interval, Period
from app.metrics.request import MetricRequest
from app.metrics.statistics import Change


@dataclass(frozen=True, slots=True)
class RatioCounts:
    """All rows, those that count, and what else the figure shows."""

    total: int = 0
    part: int = 0
    extras: tuple[Any, ...] = ()


@dataclass(frozen=True, slots=True)
class RatioCounter:
    """Counts the rows of `table` (named `x`, joined to its survey `s`) by their time `at`.

    `counts` is SQL whose first two columns are all rows and those that count; what follows is
    shown by `show_extras`. `whole_name` and `part_name` name the two counts in the reply.
    """

    noun: str
    table: str
    at: str
    properties: str
    condition: str
    named_groups: Mapping[str, str]
    counts: str
    whole_name: str
    part_name: str
    extent: str
    show_extras: Callable[[Sequence[Any]], FigureDict] = lambda _: {}

    features = ()

    @property
    def counted(self) -> CountedRows:
        """The table, and the column of the rows' time."""
        return CountedRows(self.table, self.at)

    @property
    def groups(self) -> Sequence[str]:
        """The names by which rows can be grouped."""
        return list(self.named_groups)

    @property
    def filters(self) -> Sequence[str]:
        """The names by which rows can be filtered."""
        return self.groups

    async def count_by_group(
        self, session: AsyncSession, request: MetricRequest, periods: Sequence[Period] | None
    ) -> dict[CellKey, RatioCounts]:
        """Return the counts of each period and group."""
        interval = Interval.NONE if periods is None else request.interval
        query = self._query_of(request)
        period = query.period_of_moment(interval, f"x.{self.at}")
        keys = [period, *(self._key(query, group) for group in request.groups)]
        statement = f"""
select {", ".join(keys)}, {self.counts}
from {self.table} x join survey s on s.workspace_id = x.workspace_id and s.id = x.survey_id
where {query.where()}
group by {", ".join(str(n + 1) for n in range(len(keys)))}"""
        rows = await run_sql(session, text(statement).bindparams(**query.bound))
        width = len(request.groups) + 1
        return {
            tuple(row[:width]): RatioCounts(row[width], row[width + 1], tuple(row[width + 2 :]))
            for row in rows
        }

    async def count_total(
        self, session: AsyncSession, request: MetricRequest, rows: Mapping[CellKey, RatioCounts]
    ) -> RatioCounts:
        """Return the counts of the whole span."""
        return await self.count_span(session, request.without_groups())

    async def count_span(self, session: AsyncSession, request: MetricRequest) -> RatioCounts:
        """Return the counts of a span."""
        counts_by_key = await self.count_by_group(session, request, None)
        return next(iter(counts_by_key.values()), RatioCounts())

    def _key(self, query: RequestConditions, name: str) -> str:
        if name in self.named_groups:
            return self.named_groups[name]
        parameter = query.bind(name.removeprefix(PROPERTY))
        is_scalar = is_scalar_sql(self.properties, parameter)
        return f"case when {is_scalar} then {self.properties} ->> {parameter} end"

    def _query_of(self, request: MetricRequest) -> RequestConditions:
        query = RequestConditions(request)
        query.conditions += ["x.workspace_id = :workspace", self.condition]
        query.narrow_to_span(request.span, f"x.{self.at}")
        for name, values in request.filters.items():
            if name != "survey":
                query.narrow_to_values(self.named_groups[name], values)
        query.narrow_to_surveys("x.survey_id")
        query.narrow_to_properties(self.properties)
        return query

    def choose_reading(self, request: MetricRequest, total: RatioCounts) -> CountReading:
        """Ratios have no scales, and are always read from the rows."""
        return CountReading()

    def select_rows(
        self, request: MetricRequest, rows: Mapping[CellKey, RatioCounts], reading: CountReading
    ) -> Mapping[CellKey, RatioCounts]:
        """Show every row."""
        return rows

    def make_figure(
        self,
        request: MetricRequest,
        counts: RatioCounts | None,
        reading: CountReading,
        group: Mapping[str, Any],
    ) -> FigureDict:
        """Return the share in per cent with its interval; small groups are hidden."""
        counts = counts or RatioCounts()
        total, part = counts.total, counts.part
        if request.hides(total):
            hidden = dict.fromkeys(("value", "display", "ci", "margin", self.part_name))
            return hidden | {"n": total, self.whole_name: total, "reliability": "hidden"}
        interval = statistics.wilson(part, total)
        share = 100 * part / total if total else None
        return {
            "value": share,
            "display": None if share is None else round_half_away(share),
            "n": total,
            "ci": [100 * interval[0], 100 * interval[1]] if interval else None,
            "margin": 50 * (interval[1] - interval[0]) if interval else None,
            "reliability": reliability(total),
            self.whole_name: total,
            self.part_name: part,
            **self.show_extras(counts.extras),
        }

    def compare_counts(
        self, before: RatioCounts, now: RatioCounts, reading: CountReading
    ) -> Change | None:
        """Return the difference of two shares with its test."""
        change = statistics.share_change((before.part, before.total), (now.part, now.total))
        ci = (100 * change.ci[0], 100 * change.ci[1]) if change.ci else None
        return Change(100 * change.delta, change.z, change.p_value, ci)

    async def count_excluded(self, session: AsyncSession, request: MetricRequest) -> None:
        """Nothing is left out of a ratio."""


def _median_hours(extras: Sequence[Any]) -> FigureDict:
    hours = extras[0] if extras else None
    return {"median_hours_to_close": None if hours is None else float(hours)}


_OF_RESPONSES = {
    "survey": "s.key",
    "touchpoint": "nullif(x.touchpoint, '')",
    "channel": "x.channel",
    "locale": "x.locale",
}
_HOURS = "extract(epoch from x.follow_up_closed_at - x.follow_up_opened_at) / 3600"

# A follow-up belongs to the period in which it was opened.
FOLLOW_UPS = RatioCounter(
    noun="follow-ups",
    table="response",
    at="follow_up_opened_at",
    properties="x.properties",
    condition="x.follow_up_opened_at is not null and x.state = 'counted'",
    named_groups=_OF_RESPONSES,
    counts="count(x.id), count(x.follow_up_closed_at), "
    f"percentile_disc(0.5) within group (order by {_HOURS})",
    whole_name="opened",
    part_name="closed",
    extent="select min(follow_up_opened_at) as first, max(follow_up_opened_at) as last "
    "from response where workspace_id = :id and state = 'counted'",
    show_extras=_median_hours,
)
# An invitation belongs to the period in which it was sent. One that bounced was not delivered.
DELIVERED_INVITATIONS = RatioCounter(
    noun="invitations",
    table="invitation",
    at="sent_at",
    properties="x.context -> 'properties'",
    condition="not x.test and x.status <> 'bounced'",
    named_groups={**_OF_RESPONSES, "source": "x.source"},
    counts="count(*), count(x.answered_at)",
    whole_name="delivered",
    part_name="answered",
    extent="select min(sent_at) as first, max(sent_at) as last from invitation "
    "where workspace_id = :id",
)
