# SPDX-License-Identifier: Apache-2.0
"""The mail to a new member: where to sign in."""

from uuid import UUID

from app.core.database import Database
from app.core.jobs import Job
from app.core.settings import Settings
from app.core.texts import shipped_language, texts_of
from app.invitations.invitation_mails import send_or_later, sender_of
from app.invitations.mail import write_company_mail
from app.invitations.mailer import Mailer
from app.pages.dashboard.link_mail import SIGN_IN
from app.workspaces.models import Member
from app.workspaces.service import get_workspace


async def mail_new_member(database: Database, settings: Settings, mailer: Mailer, job: Job) -> None:
    """Mail a member who was added; one who was removed again gets nothing."""
    async with database.session() as session:
        member = await session.get(Member, (job.workspace_id, UUID(job.payload["member"])))
        workspace = await get_workspace(session, job.workspace_id)
    if member is None:
        return
    phrases = texts_of("mail", shipped_language(member.locale))
    text = phrases["member_added"].format(workspace=workspace.name)
    message = write_company_mail(
        sender_of(workspace, settings), member.email, settings.base_url,
        subject=phrases["member_added_subject"].format(workspace=workspace.name),
        text=f"{text}\n\n{settings.base_url}{SIGN_IN}\n",
        about=None,
    )  # fmt: skip
    await send_or_later(mailer, job, message)
