# SPDX-License-Identifier: Apache-2.0
"""Jobs: a leased queue. A job is enqueued in the transaction of the change that needs it.

`lease_due` moves `run_at` forward by the lease and counts the attempt before the job runs. So a job
that kills its process still dies after its last attempt, and the jobs of a killed worker run again
when the lease is over. Only the worker that holds a job can finish it.
"""

import datetime as dt
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Index, text
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import Field, SQLModel
from sqlmodel.ext.asyncio.session import AsyncSession

from app.core.clock import utc_now
from app.core.database import run_sql
from app.core.ids import uuid7
from app.core.notices import notify
from app.core.prepared_statements import PreparedStatement, as_json
from app.core.schema import QUEUE, Instant, Json

LEASE = dt.timedelta(seconds=30)
JOB_NOTICES = "afterword_jobs"
# A mail is tried for days, because a mail server may be down for one.
MAIL_ATTEMPTS = 120
_MAX_ERROR_CHARACTERS = 2000


class LaterError(Exception):
    """Raised by a handler whose job cannot be done yet: it is tried again after a time."""

    def __init__(self, why: str, *, after: dt.timedelta, counted: bool = True) -> None:
        """Say why, for the list of jobs, how long to wait, and whether it was an attempt."""
        super().__init__(why)
        self.after = after
        self.counted = counted


class Job(SQLModel, table=True):
    """One piece of background work for one workspace."""

    __table_args__ = (
        Index(None, "kind", "run_at", postgresql_where=text("dead_at is null")),
        Index(
            "uq_job_dedupe",
            "workspace_id",
            "kind",
            "dedupe",
            unique=True,
            postgresql_where=text("dedupe is not null and dead_at is null"),
        ),
        QUEUE,
    )

    id: UUID = Field(primary_key=True)
    workspace_id: UUID
    kind: str
    payload: dict[str, Any] = Field(sa_type=Json)
    dedupe: str | None = None
    run_at: dt.datetime = Field(sa_type=Instant)
    attempts: int = 0
    max_attempts: int
    worker: UUID | None = None
    error: str | None = None
    dead_at: dt.datetime | None = Field(default=None, sa_type=Instant)
    created_at: dt.datetime = Field(sa_type=Instant)


class Periodic(SQLModel, table=True):
    """Work that is done at regular intervals, by the process that locks its row."""

    __table_args__ = QUEUE

    name: str = Field(primary_key=True)
    due_at: dt.datetime = Field(sa_type=Instant)


async def enqueue(  # noqa: PLR0913 - what a job is made of
    session: AsyncSession,
    kind: str,
    *,
    workspace_id: UUID,
    payload: dict[str, Any] | None = None,
    run_at: dt.datetime | None = None,
    dedupe: str | None = None,
    max_attempts: int = 10,
) -> None:
    """Enqueue a job in this transaction, unless one with the same `dedupe` is waiting."""
    now = utc_now()
    job = Job(
        id=uuid7(),
        workspace_id=workspace_id,
        kind=kind,
        payload=payload or {},
        dedupe=dedupe,
        run_at=run_at or now,
        max_attempts=max_attempts,
        created_at=now,
    )
    await session.exec(insert(Job).values(**job.model_dump()).on_conflict_do_nothing())
    await notify(session, JOB_NOTICES, kind)


_ENQUEUE_MANY = PreparedStatement("""
insert into job (id, workspace_id, kind, payload, dedupe, run_at, attempts, max_attempts,
  created_at)
select n.id, cast(:workspace_id as uuid), cast(:kind as text), n.payload, n.dedupe, n.run_at, 0,
  cast(:max_attempts as int), cast(:now as timestamptz)
from json_to_recordset(cast(:rows as json))
  n(id uuid, run_at timestamptz, dedupe text, payload jsonb)
on conflict do nothing
""")


async def enqueue_many(
    session: AsyncSession,
    kind: str,
    *,
    workspace_id: UUID,
    planned: Sequence[tuple[dt.datetime, str, dict[str, Any]]],
    max_attempts: int = 10,
) -> None:
    """Enqueue many jobs of one kind; `planned` has the time, `dedupe` and payload of each."""
    if not planned:
        return
    rows = [
        {"id": str(uuid7()), "run_at": at.isoformat(), "dedupe": dedupe, "payload": payload}
        for at, dedupe, payload in planned
    ]
    await _ENQUEUE_MANY.run(
        session, workspace_id=workspace_id, kind=kind, max_attempts=max_attempts, now=utc_now(),
        rows=as_json(rows),
    )  # fmt: skip
    await notify(session, JOB_NOTICES, kind)


