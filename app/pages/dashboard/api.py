# SPDX-License-Identifier: Apache-2.0
"""Call the API on behalf of a user; the dashboard can do nothing that the API cannot do.

A request passes the same checks, limits and audit as one from outside, but no network.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any
from urllib.parse import urlencode

from starlette.requests import Request

from app.core.errors import (
    AfterwordError,
    Busy,
    Conflict,
    Forbidden,
    Gone,
    InvalidInput,
    NotFound,
    TooManyRequests,
)
from app.workspaces.admission import SIGNED_IN
from app.workspaces.caller import Caller

Params = Mapping[str, Any]
_ERRORS: Mapping[int, type[AfterwordError]] = {
    error.status: error for error in (Forbidden, NotFound, Conflict, Gone, TooManyRequests, Busy)
}


@dataclass(frozen=True, slots=True)
class InnerRequest:
    """A request that this application sends itself; `extra` joins its scope."""

    method: str
    path: str
    params: Params = field(default_factory=dict)
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    extra: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ApiReply:
    """What the application answered."""

    status: int
    headers: Mapping[str, str]
    content: bytes

    def json(self) -> Any:
        """Return the body as JSON; None where there is none."""
        return json.loads(self.content) if self.content else None


class ApiRefused(Exception):
    """The API has refused: its status, what it says, and the wrong fields by their names."""

    def __init__(self, reply: ApiReply) -> None:
        """Read the problem."""
        problem = reply.json() or {}
        self.status = reply.status
        self.detail: str = problem.get("detail", "")
        self.fields: dict[str, str] = {}
        for error in problem.get("errors", ()):
            where, *path = [str(part) for part in error["loc"]] or ["body"]
            self.fields.setdefault(".".join(path) or where, error["msg"])
        super().__init__(self.detail)


def page_error(status: int, detail: str) -> AfterwordError:
    """Return the error that a page raises when the API refuses its request."""
    return _ERRORS.get(status, InvalidInput)(detail)


def _page_error_of(refused: ApiRefused) -> AfterwordError:
    details = "; ".join(f"{name}: {msg}" for name, msg in refused.fields.items())
    return page_error(refused.status, details or refused.detail)


def _scope_of(request: Request, inner: InnerRequest) -> dict[str, Any]:
    params = [(name, value) for name, value in inner.params.items() if value not in (None, "")]
    sent = {"host": request.headers.get("host", "localhost"), **inner.headers}
    if inner.body:
        sent |= {"content-length": str(len(inner.body))}
    return {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1",
        "method": inner.method, "scheme": "http", "path": inner.path,
        "raw_path": inner.path.encode(), "root_path": "",
        "query_string": urlencode(params, doseq=True).encode(),
        "headers": [(name.lower().encode(), value.encode()) for name, value in sent.items()],
        "client": request.scope.get("client"), "server": request.scope.get("server"),
        **inner.extra,
    }  # fmt: skip


async def call_application(request: Request, inner: InnerRequest) -> ApiReply:
    """Send a request through this application, without a network."""
    scope = _scope_of(request, inner)
    parts: list[bytes] = []
    start: dict[str, Any] = {}

    async def send(message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            start.update(message)
        elif message["type"] == "http.response.body":
            parts.append(message.get("body", b""))

    await request.app(scope, _receiver(inner.body), send)
    return ApiReply(start["status"], _headers_of(start), b"".join(parts))


def _receiver(body: bytes) -> Callable[[], Awaitable[dict[str, Any]]]:
    """Return an ASGI `receive` that gives the body once and then waits forever."""
    waiting = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> dict[str, Any]:
        if not waiting:
            await asyncio.Event().wait()
        return waiting.pop()

    return receive


def _headers_of(start: Mapping[str, Any]) -> dict[str, str]:
    return {name.decode().lower(): value.decode() for name, value in start["headers"]}


async def stream_application(request: Request, inner: InnerRequest) -> AsyncIterator[bytes]:
    """Send a request and return its reply as it comes: an export of any length.

    Raises ApiRefused for an error; if an export breaks off, the error that ended it is raised.
    """
    waiting: asyncio.Queue[dict[str, Any]] = asyncio.Queue(maxsize=8)
    task = asyncio.create_task(
        request.app(_scope_of(request, inner), _receiver(inner.body), waiting.put)
    )
    try:
        await _require_success(waiting, task)
    except BaseException:
        task.cancel()
        raise
    return _parts_of(waiting, task)


async def _require_success(
    waiting: asyncio.Queue[dict[str, Any]], task: asyncio.Task[None]
) -> None:
    """Read how a reply begins; raise ApiRefused for an error."""
    start = await _next_message(waiting, task)
    if start["status"] >= HTTPStatus.BAD_REQUEST:
        content = (await _next_message(waiting, task)).get("body", b"")
        raise ApiRefused(ApiReply(start["status"], _headers_of(start), content))


async def _parts_of(
    waiting: asyncio.Queue[dict[str, Any]], task: asyncio.Task[None]
) -> AsyncIterator[bytes]:
    more = True
    try:
        while more:
            message = await _next_message(waiting, task)
            more = message.get("more_body", False)
            yield message.get("body", b"")
    finally:
        task.cancel()


async def _next_message(
    waiting: asyncio.Queue[dict[str, Any]], task: asyncio.Task[None]
) -> dict[str, Any]:
    """Return the next message of an application; raise what it raised if it ended without one."""
    getting = asyncio.create_task(waiting.get())
    await asyncio.wait({getting, task}, return_when=asyncio.FIRST_COMPLETED)
    if not getting.done() and waiting.empty():
        getting.cancel()
        await task
        raise RuntimeError("the application ended without a reply")
    return await getting


@dataclass(frozen=True)
class UserApi:
    """Calls the API on behalf of a user of the dashboard."""

    request: Request
    caller: Caller

    async def send(
        self,
        method: str,
        path: str,
        *,
        params: Params | None = None,
        json_body: Any = None,
        content: bytes | None = None,
    ) -> ApiReply:
        """Send a request and return the reply; ApiRefused where it is an error."""
        body, headers = content or b"", {"content-type": "application/octet-stream"}
        if json_body is not None:
            body, headers = json.dumps(json_body).encode(), {"content-type": "application/json"}
        extra = {SIGNED_IN: self.caller}
        inner = InnerRequest(method, path, params or {}, body, headers, extra)
        reply = await call_application(self.request, inner)
        if reply.status >= 400:
            raise ApiRefused(reply)
        return reply

    async def stream(self, path: str, params: Params) -> AsyncIterator[bytes]:
        """Read an export as it comes; an error is the page's error."""
        inner = InnerRequest("GET", path, params, extra={SIGNED_IN: self.caller})
        try:
            return await stream_application(self.request, inner)
        except ApiRefused as refused:
            raise _page_error_of(refused) from None

    async def get(self, path: str, **params: Any) -> Any:
        """Read something as JSON; an error is the page's error."""
        return (await self.read(path, **params)).json()

    async def read(self, path: str, **params: Any) -> ApiReply:
        """Read something of any kind; an error is the page's error."""
        try:
            return await self.send("GET", path, params=params)
        except ApiRefused as refused:
            raise _page_error_of(refused) from None

    async def list(self, path: str, *, most: int = 1000, **params: Any) -> list[Any]:
        """Read a whole list, page by page, up to so many rows."""
        rows: list[Any] = []
        cursor: str | None = None
        while True:
            reply = await self.get(path, limit=200, cursor=cursor, **params)
            rows += reply["data"]
            cursor = reply["next_cursor"]
            if cursor is None or len(rows) >= most:
                return rows[:most]
