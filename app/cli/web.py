# SPDX-License-Identifier: Apache-2.0
"""One web process: serves the listening socket that its parent hands down.

It loads while the database is prepared, and serves once its parent says that this is done.
"""

import asyncio
import socket
import sys
from importlib import import_module

import uvicorn

from app.cli.connection_limits import BoundedProtocol
from app.core.garbage_collection import collector_paused, freeze_loaded_objects
from app.core.parent_process import end_with_parent
from app.core.process_environment import DATABASE_IS_READY

_DRAIN_SECONDS = 25


class _Server(uvicorn.Server):
    """A server that takes the loaded objects out of garbage collection once it has started."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Load the application and begin to listen."""
        await super().startup(sockets)
        freeze_loaded_objects()


async def _serve(listening: socket.socket) -> None:
    config = uvicorn.Config(
        "app.main:create_app_from_environment",
        factory=True,
        loop="uvloop",
        http=BoundedProtocol,
        timeout_keep_alive=int(BoundedProtocol.idle_seconds),
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=_DRAIN_SECONDS,
    )
    server = _Server(config)

    def stop() -> None:
        server.should_exit = True

    end_with_parent(asyncio.get_running_loop(), stop)
    await server.serve(sockets=[listening])


def main() -> None:
    """Serve the socket whose descriptor is the only argument."""
    listening = socket.socket(fileno=int(sys.argv[1]))
    with collector_paused():
        import_module("app.main")
    if sys.stdin.buffer.read(1) != DATABASE_IS_READY:
        # The parent has ended before there was a database to serve.
        return
    with asyncio.Runner(
        loop_factory=uvicorn.Config("", loop="uvloop", log_config=None).get_loop_factory()
    ) as runner:
        runner.run(_serve(listening))


if __name__ == "__main__":
    main()
