# SPDX-License-Identifier: Apache-2.0
"""`POST /v1/interactions/batch`: up to 10,000 interactions as NDJSON or a JSON array."""

from collections.abc import Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from app.core.batch_lines import (
    BatchLine,
    LinesReport,
    batch_route,
    read_boolean,
    read_lines,
    reply_once,
)
from app.core.errors import AfterwordError
from app.core.openapi import BatchOperation
from app.interactions.interaction_recorder import InteractionDraft
from app.interactions.interaction_schemas import EXAMPLE
from app.triggers.interaction_commit import InteractionCommit
from app.triggers.interaction_post import decode_interaction
from app.workspaces.admission import admit
from app.workspaces.caller import Caller
from app.workspaces.scopes import Scope

PATH = "/v1/interactions/batch"


async def _take(request: Request) -> Response:
    """Take many interactions; reply when all valid ones are on disk."""
    caller = await admit(request, Scope.WRITE)
    triggers = read_boolean(request, "triggers", default=False)
    body, lines = await read_lines(request)
    commit: InteractionCommit = request.app.state.interactions

    async def write() -> LinesReport:
        report = LinesReport()
        drafts = _valid_drafts(lines, caller, report)
        results = await commit.record_all(
            caller.workspace_id, [draft for _, draft in drafts], triggers=triggers
        )
        for (number, _), result in zip(drafts, results, strict=True):
            if isinstance(result, AfterwordError):
                report.reject(number, result)
            else:
                report.accepted += result
                report.duplicates += not result
        return report

    return await reply_once(request, caller.workspace_id, body, write)


post_batch = batch_route(_take)


def _valid_drafts(
    lines: Sequence[BatchLine], caller: Caller, report: LinesReport
) -> list[tuple[int, InteractionDraft]]:
    """Return the numbers and interactions of valid lines, and report why others are rejected."""
    drafts = []
    for line in lines:
        try:
            drafts.append((line.number, decode_interaction(line.text).draft(test=caller.test)))
        except AfterwordError as error:
            report.reject(line.number, error)
    return drafts


def batch_path(schema: dict[str, Any]) -> dict[str, Any]:
    """Return what the OpenAPI document says of the route."""
    return BatchOperation(
        tag="Customers, interactions and tickets",
        summary="Record many interactions",
        description="Record many interactions; triggers run only with `triggers=true`, because "
        "history must not cause mails.",
        operation_id="create_interactions",
        item=schema,
        example=EXAMPLE,
        parameters=[
            {
                "name": "triggers",
                "in": "query",
                "schema": {"type": "boolean"},
                "description": "True runs the triggers on them; default false.",
            }
        ],
    ).document()
