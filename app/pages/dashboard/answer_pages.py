# SPDX-License-Identifier: Apache-2.0
"""Answers on the dashboard: the list, one answer, comments, and follow-ups."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import Query
from pydantic import BaseModel, Field
from starlette.responses import HTMLResponse, RedirectResponse, Response, StreamingResponse

from app.core.errors import InvalidInput
from app.core.http import public_path
from app.core.routing import PropertiesDep, SessionDep, router
from app.pages.dashboard import answers
from app.pages.dashboard.api import ApiRefused
from app.pages.dashboard.figure_context import filter_form
from app.pages.dashboard.filters import PageFilter, without_empty
from app.pages.dashboard.form_fields import FormOutcome
from app.pages.dashboard.form_replies import saved_at, show_again
from app.pages.dashboard.visit import ApiVisitDep, SnapshotVisitDep
from app.responses import inbox
from app.responses import service as responses
from app.responses.follow_ups import FollowUpStatus
from app.responses.inbox import FollowUpFilter
from app.responses.states import Integrity
from app.surveys import service as surveys
from app.surveys.bands import Band
from app.workspaces import members
from app.workspaces.scopes import Scope

routes = router("Dashboard")

_USUAL_INTEGRITY = "ok"


class AnswerQuery(PageFilter):
    """Which answers are shown: the filters of every page, and those of a list."""

    band: str = Field(default="", max_length=20)
    integrity: str = Field(default=_USUAL_INTEGRITY, max_length=20)
    tag: str = Field(default="", max_length=64)
    q: str = Field(default="", max_length=100)
    cursor: str | None = Field(default=None, max_length=200)

    def more_filters(self) -> dict[str, str]:
        """Return the filters beside those of every page, as the page's links have them."""
        filters = {name: getattr(self, name) for name in ("band", "tag", "q")}
        filters |= {"integrity": self.integrity} if self.integrity != _USUAL_INTEGRITY else {}
        return {name: value for name, value in filters.items() if value}

    def api_filters(self) -> dict[str, str]:
        """Return the same filters as parameters of the API."""
        filters = self.more_filters() | {"integrity": self.integrity}
        return {name: value for name, value in filters.items() if value != "all"}


AnswerDep = Annotated[AnswerQuery, Query()]


@routes.get("/answers", include_in_schema=False)
async def show_answers(visit: ApiVisitDep, query: AnswerDep, values: PropertiesDep) -> HTMLResponse:
    """Show all answers of the filters, newest first."""
    properties = without_empty(values)
    filters = await query.list_filters(visit, properties) | query.api_filters()
    reply = await visit.api.get(
        "/v1/responses", **filters, limit=50, cursor=query.cursor, order_by="responded_at"
    )
    more = query.more_filters()
    return visit.render(
        "answers",
        **await filter_form(visit, query, properties),
        filters=query, more=more, rows=reply["data"], cursor=reply["next_cursor"],
        bands=tuple(Band), integrities=tuple(Integrity),
        tags=sorted({tag for row in reply["data"] for tag in row["tags"]}),
        here_with=query.link("/answers", properties, **more),
        csv=query.link("/answers.csv", properties, **more),
    )  # fmt: skip


@routes.get("/answers.csv", include_in_schema=False)
async def read_answers(visit: ApiVisitDep, query: AnswerDep, values: PropertiesDep) -> Response:
    """Return all answers of the filters as CSV, one a row."""
    filters = await query.list_filters(visit, without_empty(values)) | query.api_filters()
    parts = await visit.api.stream("/v1/exports/responses", filters | {"format": "csv"})
    headers = {"Content-Disposition": 'attachment; filename="answers.csv"'}
    return StreamingResponse(parts, media_type="text/csv; charset=utf-8", headers=headers)


@routes.post("/answers", include_in_schema=False)
async def post_answers(visit: ApiVisitDep) -> Response:
    """Change the answers that are ticked: tag, close follow-ups, restore, reject."""
    visit.require(Scope.RESPOND)
    fields = await visit.read_all_fields()
    form = {name: values[-1] for name, values in fields.items()}
    back = form.get("back", "/answers")
    back = back if back.startswith("/answers") else "/answers"
    body: dict[str, Any] = {"ids": [id_ for id_ in fields.get("ids", []) if id_]}
    tags = [tag.strip() for tag in form.get("tags", "").split(",") if tag.strip()]
    changes: dict[str, dict[str, Any]] = {
        "tag": {"add_tags": tags}, "untag": {"remove_tags": tags},
        "close": {"follow_up": {"status": "resolved"}},
        "restore": {"restore": True}, "reject": {"reject": True},
    }  # fmt: skip
    if form.get("_do") in {"tag", "untag"} and not tags:
        outcome = FormOutcome("answers", fields, visit.texts["choose_tags"])
        return await show_again(visit, back, outcome, status=422)
    body |= changes.get(form.get("_do", ""), {})
    try:
        reply = await visit.api.send("PATCH", "/v1/responses", json_body=body)
    except ApiRefused as refused:
        detail = visit.texts["choose_answers"] if not body["ids"] else refused.detail
        outcome = FormOutcome("answers", fields, detail, refused.fields if body["ids"] else {})
        return await show_again(visit, back, outcome, status=refused.status)
    return RedirectResponse(saved_at(back, changed=reply.json()["changed"]), status_code=303)


