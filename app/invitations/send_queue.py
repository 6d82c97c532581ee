# SPDX-License-Identifier: Apache-2.0
"""Enqueue invitations and reminders that are due, and expire those that were not answered."""

import datetime as dt
from uuid import UUID

from sqlalchemy import text
from sqlmodel.ext.asyncio.session import AsyncSession

from app.core import jobs
from app.core.clock import utc_now
from app.core.database import run_sql, select_workspace_ids

SEND_JOB, REMIND_JOB = "invitations.send", "invitations.remind"
# What is due within this time becomes a job at once; the rest waits in its own table.
ENQUEUED_AHEAD = dt.timedelta(minutes=10)


async def enqueue_send(
    session: AsyncSession, workspace_id: UUID, invitation_id: UUID, *, run_at: dt.datetime
) -> None:
    """Add the job that sends one invitation."""
    await jobs.enqueue(
        session,
        SEND_JOB,
        workspace_id=workspace_id,
        payload={"invitation": str(invitation_id)},
        run_at=run_at,
        dedupe=str(invitation_id),
        max_attempts=jobs.MAIL_ATTEMPTS,
    )


async def enqueue_reminder(session: AsyncSession, workspace_id: UUID, invitation_id: UUID) -> None:
    """Add the job that reminds of one invitation."""
    await jobs.enqueue(
        session,
        REMIND_JOB,
        workspace_id=workspace_id,
        payload={"invitation": str(invitation_id)},
        dedupe=str(invitation_id),
        max_attempts=jobs.MAIL_ATTEMPTS,
    )


async def enqueue_due_invitations(session: AsyncSession, now: dt.datetime) -> None:
    """Turn invitations and reminders that are due soon into jobs."""
    soon = "status = 'scheduled' and not queued and send_at <= :near"
    due = "status in ('sent', 'opened') and remind_at <= :now"
    busy = "select distinct workspace_id from invitation where "
    for workspace_id in await select_workspace_ids(session, busy + soon, near=now + ENQUEUED_AHEAD):
        rows = await run_sql(
            session,
            text(
                "update invitation i set queued = true from ("
                f"  select id from invitation where workspace_id = :workspace_id and {soon} "
                "  order by send_at limit 5000 for update skip locked) due "
                "where i.workspace_id = :workspace_id and i.id = due.id "
                "returning i.id, i.send_at"
            ).bindparams(workspace_id=workspace_id, near=now + ENQUEUED_AHEAD),
        )
        await jobs.enqueue_many(
            session,
            SEND_JOB,
            workspace_id=workspace_id,
            planned=[(row.send_at, str(row.id), {"invitation": str(row.id)}) for row in rows],
            max_attempts=jobs.MAIL_ATTEMPTS,
        )
    for workspace_id in await select_workspace_ids(session, busy + due, now=now):
        rows = await run_sql(
            session,
            text(
                "update invitation i set remind_at = null from ("
                f"  select id from invitation where workspace_id = :workspace_id and {due} "
                "  limit 5000 for update skip locked) due "
                "where i.workspace_id = :workspace_id and i.id = due.id "
                "returning i.id"
            ).bindparams(workspace_id=workspace_id, now=now),
        )
        await jobs.enqueue_many(
            session,
            REMIND_JOB,
            workspace_id=workspace_id,
            planned=[(utc_now(), str(row.id), {"invitation": str(row.id)}) for row in rows],
            max_attempts=jobs.MAIL_ATTEMPTS,
        )


async def expire_due(session: AsyncSession, now: dt.datetime) -> None:
    """Expire the invitations whose time is over; those that are answered stay."""
    await run_sql(
        session,
        text(
            "update invitation set status = 'expired', reason = 'expired', updated_at = :now "
            "where status in ('sent', 'stored', 'opened') and expires_at <= :now"
        ).bindparams(now=now),
    )
