# SPDX-License-Identifier: Apache-2.0
"""Jobs: leased, counted before they run, dead after their last attempt, never in the way."""

import asyncio
import datetime as dt
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import text

from app.core import jobs
from app.core.clock import utc_now
from app.core.database import Database, run_sql
from app.core.job_runner import JobRunner, job_retry_delay
from app.core.jobs import Job, KindGroup, LaterError, lease_due


async def add(database: Database, kind: str, **options: object) -> UUID:
    workspace = uuid4()
    async with database.transaction() as session:
        await jobs.enqueue(session, kind, workspace_id=workspace, **options)  # type: ignore[arg-type]
    return workspace


async def remaining_jobs(database: Database, kind: str) -> list[tuple[Any, ...]]:
    async with database.session() as session:
        rows = await run_sql(
            session,
            text("select attempts, dead_at, error from job where kind = :kind").bindparams(
                kind=kind
            ),
        )
        return [tuple(row) for row in rows]


async def test_a_job_runs_once_and_is_gone(database: Database) -> None:
    ran: list[UUID] = []

    async def handler(_database: Database, job: Job) -> None:
        ran.append(job.workspace_id)

    workspace = await add(database, "t.once")
    runners = [JobRunner(database, {"t.once": handler}) for _ in range(3)]
    running = [asyncio.create_task(worker.run()) for worker in runners]
    for _ in range(100):
        if not await remaining_jobs(database, "t.once"):
            break
        await asyncio.sleep(0.02)
    for runner in runners:
        runner.stop()
    await asyncio.gather(*running)
    assert ran == [workspace]


async def test_a_rolled_back_transaction_enqueues_nothing(database: Database) -> None:
    async with database.session() as session:
        await jobs.enqueue(session, "t.undone", workspace_id=uuid4())
        await session.rollback()
    assert await remaining_jobs(database, "t.undone") == []


async def test_the_same_work_waits_once(database: Database) -> None:
    workspace = uuid4()
    async with database.transaction() as session:
        for _ in range(3):
            await jobs.enqueue(session, "t.same", workspace_id=workspace, dedupe="d")
    assert len(await remaining_jobs(database, "t.same")) == 1


async def test_a_poison_job_dies_after_its_attempts_with_its_error(database: Database) -> None:
    await add(database, "t.poison", max_attempts=2)
    worker = uuid4()
    for _ in range(2):
        async with database.transaction() as session:
            await run_sql(session, text("update job set run_at = now() where kind = 't.poison'"))
            (job,) = await jobs.lease_due(
                session, worker=worker, groups=[KindGroup(["t.poison"], 5)]
            )
            await jobs.put_back(session, job, error="boom", run_at=utc_now())
    ((attempts, dead_at, error),) = await remaining_jobs(database, "t.poison")
    assert (attempts, error) == (2, "boom")
    assert dead_at is not None


async def test_a_job_whose_worker_was_killed_runs_again_and_dies_after_its_last_attempt(
    database: Database,
) -> None:
    await add(database, "t.killer", max_attempts=2)
    expire = text("update job set run_at = now() - interval '1 second' where kind = 't.killer'")
    for attempt in (1, 2):
        async with database.transaction() as session:
            (job,) = await jobs.lease_due(
                session, worker=uuid4(), groups=[KindGroup(["t.killer"], 5)]
            )
            assert job.attempts == attempt
            assert (
                await lease_due(session, worker=uuid4(), groups=[KindGroup(["t.killer"], 5)]) == []
            )
            await run_sql(session, expire)
    async with database.transaction() as session:
        assert await lease_due(session, worker=uuid4(), groups=[KindGroup(["t.killer"], 5)]) == []
    ((_, dead_at, error),) = await remaining_jobs(database, "t.killer")
    assert dead_at is not None
    assert "killed" in str(error)


async def test_only_the_holder_finishes_a_job(database: Database) -> None:
    await add(database, "t.fence")
    async with database.transaction() as session:
        (job,) = await lease_due(session, worker=uuid4(), groups=[KindGroup(["t.fence"], 1)])
        stranger = job.model_copy(update={"worker": uuid4()})
        assert await jobs.finish(session, [stranger]) == set()
        assert await jobs.finish(session, [job]) == {job.id}


async def test_periodic_work_has_one_turn(database: Database) -> None:
    async with database.transaction() as session:
        assert await jobs.take_periodic(session, "t.round", every=dt.timedelta(hours=1))
    async with database.transaction() as session:
        assert not await jobs.take_periodic(session, "t.round", every=dt.timedelta(hours=1))


