# SPDX-License-Identifier: Apache-2.0
"""`GET metrics`: whole numbers, as Delighted counted them."""

import datetime as dt
from typing import Any

from app.core.clock import utc_now
from app.delighted.request import DelightedRequest
from app.metrics.counts import half_away
from app.metrics.parameters import MetricQuery, resolve
from app.metrics.service import measure
from app.responses.queries import segments_with
from app.workspaces.service import get_workspace

_USUAL = dt.timedelta(days=30)
_NAMES = ("promoter", "passive", "detractor")


async def get_metrics(request: DelightedRequest) -> dict[str, Any]:
    """Return the NPS of the key's survey; without times, of the last 30 days."""
    given = request.parameters
    survey = await request.survey()
    session, workspace_id = request.session, request.caller.workspace_id
    workspace = await get_workspace(session, workspace_id)
    until = given.moment("until") or utc_now()
    since = given.moment("since") or until - _USUAL
    query = MetricQuery(
        from_=since.isoformat(), to=max(until, since + dt.timedelta(seconds=1)).isoformat(),
        survey=[survey.key], channel=[*given.names("groups"), *given.names("groups[]")],
    )  # fmt: skip
    properties: dict[str, list[str]] = {}
    if trend := given.text("trend"):
        segments = await segments_with(session, workspace_id, trend)
        properties = {name: [trend] for name in segments[:1]}
    metric_request = await resolve(session, workspace, "nps", query, properties)
    total = (await measure(session, metric_request))["total"]
    counts = total.get("counts") or dict.fromkeys((f"{name}s" for name in _NAMES), 0)
    n = total["n"]
    found = {"nps": int(total["display"] or 0), "response_count": n}
    for name in _NAMES:
        count = counts[f"{name}s"]
        found |= {
            f"{name}_count": count,
            f"{name}_percent": int(half_away(100 * count / n)) if n else 0,
        }
    return found
