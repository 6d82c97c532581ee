# SPDX-License-Identifier: Apache-2.0
"""Triggers on the dashboard, with their dry runs, decisions and invitations."""

import datetime as dt
from collections import Counter
from typing import Annotated, Any, get_args
from urllib.parse import urlencode

from fastapi import Query
from pydantic import BaseModel, Field
from starlette.responses import HTMLResponse

from app.core.clock import rfc3339, utc_now
from app.core.durations import duration_of
from app.core.http import public_path
from app.core.paging import cut_page
from app.core.routing import router
from app.interactions.known_types import KnownType
from app.invitations.refusals import RefusalReason
from app.invitations.schemas import InvitationStatus
from app.pages.dashboard.api import ApiRefused
from app.pages.dashboard.forms import DURATION_UNITS, MAX_CONDITIONS
from app.pages.dashboard.visit import ApiVisitDep, DashboardVisit, validate_values
from app.surveys import service as surveys
from app.surveys.schemas import SurveyStatus
from app.triggers import decisions
from app.triggers.recent_activity import (
    count_invitation_funnel,
    describe_decisions,
    find_recent_properties,
    find_recent_types,
)
from app.triggers.schemas import (
    ConditionIn,
    DecisionFilter,
    DecisionListFilter,
    DecisionOutcome,
    OncePer,
)
from app.workspaces.scopes import Scope

routes = router("Dashboard")

_SHOWN_TIME = dt.timedelta(days=30)
_STATUSES = tuple(InvitationStatus)
# What conditions may test besides properties.
_CONDITION_FIELDS = (
    "value.amount",
    "value.currency",
    "touchpoint",
    "ticket",
    "order",
    "source",
    "locale",
)


@routes.get("/asking", include_in_schema=False)
async def show_triggers(visit: ApiVisitDep) -> HTMLResponse:
    """List the triggers with what each did in 30 days."""
    rows = await visit.api.list("/v1/triggers")
    since = rfc3339(utc_now() - _SHOWN_TIME)
    done = {}
    for row in rows:
        done[row["id"]] = await visit.api.get(
            "/v1/decisions/summary", trigger=row["id"], since=since
        )
    since_then = utc_now() - _SHOWN_TIME
    funnel = await count_invitation_funnel(visit.session, visit.workspace.id, since_then)
    names = dict(await surveys.names_of(visit.session, visit.workspace.id))
    return visit.render("asking", triggers=rows, done=done, funnel=funnel, names=names)


@routes.get("/asking/new", include_in_schema=False)
async def show_new_trigger(visit: ApiVisitDep) -> HTMLResponse:
    """Show the form of a new trigger."""
    visit.require(Scope.ADMIN)
    return visit.render("trigger", trigger=None, dry_run_report=None, **await _choices(visit))


@routes.get("/asking/{trigger}", include_in_schema=False)
async def show_trigger(visit: ApiVisitDep, trigger: str, dry_run: bool = False) -> HTMLResponse:
    """Show a trigger, and on request what it would have done in 30 days."""
    trigger_body = await visit.api.get(f"/v1/triggers/{trigger}")
    dry_run_report: dict[str, Any] | None = None
    if dry_run:
        path = f"/v1/triggers/{trigger}/dry-run"
        try:
            reply = await visit.api.send("POST", path, params={"since": "P30D"})
            dry_run_report = reply.json()
        except ApiRefused as refused:
            dry_run_report = {"refused": refused.detail}
    return visit.render(
        "trigger", title=trigger_body["name"], trigger=trigger_body, dry_run_report=dry_run_report,
        **await _choices(visit, trigger_body["on"], *(trigger_body["cancel_on"] or ())),
    )  # fmt: skip


