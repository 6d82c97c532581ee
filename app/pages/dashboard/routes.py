# SPDX-License-Identifier: Apache-2.0
"""The pages of figures; each has a URL with its filters."""

from typing import Annotated, Any

from fastapi import Query
from starlette.responses import HTMLResponse, Response

from app.alerts import service as alerts
from app.core.errors import NotFound
from app.core.routing import PropertiesDep, router
from app.metrics.csv_rows import to_csv
from app.metrics.journey import STAGES
from app.metrics.registry import METRICS, SCORE_METRICS
from app.metrics.service import MetricReply
from app.pages.dashboard import figures, health
from app.pages.dashboard.charts import Point
from app.pages.dashboard.figure_context import figures_context, whiskers
from app.pages.dashboard.filters import PageFilter, read_choices, without_empty
from app.pages.dashboard.survey_pages import comments_of
from app.pages.dashboard.visit import DashboardVisit, SnapshotVisitDep
from app.responses import inbox
from app.triggers.recent_activity import count_invitation_funnel

routes = router("Dashboard")

ViewDep = Annotated[PageFilter, Query()]


@routes.get("/", include_in_schema=False)
async def show_overview(
    visit: SnapshotVisitDep, view: ViewDep, values: PropertiesDep
) -> HTMLResponse:
    """Show the main figures, the trend, open follow-ups and new comments."""
    properties = without_empty(values)
    context = await figures_context(visit, view, properties)
    for_members = (
        HIDDEN_FROM_SHARED if visit.shared else await _for_members(visit, view, properties)
    )
    return visit.render(
        "overview",
        weakest=await figures.weakest_of(visit, view, properties),
        **for_members,
        **context,
    )


# Empty values in place of what the holder of a share link may not see.
HIDDEN_FROM_SHARED: dict[str, Any] = {
    "follow_ups": [], "open_count": 0, "comments": [], "raised": [], "troubled": [],
    "funnel": None, "steps": None,
}  # fmt: skip


async def _for_members(
    visit: DashboardVisit, view: PageFilter, properties: dict[str, list[str]]
) -> dict[str, Any]:
    """Return what members see beside the figures: whom to call, what was written, the first run."""
    connections = [*await health.integrations(visit), *await health.endpoints(visit)]
    urgent = await visit.api.get(
        "/v1/responses", follow_up="open", integrity="ok", limit=5, order_by="responded_at",
        **await view.list_filters(visit, properties),
    )  # fmt: skip
    since, until = await view.period_bounds(visit)
    is_unfiltered = not view.is_narrowed(properties)
    return {
        "follow_ups": urgent["data"],
        # Both are of the whole workspace, so they stand only where nothing is filtered.
        "open_count": await inbox.count_open_follow_ups(
            visit.session, visit.workspace.id, span=(since, until)
        )
        if is_unfiltered
        else 0,
        "comments": await comments_of(visit, view, properties, limit=5),
        "raised": await alerts.find_raised_alerts(visit.session, visit.workspace.id),
        "troubled": [connection for connection in connections if connection.needs_attention],
        "funnel": await count_invitation_funnel(visit.session, visit.workspace.id, since, until)
        if is_unfiltered
        else None,
        "steps": await first_steps(visit),
    }


async def first_steps(visit: DashboardVisit) -> list[tuple[str, str, bool]] | None:
    """Return the steps of a new workspace, each done or not; None once two answers have come."""
    answered = await visit.api.get("/v1/responses", limit=2)
    if len(answered["data"]) > 1:
        return None
    invited = await visit.api.get("/v1/invitations", limit=1)
    connected = await visit.api.get("/v1/integrations", limit=1) if visit.may_admin else invited
    came = bool(answered["data"])
    surveys = await visit.api.get("/v1/surveys", limit=1)
    live = await visit.api.get("/v1/surveys", limit=1, status="live")
    where = "/surveys/new" if not surveys["data"] else f"/surveys/{surveys['data'][0]['key']}"
    return [
        ("make", "/surveys/new", bool(surveys["data"])),
        ("publish", where, bool(live["data"])),
        ("place", where, came or bool(invited["data"] or connected["data"])),
        ("answer", "/answers?period=all", came),
    ]


@routes.get("/journey", include_in_schema=False)
async def show_journey(
    visit: SnapshotVisitDep, view: ViewDep, values: PropertiesDep
) -> HTMLResponse:
    """Show the touchpoints before, during and after a purchase."""
    properties = without_empty(values)
    journey = await figures.journey_of(visit, view, properties)
    steps = [
        step for step in (*journey["steps"], *journey["elsewhere"])
        if not view.touchpoint or step["touchpoint"] == view.touchpoint
    ]  # fmt: skip
    choices = await read_choices(visit.session, visit.workspace, visit.texts.language)
    names = choices.touchpoints
    points = [
        Point(
            names.get(step["touchpoint"], step["touchpoint"]), step["score_0_100"], None, None,
            sum(step[metric]["n"] for metric in SCORE_METRICS if step[metric]),
            visit.texts.number(step["score_0_100"], 1), "–",
        )
        for step in steps if step["score_0_100"] is not None
    ]  # fmt: skip
    return visit.render(
        "journey",
        view=view,
        properties=properties,
        choices=choices,
        stages=[(stage, [step for step in steps if step["stage"] == stage]) for stage in STAGES],
        names=names,
        chart=whiskers(points),
        write=figures.format_value,
        interval=figures.interval_of,
    )


@routes.get("/figures/{metric}.csv", include_in_schema=False)
async def read_csv(
    visit: SnapshotVisitDep, view: ViewDep, values: PropertiesDep, metric: str, group: str = ""
) -> Response:
    """Return the figures of a chart as CSV."""
    if metric not in METRICS:
        raise NotFound("There is no figure of this name.")
    more: dict[str, Any] = {"group_by": [group]} if group else {"interval": view.interval}
    reply: MetricReply = await figures.read(visit, view, metric, without_empty(values), **more)
    headers = {"Content-Disposition": f'attachment; filename="{metric}.csv"'}
    return Response(to_csv(reply), media_type="text/csv; charset=utf-8", headers=headers)
