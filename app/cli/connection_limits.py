# SPDX-License-Identifier: Apache-2.0
"""Limits on connections: the size of a request, its duration, and the number of connections."""

import asyncio
import logging
import resource
import time
from typing import ClassVar, cast

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from app.cli.joined_writes import JoinedWrites

logger = logging.getLogger(__name__)

_MAX_HEAD_BYTES = 64 * 1024
_MAX_OPEN = 10_000
# Files that a process needs beside its connections.
_OTHER_FILES = 256
_MIN_OPEN = 64
_LOG_INTERVAL_SECONDS = 60.0


def max_open_connections() -> int:
    """Return how many connections a process may have open, by its limit of open files."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return _MAX_OPEN
    return max(_MIN_OPEN, min(_MAX_OPEN, soft - _OTHER_FILES))


class BoundedProtocol(HttpToolsProtocol):
    """HTTP as uvicorn speaks it, within bounds.

    A head has at most 64 KiB (else 431) and must be complete in `patience_seconds`. A body
    must bring a kilobyte per second, which is checked every `patience_seconds`. A connection
    without a request is closed after `idle_seconds`.
    """

    patience_seconds: ClassVar[float] = 20.0
    idle_seconds: ClassVar[float] = 75.0
    max_open: ClassVar[int] = max_open_connections()
    _logged_at: ClassVar[float] = float("-inf")

    _timer: asyncio.TimerHandle | None = None
    _in_head = False
    _refused = False
    _head_bytes = 0
    _header_bytes = 0
    # 0 between requests; from the end of a head on, 1 and the bytes of the body.
    _body_bytes = 0
    _is_body_watched = False

    # asyncio types the argument as any transport; a server's is one that writes.
    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take a connection, or close it where too many are open."""
        joined = cast("asyncio.Transport", JoinedWrites(transport, self.loop))
        super().connection_made(joined)
        if len(self.connections) > self.max_open:
            self._warn_of_limit()
            transport.abort()
            return
        self._wait(self.idle_seconds)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self._wait(None)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take some bytes."""
        if self._refused:
            return
        begins = not self._in_head and self._body_bytes == 0
        self._in_head = self._in_head or begins
        super().data_received(data)
        if self._in_head:
            self._head_bytes += len(data)
            if self._head_bytes > _MAX_HEAD_BYTES:
                self._refuse()
            elif begins:
                self._wait(self.patience_seconds)
        elif self._body_bytes and not self._is_body_watched:
            self._is_body_watched = True
            self._watch_body(self._body_bytes)
        elif not self._body_bytes and self._timer is not None:
            # The whole request has come; the rest is the application's.
            self._wait(None)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take one header."""
        self._header_bytes += len(name) + len(value)
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Start the request; from now on its body must arrive fast enough."""
        if self._header_bytes + len(self.url) > _MAX_HEAD_BYTES:
            self._refuse()
            return
        self._in_head, self._head_bytes, self._header_bytes, self._body_bytes = False, 0, 0, 1
        self._is_body_watched = False
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Take a part of the body."""
        if not self._refused:
            self._body_bytes += len(body)
            super().on_body(body)

    def on_message_complete(self) -> None:
        """Leave the rest to the application."""
        if not self._refused:
            self._body_bytes = 0
            super().on_message_complete()

    def _wait(self, seconds: float | None) -> None:
        """Hang up after these seconds, unless something comes before."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None if seconds is None else self.loop.call_later(seconds, self._hang_up)

    def _hang_up(self) -> None:
        self.transport.close()

    def _watch_body(self, before: int) -> None:
        """Look again after a while whether the body has grown enough since."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self.loop.call_later(self.patience_seconds, self._check_progress, before)

    def _check_progress(self, before: int) -> None:
        # The application itself may be what reads too slowly.
        if self.flow.read_paused or self._body_bytes - before >= self.patience_seconds * 1024:
            self._watch_body(self._body_bytes)
        else:
            self._hang_up()

    def _refuse(self) -> None:
        """Say that the head is too large, and hang up."""
        self._refused = True
        self._wait(None)
        body = b'{"title": "Request Header Fields Too Large", "status": 431}'
        self.transport.write(
            STATUS_LINE[431]
            + b"content-type: application/problem+json\r\nconnection: close\r\n"
            + b"content-length: %d\r\n\r\n" % len(body)
            + body
        )
        self.transport.close()

    @classmethod
    def _warn_of_limit(cls) -> None:
        now = time.monotonic()
        if now - cls._logged_at >= _LOG_INTERVAL_SECONDS:
            cls._logged_at = now
            logger.warning("too many open connections: new ones are closed (see `ulimit -n`)",
                           extra={"limit": cls.max_open})  # fmt: skip
