"""The pages of the dashboard; each has a URL with its filters."""

import datetime as dt
from typing import Annotated, Any
from uuid import UUID

from fastapi import Query
from pydantic import BaseModel, Field
from starlette.responses import HTMLResponse, RedirectResponse, Response

from app.alerts import service as alerts
from app.core.clock import utc_now
from app.core.errors import InvalidInput, NotFound
from app.core.http import at
from app.core.routing import PropertiesDep, SessionDep, router
from app.interactions import service as interactions
from app.interactions.models import Journey
from app.metrics.service import Reply
from app.metrics.table import to_csv
from app.pages.dashboard import answers, figures, health
from app.pages.dashboard.charts import Point, whiskers_of
from app.pages.dashboard.filters import PageFilter, choices_of, chosen
from app.pages.dashboard.sessions import DashboardVisit, VisitDep, checked
from app.responses import inbox
from app.responses import service as responses
from app.responses.inbox import FollowUpFilter
from app.responses.schemas import FollowUpPatch, FollowUpStatus, ResponsePatch
from app.surveys import service as surveys
from app.triggers import decisions
from app.triggers.schemas import DecisionFilter, DecisionPage
from app.workspaces.scopes import Scope

routes = router("Dashboard")

ViewDep = Annotated[PageFilter, Query()]
_STAGES = ("before", "during", "after", None)
_METRICS = ("nps", "csat", "ces", "ttr")
_LATELY = dt.timedelta(days=30)


async def _about(
    visit: DashboardVisit,
    view: PageFilter,
    properties: dict[str, list[str]],
    *,
    survey: str | None = None,
) -> dict[str, Any]:
    """Return what every page of figures shows: the form, the figures, the trend."""
    found = await figures.cards(visit, view, properties)
    metric = view.metric if view.metric in _METRICS else figures.first_with_answers(found)
    return {
        "view": view,
        "properties": properties,
        "choices": await choices_of(visit.session, visit.workspace),
        "cards": found,
        "trend": await figures.trend(visit, view, metric, properties),
        "fixed_survey": survey,
    }


@routes.get("/", include_in_schema=False)
async def show_overview(visit: VisitDep, view: ViewDep, asked: PropertiesDep) -> HTMLResponse:
    """Show the four figures, the trend, whom to call and what was written."""
    properties = chosen(asked)
    shown = await _about(visit, view, properties)
    journey = await figures.journey_of(visit, view, properties, await _all_touchpoints(visit))
    connections = [*await health.integrations(visit), *await health.endpoints(visit)]
    latest, _ = await inbox.find_comments(visit.session, visit.workspace.id, {}, limit=5)
    urgent, _ = await inbox.find_follow_ups(
        visit.session, visit.workspace.id, FollowUpFilter(), limit=5
    )
    return visit.page(
        "overview",
        weakest=next((step for step in journey["steps"] if step["weakest"]), None),
        follow_ups=urgent,
        open_count=await inbox.count_open_follow_ups(visit.session, visit.workspace.id),
        comments=latest,
        raised=await alerts.raised_alerts(visit.session, visit.workspace.id),
        troubled=[connection for connection in connections if connection.needs_somebody],
        **shown,
    )


@routes.get("/surveys/{key}", include_in_schema=False)
async def show_survey(
    visit: VisitDep, view: ViewDep, asked: PropertiesDep, key: str
) -> HTMLResponse:
    """Show one survey."""
    properties = chosen(asked)
    survey = await surveys.find(visit.session, visit.workspace.id, key)
    view = view.model_copy(update={"survey": survey.key})
    shown = await _about(visit, view, properties, survey=survey.key)
    latest, _ = await inbox.find_comments(
        visit.session, visit.workspace.id, {"survey": survey.key}, limit=10
    )
    drivers = await figures.tag_points(visit, view, "driver", properties)
    return visit.page(
        "survey",
        title=survey.name,
        survey=survey,
        comments=latest,
        drivers=_whiskers(drivers),
        **shown,
    )


def _whiskers(points: list[Point]) -> Any:
    return whiskers_of(points, within=(0.0, 100.0)) if points else None


