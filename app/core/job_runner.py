# SPDX-License-Identifier: Apache-2.0
"""The loop that runs jobs: a few at a time, leases renewed, returned at shutdown.

Each turn removes the jobs that are done and claims those that are due, in one transaction.
"""

import asyncio
import contextlib
import datetime as dt
import logging
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping
from uuid import UUID, uuid4

from app.core import jobs
from app.core.clock import utc_now
from app.core.database import Database, is_connection_lost
from app.core.jobs import Job, KindGroup, LaterError
from app.core.telemetry import JOBS

logger = logging.getLogger(__name__)

JobHandler = Callable[[Database, Job], Awaitable[None]]

_SHARED = "shared"
_MAX_SLEEP_SECONDS = 5.0
_HEARTBEAT_SECONDS = 10.0
_GRACE_SECONDS = 25.0
_FIRST_RETRY = dt.timedelta(seconds=2)
_MAX_RETRY_DELAY = dt.timedelta(hours=1)


def job_retry_delay(attempt: int) -> dt.timedelta:
    """Return the wait after a failed attempt: 2 s doubling to an hour, ±20 %."""
    wait = min(_FIRST_RETRY * 2 ** min(attempt - 1, 20), _MAX_RETRY_DELAY)
    spread: dt.timedelta = wait * random.uniform(0.8, 1.2)  # noqa: S311 - spreads retries, guards nothing
    return spread


@contextlib.contextmanager
def _ignore_lost_connection() -> Iterator[None]:
    """Ignore a lost connection: the lease expires, and the job runs again."""
    try:
        yield
    except Exception as error:
        if not is_connection_lost(error):
            raise


class JobRunner:
    """Runs the jobs of the kinds it has handlers for.

    `concurrency` jobs run at once. A kind in `own_slots` has as many slots of its own: many of its
    jobs run at once, because they share their transactions.
    """

    def __init__(
        self,
        database: Database,
        handlers: Mapping[str, JobHandler],
        *,
        concurrency: int = 8,
        own_slots: Mapping[str, int] | None = None,
    ) -> None:
        """Prepare; nothing is claimed before `run`."""
        self._database = database
        self._handlers = dict(handlers)
        self._concurrency = concurrency
        self._own_slots = {key: most for key, most in (own_slots or {}).items() if key in handlers}
        self._worker = uuid4()
        self._running: dict[UUID, asyncio.Task[None]] = {}
        self._busy: Counter[str] = Counter()
        self._done: list[Job] = []
        self._woken = asyncio.Event()
        self._stopping = False

    def wake(self, _payload: str = "") -> None:
        """Look for due jobs now."""
        self._woken.set()

    async def run(self) -> None:
        """Run jobs until `stop`, then end them; a database that goes away is waited for."""
        heartbeat = asyncio.create_task(self._renew_for_ever())
        try:
            while not self._stopping:
                self._woken.clear()
                try:
                    sleep = await self._turn()
                except Exception as error:
                    if not is_connection_lost(error):
                        raise
                    sleep = 1.0
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._woken.wait(), sleep)
        finally:
            # Only after the last turn, because jobs that it has claimed must run too.
            await self._end_running()
            heartbeat.cancel()

    def stop(self) -> None:
        """Let `run` finish what runs within the grace period, and return the rest."""
        self._stopping = True
        self.wake()

    async def _end_running(self) -> None:
        if self._running:
            await asyncio.wait(self._running.values(), timeout=_GRACE_SECONDS)
        for task in list(self._running.values()):
            task.cancel()
        await asyncio.gather(*self._running.values(), return_exceptions=True)
        with _ignore_lost_connection():
            async with self._database.transaction() as session:
                await jobs.finish(session, self._done)

    async def _turn(self) -> float:
        """Remove what is done, start what is due, and return how long to sleep, in seconds."""
        groups, done = self._free_groups(), list(self._done)
        async with self._database.transaction() as session:
            await jobs.finish(session, done)
            claimed = await jobs.lease_due(session, worker=self._worker, groups=groups)
            tally = Counter(self._group_of(job.kind) for job in claimed)
            # Where all slots are taken, the end of a job wakes the loop.
            free = [group for group in groups if tally[self._group_of(group.kinds[0])] < group.free]
            due = await jobs.next_due(session, [kind for group in free for kind in group.kinds])
        del self._done[: len(done)]
        self._busy += tally
        for job in claimed:
            self._running[job.id] = asyncio.create_task(self._attempt(job))
        if due is None:
            return _MAX_SLEEP_SECONDS
        return max(0.05, min(_MAX_SLEEP_SECONDS, (due - utc_now()).total_seconds()))

    def _free_groups(self) -> list[KindGroup]:
        """Return the groups that have free slots."""
        shared = [kind for kind in self._handlers if kind not in self._own_slots]
        groups = [KindGroup(shared, self._concurrency - self._busy[_SHARED])]
        groups += [
            KindGroup([kind], most - self._busy[kind]) for kind, most in self._own_slots.items()
        ]
        return [group for group in groups if group.free > 0 and group.kinds]

    def _group_of(self, kind: str) -> str:
        return kind if kind in self._own_slots else _SHARED

    async def _attempt(self, job: Job) -> None:
        outcome = "done"
        try:
            await self._handlers[job.kind](self._database, job)
            self._done.append(job)
        except asyncio.CancelledError:
            outcome = "returned"
            await self._put_back(job, "", utc_now(), counted=False)
        except LaterError as error:
            outcome = "later"
            logger.warning("job waits", extra={"kind": job.kind, "why": str(error)})
            await self._put_back(job, str(error), utc_now() + error.after, counted=error.counted)
        except Exception as error:
            outcome = "failed"
            logger.exception("job failed", extra={"kind": job.kind, "attempt": job.attempts})
            await self._put_back(job, repr(error), utc_now() + job_retry_delay(job.attempts))
        finally:
            JOBS.labels(job.kind, outcome).inc()
            self._running.pop(job.id, None)
            self._busy[self._group_of(job.kind)] -= 1
            self.wake()

    async def _put_back(
        self, job: Job, error: str, run_at: dt.datetime, *, counted: bool = True
    ) -> None:
        with _ignore_lost_connection():
            async with self._database.transaction() as session:
                await jobs.put_back(session, job, error=error, run_at=run_at, counted=counted)

    async def _renew_for_ever(self) -> None:
        while True:
            await asyncio.sleep(_HEARTBEAT_SECONDS)
            try:
                async with self._database.transaction() as session:
                    leased_ids = [*self._running, *(job.id for job in self._done)]
                    await jobs.renew(session, worker=self._worker, ids=leased_ids)
            except Exception as error:
                # The next beat comes before a lease is over.
                if not is_connection_lost(error):
                    logger.exception("leases were not renewed")
