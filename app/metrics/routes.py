# SPDX-License-Identifier: Apache-2.0
"""Routes of metrics."""

from typing import Annotated, Any

from fastapi import Depends, Path, Query, Request
from starlette.responses import Response

from app.core.http import json_reply
from app.core.routing import PropertiesDep, ReadSessionDep, router
from app.interactions import service as interactions
from app.interactions.models import Journey
from app.interactions.schemas import TouchpointKey
from app.metrics.csv_rows import to_csv, wants_csv
from app.metrics.journey import ON_MAP, read_journey_map
from app.metrics.parameters import MetricQuery, require_segments, resolve
from app.metrics.queries import metrics_with_questions
from app.metrics.registry import METRICS, MetricName
from app.metrics.request import GROUPS, MetricRequest
from app.metrics.schemas import JourneyMapOut, MetricOut, MetricsOut
from app.metrics.service import measure
from app.metrics.snapshot import begin_snapshot
from app.workspaces.admission import Analyst
from app.workspaces.scopes import Scope
from app.workspaces.service import get_workspace

routes = router("Metrics")


async def _metric_request(
    session: ReadSessionDep,
    caller: Analyst,
    metric: MetricName,
    query: Annotated[MetricQuery, Query()],
    properties: PropertiesDep,
) -> MetricRequest:
    await begin_snapshot(session)
    workspace = await get_workspace(session, caller.workspace_id)
    if Scope.READ not in caller.scopes:
        require_segments(workspace, properties)
    return await resolve(session, workspace, str(metric), query, properties)


RequestDep = Annotated[MetricRequest, Depends(_metric_request)]


@routes.get("/v1/metrics", summary="List the metrics")
async def list_metrics(session: ReadSessionDep, caller: Analyst) -> MetricsOut:
    """Return the metrics, group names and segments, and which have questions to read from."""
    workspace = await get_workspace(session, caller.workspace_id)
    question_metrics = await metrics_with_questions(session, caller.workspace_id)
    metrics = [{"metric": name, "has_questions": name in question_metrics} for name in METRICS]
    return MetricsOut(metrics=metrics, group_by=list(GROUPS), segments=workspace.segments)


@routes.get(
    "/v1/metrics/{metric}",
    summary="Read a metric",
    response_model=MetricOut,
    responses={200: {"content": {"text/csv": {"schema": {"type": "string"}}}}},
)
async def get_metric(
    request: Request, session: ReadSessionDep, metric_request: RequestDep
) -> Response:
    """Return one figure, over time and by group, with n, interval and reliability.

    Counts are read from rollups where they suffice (`source: "rollups"`), else from the rows.
    """
    reply = await measure(session, metric_request)
    if wants_csv(request):
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
    await begin_snapshot(session)
    workspace = await get_workspace(session, caller.workspace_id)
    journey = await interactions.get(session, Journey, caller.workspace_id, key)
    query = MetricQuery(from_=from_, to=to, group_by=["touchpoint"])
    requests = {name: await resolve(session, workspace, name, query, {}) for name in ON_MAP}
    return await read_journey_map(session, journey, requests)
