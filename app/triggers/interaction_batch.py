"""`POST /v1/interactions/batch`: up to 10,000 interactions as NDJSON or a JSON array."""

from collections.abc import Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from app.core.batch_lines import (
    BatchLine,
    LinesReport,
    batch_route,
    read_flag,
    read_lines,
    reply_once,
)
from app.core.database import Database
from app.core.errors import AfterwordError
from app.core.openapi import BatchOperation
from app.core.signing import SealedBox
from app.interactions.interaction_schemas import EXAMPLE
from app.interactions.recording import Draft
from app.triggers.interaction_intake import take_interactions
from app.triggers.interaction_post import decode_interaction
from app.workspaces.admission import admit
from app.workspaces.caller import Caller
from app.workspaces.scopes import Scope

PATH = "/v1/interactions/batch"
_CHUNK = 500


async def _take(request: Request) -> Response:
    """Take many interactions; reply when all valid ones are on disk."""
    caller = await admit(request, Scope.WRITE)
    triggers = read_flag(request, "triggers", default=False)
    body, lines = await read_lines(request)
    database: Database = request.app.state.database
    box: SealedBox = request.app.state.box

    async def write() -> LinesReport:
        report = LinesReport()
        drafts = _valid_drafts(lines, caller, report)
        for start in range(0, len(drafts), _CHUNK):
            async with database.recording_transaction() as session:
                recorded = await take_interactions(
                    session,
                    box,
                    caller.workspace_id,
                    drafts[start : start + _CHUNK],
                    triggers=triggers,
                )
            created = sum(interaction.created for interaction in recorded)
            report.accepted += created
            report.duplicates += len(recorded) - created
        return report

    return await reply_once(request, caller.workspace_id, body, write)


post_batch = batch_route(_take)


def _valid_drafts(lines: Sequence[BatchLine], caller: Caller, report: LinesReport) -> list[Draft]:
    """Return the interactions of valid lines, and report why other lines are rejected."""
    drafts = []
    for line in lines:
        try:
            drafts.append(decode_interaction(line.text).draft(test=caller.test))
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
