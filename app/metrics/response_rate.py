"""`response_rate`: answered of delivered invitations, both from the same filters.

An invitation belongs to the period in which it was sent. One that bounced was not delivered.
"""

from typing import Any

from sqlalchemy import text
from sqlmodel.ext.asyncio.session import AsyncSession

from app.core.database import run_sql
from app.metrics import statistics
from app.metrics.counts import half_away
from app.metrics.follow_up import bound_sql
from app.metrics.parameters import PROPERTY, Asked
from app.metrics.periods import Interval
from app.metrics.plain import Figure, Found, Plain

_GROUPS = {
    "survey": "s.key",
    "touchpoint": "nullif(x.touchpoint, '')",
    "channel": "x.channel",
    "locale": "x.locale",
    "source": "x.source",
}


async def _figures(
    session: AsyncSession,
    asked: Asked,
    interval: Interval,
    grouped: bool,
) -> list[Found]:
    bound: dict[str, Any] = {
        "workspace": asked.workspace.id,
        "start": asked.span.start,
        "end": asked.span.end,
    }
    start, end = (bound_sql(name, getattr(asked.span, name)) for name in ("start", "end"))
    conditions = []
    for number, (name, values) in enumerate(asked.filters.items()):
        expression = f"{_GROUPS[name]} = any(:f{number} ::text[])"
        if name == "survey":
            expression = f"array[s.key, s.id::text] && :f{number} ::text[]"
        conditions.append(expression)
        bound[f"f{number}"] = values
    for number, (name, values) in enumerate(asked.properties.items()):
        conditions.append(f"x.context -> 'properties' ->> :n{number} = any(:v{number} ::text[])")
        bound |= {f"n{number}": name, f"v{number}": values}
    keys = ["null::date"]
    if interval is not Interval.NONE:
        keys = [f"date_trunc('{interval}', x.sent_at at time zone :zone)::date"]
    groups = asked.groups if grouped else []
    for number, name in enumerate(groups):
        if name in _GROUPS:
            keys.append(_GROUPS[name])
        else:
            bound[f"g{number}"] = name.removeprefix(PROPERTY)
            keys.append(f"x.context -> 'properties' ->> :g{number}")
    grouping = f"group by {', '.join(str(i + 1) for i in range(len(keys)))}" if grouped else ""
    statement = f"""
select {", ".join(keys)}, count(*), count(x.answered_at)
from invitation x join survey s on s.workspace_id = x.workspace_id and s.id = x.survey_id
where x.workspace_id = :workspace and not x.test and x.status <> 'bounced'
  and x.sent_at >= {start} and x.sent_at < {end} {"".join(f" and {c}" for c in conditions)}
{grouping}"""
    if ":zone" in statement:
        bound["zone"] = asked.timezone
    rows = await run_sql(session, text(statement).bindparams(**bound))
    return [
        Found(
            row[0],
            dict(zip(groups, row[1 : len(groups) + 1], strict=True)),
            _figure(asked, *row[len(groups) + 1 :]),
        )
        for row in rows
    ]


def _figure(asked: Asked, delivered: int, answered: int) -> Figure:
    if asked.hides(delivered):
        hidden = dict.fromkeys(("value", "display", "ci", "margin", "answered"))
        return hidden | {"n": delivered, "delivered": delivered, "reliability": "hidden"}
    interval = statistics.wilson(answered, delivered)
    share = 100 * answered / delivered if delivered else None
    return {
        "value": share,
        "display": None if share is None else half_away(share),
        "n": delivered,
        "ci": [100 * interval[0], 100 * interval[1]] if interval else None,
        "margin": 50 * (interval[1] - interval[0]) if interval else None,
        "reliability": "none" if not delivered else "indicative" if delivered < 30 else "ok",
        "delivered": delivered,
        "answered": answered,
    }


def _change(before: Figure, now: Figure) -> Figure:
    found = statistics.share_change(
        (before["answered"], before["delivered"]), (now["answered"], now["delivered"])
    )
    return {
        "delta": 100 * found.delta,
        "z": found.z,
        "p_value": found.p_value,
        "significant": found.significant,
        "ci": [100 * bound for bound in found.ci] if found.ci else None,
    }


RESPONSE_RATE = Plain(
    noun="invitations",
    groups=_GROUPS,
    filters=_GROUPS,
    figures=_figures,
    empty=lambda asked: _figure(asked, 0, 0),
    change=_change,
)
