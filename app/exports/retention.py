# SPDX-License-Identifier: Apache-2.0
"""Retention: erase customers without any activity for longer than the workspace keeps them.

It is the same erasure that a customer can ask for: names are deleted everywhere, figures stay.
"""

import datetime as dt
from pathlib import Path
from uuid import UUID

from sqlalchemy import text
from sqlmodel.ext.asyncio.session import AsyncSession

from app.core import jobs
from app.core.database import Database, run_sql
from app.core.jobs import Job
from app.core.signing import SealedBox
from app.exports.erasure import WITHOUT_TEXTS, erase_customer
from app.interactions.customers import find_customer, lock_cases, lock_customers

RETAIN_JOB = "exports.retain"
_MAX_BATCH_SIZE = 500

_INACTIVE = """
select c.id from customer c where c.workspace_id = :workspace_id and c.erased_at is null
and c.merged_into is null and c.created_at < :oldest and c.updated_at < :oldest
and not exists (select from response r where r.workspace_id = c.workspace_id
  and r.customer_id = c.id and (r.responded_at >= :oldest or r.created_at >= :oldest))
and not exists (select from interaction i where i.workspace_id = c.workspace_id
  and i.customer_id = c.id and (i.occurred_at >= :oldest or i.created_at >= :oldest))
and not exists (select from invitation v where v.workspace_id = c.workspace_id
  and v.customer_id = c.id and (v.send_at >= :oldest or v.created_at >= :oldest))"""
_FIND_INACTIVE = text(f"{_INACTIVE} order by c.id limit :most")
_IS_STILL_INACTIVE = text(f"{_INACTIVE} and c.id = :customer")
# In id order, as all writers of responses lock them.
_DELETE_OLD_CLAIMS = text(f"""
with old as materialized (
  select id from response where workspace_id = :workspace_id and claimed is not null
  and created_at < :oldest order by id limit 5000 for update),
kept as materialized (
  select r.id, {WITHOUT_TEXTS} as answers from response r
  where r.workspace_id = :workspace_id and r.id in (select id from old))
update response r set claimed = null, comment = null, answers = k.answers, updated_at = :now
from kept k where r.workspace_id = :workspace_id and r.id = k.id
""")


async def delete_old_claims(session: AsyncSession, now: dt.datetime) -> None:
    """Delete the claims of anonymous answers that are older than their workspace keeps people."""
    for workspace_id, oldest in await _oldest_kept(session, now):
        bound = {"workspace_id": workspace_id, "oldest": oldest, "now": now}
        await run_sql(session, _DELETE_OLD_CLAIMS.bindparams(**bound))


async def enqueue_inactive(session: AsyncSession, now: dt.datetime) -> None:
    """Enqueue the erasure of customers without recent activity."""
    for workspace_id, oldest in await _oldest_kept(session, now):
        bound = {"workspace_id": workspace_id, "oldest": oldest, "most": _MAX_BATCH_SIZE}
        rows = await run_sql(session, _FIND_INACTIVE.bindparams(**bound))
        ids = [str(customer.id) for customer in rows]
        if ids:
            await jobs.enqueue(
                session, RETAIN_JOB, workspace_id=workspace_id, dedupe="retain",
                payload={"customers": ids, "oldest": oldest.isoformat()},
            )  # fmt: skip


async def _oldest_kept(session: AsyncSession, now: dt.datetime) -> list[tuple[UUID, dt.datetime]]:
    """Return the workspaces with a retention, each with the oldest activity that is kept."""
    rows = await run_sql(
        session, text("select id, retention_days from workspace where retention_days is not null")
    )
    return [(row.id, now - dt.timedelta(days=row.retention_days)) for row in rows]


async def erase_inactive(database: Database, box: SealedBox, data_dir: Path, job: Job) -> None:
    """Erase customers, each in its own transaction, except those with activity meanwhile."""
    oldest = dt.datetime.fromisoformat(job.payload["oldest"])
    for customer_id in map(UUID, job.payload["customers"]):
        async with database.transaction() as session:
            await lock_cases(session, job.workspace_id, [customer_id])
            await lock_customers(session, job.workspace_id, [customer_id])
            bound = {"workspace_id": job.workspace_id, "customer": customer_id, "oldest": oldest}
            if (await run_sql(session, _IS_STILL_INACTIVE.bindparams(**bound))).first() is None:
                continue
            customer = await find_customer(session, job.workspace_id, str(customer_id))
            if customer is not None:
                await erase_customer(
                    session, job.workspace_id, customer, box=box, data_dir=data_dir,
                    reason="retention",
                )  # fmt: skip
