"""`follow_up`: how many customers were to be called back, how many were, and how fast.

Read from the responses that have one; a follow-up belongs to the period in which it was opened.
"""

import datetime as dt
from typing import Any

from sqlalchemy import text
from sqlmodel.ext.asyncio.session import AsyncSession

from app.core.database import run_sql
from app.metrics import statistics
from app.metrics.counts import half_away
from app.metrics.parameters import PROPERTY, Asked
from app.metrics.periods import Bound, Interval
from app.metrics.plain import Found, Plain

_GROUPS = {
    "survey": "s.key",
    "touchpoint": "nullif(x.touchpoint, '')",
    "channel": "x.channel",
    "locale": "x.locale",
}


async def _figures(
    session: AsyncSession,
    asked: Asked,
    interval: Interval,
    grouped: bool,
) -> list[Found]:
    bound: dict[str, Any] = {
        "workspace": asked.workspace.id,
        "zone": asked.timezone,
        "start": asked.span.start,
        "end": asked.span.end,
    }
    start, end = (bound_sql(name, getattr(asked.span, name)) for name in ("start", "end"))
    conditions = []
    for number, (name, values) in enumerate(asked.filters.items()):
        conditions.append(f"{_GROUPS[name]} = any(:f{number} ::text[])")
        bound[f"f{number}"] = values
    for number, (name, values) in enumerate(asked.properties.items()):
        conditions.append(f"x.properties ->> :n{number} = any(:v{number} ::text[])")
        bound |= {f"n{number}": name, f"v{number}": values}
    keys = ["null::date"]
    if interval is not Interval.NONE:
        keys = [f"date_trunc('{interval}', x.follow_up_opened_at at time zone :zone)::date"]
    groups = asked.groups if grouped else []
    for number, name in enumerate(groups):
        if name in _GROUPS:
            keys.append(_GROUPS[name])
        else:
            bound[f"g{number}"] = name.removeprefix(PROPERTY)
            keys.append(f"x.properties ->> :g{number}")
    hours = "extract(epoch from x.follow_up_closed_at - x.follow_up_opened_at) / 3600"
    statement = f"""
select {", ".join(keys)}, count(x.id), count(x.follow_up_closed_at),
  percentile_disc(0.5) within group (order by {hours})
from response x join survey s on s.workspace_id = x.workspace_id and s.id = x.survey_id
where x.workspace_id = :workspace and x.follow_up_opened_at is not null and x.state = 'counted'
  and x.follow_up_opened_at >= {start} and x.follow_up_opened_at < {end}
  {"".join(f" and {c}" for c in conditions)}
{f"group by {', '.join(str(i + 1) for i in range(len(keys)))}" if grouped else ""}
order by 1"""
    rows = await run_sql(session, text(statement).bindparams(**bound))
    return [
        Found(
            row[0],
            dict(zip(groups, row[1 : len(groups) + 1], strict=True)),
            _figure(asked, *row[len(groups) + 1 :]),
        )
        for row in rows
    ]


def bound_sql(name: str, value: Bound) -> str:
    if isinstance(value, dt.datetime):
        return f":{name} ::timestamptz"
    return f":{name} ::date ::timestamp at time zone :zone"


def _figure(asked: Asked, opened: int, closed: int, median_hours: float | None) -> dict[str, Any]:
    if asked.hides(opened):
        hidden = dict.fromkeys(("value", "display", "ci", "margin", "closed"))
        return hidden | {"n": opened, "opened": opened, "reliability": "hidden"}
    interval = statistics.wilson(closed, opened)
    reliability = "none" if opened == 0 else "indicative" if opened < 30 else "ok"
    share = 100 * closed / opened if opened else None
    return {
        "value": share,
        "display": None if share is None else half_away(share),
        "n": opened,
        "ci": [100 * interval[0], 100 * interval[1]] if interval else None,
        "margin": 50 * (interval[1] - interval[0]) if interval else None,
        "reliability": reliability,
        "opened": opened,
        "closed": closed,
        "median_hours_to_close": None if median_hours is None else float(median_hours),
    }


def _change(before: dict[str, Any], now: dict[str, Any]) -> dict[str, Any]:
    found = statistics.share_change(
        (before["closed"], before["opened"]), (now["closed"], now["opened"])
    )
    return {
        "delta": 100 * found.delta,
        "z": found.z,
        "p_value": found.p_value,
        "significant": found.significant,
        "ci": [100 * bound for bound in found.ci] if found.ci else None,
    }


FOLLOW_UP = Plain(
    noun="follow-ups",
    groups=_GROUPS,
    filters=_GROUPS,
    figures=_figures,
    empty=lambda asked: _figure(asked, 0, 0, None),
    change=_change,
)
