# SPDX-License-Identifier: Apache-2.0
"""Settings on the dashboard: the company, its members, one's own account, what is shared."""

from typing import Annotated, get_args
from urllib.parse import parse_qs

from fastapi import Query, Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from app.core.errors import Gone, NotFound
from app.core.routing import SessionDep, router
from app.core.texts import LANGUAGES
from app.core.zone_names import zone_names
from app.interactions.schemas import Stage
from app.pages.dashboard.api import InnerRequest, call_application
from app.pages.dashboard.audit_names import find_names, subject_of
from app.pages.dashboard.filters import read_choices
from app.pages.dashboard.form_replies import saved_at
from app.pages.dashboard.shared_views import describe_view, views_offered
from app.pages.dashboard.visit import (
    SHARED_WITH,
    ApiVisitDep,
    SnapshotVisitDep,
    start_session,
)
from app.pages.rendering import HEADERS
from app.workspaces import sessions, share_links
from app.workspaces.admission import PublicRate
from app.workspaces.colours import shades_of
from app.workspaces.member_schemas import Digest, Role

routes = router("Dashboard")

# The usual choice first.
_DIGESTS: tuple[Digest, ...] = get_args(Digest)[::-1]


@routes.get("/settings", include_in_schema=False)
async def show_settings(visit: ApiVisitDep) -> HTMLResponse:
    """Show what an admin can set; others see their own account."""
    if not visit.may_admin:
        return await show_account(visit)
    workspace = await visit.api.get("/v1/workspace")
    return visit.render(
        "settings",
        workspace_now=workspace,
        shades=shades_of(workspace["brand"]["colour"]),
        members=await visit.api.list("/v1/members"),
        touchpoints=await visit.api.list("/v1/touchpoints"),
        languages=LANGUAGES,
        weekdays=visit.texts.weekdays(),
        zones=sorted(zone_names()),
        roles=list(Role),
        digests=_DIGESTS,
        stages=list(Stage),
    )


@routes.get("/audit", include_in_schema=False)
async def show_audit(
    visit: ApiVisitDep, cursor: Annotated[str | None, Query(max_length=200)] = None
) -> HTMLResponse:
    """Show who did what."""
    reply = await visit.api.get("/v1/audit", limit=100, cursor=cursor)
    names = await find_names(visit.api, reply["data"], language=visit.texts.language)
    rows = [(row, subject_of(row, names)) for row in reply["data"]]
    return visit.render("audit", rows=rows, cursor=reply["next_cursor"])


@routes.get("/account", include_in_schema=False)
async def show_account(visit: ApiVisitDep) -> HTMLResponse:
    """Show the member who is signed in: language, digest, and their other workspaces."""
    workspace_id, caller = visit.workspace.id, visit.user.caller
    member = await sessions.find_member(visit.session, workspace_id, caller.key_id)
    others = await sessions.find_workspaces_of_email(visit.session, member.email) if member else []
    return visit.render(
        "account", member=member, others=others, languages=LANGUAGES, digests=_DIGESTS
    )


@routes.post("/account", include_in_schema=False)
async def post_account(visit: SnapshotVisitDep, session: SessionDep) -> Response:
    """Change the member's own language and digest; everybody who is signed in may."""
    fields = await visit.read_form()
    language = fields.get("locale", "")
    digest = next((choice for choice in _DIGESTS if choice == fields.get("digest")), None)
    await sessions.change_own_settings(
        session, visit.workspace.id, visit.user.caller.key_id, visit.token,
        locale=language if language in LANGUAGES else None,
        digest=digest,
    )  # fmt: skip
    return RedirectResponse(saved_at("/account"), status_code=303)


@routes.post("/account/workspace", include_in_schema=False)
async def post_switch(visit: SnapshotVisitDep, session: SessionDep, request: Request) -> Response:
    """Switch to another workspace in which the same address is a member."""
    fields = await visit.read_form()
    member = await sessions.find_member(session, visit.workspace.id, visit.user.caller.key_id)
    token = (
        await sessions.open_in_workspace(session, member, fields.get("workspace", ""))
        if member
        else None
    )
    if token is None:
        raise NotFound("There is no such workspace for this address.")
    return await start_session(request, session, token, "/")


@routes.get("/sharing", include_in_schema=False)
async def show_sharing(
    visit: ApiVisitDep, path: Annotated[str, Query(max_length=1000)] = "/"
) -> HTMLResponse:
    """Show what is shared, and share one more view."""
    rows = await visit.api.list("/v1/share-links")
    choices = await read_choices(visit.session, visit.workspace, visit.texts.language)
    return visit.render(
        "sharing",
        rows=rows,
        path=path,
        views=views_offered(visit.texts, choices, path),
        describe=lambda shared: describe_view(visit.texts, choices, shared),
    )


@routes.get("/shared/{token}", include_in_schema=False, dependencies=[PublicRate])
async def show_shared(request: Request, session: SessionDep, token: str) -> Response:
    """Show a view to the holder of its share link: its figures, but no comments or names."""
    link = await share_links.find_by_token(session, token)
    if link is None:
        raise NotFound("There is no such link.")
    if link.is_expired_or_revoked:
        raise Gone("This link has expired; ask the person who sent it for a new one.")
    await session.commit()
    path, _, query = link.path.partition("?")
    user = sessions.user_of_share_link(link.workspace_id, link.id, link.expires_at)
    headers = {"accept-language": request.headers.get("accept-language", "")}
    extra = {SHARED_WITH: user}
    inner = InnerRequest("GET", path, parse_qs(query), headers=headers, extra=extra)
    reply = await call_application(request, inner)
    return HTMLResponse(reply.content, status_code=reply.status, headers=HEADERS)
