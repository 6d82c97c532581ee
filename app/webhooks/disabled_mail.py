# SPDX-License-Identifier: Apache-2.0
"""Mail the workspace's admins that an endpoint was disabled."""

from uuid import UUID

from sqlmodel import select
from sqlmodel.ext.asyncio.session import AsyncSession

from app.core import jobs
from app.core.database import Database
from app.core.jobs import Job
from app.core.settings import Settings
from app.core.texts import shipped_language, texts_of
from app.invitations.invitation_mails import send_or_later, sender_of
from app.invitations.mail import write_company_mail
from app.invitations.mailer import Mailer
from app.webhooks.models import WebhookEndpoint
from app.workspaces.member_schemas import Role
from app.workspaces.models import Member
from app.workspaces.service import get_workspace

DISABLED_MAIL_JOB = "webhooks.mail_disabled"


async def enqueue_mails(session: AsyncSession, workspace_id: UUID, endpoint_id: UUID) -> None:
    """Enqueue a mail to each admin."""
    rows = await session.exec(
        select(Member.id).where(Member.workspace_id == workspace_id, Member.role == Role.ADMIN)
    )
    for member_id in rows.all():
        await jobs.enqueue(
            session, DISABLED_MAIL_JOB, workspace_id=workspace_id, max_attempts=jobs.MAIL_ATTEMPTS,
            payload={"endpoint": str(endpoint_id), "member": str(member_id)},
        )  # fmt: skip


async def mail_disabled(database: Database, settings: Settings, mailer: Mailer, job: Job) -> None:
    """Mail one admin what was disabled, why, and what to do."""
    async with database.session() as session:
        member = await session.get(Member, (job.workspace_id, UUID(job.payload["member"])))
        key = (job.workspace_id, UUID(job.payload["endpoint"]))
        endpoint = await session.get(WebhookEndpoint, key)
        workspace = await get_workspace(session, job.workspace_id)
    if member is None or endpoint is None or endpoint.disabled_at is None:
        return
    phrases = texts_of("mail", shipped_language(member.locale))
    url = endpoint.url.partition("?")[0]
    path = f"/v1/webhook-endpoints/{endpoint.id}"
    since = f"{endpoint.disabled_at:%Y-%m-%dT%H:%M:%SZ}"
    sentence = phrases["webhook_disabled"].format(url=url, reason=endpoint.disabled_reason)
    message = write_company_mail(
        sender_of(workspace, settings), member.email, settings.base_url,
        subject=phrases["webhook_disabled_subject"].format(workspace=workspace.name),
        text=f'{sentence}\nPATCH {path} {{"active": true}}\n'
        f'POST {path}/replay {{"since": "{since}"}}\n\n{settings.base_url}/connections\n',
        about=None,
    )  # fmt: skip
    await send_or_later(mailer, job, message)
