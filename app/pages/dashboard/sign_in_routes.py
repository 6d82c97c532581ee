# SPDX-License-Identifier: Apache-2.0
"""Sign in and out: by a mailed link that is confirmed with a button, or by a key."""

import re
from collections.abc import Mapping

from fastapi import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from app.core import jobs
from app.core.errors import Unauthorized
from app.core.http import public_path
from app.core.routing import SessionDep, current_settings, router
from app.core.text_types import normalize_email
from app.pages.dashboard.link_mail import LINK_REQUEST_JOB, SIGN_IN, UNKNOWN_WORKSPACE
from app.pages.dashboard.visit import (
    SnapshotVisitDep,
    cookie_name,
    read_own_form,
    start_session,
    texts_of_browser,
)
from app.pages.rendering import render_page
from app.workspaces import sessions
from app.workspaces.caller import Keyring
from app.workspaces.limits import require_public_rate
from app.workspaces.scopes import Scope

routes = router("Dashboard")
# A path with its query; without blanks it cannot smuggle a message into a mail.
_ADDRESS = re.compile(r"[!-~]+")


def _show_form(
    request: Request,
    *,
    next_: str,
    status: int = 200,
    message: str | None = None,
    wrong: bool = False,
) -> HTMLResponse:
    texts = texts_of_browser(request)
    reply = render_page(
        "dashboard/sign_in.html", lang=texts.language, status=status, title=texts["sign_in"],
        texts=texts, next=_local_path(next_), message=message, wrong=wrong,
        stored=current_settings(request).smtp_url is None,
    )  # fmt: skip
    reply.headers["Cache-Control"] = "no-store"
    return reply


def _local_path(path: str) -> str:
    """Return a path of ours to go on to; never another site."""
    fits = path.startswith("/") and not path.startswith(("//", "/\\")) and _ADDRESS.fullmatch(path)
    return path[:1000] if fits else "/"


@routes.get(SIGN_IN, include_in_schema=False)
async def show_sign_in(request: Request, next: str = "/") -> HTMLResponse:  # noqa: A002 - its name in the URL
    """Show the form."""
    return _show_form(request, next_=next)


@routes.post(SIGN_IN, include_in_schema=False)
async def post_sign_in(request: Request, session: SessionDep) -> Response:
    """Mail a link, or open a session for a key."""
    require_public_rate(request)
    fields = await read_own_form(request)
    if fields.get("key", "").strip():
        return await _sign_in_with_key(request, session, fields)
    texts = texts_of_browser(request)
    next_ = _local_path(fields.get("next", "/"))
    email = normalize_email(fields.get("email", "").strip())
    if email:
        # The address is looked up later, so neither text nor timing reveals who is a member.
        await jobs.enqueue(
            session,
            LINK_REQUEST_JOB,
            workspace_id=UNKNOWN_WORKSPACE,
            payload={"email": email, "next": next_},
        )
    return _show_form(request, next_=next_, message=texts["link_sent"])


async def _sign_in_with_key(
    request: Request, session: SessionDep, fields: Mapping[str, str]
) -> Response:
    keyring: Keyring = request.app.state.keyring
    texts = texts_of_browser(request)
    next_ = _local_path(fields.get("next", "/"))
    try:
        caller = await keyring.caller(f"Bearer {fields['key'].strip()}")
    except Unauthorized:
        caller = None
    if caller is None or Scope.READ not in caller.scopes:
        return _show_form(request, next_=next_, status=401, message=texts["key_wrong"], wrong=True)
    token = await sessions.open_with_key(session, caller, locale=texts.language)
    return await start_session(request, session, token, next_)


@routes.get(SIGN_IN + "/{token}", include_in_schema=False)
async def show_link(request: Request, token: str, next: str = "/") -> HTMLResponse:  # noqa: A002 - its name in the URL
    """Ask for a click, because mail scanners open links and would use this one up."""
    texts = texts_of_browser(request)
    reply = render_page(
        "dashboard/sign_in_link.html", lang=texts.language, title=texts["sign_in"], texts=texts,
        action=public_path(f"{SIGN_IN}/{token}"), next=_local_path(next),
    )  # fmt: skip
    reply.headers["Cache-Control"] = "no-store"
    return reply


@routes.post(SIGN_IN + "/{token}", include_in_schema=False)
async def post_link(request: Request, session: SessionDep, token: str) -> Response:
    """Use the link up and sign in."""
    require_public_rate(request)
    fields = await read_own_form(request)
    next_ = _local_path(fields.get("next", "/"))
    opened = await sessions.redeem_link(session, token)
    if opened is None:
        texts = texts_of_browser(request)
        return _show_form(request, next_=next_, status=410, message=texts["link_old"], wrong=True)
    return await start_session(request, session, opened, next_)


@routes.post("/sign-out", include_in_schema=False)
async def post_sign_out(request: Request, session: SessionDep, visit: SnapshotVisitDep) -> Response:
    """End the session here and in the database."""
    await visit.read_form()
    await sessions.sign_out(session, visit.token)
    reply = RedirectResponse(public_path(SIGN_IN), status_code=303)
    reply.delete_cookie(cookie_name(current_settings(request)), path="/")
    return reply