async def hasten(
    session: AsyncSession, kind: str, *, workspace_id: UUID, dedupes: Sequence[str]
) -> None:
    """Make waiting jobs due now; running jobs are not affected."""
    if not dedupes:
        return
    await run_sql(
        session,
        text(
            "update job set run_at = :now where workspace_id = :workspace_id and kind = :kind "
            "and dedupe = any(:dedupes) and dead_at is null and worker is null and run_at > :now"
        ).bindparams(now=utc_now(), workspace_id=workspace_id, kind=kind, dedupes=list(dedupes)),
    )
    await notify(session, JOB_NOTICES, kind)


@dataclass(frozen=True, slots=True)
class KindGroup:
    """Kinds of jobs that share worker slots, and how many of these are free."""

    kinds: Sequence[str]
    free: int


_KILLED = "its worker was killed while it ran"
# Each kind is queried by itself, so that many jobs of one kind do not delay those of another.
_LEASE_DUE = text("""
update job set
  dead_at = case when job.attempts >= job.max_attempts then :now end,
  error = case when job.attempts >= job.max_attempts then coalesce(job.error, :killed)
    else job.error end,
  worker = case when job.attempts < job.max_attempts then cast(:worker as uuid) end,
  run_at = case when job.attempts < job.max_attempts then :until else job.run_at end,
  attempts = job.attempts + case when job.attempts < job.max_attempts then 1 else 0 end
from (
  select due.id, g.free, row_number() over (partition by g.number order by due.run_at) as position
  from json_to_recordset(cast(:groups as json)) g(number int, kind text, free int)
  cross join lateral (
    select j.id, j.run_at from job j where j.run_at <= :now and j.dead_at is null
    and j.kind = g.kind order by j.run_at for update skip locked limit g.free
  ) due
) due
where job.id = due.id and due.position <= due.free returning job.*
""").columns(payload=Json)


async def lease_due(
    session: AsyncSession, *, worker: UUID, groups: Sequence[KindGroup]
) -> list[Job]:
    """Lease as many due jobs as their groups have free slots; those out of attempts die instead."""
    now = utc_now()
    free = [
        {"number": number, "kind": kind, "free": group.free}
        for number, group in enumerate(groups)
        for kind in group.kinds
        if group.free > 0
    ]
    rows = await run_sql(
        session,
        _LEASE_DUE.bindparams(
            now=now, until=now + LEASE, worker=worker, killed=_KILLED, groups=json.dumps(free)
        ),
    )
    return [Job.model_validate(dict(row._mapping)) for row in rows if row.dead_at is None]


async def next_due(session: AsyncSession, kinds: Sequence[str]) -> dt.datetime | None:
    """Return when the next job of these kinds is due."""
    query = text(
        "select min(next.run_at) from unnest(cast(:kinds as text[])) k(kind) cross join lateral "
        "(select run_at from job where dead_at is null and job.kind = k.kind "
        "order by run_at limit 1) next"
    )
    row = await run_sql(session, query.bindparams(kinds=list(kinds)))
    due: dt.datetime | None = row.one()[0]
    return due


async def renew(session: AsyncSession, *, worker: UUID, ids: list[UUID]) -> None:
    """Lengthen the leases of jobs that still run."""
    await run_sql(
        session,
        text("update job set run_at = :until where id = any(:ids) and worker = :worker").bindparams(
            until=utc_now() + LEASE, ids=ids, worker=worker
        ),
    )


async def finish(session: AsyncSession, done: Sequence[Job]) -> set[UUID]:
    """Delete finished jobs; return their ids, except jobs that another worker has claimed."""
    if not done:
        return set()
    rows = await run_sql(
        session,
        text(
            "delete from job using unnest(cast(:ids as uuid[]), cast(:workers as uuid[])) "
            "d(id, worker) where job.id = d.id and job.worker = d.worker returning job.id"
        ).bindparams(ids=[job.id for job in done], workers=[job.worker for job in done]),
    )
    return {row.id for row in rows}