async def _all_touchpoints(visit: DashboardVisit) -> Journey:
    """Return every touchpoint as one journey, in the order of the stages."""
    rows = await interactions.touchpoints(visit.session, visit.workspace.id)
    order = {stage: number for number, stage in enumerate(_STAGES)}
    keys = [row.key for row in sorted(rows, key=lambda row: (order.get(row.stage, 9), row.key))]
    steps = [{"touchpoint": key, "notes": {}} for key in keys]
    return Journey(
        workspace_id=visit.workspace.id, key="", name={}, steps=steps, created_at=utc_now()
    )


@routes.get("/journey", include_in_schema=False)
async def show_journey(visit: VisitDep, view: ViewDep, asked: PropertiesDep) -> HTMLResponse:
    """Show the touchpoints before, during and after a purchase."""
    properties = chosen(asked)
    found = await figures.journey_of(visit, view, properties, await _all_touchpoints(visit))
    steps = [*found["steps"], *found["elsewhere"]]
    names = {
        row.key: row.name.get(visit.said.language) or row.name.get("en") or row.key
        for row in await interactions.touchpoints(visit.session, visit.workspace.id)
    }
    points = [
        Point(
            names.get(step["touchpoint"], step["touchpoint"]), step["score_0_100"], None, None,
            sum(step[metric]["n"] for metric in ("nps", "csat", "ces") if step[metric]),
            visit.said.number(step["score_0_100"], 1), "–",
        )
        for step in steps if step["score_0_100"] is not None
    ]  # fmt: skip
    return visit.page(
        "journey",
        view=view,
        properties=properties,
        choices=await choices_of(visit.session, visit.workspace),
        stages=[(stage, [s for s in steps if s["stage"] == stage]) for stage in _STAGES],
        names=names,
        chart=_whiskers(points),
        write=figures.written,
        interval=figures.interval_of,
    )


@routes.get("/experience", include_in_schema=False)
async def show_experience(visit: VisitDep, view: ViewDep, asked: PropertiesDep) -> HTMLResponse:
    """Show drivers, pillars and emotions as means and shares with their intervals."""
    properties = chosen(asked)
    emotions, total = await figures.emotion_points(visit, view, properties)
    return visit.page(
        "experience",
        view=view,
        properties=properties,
        choices=await choices_of(visit.session, visit.workspace),
        drivers=_whiskers(await figures.tag_points(visit, view, "driver", properties)),
        pillars=_whiskers(await figures.tag_points(visit, view, "pillar", properties)),
        emotions=_whiskers(emotions),
        emotion_n=total["n"],
    )


class FollowUpQuery(BaseModel):
    """Which follow-ups are shown."""

    status: str = Field(default="", max_length=20)
    owner: str = Field(default="", max_length=128)
    overdue: bool = False
    cursor: str | None = Field(default=None, max_length=200)


@routes.get("/follow-ups", include_in_schema=False)
async def show_follow_ups(
    visit: VisitDep, wanted: Annotated[FollowUpQuery, Query()]
) -> HTMLResponse:
    """Show whom to call, by when, and who does it."""
    found, cursor = await inbox.find_follow_ups(
        visit.session,
        visit.workspace.id,
        FollowUpFilter(wanted.status, wanted.owner, wanted.overdue),
        cursor=wanted.cursor,
    )
    said = wanted.model_dump(exclude={"cursor"})
    return visit.page(
        "follow_ups", wanted=wanted,
        follow_ups=found, cursor=cursor, said_filters={k: v for k, v in said.items() if v},
    )  # fmt: skip


@routes.get("/responses/{response_id}", include_in_schema=False)
async def show_response(
    visit: VisitDep, session: SessionDep, response_id: UUID, saved: bool = False
) -> HTMLResponse:
    """Show one answer with its follow-up, as it was saved a moment ago."""
    found = await responses.read(session, visit.workspace.id, response_id)
    return visit.page(
        "response",
        title=f"{visit.said['answer']}: {found.survey}",
        response=found,
        questions=await answers.questions_of(visit, found.survey, found.survey_version),
        saved=saved,
        may_change=visit.visitor.may(Scope.RESPOND),
        statuses=list(FollowUpStatus),
    )