def _amount_and_unit(duration: str | None) -> tuple[str, str]:
    """Return an ISO 8601 duration as an amount and the largest unit that it is a multiple of."""
    length = duration_of(duration) if duration else None
    if length is None:
        return "", "days"
    seconds = int(length.total_seconds())
    if not seconds:
        return "0", "minutes"
    unit = next(unit for unit in reversed(DURATION_UNITS) if seconds % DURATION_UNITS[unit][1] == 0)
    return str(seconds // DURATION_UNITS[unit][1]), unit


async def _choices(visit: DashboardVisit, *own: str) -> dict[str, Any]:
    """Return the form's choices: what has occurred, known events, and those it has itself."""
    seen = await find_recent_types(visit.session, visit.workspace.id)
    survey_rows = await surveys.names_with_status(visit.session, visit.workspace.id)
    return {
        "amount_and_unit": _amount_and_unit,
        "duration_units": list(DURATION_UNITS),
        "once_per": list(get_args(OncePer)),
        "operators": get_args(ConditionIn.model_fields["op"].annotation),
        "facts": _CONDITION_FIELDS,
        "most_conditions": MAX_CONDITIONS,
        "surveys": [
            (
                key,
                name
                if status == SurveyStatus.LIVE
                else f"{name} ({visit.texts[status + '_suffix']})",
            )
            for key, name, status in survey_rows
        ],
        "live": {key for key, _, status in survey_rows if status == SurveyStatus.LIVE},
        "types": sorted({*seen, *own, *KnownType}, key=lambda name: (name not in seen, name)),
        "seen": await find_recent_properties(visit.session, visit.workspace.id),
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
    visit: ApiVisitDep, filters: Annotated[DecisionQuery, Query()]
) -> HTMLResponse:
    """Show why somebody was asked, and why not."""
    since = utc_now() - _SHOWN_TIME
    params = {name: value for name, value in filters.model_dump().items() if value}
    page_query = validate_values(DecisionListFilter, params | {"since": since.isoformat()})
    rows = await decisions.find_page(visit.session, visit.workspace.id, page_query)
    lately = validate_values(DecisionFilter, {"since": since.isoformat()})
    page, next_cursor = cut_page(
        rows, page_query.limit, position=lambda row: (row["at"], row["id"])
    )
    counts: Counter[tuple[str, str | None]] = Counter()
    for count in await decisions.count_by_reason(visit.session, visit.workspace.id, lately):
        counts[count.outcome, count.reason] += count.n
    subjects = await describe_decisions(
        visit.session, visit.workspace.id, [row["id"] for row in page]
    )
    page_params = {name: value for name, value in params.items() if name != "cursor"}
    return visit.render(
        "decisions",
        filters=filters,
        decisions=page,
        about=subjects,
        summary=counts.most_common(),
        reasons=list(RefusalReason),
        outcomes=get_args(DecisionOutcome),
        triggers=await visit.api.list("/v1/triggers"),
        here_with=public_path(f"/decisions?{urlencode(page_params)}"),
        cursor=next_cursor,
    )


@routes.get("/invitations", include_in_schema=False)
async def show_invitations(
    visit: ApiVisitDep,
    status: Annotated[str, Query(max_length=20)] = "",
    cursor: Annotated[str | None, Query(max_length=200)] = None,
) -> HTMLResponse:
    """List the invitations with their life."""
    status = status if status in _STATUSES else ""
    reply = await visit.api.get("/v1/invitations", status=status, limit=50, cursor=cursor)
    return visit.render(
        "invitations", rows=reply["data"], cursor=reply["next_cursor"], wanted_status=status,
        statuses=_STATUSES, names=dict(await surveys.names_of(visit.session, visit.workspace.id)),
    )  # fmt: skip


@routes.get("/suppressions", include_in_schema=False)
async def show_suppressions(
    visit: ApiVisitDep, cursor: Annotated[str | None, Query(max_length=200)] = None
) -> HTMLResponse:
    """List the addresses that are not asked."""
    reply = await visit.api.get("/v1/unsubscribes", limit=100, cursor=cursor)
    bounced = await visit.api.list("/v1/bounces", most=200)
    return visit.render(
        "suppressions", rows=reply["data"], cursor=reply["next_cursor"], bounced=bounced
    )
