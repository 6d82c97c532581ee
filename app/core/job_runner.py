"""The loop that runs jobs: a few at a time, leases renewed, returned at shutdown."""

import asyncio
import contextlib
import datetime as dt
import logging
import random
from collections.abc import Awaitable, Callable, Iterator, Mapping
from uuid import UUID, uuid4

from app.core import jobs
from app.core.clock import utc_now
from app.core.database import Database, is_connection_lost
from app.core.jobs import Job, LaterError
from app.core.telemetry import JOBS

logger = logging.getLogger(__name__)

Handler = Callable[[Database, Job], Awaitable[None]]

_LONGEST_SLEEP = 5.0
_HEARTBEAT = 10.0
_GRACE = 25.0
_FIRST_RETRY = dt.timedelta(seconds=2)
_LONGEST_RETRY = dt.timedelta(hours=1)


def retry_after(attempt: int) -> dt.timedelta:
    """Return the wait after a failed attempt: 2 s doubling to an hour, ±20 %."""
    wait = min(_FIRST_RETRY * 2 ** min(attempt - 1, 20), _LONGEST_RETRY)
    spread: dt.timedelta = wait * random.uniform(0.8, 1.2)  # noqa: S311 - spreads retries, guards nothing
    return spread


@contextlib.contextmanager
def _forgiving() -> Iterator[None]:
    """Let a lost database pass: the lease runs out and the job runs again."""
    try:
        yield
    except Exception as error:
        if not is_connection_lost(error):
            raise


class JobRunner:
    """Runs the jobs of the kinds it has handlers for."""

    def __init__(
        self, database: Database, handlers: Mapping[str, Handler], *, concurrency: int = 8
    ) -> None:
        """Prepare; `run` works until it is cancelled through `stop`."""
        self._database = database
        self._handlers = dict(handlers)
        self._concurrency = concurrency
        self._worker = uuid4()
        self._running: dict[UUID, asyncio.Task[None]] = {}
        self._woken = asyncio.Event()
        self._stopping = False

    def wake(self, _payload: str = "") -> None:
        """Look for due jobs now."""
        self._woken.set()

    async def run(self) -> None:
        """Run jobs until `stop`; a database that goes away is waited for."""
        heartbeat = asyncio.create_task(self._renew_for_ever())
        try:
            while not self._stopping:
                self._woken.clear()
                try:
                    sleep = await self._start_due()
                except Exception as error:
                    if not is_connection_lost(error):
                        raise
                    sleep = 1.0
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._woken.wait(), sleep)
        finally:
            heartbeat.cancel()

    async def stop(self) -> None:
        """Finish what runs within the grace period and return the rest."""
        self._stopping = True
        self.wake()
        if self._running:
            await asyncio.wait(self._running.values(), timeout=_GRACE)
        for task in list(self._running.values()):
            task.cancel()
        await asyncio.gather(*self._running.values(), return_exceptions=True)

    async def _start_due(self) -> float:
        """Start what is due and return how long to sleep, in seconds."""
        free = self._concurrency - len(self._running)
        if free <= 0:
            return _LONGEST_SLEEP
        async with self._database.transaction() as session:
            claimed = await jobs.claim(
                session, worker=self._worker, kinds=list(self._handlers), limit=free
            )
        for job in claimed:
            self._running[job.id] = asyncio.create_task(self._attempt(job))
        if len(claimed) == free:
            return _LONGEST_SLEEP
        async with self._database.session() as session:
            due = await jobs.next_due(session, list(self._handlers))
        if due is None:
            return _LONGEST_SLEEP
        return max(0.05, min(_LONGEST_SLEEP, (due - utc_now()).total_seconds()))

    async def _attempt(self, job: Job) -> None:
        outcome = "done"
        try:
            await self._handlers[job.kind](self._database, job)
            async with self._database.transaction() as session:
                await jobs.finish(session, job)
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
            await self._put_back(job, repr(error), utc_now() + retry_after(job.attempts))
        finally:
            JOBS.labels(job.kind, outcome).inc()
            self._running.pop(job.id, None)
            self.wake()

    async def _put_back(
        self, job: Job, error: str, run_at: dt.datetime, *, counted: bool = True
    ) -> None:
        with _forgiving():
            async with self._database.transaction() as session:
                await jobs.put_back(session, job, error=error, run_at=run_at, counted=counted)

    async def _renew_for_ever(self) -> None:
        while True:
            await asyncio.sleep(_HEARTBEAT)
            try:
                async with self._database.transaction() as session:
                    await jobs.renew(session, worker=self._worker, ids=list(self._running))
            except Exception as error:
                # The next beat comes before a lease is over.
                if not is_connection_lost(error):
                    logger.exception("leases were not renewed")
