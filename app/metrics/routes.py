"""Routes of metrics."""

from enum import StrEnum
from typing import Annotated, Any

from fastapi import Depends, Path, Query, Request
from sqlalchemy import text
from starlette.responses import Response

from app.core.database import run_sql
from app.core.http import json_reply
from app.core.routing import PropertiesDep, ReadSessionDep, router
from app.interactions import service as interactions
from app.interactions.models import Journey
from app.interactions.schemas import TouchpointKey
from app.metrics.follow_up import FOLLOW_UP
from app.metrics.journey import in_short, map_of
from app.metrics.parameters import (
    GROUPS,
    METRIC_TYPES,
    Asked,
    MetricQuery,
    require_segments,
    resolve,
)
from app.metrics.periods import Interval
from app.metrics.plain import measure_plain
from app.metrics.response_rate import RESPONSE_RATE
from app.metrics.schemas import JourneyMapOut, MetricOut, MetricsOut
from app.metrics.service import measure
from app.metrics.snapshot import read_snapshot
from app.metrics.table import to_csv
from app.metrics.ttr import FIRST_REPLY, TTR
from app.workspaces.admission import Analyst
from app.workspaces.scopes import Scope
from app.workspaces.service import get_workspace

routes = router("Metrics")


class MetricName(StrEnum):
    """The figures there are."""

    NPS = "nps"
    CSAT = "csat"
    CES = "ces"
    YES_NO = "yes_no"
    RATING = "rating"
    EXPECTATION = "expectation"
    EMOTION = "emotion"
    CHOICE = "choice"
    TTR = "ttr"
    FIRST_REPLY = "first_reply"
    RESPONSE_RATE = "response_rate"
    FOLLOW_UP = "follow_up"


_PLAIN = {
    MetricName.TTR: TTR,
    MetricName.FIRST_REPLY: FIRST_REPLY,
    MetricName.RESPONSE_RATE: RESPONSE_RATE,
    MetricName.FOLLOW_UP: FOLLOW_UP,
}


_MAP_METRICS = ("csat", "nps", "ces", "emotion")


async def _asked(
    request: Request,
    session: ReadSessionDep,
    caller: Analyst,
    query: Annotated[MetricQuery, Query()],
    properties: PropertiesDep,
) -> Asked:
    await read_snapshot(session)
    workspace = await get_workspace(session, caller.workspace_id)
    if Scope.READ not in caller.scopes:
        require_segments(workspace, properties)
    metric = request.path_params.get("metric", "nps")
    return await resolve(session, workspace, metric, query, properties)


AskedDep = Annotated[Asked, Depends(_asked)]


def _wants_csv(request: Request) -> bool:
    wanted = request.query_params.get("format")
    if wanted is not None:
        return wanted == "csv"
    return request.headers.get("accept", "").partition(",")[0].strip() == "text/csv"


@routes.get("/v1/metrics", summary="List the metrics")
async def list_metrics(session: ReadSessionDep, caller: Analyst) -> MetricsOut:
    """Return the metrics, group names and segments, and which have questions to read from."""
    workspace = await get_workspace(session, caller.workspace_id)
    rows = await run_sql(
        session,
        text(
            "select distinct case when recommends then 'nps' else type end from question "
            "where workspace_id = :id union select distinct type from question "
            "where workspace_id = :id"
        ).bindparams(id=caller.workspace_id),
    )
    found = {row[0] for row in rows}
    metrics = [
        {"metric": name, "has_questions": bool(found & {str(t) for t in types})}
        for name, types in METRIC_TYPES.items()
    ]
    metrics += [
        {"metric": str(name), "has_questions": name is MetricName.FOLLOW_UP and bool(found)}
        for name in _PLAIN
    ]
    return MetricsOut(metrics=metrics, group_by=list(GROUPS), segments=workspace.segments)


@routes.get(
    "/v1/metrics/{metric}",
    summary="Read a metric",
    response_model=MetricOut,
    responses={200: {"content": {"text/csv": {"schema": {"type": "string"}}}}},
)
async def get_metric(
    request: Request, session: ReadSessionDep, metric: MetricName, asked: AskedDep
) -> Response:
    """Return one figure, over time and by group, with n, interval and reliability.

    Counts are read from rollups where they suffice (`source: "rollups"`), else from the rows.
    """
    if metric in _PLAIN:
        reply = await measure_plain(session, asked, _PLAIN[metric])
    else:
        reply = await measure(session, asked)
    if _wants_csv(request):
        return Response(to_csv(reply), media_type="text/csv; charset=utf-8")
    return json_reply(reply)


@routes.get("/v1/journeys/{key}/map", summary="Map a journey", response_model=JourneyMapOut)
async def get_journey_map(
    session: ReadSessionDep,
    caller: Analyst,
    key: Annotated[TouchpointKey, Path(description="The journey's key.")],
    from_: Annotated[str | None, Query(alias="from", max_length=40)] = None,
    to: Annotated[str | None, Query(max_length=40)] = None,
) -> Any:
    """Return the steps with their figures, the weakest one, and the touchpoints on no step."""
    await read_snapshot(session)
    workspace = await get_workspace(session, caller.workspace_id)
    journey = await interactions.get(session, Journey, caller.workspace_id, key)
    query = MetricQuery(from_=from_, to=to, group_by=["touchpoint"])
    asked = {name: await resolve(session, workspace, name, query, {}) for name in _MAP_METRICS}
    tickets = await resolve(session, workspace, "ttr", query, {})
    found = await TTR.figures(session, tickets, Interval.NONE, True)
    times = {one.group["touchpoint"]: in_short(one.figure) for one in found}
    return await map_of(session, journey, asked, times=times)