@routes.post("/responses/{response_id}/follow-up", include_in_schema=False)
async def post_follow_up(visit: VisitDep, session: SessionDep, response_id: UUID) -> Response:
    """Change a follow-up and add a note."""
    visit.require(Scope.RESPOND)
    fields = await visit.read_form()
    if fields.get("status") not in set(FollowUpStatus):
        raise InvalidInput.at("body", "status", msg=f"must be one of {', '.join(FollowUpStatus)}")
    before = await responses.read(session, visit.workspace.id, response_id)
    due_at = answers.due_of(fields.get("due_at", ""), visit, before.follow_up.due_at)
    values: dict[str, Any] = {
        "status": fields["status"],
        "assignee": fields.get("assignee", "").strip() or None,
        "due_at": due_at,
    }
    if note := fields.get("note", "").strip():
        values["note"] = note
    patch = ResponsePatch(follow_up=checked(FollowUpPatch, values))
    await responses.annotate(session, visit.visitor.caller, response_id, patch)
    return RedirectResponse(at(f"/responses/{response_id}?saved=1"), status_code=303)


class CommentQuery(BaseModel):
    """Which comments are shown."""

    survey: str = Field(default="", max_length=64)
    touchpoint: str = Field(default="", max_length=64)
    channel: str = Field(default="", max_length=20)
    band: str = Field(default="", max_length=20)
    q: str = Field(default="", max_length=100)
    cursor: str | None = Field(default=None, max_length=200)


@routes.get("/comments", include_in_schema=False)
async def show_comments(visit: VisitDep, wanted: Annotated[CommentQuery, Query()]) -> HTMLResponse:
    """Show what customers wrote."""
    said = wanted.model_dump(exclude={"cursor"})
    found, cursor = await inbox.find_comments(
        visit.session, visit.workspace.id, said, cursor=wanted.cursor
    )
    return visit.page(
        "comments", wanted=wanted,
        comments=found, cursor=cursor, said_filters={k: v for k, v in said.items() if v},
        choices=await choices_of(visit.session, visit.workspace),
    )  # fmt: skip


class DecisionQuery(BaseModel):
    """Which decisions are shown."""

    outcome: str = Field(default="", max_length=20)
    reason: str = Field(default="", max_length=20)
    ticket: str = Field(default="", max_length=128)
    order: str = Field(default="", max_length=128)
    cursor: str | None = Field(default=None, max_length=200)


@routes.get("/decisions", include_in_schema=False)
async def show_decisions(
    visit: VisitDep, wanted: Annotated[DecisionQuery, Query()]
) -> HTMLResponse:
    """Show why somebody was asked, and why not."""
    since = utc_now() - _LATELY
    given = {name: value for name, value in wanted.model_dump().items() if value}
    asked = checked(DecisionPage, given | {"since": since.isoformat()})
    found = await decisions.find_page(visit.session, visit.workspace.id, asked)
    lately = checked(DecisionFilter, {"since": since.isoformat()})
    return visit.page(
        "decisions",
        wanted=wanted,
        decisions=found[: asked.limit],
        summary=await decisions.summary(visit.session, visit.workspace.id, lately),
    )


@routes.get("/alerts", include_in_schema=False)
async def show_alerts(visit: VisitDep) -> HTMLResponse:
    """Show the figures that are watched, and what is raised now."""
    found = await alerts.find_page(visit.session, visit.workspace.id, limit=200, cursor=None)
    return visit.page("alerts", alerts=found)


@routes.get("/connections", include_in_schema=False)
async def show_connections(visit: VisitDep) -> HTMLResponse:
    """Show who tells us, and whom we tell."""
    return visit.page(
        "connections",
        integrations=await health.integrations(visit),
        endpoints=await health.endpoints(visit),
    )


@routes.get("/figures/{metric}.csv", include_in_schema=False)
async def read_csv(
    visit: VisitDep, view: ViewDep, asked: PropertiesDep, metric: str, group: str = ""
) -> Response:
    """Return the figures of a chart as CSV."""
    if metric not in {*_METRICS, "rating", "emotion"}:
        raise NotFound("There is no such figure.")
    more: dict[str, Any] = {"group_by": [group]} if group else {"interval": view.interval}
    reply: Reply = await figures.read(visit, view, metric, chosen(asked), **more)
    headers = {"Content-Disposition": f'attachment; filename="{metric}.csv"'}
    return Response(to_csv(reply), media_type="text/csv; charset=utf-8", headers=headers)
