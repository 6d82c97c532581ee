"""Counting: from rollups where they suffice, else from the rows; the same cells from both.

Rollups hold counts per local day of the workspace's zone, and one segment at a time without
channel or locale. So another zone, exact times, two properties, a property with channel or
locale, undeclared properties and `latest_per_customer` read the rows, and so does everything
while a recount is under way.
"""

import datetime as dt
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import text
from sqlmodel.ext.asyncio.session import AsyncSession

from app.core.database import run_sql
from app.metrics.counts import Counts
from app.metrics.figures import Cell, Series
from app.metrics.parameters import METRIC_TYPES, PROPERTY, Asked
from app.metrics.periods import Bound, Interval, Span
from app.surveys.scales import ALLOWED_POINTS, OPTION_TYPES, QuestionType

Key = tuple[Any, ...]
Cells = dict[Key, Cell]

_NAMES = [*(f"n{score}" for score in range(11)), "n_missing", "n_na"]
_VALUES = [*map(str, range(11)), "-1", "-2"]
_EXCLUDED = ("provisional", "unverified", "quarantined", "test")
# Shares have the answers to one question below them, so questions are not pooled.
BY_QUESTION = frozenset({"choice", "yes_no"})
_WITH_OPTIONS = frozenset(m for m, types in METRIC_TYPES.items() if set(types) & OPTION_TYPES)


def reads_rows(asked: Asked) -> bool:
    """Tell whether the rollups do not suffice for what is asked."""
    workspace = asked.workspace
    names = _property_names(asked)
    with_channel = {"channel", "locale"} & {*asked.groups, *asked.filters}
    return (
        workspace.recount is not None
        or asked.timezone != workspace.timezone
        or not asked.span.whole_days
        or asked.latest
        or len(names) > 1
        or not names <= set(workspace.segments)
        or (bool(names) and bool(with_channel))
        or bool(_OF_TICKETS & {*asked.groups, *asked.filters})
    )


def _property_names(asked: Asked) -> set[str]:
    grouped = {g.removeprefix(PROPERTY) for g in asked.groups if g.startswith(PROPERTY)}
    return grouped | set(asked.properties)


_VALENCE = (
    "(jsonb_path_query_first(q.options, '$[*] ? (@.key == $o)', "
    "jsonb_build_object('o', OPTION)) ->> 'valence')::int"
)


# How long the answer's ticket took, in the design's five classes.
_RESOLUTION_TIME = """case when k.seconds < 3600 then '<1h' when k.seconds < 14400 then '1-4h'
  when k.seconds < 86400 then '4-24h' when k.seconds < 259200 then '1-3d'
  when k.seconds is not null then '>3d' end"""
_OF_TICKETS = frozenset({"resolution_time", "source"})


