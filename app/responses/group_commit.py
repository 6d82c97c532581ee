# SPDX-License-Identifier: Apache-2.0
"""Writing answers in batches: each batch is one statement on a connection of its own."""

import asyncio
import datetime as dt
import time
from collections import Counter
from collections.abc import Sequence
from uuid import UUID

import asyncpg

from app.core.batch_retries import write_in_halves, write_with_retries
from app.core.batching import Batcher
from app.core.clock import utc_now
from app.core.database import BAD_DATA, Database, RawConnection
from app.core.errors import AfterwordError, Busy
from app.core.telemetry import ANSWERS, BATCH_SIZE
from app.responses import lone_answer
from app.responses.writing import (
    MAX_ROWS,
    Submission,
    WriteBatch,
    WriteOutcome,
    WriteResult,
    write_batch,
)

_CONNECTIONS = 4
_WRITTEN = {outcome: ANSWERS.labels(outcome.value) for outcome in WriteOutcome}


class GroupCommit:
    """Writes answers in batches over at most four connections of its own."""

    def __init__(self, database: Database, *, slot: int, max_waiting: int) -> None:
        """Prepare; connections are opened when they are first needed."""
        self._database = database
        self.slot = slot
        self._idle: list[RawConnection] = []
        self._has_lone_function = True
        self._slots = asyncio.Semaphore(_CONNECTIONS)
        self._batcher: Batcher[Submission, WriteResult] = Batcher(
            self._write_with_events, slots=self._slots, most=MAX_ROWS, max_waiting=max_waiting
        )

    async def submit(self, workspace_id: UUID, submission: Submission) -> WriteResult:
        """Write one answer and return when it is on disk; raise Busy where too many wait."""
        return await self._batcher.submit(workspace_id, submission)

    async def write(
        self, workspace_id: UUID, submissions: list[Submission], *, events: bool
    ) -> list[WriteResult | AfterwordError]:
        """Write at most 500 answers as a batch of their own; bad ones get their error."""
        async with self._slots:
            return await self._write_in_slot(workspace_id, submissions, events=events)

    async def close(self) -> None:
        """Write what waits, then close the connections."""
        await self._batcher.close()
        for connection in self._idle:
            await connection.close()
        self._idle.clear()

    async def _write_with_events(
        self, workspace_id: UUID, submissions: list[Submission]
    ) -> list[WriteResult | AfterwordError]:
        return await self._write_in_slot(workspace_id, submissions, events=True)

    async def _write_in_slot(
        self, workspace_id: UUID, submissions: list[Submission], *, events: bool
    ) -> list[WriteResult | AfterwordError]:
        """Write a batch; each bad answer gets its error."""

        async def write(batch: Sequence[Submission]) -> list[WriteResult]:
            now = utc_now()
            return await write_with_retries(
                lambda number: self._send(workspace_id, batch, events, now, again=number > 0),
                part="ingest",
            )

        results = await write_in_halves(submissions, write)
        # Counting can wait until the replies have left.
        asyncio.get_running_loop().call_soon(_count, results)
        return results

    async def _connect(self) -> RawConnection:
        connection = await self._database.connect_keeping_plans(jit="off")
        if self._database.known_as_cluster:
            return connection
        try:
            await connection.execute(lone_answer.FUNCTION)
        except asyncpg.InsufficientPrivilegeError:
            # This user may make nothing temporary: lone answers are written as batches are.
            self._has_lone_function = False
        except asyncpg.DiskFullError as error:
            connection.terminate()
            raise self._note_full_disk() from error
        except BaseException:
            connection.terminate()
            raise
        return connection

    def _note_full_disk(self) -> Busy:
        """Note when the disk was full, for readiness, and return what the caller is told."""
        self._database.full_at = time.monotonic()
        return Busy("The database's disk is full; send it again once there is room.")

    async def _send(
        self,
        workspace_id: UUID,
        submissions: Sequence[Submission],
        events: bool,
        now: dt.datetime,
        *,
        again: bool,
    ) -> list[WriteResult]:
        connection = self._idle.pop() if self._idle else await self._connect()
        batch = WriteBatch(
            workspace_id,
            self.slot,
            events,
            now,
            is_retry=again,
            on_cluster=bool(self._database.known_as_cluster),
            has_lone_function=self._has_lone_function,
        )
        try:
            written = await write_batch(connection, batch, submissions)
        except BAD_DATA:
            self._idle.append(connection)
            raise
        except asyncpg.DiskFullError as error:
            # A full disk will not be free in a second, so the error is raised at once.
            self._idle.append(connection)
            raise self._note_full_disk() from error
        except BaseException:
            connection.terminate()
            raise
        self._idle.append(connection)
        return written


def _count(results: Sequence[WriteResult | AfterwordError]) -> None:
    BATCH_SIZE.observe(len(results))
    counts = Counter(result.outcome for result in results if isinstance(result, WriteResult))
    for outcome, count in counts.items():
        _WRITTEN[outcome].inc(count)
