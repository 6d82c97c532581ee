# SPDX-License-Identifier: Apache-2.0
"""Writing answers in batches: each batch is one statement on a connection of its own."""

import asyncio
import logging
import time
from collections import Counter
from dataclasses import replace
from uuid import UUID

import asyncpg

from app.core.batching import Batcher
from app.core.clock import utc_now
from app.core.database import BAD_DATA, CONNECTION_LOST, Database, RawConnection, is_node_lost
from app.core.errors import AfterwordError, Busy, InvalidInput
from app.core.telemetry import ANSWERS, BATCH_SIZE, RECONNECTS
from app.responses.writing import MOST_ROWS, Submission, WriteBatch, WriteResult, write_batch

logger = logging.getLogger(__name__)

_CONNECTIONS = 4
_MAX_WAIT_SECONDS = 30.0
_TRANSIENT = (
    asyncpg.DeadlockDetectedError,
    asyncpg.SerializationError,
    asyncpg.LockNotAvailableError,
    asyncpg.QueryCanceledError,
)


class GroupCommit:
    """Writes answers in batches over at most four connections of its own."""

    def __init__(self, database: Database, *, slot: int, max_waiting: int) -> None:
        """Prepare; connections are opened when they are first needed."""
        self._database = database
        self.slot = slot
        self._idle: list[RawConnection] = []
        self._places = asyncio.Semaphore(_CONNECTIONS)
        self._batcher: Batcher[Submission, WriteResult] = Batcher(
            self._write_with_events, slots=self._places, most=MOST_ROWS, max_waiting=max_waiting
        )

    async def submit(self, workspace_id: UUID, submission: Submission) -> WriteResult:
        """Write one answer and return when it is on disk; raise Busy where too many wait."""
        return await self._batcher.submit(workspace_id, submission)

    async def write(
        self, workspace_id: UUID, submissions: list[Submission], *, events: bool
    ) -> list[WriteResult | AfterwordError]:
        """Write at most 500 answers as a batch of their own; bad ones get their error."""
        async with self._places:
            return await self._write_held(workspace_id, submissions, events=events)

    async def close(self) -> None:
        """Write what waits, then close the connections."""
        await self._batcher.close()
        for connection in self._idle:
            await connection.close()
        self._idle.clear()

    async def _write_with_events(
        self, workspace_id: UUID, submissions: list[Submission]
    ) -> list[WriteResult | AfterwordError]:
        return await self._write_held(workspace_id, submissions, events=True)

    async def _write_held(
        self, workspace_id: UUID, submissions: list[Submission], *, events: bool
    ) -> list[WriteResult | AfterwordError]:
        """Write a batch; retry while the database is away, halve it if a row cannot be stored."""
        batch = WriteBatch(workspace_id, self.slot, events, utc_now())
        deadline = asyncio.get_running_loop().time() + _MAX_WAIT_SECONDS
        while True:
            try:
                written = await self._send(batch, submissions)
            except BAD_DATA as error:
                if len(submissions) == 1:
                    return [_refusal(error)]
                half = len(submissions) // 2
                return [
                    *await self._write_held(workspace_id, submissions[:half], events=events),
                    *await self._write_held(workspace_id, submissions[half:], events=events),
                ]
            except Exception as error:
                if not _is_transient(error):
                    raise
                await _wait_before_retry(error, deadline)
                batch = replace(batch, again=True)
            else:
                BATCH_SIZE.observe(len(submissions))
                for outcome, count in Counter(w.outcome for w in written).items():
                    ANSWERS.labels(outcome.value).inc(count)
                return list(written)

    async def _send(self, batch: WriteBatch, submissions: list[Submission]) -> list[WriteResult]:
        connection = (
            self._idle.pop()
            if self._idle
            else await self._database.connect_keeping_plans(jit="off")
        )
        try:
            batch = replace(batch, on_cluster=bool(self._database.known_as_cluster))
            written = await write_batch(connection, batch, submissions)
        except BAD_DATA:
            self._idle.append(connection)
            raise
        except asyncpg.DiskFullError as error:
            # A full disk will not be free in a second, so the error is raised at once.
            self._idle.append(connection)
            self._database.full_at = time.monotonic()
            msg = "The database's disk is full; send it again once there is room."
            raise Busy(msg) from error
        except BaseException:
            connection.terminate()
            raise
        self._idle.append(connection)
        return written


def _is_transient(error: Exception) -> bool:
    """Tell whether the same batch may succeed a moment later."""
    return isinstance(error, (*_TRANSIENT, *CONNECTION_LOST)) or is_node_lost(error)


async def _wait_before_retry(error: Exception, deadline: float) -> None:
    if asyncio.get_running_loop().time() > deadline:
        raise Busy("The database does not answer; send it again shortly.") from error
    RECONNECTS.labels("ingest").inc()
    logger.warning("batch is sent again", extra={"why": repr(error)})
    await asyncio.sleep(0.1)


def _refusal(error: Exception) -> AfterwordError:
    logger.warning("an answer could not be stored", extra={"why": repr(error)})
    return InvalidInput.at("body", msg=f"cannot be stored: {error}")