class _Query:
    """The parts of one statement over `x`, which is a rollup cell or a response."""

    def __init__(self, asked: Asked, *, from_rows: bool) -> None:
        self.asked = asked
        self.from_rows = from_rows
        self.options = asked.metric in _WITH_OPTIONS
        self.bound: dict[str, Any] = {
            "workspace": asked.workspace.id,
            "types": [str(t) for t in METRIC_TYPES[asked.metric]],
        }
        self.conditions = ["x.workspace_id = :workspace"]
        self._narrow()

    def groups(self) -> list[str]:
        """Return the SQL of each group's value."""
        return [self._expression(name) for name in self.asked.groups]

    def joins(self) -> str:
        """Return the question, and the survey and touchpoint where they are asked for."""
        question = "a.key" if self.from_rows else "x.question"
        matched = f"split_part({question}, '=', 1)" if self.options else question
        of_type = "q.type = any(:types ::text[])"
        if self.asked.metric == "nps":
            of_type = f"({of_type} or q.recommends)"
        if self.asked.metric == "yes_no":
            # One that is its survey's NPS counts there, and only there.
            of_type = f"({of_type} and not q.recommends)"
        joins = f"""
join question q on q.workspace_id = x.workspace_id and q.survey_id = x.survey_id
  and q.key = {matched} and {of_type}"""
        named = {*self.asked.groups, *self.asked.filters}
        if "survey" in named or self.asked.metric in BY_QUESTION:
            joins += " join survey s on s.workspace_id = x.workspace_id and s.id = x.survey_id"
        if "stage" in named:
            joins += (
                " left join touchpoint t on t.workspace_id = x.workspace_id"
                " and t.key = coalesce(q.touchpoint, x.touchpoint)"
            )
        if _OF_TICKETS & named:
            # An answer names its ticket's number; of two sources with that number, its own
            # interaction's, else the one that changed last.
            joins += """
left join lateral (
  select k.source, k.ticket, coalesce(k.full_seconds, k.first_seconds) as seconds from ticket k
  where k.workspace_id = x.workspace_id and k.ticket = x.ticket_ref
  order by k.source = x.interaction_ref ->> 'source' desc nulls last, k.updated_at desc limit 1
) k on true"""
        return joins

    def series(self) -> list[str]:
        """Return the SQL of what keeps counts apart inside a cell."""
        # Keys hold no blank, so this names one question of one survey.
        by_question = self.asked.metric in BY_QUESTION
        scale = "s.key || ' ' || q.key" if by_question else "q.scale"
        if not self.options:
            return ["q.type", scale, "q.high", "q.reverse", "''", "null::int"]
        option = f"split_part({'a.key' if self.from_rows else 'x.question'}, '=', 2)"
        valence = _VALENCE.replace("OPTION", option)
        return ["q.type", scale, "q.high", "false", option, valence]

    def _expression(self, name: str) -> str:
        if name.startswith(PROPERTY):
            if not self.from_rows:
                return "x.value"
            parameter = self._bind(name.removeprefix(PROPERTY))
            return (
                f"case when jsonb_typeof(x.properties -> :{parameter}) "
                f"in ('string', 'number', 'boolean') then x.properties ->> :{parameter} end"
            )
        known = {
            "survey": "s.key",
            "question": "q.key",
            "touchpoint": "nullif(coalesce(q.touchpoint, x.touchpoint), '')",
            "stage": "t.stage",
            "channel": "x.channel",
            "locale": "x.locale",
            "scale": "q.scale",
            "resolution_time": _RESOLUTION_TIME,
            "source": "k.source",
        }
        return known.get(name, f"q.{name}")

    def _bind(self, value: Any) -> str:
        name = f"p{len(self.bound)}"
        self.bound[name] = value
        return name

    def _narrow(self) -> None:
        for name, values in self.asked.filters.items():
            parameter = self._bind(values)
            expression = self._expression(name)
            if name == "survey":
                self.conditions.append(f"array[s.key, s.id::text] && :{parameter} ::text[]")
            else:
                self.conditions.append(f"{expression} = any(:{parameter} ::text[])")
        if self.from_rows:
            self._narrow_rows()
        else:
            self._narrow_rollups()

    def _narrow_rows(self) -> None:
        for name, values in self.asked.properties.items():
            parameter, wanted = self._bind(name), self._bind(values)
            self.conditions.append(
                f"jsonb_typeof(x.properties -> :{parameter}) in ('string', 'number', 'boolean')"
            )
            self.conditions.append(f"x.properties ->> :{parameter} = any(:{wanted} ::text[])")

    def _narrow_rollups(self) -> None:
        names = _property_names(self.asked)
        self.bound["segment"] = next(iter(names), "")
        self.conditions.append("x.segment = :segment")
        for values in self.asked.properties.values():
            self.conditions.append(f"x.value = any(:{self._bind(values)} ::text[])")

    def between(self, span: Span) -> None:
        """Keep what lies in the span."""
        if self.from_rows:
            self.conditions.append(f"x.responded_at >= {self.moment(span.start)}")
            self.conditions.append(f"x.responded_at < {self.moment(span.end)}")
        else:
            self.conditions.append(f"x.local_date >= :{self._bind(span.start)}")
            self.conditions.append(f"x.local_date < :{self._bind(span.end)}")

    def _zone(self) -> str:
        self.bound["zone"] = self.asked.timezone
        return ":zone"

    def moment(self, bound: Bound) -> str:
        """Let the database find the moment of a local midnight."""
        parameter = self._bind(bound)
        if isinstance(bound, dt.datetime):
            return f":{parameter} ::timestamptz"
        return f":{parameter} ::date ::timestamp at time zone {self._zone()}"

    def bucket(self, interval: Interval) -> str:
        """Return the SQL of the first local day of the period; null without one."""
        if interval is Interval.NONE:
            return "null::date"
        day = (
            f"(x.responded_at at time zone {self._zone()})"
            if self.from_rows
            else "x.local_date::timestamp"
        )
        return f"date_trunc('{interval}', {day})::date"


