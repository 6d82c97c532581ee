# SPDX-License-Identifier: Apache-2.0
"""`/mcp`: loaded at the first request; without the extra, the reply says how to install it."""

import asyncio
from importlib.util import find_spec
from typing import Any

from starlette.requests import Request
from starlette.types import Receive, Scope, Send

from app.core.errors import AfterwordError, NotAllowed, NotFound, WrongContentType
from app.core.http import problem_reply, reply_headers
from app.workspaces.admission import admit
from app.workspaces.scopes import Scope as KeyScope

PATH = "/mcp"
_HINT = (
    "The server for assistants is not installed: `pip install 'afterword[mcp]'`, or "
    "`uv run --extra mcp afterword up`."
)


class Assistant:
    """The server for assistants of one web process; stateless, so any process answers."""

    def __init__(self) -> None:
        """Prepare; nothing is loaded before the first request."""
        self._manager: Any = None
        self._running: asyncio.Task[None] | None = None
        self._ready = asyncio.Event()
        self._stop = asyncio.Event()
        self._starting = asyncio.Lock()

    async def serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request of an assistant that has a key with the scope `metrics`."""
        request = Request(scope, receive)
        try:
            if find_spec("mcp") is None:
                raise NotFound(_HINT)
            if request.method != "POST":
                # The server is stateless: it has nothing to stream, and no session to end.
                raise NotAllowed("Send POST with a JSON-RPC message.")
            media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
            if media_type != "application/json":
                raise WrongContentType
            await admit(request, KeyScope.METRICS)
            await self._start()
        except AfterwordError as error:
            reply = problem_reply(error)
            reply.headers.update(reply_headers(request))
            await reply(scope, receive, send)
            return
        from app.assistant.tools import current_call  # noqa: PLC0415 - only with the extra

        token = current_call.set((scope["app"], request.headers.get("authorization", "")))
        try:
            await self._manager.handle_request(scope, receive, send)
        finally:
            current_call.reset(token)

    async def _start(self) -> None:
        """Load the server and let it run beside the application."""
        async with self._starting:
            if self._manager is not None:
                return
            self._manager = await asyncio.to_thread(_load)
            self._running = asyncio.create_task(self._run())
            await self._ready.wait()

    async def _run(self) -> None:
        async with self._manager.run():
            self._ready.set()
            await self._stop.wait()

    async def close(self) -> None:
        """Stop the server."""
        self._stop.set()
        if self._running is not None:
            await asyncio.gather(self._running, return_exceptions=True)


def _load() -> Any:
    from mcp.server.streamable_http_manager import (  # noqa: PLC0415 - only with the extra
        StreamableHTTPSessionManager,
    )

    from app.assistant.tools import make_server  # noqa: PLC0415 - the same

    return StreamableHTTPSessionManager(make_server(), json_response=True, stateless=True)


async def serve_assistant(scope: Scope, receive: Receive, send: Send) -> None:
    """Hand a request to the assistant's server of this process."""
    assistant: Assistant = scope["app"].state.assistant
    await assistant.serve(scope, receive, send)
