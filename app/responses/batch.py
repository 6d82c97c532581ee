"""`POST /v1/responses/batch`: up to 10,000 answers as NDJSON or a JSON array."""

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from app.core import idempotency
from app.core.clock import utc_now
from app.core.database import Database
from app.core.errors import AfterwordError, Forbidden, InvalidInput
from app.core.http import MEBIBYTE, json_reply, problem_reply, read_body, require_content_type
from app.core.signing import SealedBox
from app.core.text import did_you_mean
from app.responses.lines import Ingest, Line, write_lines
from app.responses.submission import Origin
from app.workspaces import scopes
from app.workspaces.caller import Keyring
from app.workspaces.limits import require_rate

PATH = "/v1/responses/batch"
_MOST_LINES = 10_000
_NDJSON = "application/x-ndjson"
_array = msgspec.json.Decoder(list[msgspec.Raw])


async def post_batch(scope: Scope, receive: Receive, send: Send) -> None:
    """Take many answers; reply when all that are good are on disk."""
    try:
        reply = await _take(Request(scope, receive))
    except AfterwordError as error:
        reply = problem_reply(error)
    await reply(scope, receive, send)


async def _take(request: Request) -> Response:
    keyring: Keyring = request.app.state.keyring
    caller = await keyring.caller(request.headers.get("authorization"))
    if scopes.Scope.WRITE not in caller.scopes:
        raise Forbidden("This key lacks the scope `write`; use one that has it.")
    require_rate(
        request,
        request.app.state.limiter,
        key_id=caller.key_id,
        rate_limit=caller.rate_limit,
        public=False,
    )
    events = _wants_events(request)
    kind = require_content_type(request, _NDJSON, "application/json")
    body = await read_body(request, limit=16 * MEBIBYTE)
    lines = _lines(body) if kind == _NDJSON else _elements(body)
    if len(lines) > _MOST_LINES:
        msg = f"holds {len(lines):,} answers; send at most {_MOST_LINES:,} at once"
        raise InvalidInput.at("body", msg=msg)
    key = idempotency.asked_key(request)
    origin = Origin(caller, now=utc_now(), idempotency_key=key)
    if key is None:
        return await _write(request, origin, lines, events=events)
    return await _write_once(request, origin, lines, body=body, events=events)


async def _write(request: Request, origin: Origin, lines: list[Line], *, events: bool) -> Response:
    ingest: Ingest = request.app.state.ingest
    report = await write_lines(ingest, origin, lines, events=events)
    return json_reply(
        {
            "accepted": report.accepted,
            "duplicates": report.duplicates,
            "rejected": report.rejected,
        }
    )


async def _write_once(
    request: Request, origin: Origin, lines: list[Line], *, body: bytes, events: bool
) -> Response:
    """Write under an idempotency key: the first report again for the same body, 409 for another.

    The lines' ids come from the key, so a try that was cut off is safe to make again.
    """
    database: Database = request.app.state.database
    box: SealedBox = request.app.state.box
    async with database.transaction() as session:
        held = await idempotency.claim(
            session,
            box,
            workspace_id=origin.caller.workspace_id,
            route=f"POST {PATH}",
            key=origin.idempotency_key or "",
            body=body,
        )
    if isinstance(held, Response):
        return held
    reply = await _write(request, origin, lines, events=events)
    async with database.transaction() as session:
        await idempotency.keep(session, box, held, reply)
    return reply


def _wants_events(request: Request) -> bool:
    for name, value in request.query_params.multi_items():
        if name != "events":
            msg = "is no parameter of this route" + did_you_mean(name, ["events"])
            raise InvalidInput.at("query", name, msg=msg)
        if value not in {"true", "false"}:
            raise InvalidInput.at("query", name, msg="must be true or false")
    return request.query_params.get("events") != "false"


def _lines(body: bytes) -> list[Line]:
    return [
        Line(number, text) for number, text in enumerate(body.split(b"\n"), start=1) if text.strip()
    ]


def _elements(body: bytes) -> list[Line]:
    try:
        elements = _array.decode(body)
    except RecursionError:
        raise InvalidInput.at("body", msg="is nested too deeply") from None
    except (msgspec.MsgspecError, UnicodeError) as error:
        raise InvalidInput.at("body", msg=f"must be a JSON array: {error}") from None
    return [Line(number, bytes(raw)) for number, raw in enumerate(elements, start=1)]
