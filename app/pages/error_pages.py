# SPDX-License-Identifier: Apache-2.0
"""Errors as pages for people; programs get JSON."""

from starlette.requests import Request
from starlette.responses import Response

from app.core.http import public_path
from app.pages.dashboard.error_pages import dashboard_problem
from app.pages.dashboard.pages import is_dashboard
from app.pages.rendering import languages_of
from app.pages.survey_page import show_message

_PATHS = ("/s/", "/i/", "/u/")
# Programs call these addresses; a browser that opens one is shown the JSON, too.
_FOR_PROGRAMS = (
    *("/v1", "/odata", "/mcp", "/in/", "/w/", "/assets/", "/openapi"),
    *("/healthz", "/readyz", "/metrics"),
)
_KIOSK_SECONDS = 10


def is_for_people(request: Request) -> bool:
    """Tell whether errors at this address are shown as pages instead of JSON."""
    path = request.url.path
    if path.startswith(_PATHS) or is_dashboard(path):
        return True
    is_browser = "text/html" in request.headers.get("accept", "")
    return is_browser and not path.startswith(_FOR_PROGRAMS)


def error_page(request: Request, problem: Response) -> Response:
    """Render an error as a page in the browser's language; a kiosk's page reloads itself."""
    if is_dashboard(request.url.path):
        return dashboard_problem(request, problem)
    accepted = languages_of(request)
    known = {404: "gone", 429: "busy", 503: "busy"}
    kiosk = request.query_params.get("kiosk") == "1"
    reply = show_message(
        next(iter(accepted), None),
        known.get(problem.status_code, "fault"),
        status=problem.status_code,
        refresh=f"{_KIOSK_SECONDS};url={public_path(request.url.path)}?{request.url.query}"
        if kiosk
        else None,
    )
    for name, value in problem.headers.items():
        if name.lower() not in {"content-type", "content-length"}:
            reply.headers[name] = value
    return reply
