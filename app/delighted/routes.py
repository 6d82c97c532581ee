# SPDX-License-Identifier: Apache-2.0
"""All routes of Delighted's API, with the conventions of Delighted instead of ours.

Unknown query parameters are ignored, a path may end with `.json`, a body may be JSON or a form
under any content type, and the body of a GET or DELETE is ignored.
"""

import re
from collections.abc import Awaitable, Callable
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from app.core.database import Database
from app.core.errors import InvalidInput, NotFound
from app.core.http import json_reply, read_plain_body
from app.delighted import figures, people, survey_responses
from app.delighted.parameters import Parameters, parse_pairs, read_body
from app.delighted.request import ROOT, DelightedRequest
from app.delighted.shapes import seconds
from app.workspaces.admission import admit
from app.workspaces.scopes import Scope
from app.workspaces.service import get_workspace

routes = APIRouter(include_in_schema=False)

DelightedHandler = Callable[..., Awaitable[Any]]


async def _get_autopilot(request: DelightedRequest, platform: str) -> dict[str, Any]:
    workspace = await get_workspace(request.session, request.caller.workspace_id)
    created_at = seconds(workspace.created_at)
    return {"platform_id": platform, "active": False, "frequency": 0,
            "created_at": created_at, "updated_at": created_at}  # fmt: skip


async def _list_memberships(_request: DelightedRequest, _platform: str) -> list[Any]:
    return []


async def _refuse_autopilot(_request: DelightedRequest, _platform: str) -> Any:
    msg = (
        "Autopilot is not available here: report what happened with `POST /v1/interactions`, and "
        "let a trigger send the invitations, with `throttle` as its schedule."
    )
    raise InvalidInput.at("body", "autopilot", msg=msg)


async def _put_by_body(request: DelightedRequest) -> Any:
    return await survey_responses.update_response(request, None)


_PLATFORM = r"autopilot/(email|sms)"
_HANDLERS: tuple[tuple[str, str, Scope, DelightedHandler, int], ...] = (
    ("POST", r"people", Scope.WRITE, people.create_person, 201),
    ("GET", r"people", Scope.READ, people.list_people, 200),
    ("DELETE", r"people/(.+)/survey_requests/pending", Scope.WRITE, people.delete_pending, 200),
    ("DELETE", r"people/(.+)", Scope.ADMIN, people.delete_person, 202),
    ("GET", r"survey_responses", Scope.READ, survey_responses.list_responses, 200),
    ("POST", r"survey_responses", Scope.WRITE, survey_responses.create_response, 201),
    ("GET", r"survey_responses/([^/]+)", Scope.READ, survey_responses.get_response, 200),
    ("PUT", r"survey_responses/([^/]+)", Scope.WRITE, survey_responses.update_response, 200),
    ("PUT", r"survey_responses", Scope.WRITE, _put_by_body, 200),
    ("GET", r"metrics", Scope.READ, figures.get_metrics, 200),
    ("POST", r"unsubscribes", Scope.WRITE, people.create_unsubscribe, 200),
    ("GET", r"unsubscribes", Scope.READ, people.list_unsubscribes, 200),
    ("GET", r"bounces", Scope.READ, people.list_bounces, 200),
    ("GET", _PLATFORM, Scope.READ, _get_autopilot, 200),
    ("GET", rf"{_PLATFORM}/memberships", Scope.READ, _list_memberships, 200),
    ("POST", rf"{_PLATFORM}(?:/memberships)?", Scope.WRITE, _refuse_autopilot, 422),
    ("DELETE", rf"{_PLATFORM}(?:/memberships)?", Scope.WRITE, _refuse_autopilot, 422),
)


@routes.api_route(f"{ROOT}/{{path:path}}", methods=["GET", "POST", "PUT", "DELETE"])
async def serve_delighted(request: Request, path: str) -> Response:
    """Find the handler of a path, and run it in one transaction."""
    path = path.rstrip("/").removesuffix(".json")
    if "\x00" in path:
        raise NotFound("There is nothing by a name with a NUL character.")
    for method, pattern, scope, handler, status in _HANDLERS:
        match = re.fullmatch(pattern, path, re.DOTALL)
        if match is not None and method == request.method:
            return await _run(request, scope, handler, match.groups(), status)
    # A missing key is reported before an unknown path.
    await admit(request, *Scope)
    raise NotFound("There is no such path in Delighted's API.")


async def _run(
    request: Request, scope: Scope, handler: DelightedHandler, parts: tuple[str, ...], status: int
) -> Response:
    caller = await admit(request, scope)
    values = parse_pairs(request.query_params.multi_items())
    if request.method in {"POST", "PUT"}:
        body = await read_plain_body(request)
        values |= read_body(body, request.headers.get("content-type", ""))
    database: Database = request.app.state.database
    async with database.session() as session:
        own = DelightedRequest(request, caller, Parameters(values), session)
        own.status = status
        content = await handler(own, *parts)
        await session.commit()
    return json_reply(content, status=own.status, headers=own.headers)
