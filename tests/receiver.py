# SPDX-License-Identifier: Apache-2.0
"""A real HTTP server for tests: it records every request and sends chosen replies."""

import json
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Receiver:
    """An HTTP server on a free port; it replies with each of `statuses` in turn, then with 200.

    `behaviours` maps a path to a function that writes the whole reply instead.
    """

    def __init__(self) -> None:
        self.requests: list[dict[str, Any]] = []
        self.statuses: list[int] = []
        self.behaviours: dict[str, Callable[[BaseHTTPRequestHandler], None]] = {}
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_any(self) -> None:
                length = int(self.headers.get("content-length", 0))
                body = self.rfile.read(length)
                receiver.requests.append(
                    {"method": self.command, "path": self.path, "headers": dict(self.headers),
                     "raw": body, "body": json.loads(body or b"null"), "at": time.time()}
                )  # fmt: skip
                if manner := receiver.behaviours.get(self.path):
                    manner(self)
                    self.close_connection = True
                    return
                self.send_response(receiver.statuses.pop(0) if receiver.statuses else 200)
                self.send_header("content-length", "2")
                self.end_headers()
                self.wfile.write(b"{}")

            do_GET = do_POST = do_PUT = handle_any  # noqa: N815 - the server's own names

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - its base has this name
                return

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 512

            def handle_error(self, request: Any, client_address: Any) -> None:
                """Say nothing: senders hang up on those that misbehave."""

        self._server = Server(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def to(self, path: str) -> list[dict[str, Any]]:
        """Return what came to one path."""
        return [request for request in self.requests if request["path"] == path]

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
