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
    """Take many interactions; reply when all that are good are on disk."""
    caller = await admit(request, Scope.WRITE)
    triggers = read_flag(request, "triggers", default=False)
    body, lines = await read_lines(request)
    database: Database = request.app.state.database
    box: SealedBox = request.app.state.box

    async def write() -> LinesReport:
        report = LinesReport()
        good = _good(lines, caller, report)
        for start in range(0, len(good), _CHUNK):
            async with database.transaction() as session:
                recorded = await take_interactions(
                    session,
                    box,
                    caller.workspace_id,
                    good[start : start + _CHUNK],
                    triggers=triggers,
                )
            created = sum(interaction.created for interaction in recorded)
            report.accepted += created
            report.duplicates += len(recorded) - created
        return report

    return await reply_once(request, caller.workspace_id, body, write)


post_batch = batch_route(_take)


def _good(lines: Sequence[BatchLine], caller: Caller, report: LinesReport) -> list[Draft]:
    """Return the interactions of lines that are right, and note why others are not."""
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
        description="Record what happened; triggers hear of it only with `triggers=true`, "
        "because history must not mail people.",
        operation_id="create_interactions",
        item=schema,
        example=EXAMPLE,
        parameters=[
            {
                "name": "triggers",
                "in": "query",
                "schema": {"type": "boolean"},
                "description": "True lets the triggers hear them; default false.",
            }
        ],
    ).document()
