"""Errors of the dashboard, as a page that says what to do."""

import json

from starlette.requests import Request
from starlette.responses import Response

from app.pages.dashboard.visiting import language_of_browser
from app.pages.rendering import page


def dashboard_problem(request: Request, problem: Response) -> Response:
    """Show a problem's own words and its request id."""
    said = language_of_browser(request)
    told = json.loads(bytes(problem.body))
    return page(
        "dashboard/problem.html",
        lang=said.language,
        status=problem.status_code,
        title=said["problem"],
        said=said,
        detail=told["detail"],
        errors=[
            f"{'.'.join(str(part) for part in one['loc'][1:])}: {one['msg']}"
            for one in told.get("errors", [])
        ],
        request_id=told["request_id"],
    )
