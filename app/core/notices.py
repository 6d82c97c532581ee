# SPDX-License-Identifier: Apache-2.0
"""Notices between processes: LISTEN/NOTIFY, a hint that something cached has changed.

A notice can be lost with its connection. So after each reconnection every listener is told to
forget all that it has cached.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable

from sqlmodel.ext.asyncio.session import AsyncSession

from app.core.database import CONNECTION_LOST, Database
from app.core.prepared_statements import PreparedStatement
from app.core.telemetry import RECONNECTS

logger = logging.getLogger(__name__)

Listener = Callable[[str], object]
EVERYTHING = "*"


class Notices:
    """Listens to the notices of some channels as long as the process lives."""

    def __init__(self, database: Database, listeners: dict[str, Listener]) -> None:
        """Each channel has one listener; it gets the payload, or `*` if all may have changed."""
        self._database = database
        self._listeners = listeners
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to listen; connection losses are mended in the background."""
        self._task = asyncio.create_task(self._listen_for_ever())

    async def stop(self) -> None:
        """Stop listening."""
        if self._task:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def _listen_for_ever(self) -> None:
        while True:
            try:
                await self._listen()
            except (*CONNECTION_LOST, TimeoutError) as error:
                logger.warning("listening connection lost", extra={"why": str(error)})
            except Exception:
                # Any other error, such as a changed password. Without notices the caches would go
                # stale.
                logger.exception("the connection for notices failed; it is tried again")
            RECONNECTS.labels("notices").inc()
            await asyncio.sleep(0.5)

    async def _listen(self) -> None:
        connection = await self._database.connect()
        ended = asyncio.Event()
        connection.add_termination_listener(lambda _: ended.set())
        try:
            for channel in self._listeners:
                await connection.add_listener(channel, self._receive)
            for listener in self._listeners.values():
                listener(EVERYTHING)
            while not ended.is_set():
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(ended.wait(), 30)
                if not ended.is_set():
                    await connection.execute("select 1", timeout=10)
        finally:
            connection.terminate()

    def _receive(self, _connection: object, _pid: int, channel: str, payload: object) -> None:
        self._listeners[channel](str(payload))


_NOTIFY = PreparedStatement("select pg_notify(:channel, :payload)")


async def notify(session: AsyncSession, channel: str, payload: str) -> None:
    """Send a notice to all processes when this transaction commits."""
    await _NOTIFY.run(session, channel=channel, payload=payload)