async def count(session: AsyncSession, asked: Asked, span: Span, interval: Interval) -> Cells:
    """Return the cells by (period's first day or None, each group's value).

    Rollups hold a segment's answers beside all of them; those without it are the difference.
    """
    cells = await _count_cells(session, asked, span, interval)
    place = next((i for i, name in enumerate(asked.groups) if name.startswith(PROPERTY)), None)
    if place is None or reads_rows(asked) or asked.properties:
        return cells
    others = [name for name in asked.groups if not name.startswith(PROPERTY)]
    every = await _count_cells(session, replace(asked, groups=others), span, interval)
    return cells | _without(every, cells, place + 1)


def _without(every: Cells, cells: Cells, place: int) -> Cells:
    """Return what all cells hold beside those that have a value at a place of their key."""
    left = {key: dict(cell) for key, cell in every.items()}
    for key, cell in cells.items():
        rest = left[*key[:place], *key[place + 1 :]]
        for series, counts in cell.items():
            rest[series] = rest[series] - counts
    found = {}
    for key, cell in left.items():
        kept = {series: counts for series, counts in cell.items() if counts != Counts()}
        if kept:
            found[*key[:place], None, *key[place:]] = kept
    return found


async def _count_cells(
    session: AsyncSession, asked: Asked, span: Span, interval: Interval
) -> Cells:
    from_rows = reads_rows(asked)
    query = _Query(asked, from_rows=from_rows)
    query.between(span)
    keys = [query.bucket(interval), *query.groups(), *query.series()]
    if from_rows:
        sums = [f"count(*) filter (where a.value = '{v}')" for v in _VALUES]
        source = "response x cross join lateral jsonb_each_text(x.scores) a"
        query.conditions.append("x.state = 'counted'")
    else:
        sums = [f"sum(x.{n})::int8" for n in _NAMES]
        source = "rollup x"
    statement = f"""
select {", ".join(keys)}, {", ".join(sums)}
from {source} {query.joins()}
where {" and ".join(query.conditions)}
group by {", ".join(str(i + 1) for i in range(len(keys)))}
having {" or ".join(f"{sum_} <> 0" for sum_ in sums)}"""
    rows = await run_sql(session, text(statement).bindparams(**query.bound))
    return _cells(rows, groups=len(asked.groups))


