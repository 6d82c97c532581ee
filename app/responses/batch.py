"""`POST /v1/responses/batch`: up to 10,000 answers as NDJSON or a JSON array."""

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from app.core import idempotency
from app.core.clock import utc_now
from app.core.errors import AfterwordError
from app.core.http import problem_reply
from app.core.lines import LinesReport, asked_flag, read_lines, reply_once
from app.responses.lines import Ingest, write_lines
from app.responses.submission import Origin
from app.workspaces.caller import batch_writer

PATH = "/v1/responses/batch"


async def post_batch(scope: Scope, receive: Receive, send: Send) -> None:
    """Take many answers; reply when all that are good are on disk."""
    try:
        reply = await _take(Request(scope, receive))
    except AfterwordError as error:
        reply = problem_reply(error)
    await reply(scope, receive, send)


async def _take(request: Request) -> Response:
    caller = await batch_writer(request)
    events = asked_flag(request, "events", default=True)
    body, lines = await read_lines(request)
    origin = Origin(caller, now=utc_now(), idempotency_key=idempotency.asked_key(request))
    ingest: Ingest = request.app.state.ingest

    async def write() -> LinesReport:
        return await write_lines(ingest, origin, lines, events=events)

    return await reply_once(request, caller.workspace_id, body, write)
