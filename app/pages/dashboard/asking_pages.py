"""Asking on the dashboard: triggers, what they would have done, decisions, invitations."""

import datetime as dt
from typing import Annotated, Any

from fastapi import Query
from pydantic import BaseModel, Field
from starlette.responses import HTMLResponse

from app.core.clock import rfc3339, utc_now
from app.core.routing import router
from app.invitations.schemas import InvitationStatus
from app.pages.dashboard.api import ApiRefused
from app.pages.dashboard.sessions import ConsoleDep, DashboardVisit, VisitDep, checked
from app.surveys import service as surveys
from app.triggers import decisions
from app.triggers.happened import (
    decided_about,
    invitation_funnel,
    properties_seen,
    types_seen,
)
from app.triggers.schemas import KNOWN_TYPES, DecisionFilter, DecisionPage
from app.workspaces.scopes import Scope

routes = router("Dashboard")

_LATELY = dt.timedelta(days=30)
_STATUSES = tuple(InvitationStatus)


@routes.get("/asking", include_in_schema=False)
async def show_triggers(visit: ConsoleDep) -> HTMLResponse:
    """List the triggers with what each did in 30 days."""
    rows = await visit.api.list("/v1/triggers")
    since = rfc3339(utc_now() - _LATELY)
    done = {}
    for row in rows:
        done[row["id"]] = await visit.api.get(
            "/v1/decisions/summary", trigger=row["id"], since=since
        )
    since_then = utc_now() - _LATELY
    funnel = await invitation_funnel(visit.session, visit.workspace.id, since_then)
    return visit.page("asking", triggers=rows, done=done, funnel=funnel)


@routes.get("/asking/new", include_in_schema=False)
async def show_new_trigger(visit: ConsoleDep) -> HTMLResponse:
    """Show the form of a new trigger."""
    visit.require(Scope.ADMIN)
    return visit.page("trigger", trigger=None, rehearsal=None, **await _choices(visit))


@routes.get("/asking/{trigger}", include_in_schema=False)
async def show_trigger(visit: ConsoleDep, trigger: str, rehearse: bool = False) -> HTMLResponse:
    """Show a trigger, and on request what it would have done in 30 days."""
    found = await visit.api.get(f"/v1/triggers/{trigger}")
    rehearsal: dict[str, Any] | None = None
    if rehearse:
        path = f"/v1/triggers/{trigger}/dry-run"
        try:
            reply = await visit.api.send("POST", path, params={"since": "P30D"})
            rehearsal = reply.json()
        except ApiRefused as refused:
            rehearsal = {"refused": refused.detail}
    return visit.page(
        "trigger", title=found["name"], trigger=found, rehearsal=rehearsal,
        **await _choices(visit),
    )  # fmt: skip


async def _choices(visit: DashboardVisit) -> dict[str, Any]:
    """Return what the form offers: what has happened, and what is known to happen."""
    seen = await types_seen(visit.session, visit.workspace.id)
    return {
        "surveys": await surveys.names_of(visit.session, visit.workspace.id),
        "types": sorted({*seen, *KNOWN_TYPES}, key=lambda name: (name not in seen, name)),
        "seen": await properties_seen(visit.session, visit.workspace.id),
    }


class DecisionQuery(BaseModel):
    """Which decisions are shown."""

    outcome: str = Field(default="", max_length=20)
    reason: str = Field(default="", max_length=20)
    ticket: str = Field(default="", max_length=128)
    order: str = Field(default="", max_length=128)
    trigger: str = Field(default="", max_length=64)
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
    about = await decided_about(
        visit.session, visit.workspace.id, [row["id"] for row in found[: asked.limit]]
    )
    return visit.page(
        "decisions",
        wanted=wanted,
        decisions=found[: asked.limit],
        about=about,
        summary=await decisions.summary(visit.session, visit.workspace.id, lately),
    )


@routes.get("/invitations", include_in_schema=False)
async def show_invitations(
    visit: ConsoleDep,
    status: Annotated[str, Query(max_length=20)] = "",
    cursor: Annotated[str | None, Query(max_length=200)] = None,
) -> HTMLResponse:
    """List the invitations with their life."""
    status = status if status in _STATUSES else ""
    found = await visit.api.get("/v1/invitations", status=status, limit=50, cursor=cursor)
    return visit.page(
        "invitations", rows=found["data"], cursor=found["next_cursor"], wanted_status=status,
        statuses=_STATUSES,
    )  # fmt: skip


@routes.get("/suppressions", include_in_schema=False)
async def show_suppressions(
    visit: ConsoleDep, cursor: Annotated[str | None, Query(max_length=200)] = None
) -> HTMLResponse:
    """List the addresses that are not asked."""
    found = await visit.api.get("/v1/unsubscribes", limit=100, cursor=cursor)
    bounced = await visit.api.list("/v1/bounces", most=200)
    return visit.page(
        "suppressions", rows=found["data"], cursor=found["next_cursor"], bounced=bounced
    )