def test_retries_wait_longer_each_time_up_to_an_hour() -> None:
    waits = [job_retry_delay(attempt).total_seconds() for attempt in (1, 3, 30)]
    assert 1.6 <= waits[0] <= 2.4
    assert 6.4 <= waits[1] <= 9.6
    assert 2880 <= waits[2] <= 4320


async def test_a_dead_job_is_listed_and_may_run_again(database: Database) -> None:
    async def fails(_database: Database, _job: Job) -> None:
        msg = "it cannot work"
        raise RuntimeError(msg)

    workspace = await add(database, "t.dies", dedupe="x", max_attempts=1)

    async def mine(*, dead: bool) -> list[dict[str, Any]]:
        async with database.session() as session:
            rows = await jobs.list_jobs(session, dead=dead, limit=500)
        return [job for job in rows if job["workspace_id"] == workspace]

    runner = JobRunner(database, {"t.dies": fails})
    running = asyncio.create_task(runner.run())
    for _ in range(200):
        if await mine(dead=True):
            break
        await asyncio.sleep(0.05)
    runner.stop()
    await running
    (dead,) = await mine(dead=True)
    assert "it cannot work" in dead["error"]
    async with database.transaction() as session:
        assert await jobs.retry_dead(session, [dead["id"]]) == 1
    (alive,) = await mine(dead=False)
    assert (alive["id"], alive["attempts"]) == (dead["id"], 0)


async def test_a_job_that_only_waits_uses_up_no_attempt(database: Database) -> None:
    tries = 0

    async def waits(_database: Database, _job: Job) -> None:
        nonlocal tries
        tries += 1
        if tries < 5:
            raise LaterError("paused", after=dt.timedelta(), counted=False)

    await add(database, "t.waits", max_attempts=1)
    runner = JobRunner(database, {"t.waits": waits})
    running = asyncio.create_task(runner.run())
    for _ in range(200):
        if not await remaining_jobs(database, "t.waits"):
            break
        await asyncio.sleep(0.05)
    runner.stop()
    await running
    assert tries == 5


async def test_a_crowd_of_one_kind_hides_no_job_of_another(database: Database) -> None:
    ran: list[str] = []
    enough = asyncio.Event()

    async def slow(_database: Database, _job: Job) -> None:
        await enough.wait()

    async def quick(_database: Database, job: Job) -> None:
        ran.append(job.kind)

    for _ in range(40):
        await add(database, "t.crowd")
    await add(database, "t.rare")
    own_slots = {"t.crowd": 4}
    runner = JobRunner(
        database, {"t.crowd": slow, "t.rare": quick}, concurrency=1, own_slots=own_slots
    )
    running = asyncio.create_task(runner.run())
    for _ in range(100):
        if ran:
            break
        await asyncio.sleep(0.02)
    assert ran == ["t.rare"]
    enough.set()
    for _ in range(200):
        if not await remaining_jobs(database, "t.crowd"):
            break
        await asyncio.sleep(0.02)
    runner.stop()
    await running
    assert await remaining_jobs(database, "t.crowd") == []


async def test_a_runner_that_is_stopped_leaves_no_job_half_done(database: Database) -> None:
    began: list[UUID] = []
    ended: list[UUID] = []

    async def handler(_database: Database, job: Job) -> None:
        began.append(job.id)
        await asyncio.sleep(0.003)
        ended.append(job.id)

    # It is stopped at every moment of a turn: before, while and after it claims.
    for milliseconds in range(20):
        await add(database, "t.stopped")
        runner = JobRunner(database, {"t.stopped": handler})
        running = asyncio.create_task(runner.run())
        await asyncio.sleep(milliseconds / 2000)
        runner.stop()
        await running
        assert began == ended
        assert {attempts for attempts, *_ in await remaining_jobs(database, "t.stopped")} <= {0}
    assert ended


async def test_the_older_of_two_dead_jobs_alone_may_run_again(database: Database) -> None:
    workspace = uuid4()
    dead = []
    for _ in range(2):
        async with database.transaction() as session:
            await jobs.enqueue(session, "t.twins", workspace_id=workspace, dedupe="d")
            await run_sql(session, text("update job set dead_at = now() where kind = 't.twins'"))
    async with database.session() as session:
        dead = [
            job["id"]
            for job in await jobs.list_jobs(session, dead=True, limit=500)
            if job["workspace_id"] == workspace
        ]
    older, newer = sorted(dead)
    async with database.transaction() as session:
        assert await jobs.retry_dead(session, [older]) == 1
    async with database.session() as session:
        waiting = [job["id"] for job in await jobs.list_jobs(session, dead=False, limit=500)]
    assert older in waiting
    assert newer not in waiting
    # Both at once would do the same work twice: the newer one is kept.
    async with database.transaction() as session:
        assert await jobs.retry_dead(session, [newer]) == 0
