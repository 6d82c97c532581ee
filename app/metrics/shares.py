"""Shares of rows that have a time: what `follow_up` and `response_rate` have in common.

Both count rows of a table joined to their survey, in periods of one of their times, and show
which part of them is closed or answered, with Wilson's interval.
"""

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import text
from sqlmodel.ext.asyncio.session import AsyncSession

from app.core.database import run_sql
from app.metrics import statistics
from app.metrics.counts import half_away
from app.metrics.parameters import PROPERTY, Asked
from app.metrics.periods import Bound, Interval
from app.metrics.plain import Figure, Found, Plain

_ENOUGH = 30


@dataclass(frozen=True, slots=True)
class Share:
    """One share: where its rows are, by which time, which columns count, what the parts are called.

    `counts` is SQL whose first two columns are all rows and those that count; what follows goes
    to `beside`.
    """

    noun: str
    table: str
    at: str
    properties: str
    condition: str
    groups: Mapping[str, str]
    counts: str
    whole: str
    part: str
    beside: Callable[[Sequence[Any]], Figure] = lambda _: {}

    def metric(self) -> Plain:
        """Return it as the metrics' one way of replying asks for it."""
        return Plain(
            noun=self.noun,
            groups=self.groups,
            filters=self.groups,
            figures=self.figures,
            empty=lambda asked: self.figure(asked, 0, 0),
            change=self.change,
        )

    async def figures(
        self,
        session: AsyncSession,
        asked: Asked,
        interval: Interval,
        grouped: bool,
    ) -> list[Found]:
        """Return the figures by period and group."""
        groups = asked.groups if grouped else []
        bound: dict[str, Any] = {
            "workspace": asked.workspace.id,
            "start": asked.span.start,
            "end": asked.span.end,
        }
        keys = ["null::date"]
        if interval is not Interval.NONE:
            keys = [f"date_trunc('{interval}', {self.at} at time zone :zone)::date"]
        keys += [self._key(number, name, bound) for number, name in enumerate(groups)]
        start, end = (_bound(name, getattr(asked.span, name)) for name in ("start", "end"))
        grouping = f"group by {', '.join(str(n + 1) for n in range(len(keys)))}" if grouped else ""
        statement = f"""
select {", ".join(keys)}, {self.counts}
from {self.table} x join survey s on s.workspace_id = x.workspace_id and s.id = x.survey_id
where x.workspace_id = :workspace and {self.condition}
  and {self.at} >= {start} and {self.at} < {end} {self._narrowed(asked, bound)}
{grouping}"""
        if ":zone" in statement:
            bound["zone"] = asked.timezone
        rows = await run_sql(session, text(statement).bindparams(**bound))
        return [
            Found(
                row[0],
                dict(zip(groups, row[1 : len(groups) + 1], strict=True)),
                self.figure(asked, *row[len(groups) + 1 :]),
            )
            for row in rows
        ]

    def _key(self, number: int, name: str, bound: dict[str, Any]) -> str:
        if name in self.groups:
            return self.groups[name]
        bound[f"g{number}"] = name.removeprefix(PROPERTY)
        return f"{self.properties} ->> :g{number}"

    def _narrowed(self, asked: Asked, bound: dict[str, Any]) -> str:
        conditions = ""
        for number, (name, values) in enumerate(asked.filters.items()):
            bound[f"f{number}"] = values
            conditions += (
                f" and array[s.key, s.id::text] && :f{number} ::text[]"
                if name == "survey"
                else f" and {self.groups[name]} = any(:f{number} ::text[])"
            )
        for number, (name, values) in enumerate(asked.properties.items()):
            bound |= {f"n{number}": name, f"v{number}": values}
            conditions += f" and {self.properties} ->> :n{number} = any(:v{number} ::text[])"
        return conditions

    def figure(self, asked: Asked, whole: int, part: int, *beside: Any) -> Figure:
        """Return the share in per cent with its interval; small groups are hidden."""
        if asked.hides(whole):
            hidden = dict.fromkeys(("value", "display", "ci", "margin", self.part))
            return hidden | {"n": whole, self.whole: whole, "reliability": "hidden"}
        interval = statistics.wilson(part, whole)
        share = 100 * part / whole if whole else None
        return {
            "value": share,
            "display": None if share is None else half_away(share),
            "n": whole,
            "ci": [100 * interval[0], 100 * interval[1]] if interval else None,
            "margin": 50 * (interval[1] - interval[0]) if interval else None,
            "reliability": "none" if not whole else "indicative" if whole < _ENOUGH else "ok",
            self.whole: whole,
            self.part: part,
            **self.beside(beside),
        }

    def change(self, before: Figure, now: Figure) -> Figure:
        """Return the difference of two shares with its test."""
        found = statistics.share_change(
            (before[self.part], before[self.whole]), (now[self.part], now[self.whole])
        )
        return {
            "delta": 100 * found.delta,
            "z": found.z,
            "p_value": found.p_value,
            "significant": found.significant,
            "ci": [100 * bound for bound in found.ci] if found.ci else None,
        }


def _bound(name: str, value: Bound) -> str:
    if isinstance(value, dt.datetime):
        return f":{name} ::timestamptz"
    return f":{name} ::date ::timestamp at time zone :zone"
