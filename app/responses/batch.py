# SPDX-License-Identifier: Apache-2.0
"""`POST /v1/responses/batch`: up to 10,000 answers as NDJSON or a JSON array."""

from starlette.requests import Request
from starlette.responses import Response

from app.core import idempotency
from app.core.batch_lines import LinesReport, batch_route, read_boolean, read_lines, reply_once
from app.core.clock import utc_now
from app.responses.batch_writing import write_lines
from app.responses.ingest import Ingest
from app.responses.submission import SubmissionOrigin
from app.workspaces.admission import admit
from app.workspaces.scopes import Scope

PATH = "/v1/responses/batch"


async def _take(request: Request) -> Response:
    """Take many answers; reply when all valid ones are on disk."""
    caller = await admit(request, Scope.WRITE)
    events = read_boolean(request, "events", default=True)
    body, lines = await read_lines(request)
    origin = SubmissionOrigin(
        caller, now=utc_now(), idempotency_key=idempotency.requested_key(request)
    )
    ingest: Ingest = request.app.state.ingest

    async def write() -> LinesReport:
        return await write_lines(ingest, origin, lines, events=events)

    return await reply_once(request, caller.workspace_id, body, write)


post_batch = batch_route(_take)