async def put_back(
    session: AsyncSession, job: Job, *, error: str, run_at: dt.datetime, counted: bool = True
) -> None:
    """Return a job for another attempt, or let it die after its last."""
    dead = counted and job.attempts >= job.max_attempts
    await run_sql(
        session,
        text(
            "update job set run_at = :run_at, worker = null, error = :error, dead_at = :dead_at, "
            "attempts = attempts - :uncounted where id = :id and worker = :worker"
        ).bindparams(
            run_at=run_at,
            error=error[:_MAX_ERROR_CHARACTERS] or None,
            dead_at=utc_now() if dead else None,
            uncounted=0 if counted else 1,
            id=job.id,
            worker=job.worker,
        ),
    )


@dataclass(frozen=True, slots=True)
class JobCounts:
    """How many jobs there are, and since when the oldest due one waits."""

    due: int
    running: int
    waiting: int
    dead: int
    oldest_due_seconds: float


async def count_jobs(session: AsyncSession) -> JobCounts:
    """Count the jobs by what they are doing."""
    rows = await run_sql(
        session,
        text(
            "select count(*) filter (where dead_at is null and worker is null "
            "and run_at <= :now) as due, "
            "count(*) filter (where dead_at is null and worker is not null) as running, "
            "count(*) filter (where dead_at is null and worker is null "
            "and run_at > :now) as waiting, "
            "count(*) filter (where dead_at is not null) as dead, "
            "coalesce(extract(epoch from :now - min(run_at) filter (where dead_at is null "
            "and worker is null and run_at <= :now)), 0)::float8 as oldest_due_seconds from job"
        ).bindparams(now=utc_now()),
    )
    return JobCounts(**rows.one()._mapping)


async def list_jobs(session: AsyncSession, *, dead: bool, limit: int) -> list[dict[str, Any]]:
    """Return jobs with their last error, the dead ones or those alive, oldest first."""
    rows = await run_sql(
        session,
        text(
            "select id, workspace_id, kind, payload, attempts, max_attempts, run_at, error, "
            "worker is not null as running, dead_at from job "
            f"where dead_at is {'not ' if dead else ''}null order by run_at, id limit :limit"
        )
        .columns(payload=Json)
        .bindparams(limit=limit),
    )
    return [dict(row._mapping) for row in rows]


async def retry_dead(session: AsyncSession, ids: Sequence[UUID] | None = None) -> int:
    """Reset the attempts of dead jobs, of all or of the given ones; return how many.

    A dead job is deleted instead if a job with the same `dedupe` waits, or is retried with it.
    """
    ids_sql = "(cast(:ids as uuid[]) is null or {}.id = any(:ids))"
    chosen = f"dead_at is not null and {ids_sql.format('job')}"
    bound = {"ids": list(ids) if ids is not None else None}
    await run_sql(
        session,
        text(
            f"delete from job d where d.dead_at is not null and {ids_sql.format('d')} "
            "and exists (select from job a where "
            f"(a.dead_at is null or (a.id > d.id and {ids_sql.format('a')})) "
            "and a.workspace_id = d.workspace_id "
            "and a.kind = d.kind and a.dedupe = d.dedupe)"
        ).bindparams(**bound),
    )
    rows = await run_sql(
        session,
        text(
            "update job set dead_at = null, attempts = 0, run_at = :now, worker = null "
            f"where {chosen} returning 1"
        ).bindparams(now=utc_now(), **bound),
    )
    await notify(session, JOB_NOTICES, "")
    return len(rows.all())


async def take_periodic(session: AsyncSession, name: str, *, every: dt.timedelta) -> bool:
    """Take the turn of some periodic work in this transaction; False where it is not due."""
    now = utc_now()
    await run_sql(
        session,
        text(
            "insert into periodic (name, due_at) values (:name, :now) on conflict do nothing"
        ).bindparams(name=name, now=now),
    )
    due = await run_sql(
        session,
        text(
            "select 1 from periodic where name = :name and due_at <= :now for update skip locked"
        ).bindparams(name=name, now=now),
    )
    if due.first() is None:
        return False
    await run_sql(
        session,
        text("update periodic set due_at = :next where name = :name").bindparams(
            name=name, next=now + every
        ),
    )
    return True
