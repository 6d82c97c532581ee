# SPDX-License-Identifier: Apache-2.0
"""Batches: NDJSON or a JSON array, each line checked and stored by itself."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from app.core import idempotency
from app.core.database import Database
from app.core.errors import AfterwordError, FieldError, InvalidInput
from app.core.http import (
    MEBIBYTE,
    json_reply,
    problem_reply,
    read_plain_body,
    reply_headers,
    require_content_type,
)
from app.core.signing import SealedBox
from app.core.text_types import did_you_mean

MAX_LINES = 10_000
_NDJSON = "application/x-ndjson"
_array = msgspec.json.Decoder(list[msgspec.Raw])
_object = msgspec.json.Decoder(dict[str, msgspec.Raw])


@dataclass(frozen=True, slots=True)
class BatchLine:
    """One entry as it came, with its number in the file or body, counted from 1."""

    number: int
    text: bytes


@dataclass(slots=True)
class LinesReport:
    """What became of the lines; `extra_counts` are counts that one kind of batch adds."""

    accepted: int = 0
    duplicates: int = 0
    rejected: list[dict[str, Any]] = field(default_factory=list)
    extra_counts: dict[str, int] = field(default_factory=dict)

    def reject(self, number: int, error: AfterwordError) -> None:
        """Note why a line was not taken."""
        errors: list[FieldError] = error.errors or [{"loc": ["body"], "msg": error.detail}]
        self.rejected.append(
            {"line": number, "errors": [{**fault, "loc": list(fault["loc"])} for fault in errors]}
        )

    def reply(self) -> Response:
        """Return the reply, with the rejected lines in order."""
        return json_reply(
            {
                "accepted": self.accepted,
                "duplicates": self.duplicates,
                **self.extra_counts,
                "rejected": sorted(self.rejected, key=lambda r: r["line"]),
            }
        )


def batch_route(take: Callable[[Request], Awaitable[Response]]) -> ASGIApp:
    """Return the ASGI application of a batch route; it bypasses the framework's layers."""

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        try:
            reply = await take(request)
        except AfterwordError as error:
            reply = problem_reply(error)
        reply.headers.update(reply_headers(request))
        await reply(scope, receive, send)

    return serve


async def read_lines(
    request: Request, *, wrapped_as: str | None = None
) -> tuple[bytes, list[BatchLine]]:
    """Read up to 16 MiB and 10,000 lines; raise where the body as a whole is wrong.

    An array may come as the one field `wrapped_as` of an object.
    """
    kind = require_content_type(request, _NDJSON, "application/json")
    body = await read_plain_body(request, limit=16 * MEBIBYTE)
    lines = _lines(body) if kind == _NDJSON else _elements(_unwrap_list(body, wrapped_as))
    if len(lines) > MAX_LINES:
        msg = f"holds {len(lines):,} entries; send at most {MAX_LINES:,} at once"
        raise InvalidInput.at("body", msg=msg)
    return body, lines


def refuse_query(request: Request) -> None:
    """Refuse any query parameter."""
    if not request.scope["query_string"]:
        return
    for name in request.query_params:
        raise InvalidInput.at("query", name, msg="is not a parameter of this route")


def read_boolean(request: Request, flag: str, *, default: bool) -> bool:
    """Read the one query parameter of a batch, `true` or `false`."""
    for name, value in request.query_params.multi_items():
        if name != flag:
            msg = "is not a parameter of this route" + did_you_mean(name, [flag])
            raise InvalidInput.at("query", name, msg=msg)
        if value not in {"true", "false"}:
            raise InvalidInput.at("query", name, msg="must be true or false")
    return request.query_params.get(flag, str(default).lower()) == "true"


async def reply_once(
    request: Request, workspace_id: UUID, body: bytes, write: Callable[[], Awaitable[LinesReport]]
) -> Response:
    """Write, and under an idempotency key give the first report again for the same body.

    Each line is stored exactly once, so a request that was cut off may be repeated.
    """
    key = idempotency.requested_key(request)
    if key is None:
        return (await write()).reply()
    database: Database = request.app.state.database
    box: SealedBox = request.app.state.box
    async with database.transaction() as session:
        taken_key = await idempotency.take_key(
            session,
            box,
            workspace_id=workspace_id,
            route=f"POST {request.url.path}",
            key=key,
            body=body,
        )
    if isinstance(taken_key, Response):
        return taken_key
    reply = (await write()).reply()
    async with database.transaction() as session:
        await idempotency.keep_reply(session, box, taken_key, reply)
    return reply


def _lines(body: bytes) -> list[BatchLine]:
    return [
        BatchLine(number, text)
        for number, text in enumerate(body.split(b"\n"), start=1)
        if text.strip()
    ]


def _unwrap_list(body: bytes, name: str | None) -> bytes:
    if name is None or not body.lstrip().startswith(b"{"):
        return body
    try:
        members = _object.decode(body)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return body
    return bytes(members[name]) if set(members) == {name} else body


def _elements(body: bytes) -> list[BatchLine]:
    try:
        elements = _array.decode(body)
    except RecursionError:
        raise InvalidInput.at("body", msg="is nested too deeply") from None
    except (msgspec.MsgspecError, UnicodeError) as error:
        raise InvalidInput.at("body", msg=f"must be a JSON array: {error}") from None
    return [BatchLine(number, bytes(raw)) for number, raw in enumerate(elements, start=1)]