class FollowUpQuery(BaseModel):
    """Which follow-ups are shown."""

    status: str = Field(default="", max_length=20)
    owner: str = Field(default="", max_length=128)
    overdue: bool = False
    survey: str = Field(default="", max_length=64)
    order_by: str = Field(default="", max_length=10)
    cursor: str | None = Field(default=None, max_length=200)


@routes.get("/follow-ups", include_in_schema=False)
async def show_follow_ups(
    visit: SnapshotVisitDep, query: Annotated[FollowUpQuery, Query()]
) -> HTMLResponse:
    """Show whom to call, by when, and who does it."""
    rows, cursor = await inbox.find_follow_ups(
        visit.session,
        visit.workspace.id,
        FollowUpFilter(
            query.status,
            query.owner,
            query.overdue,
            query.survey,
            by_score=query.order_by == "score",
        ),
        cursor=query.cursor,
    )
    filters = query.model_dump(exclude={"cursor"})
    return visit.render(
        "follow_ups", filters=query,
        statuses=[status for status in FollowUpStatus if status is not FollowUpStatus.NONE],
        follow_ups=rows, cursor=cursor,
        owners=[member.name for member in await members.find_page(
            visit.session, visit.workspace.id, limit=200, cursor=None
        )],
        surveys=await surveys.names_of(visit.session, visit.workspace.id),
        active_filters={name: value for name, value in filters.items() if value},
    )  # fmt: skip


@routes.get("/responses/{response_id}", include_in_schema=False)
async def show_response(visit: ApiVisitDep, session: SessionDep, response_id: UUID) -> HTMLResponse:
    """Show one response with its follow-up, read from the primary database."""
    response = await responses.read(session, visit.workspace.id, response_id)
    answer_texts = await answers.shown_answers(
        visit, response.survey, response.survey_version, response.answers
    )
    owners = await members.find_page(session, visit.workspace.id, limit=200, cursor=None)
    names = dict(await surveys.names_of(session, visit.workspace.id))
    return visit.render(
        "response",
        title=f"{visit.texts['answer']}: {names.get(response.survey, response.survey)}",
        response=response,
        given=answer_texts,
        owners=[member.name for member in owners],
        statuses=list(FollowUpStatus),
    )


@routes.post("/responses/{response_id}/follow-up", include_in_schema=False)
async def post_follow_up(visit: ApiVisitDep, session: SessionDep, response_id: UUID) -> Response:
    """Change a follow-up and add a note."""
    visit.require(Scope.RESPOND)
    fields = await visit.read_form()
    if fields.get("status") not in set(FollowUpStatus):
        raise InvalidInput.at("body", "status", msg=f"must be one of {', '.join(FollowUpStatus)}")
    response = await responses.read(session, visit.workspace.id, response_id)
    due_at = answers.due_of(fields.get("due_at", ""), visit, response.follow_up.due_at)
    values: dict[str, Any] = {
        "status": fields["status"],
        "assignee": fields.get("assignee", "").strip() or None,
        "due_at": due_at,
    }
    if note := fields.get("note", "").strip():
        values["note"] = note
    path = f"/v1/responses/{response_id}"
    await visit.api.send("PATCH", path, json_body={"follow_up": values})
    return RedirectResponse(public_path(f"/responses/{response_id}?saved=1"), status_code=303)


class CommentQuery(PageFilter):
    """Which comments are shown."""

    period: str = Field(default="all", max_length=10)
    band: str = Field(default="", max_length=20)
    q: str = Field(default="", max_length=100)
    cursor: str | None = Field(default=None, max_length=200)


@routes.get("/comments", include_in_schema=False)
async def show_comments(
    visit: ApiVisitDep, filters: Annotated[CommentQuery, Query()], values: PropertiesDep
) -> HTMLResponse:
    """Show what customers wrote."""
    properties = without_empty(values)
    more = {name: value for name in ("band", "q") if (value := getattr(filters, name))}
    reply = await visit.api.get(
        "/v1/responses", has_comment="true", integrity="ok", limit=50, cursor=filters.cursor,
        order_by="responded_at", **(await filters.list_filters(visit, properties) | more),
    )  # fmt: skip
    return visit.render(
        "comments", filters=filters, comments=reply["data"], cursor=reply["next_cursor"],
        bands=tuple(Band), more=more, is_filtered=bool(more or filters.is_narrowed(properties)),
        here_with=filters.link("/comments", properties, **more),
        **await filter_form(visit, filters, properties),
    )  # fmt: skip