async def count_latest(
    session: AsyncSession, asked: Asked, periods: Sequence[tuple[dt.date | None, Span]]
) -> Cells:
    """Count only the latest answer of each customer in each period; anonymous ones all count.

    Of a customer's responses the latest with a valid answer on the scale is taken, else the
    latest that says `missing` or `na`; where a metric has many questions a response, of each.
    """
    query = _Query(asked, from_rows=True)
    starts = [query.moment(span.start) for _, span in periods]
    ends = [query.moment(span.end) for _, span in periods]
    query.conditions.append("x.state = 'counted'")
    outer = [f"k{i}" for i in range(len(asked.groups) + len(query.series()) + 1)]
    keys = ["p.number", *query.groups(), *query.series()]
    named = ", ".join(f"{sql} as {name}" for sql, name in zip(keys, outer, strict=True))
    per = "q.key, " if asked.metric in {"rating", "emotion"} else ""
    per = "x.survey_id, q.key, " if asked.metric in BY_QUESTION else per
    sums = [f"count(*) filter (where value = '{v}')" for v in _VALUES]
    statement = f"""
select {", ".join(outer)}, {", ".join(sums)} from (
  select {named}, a.value, dense_rank() over (
    partition by p.number, q.scale, {per}coalesce(x.customer_id, x.id)
    order by a.value::int >= 0 desc, x.responded_at desc, x.id desc) as place
  from unnest(array[{", ".join(starts)}], array[{", ".join(ends)}]) with ordinality
    p(begins, ends, number)
  join response x on x.responded_at >= p.begins and x.responded_at < p.ends
  cross join lateral jsonb_each_text(x.scores) a {query.joins()}
  where {" and ".join(query.conditions)}
) ranked where place = 1
group by {", ".join(outer)}"""
    rows = await run_sql(session, text(statement).bindparams(**query.bound))
    cells = _cells(rows, groups=len(asked.groups))
    return {(periods[key[0] - 1][0], *key[1:]): cell for key, cell in cells.items()}


def _cells(rows: Any, *, groups: int) -> Cells:
    cells: Cells = defaultdict(dict)
    for row in rows:
        row = tuple(row)  # noqa: PLW2901 - the row as a plain tuple
        key = row[: groups + 1]
        type_, scale, high, reverse, option, valence = row[groups + 1 : groups + 7]
        low = 1 if QuestionType(type_) in ALLOWED_POINTS else 0
        series = Series(scale, low, high, reverse, option, valence)
        numbers = row[groups + 7 :]
        counts = Counts(tuple(int(n) for n in numbers[:11]), int(numbers[11]), int(numbers[12]))
        cells[key][series] = cells[key].get(series, Counts()) + counts
    return dict(cells)


async def add_unchosen_options(session: AsyncSession, asked: Asked, total: Cell) -> None:
    """Add to a total the options that nobody chose, so that every share is there."""
    if asked.metric not in _WITH_OPTIONS or not total:
        return
    rows = await run_sql(
        session,
        text(
            "select s.key || ' ' || q.key, q.scale, q.high, o ->> 'key', (o ->> 'valence')::int "
            "from question q join survey s on s.workspace_id = q.workspace_id "
            "and s.id = q.survey_id cross join jsonb_array_elements(q.options) o "
            "where q.workspace_id = :workspace and q.type = any(:types ::text[])"
        ).bindparams(
            workspace=asked.workspace.id, types=[str(t) for t in METRIC_TYPES[asked.metric]]
        ),
    )
    scales = {series.scale for series in total}
    for key, scale, high, option, valence in map(tuple, rows):
        name = key if asked.metric == "choice" else scale
        if name in scales:
            total.setdefault(Series(name, 0, high, option=option, valence=valence), Counts())


async def count_excluded(session: AsyncSession, asked: Asked) -> dict[str, int]:
    """Count the responses that the same filters find but no figure holds, by reason."""
    query = _Query(asked, from_rows=True)
    query.between(asked.span)
    query.conditions.append("x.state = any(:excluded ::text[])")
    query.bound["excluded"] = list(_EXCLUDED)
    statement = f"""
select x.state, count(distinct x.id)
from response x cross join lateral jsonb_each_text(x.scores) a {query.joins()}
where x.state not in ('counted', 'deleted') and {" and ".join(query.conditions)}
group by 1"""
    rows = await run_sql(session, text(statement).bindparams(**query.bound))
    found: dict[str, int] = dict(tuple(row) for row in rows)
    return {state: found.get(state, 0) for state in _EXCLUDED}
