"""Notices between processes: LISTEN/NOTIFY, a hint that something cached has changed.

A notice may be lost with its connection; so every reconnection tells each hearer to forget all.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable

from sqlmodel.ext.asyncio.session import AsyncSession

from app.core.database import CONNECTION_LOST, Database
from app.core.prepared import Prepared
from app.core.telemetry import RECONNECTS

logger = logging.getLogger(__name__)

Hearer = Callable[[str], object]
EVERYTHING = "*"


class Notices:
    """Hears the notices of some channels for as long as the process lives."""

    def __init__(self, database: Database, hearers: dict[str, Hearer]) -> None:
        """Each channel has one hearer; it gets the payload, or `*` where all may have changed."""
        self._database = database
        self._hearers = hearers
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
            except CONNECTION_LOST as error:
                logger.warning("listening connection lost", extra={"why": str(error)})
            RECONNECTS.labels("notices").inc()
            await asyncio.sleep(0.5)

    async def _listen(self) -> None:
        connection = await self._database.connect()
        ended = asyncio.Event()
        connection.add_termination_listener(lambda _: ended.set())
        try:
            for channel in self._hearers:
                await connection.add_listener(channel, self._heard)
            for hearer in self._hearers.values():
                hearer(EVERYTHING)
            while not ended.is_set():
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(ended.wait(), 30)
                if not ended.is_set():
                    await connection.execute("select 1", timeout=10)
        finally:
            connection.terminate()

    def _heard(self, _connection: object, _pid: int, channel: str, payload: object) -> None:
        self._hearers[channel](str(payload))


_NOTIFY = Prepared("select pg_notify(:channel, :payload)")


async def notify(session: AsyncSession, channel: str, payload: str) -> None:
    """Tell every process, when this transaction commits."""
    await _NOTIFY.run(session, channel=channel, payload=payload)
