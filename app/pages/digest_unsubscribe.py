# SPDX-License-Identifier: Apache-2.0
"""Ending the digest: one click in a mail program, or the button of a page."""

from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse, Response

from app.alerts.digest import find_by_token, stop_digest
from app.core.database import Database
from app.core.errors import NotFound
from app.core.http import public_path
from app.core.signing import SealedBox
from app.core.texts import shipped_language, texts_of
from app.pages.brand import page_style_of
from app.pages.rendering import render_page
from app.pages.survey_page import stamp
from app.workspaces.admission import PublicRate
from app.workspaces.models import Member
from app.workspaces.service import get_workspace

routes = APIRouter(include_in_schema=False, dependencies=[PublicRate])


@routes.get("/letter/{token}")
async def ask_to_stop(request: Request, token: str) -> HTMLResponse:
    """Ask whether to send no more digests; a GET changes nothing."""
    return await _show(request, token, done=False)


@routes.post("/letter/{token}")
async def stop(request: Request, token: str) -> Response:
    """Send no more digests (RFC 8058)."""
    return await _show(request, token, done=True)


async def _show(request: Request, token: str, *, done: bool) -> HTMLResponse:
    database: Database = request.app.state.database
    box: SealedBox = request.app.state.box
    async with database.transaction() as session:
        member = await find_by_token(session, box, token)
        if member is None:
            raise NotFound("This unsubscribe link is not valid.")
        if done:
            await stop_digest(session, member)
        workspace = await get_workspace(session, member.workspace_id)
    words = texts_of("mail", _language(member, workspace.default_locale))
    return render_page(
        "unsubscribe.html",
        lang=_language(member, workspace.default_locale),
        title=words["digest_stop"],
        page_style=page_style_of(workspace),
        message=words["digest_stopped" if done else "digest_question"],
        press=None if done else words["digest_stop"],
        action=public_path(f"/letter/{token}"),
        rendered=stamp(box),
        scripts=(),
    )


def _language(member: Member, default: str) -> str:
    return shipped_language(member.locale, default)
