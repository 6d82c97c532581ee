# SPDX-License-Identifier: Apache-2.0
"""Errors of the dashboard, as a page that says what to do."""

import json

from starlette.requests import Request
from starlette.responses import Response

from app.pages.dashboard.visit import texts_for
from app.pages.rendering import render_page


def dashboard_problem(request: Request, problem: Response) -> Response:
    """Show a problem's own words and its request id."""
    texts = texts_for(request)
    document = json.loads(bytes(problem.body))
    return render_page(
        "dashboard/problem.html",
        lang=texts.language,
        status=problem.status_code,
        title=texts["problem"],
        texts=texts,
        detail=document["detail"],
        errors=[
            f"{'.'.join(str(part) for part in error['loc'][1:])}: {error['msg']}"
            for error in document.get("errors", [])
        ],
        request_id=document["request_id"],
    )
