# SPDX-License-Identifier: Apache-2.0
"""A page that is shown after its form was sent: saved, or again with what is wrong."""

from http import HTTPStatus
from urllib.parse import parse_qs

from starlette.responses import HTMLResponse, Response

from app.core.http import public_path
from app.pages.dashboard.api import InnerRequest, call_application, page_error
from app.pages.dashboard.form_fields import FormOutcome
from app.pages.dashboard.visit import OUTCOME, DashboardVisit
from app.pages.rendering import HEADERS

# A secret that is shown once must not be cached for the Back button.
_NEVER_KEPT = {"Cache-Control": "no-store"}


def saved_at(path: str, *, changed: int | None = None) -> str:
    """Return the address of a page that says that something was saved, or how many changed."""
    value = "1" if changed is None else f"n{changed}"
    return public_path(path + ("&" if "?" in path else "?") + "saved=" + value)


async def show_again(
    visit: DashboardVisit, path: str, outcome: FormOutcome, *, status: int = 200
) -> Response:
    """Show a page as it is now, with the outcome of its form."""
    if status == HTTPStatus.FORBIDDEN:
        raise page_error(status, outcome.error or "")
    path, _, query = path.partition("?")
    params = parse_qs(query)
    headers = {"cookie": visit.request.headers.get("cookie", "")}
    inner = InnerRequest("GET", path, params, headers=headers, extra={OUTCOME: outcome})
    reply = await call_application(visit.request, inner)
    if reply.status >= 400:
        raise page_error(status, outcome.error or "The page cannot be shown.")
    return HTMLResponse(reply.content, status_code=status, headers=HEADERS | _NEVER_KEPT)
