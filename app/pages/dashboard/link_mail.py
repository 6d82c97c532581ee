# SPDX-License-Identifier: Apache-2.0
"""The mail with a link to sign in; the worker sends it."""

from urllib.parse import urlencode
from uuid import UUID

from app.core import jobs
from app.core.database import Database
from app.core.jobs import Job
from app.core.settings import Settings
from app.invitations.invitation_mails import require_sending, send_or_later, sender_of
from app.invitations.mail import write_company_mail
from app.invitations.mailer import Mailer
from app.pages.dashboard.texts import DashboardTexts
from app.workspaces import members, sessions
from app.workspaces.service import get_workspace

LINK_REQUEST_JOB = "dashboard.request_link"
LINK_JOB = "dashboard.send_link"
# Stands for the workspace of an address until the address is looked up.
UNKNOWN_WORKSPACE = UUID(int=0)
_LINK_MAIL_ATTEMPTS = 5
SIGN_IN = "/sign-in"


async def enqueue_link_mails(database: Database, job: Job) -> None:
    """Enqueue a mail with a link to every member with the address; other addresses get none."""
    async with database.transaction() as session:
        for member in await members.find_members_by_email(session, job.payload["email"]):
            await jobs.enqueue(
                session, LINK_JOB, workspace_id=member.workspace_id,
                payload={"member": str(member.id), "next": job.payload["next"]},
                max_attempts=_LINK_MAIL_ATTEMPTS, dedupe=str(member.id),
            )  # fmt: skip


async def send_link(database: Database, settings: Settings, mailer: Mailer, job: Job) -> None:
    """Mail a member a link to sign in, once a minute at most."""
    require_sending(settings)
    async with database.transaction() as session:
        member = await members.get(session, job.workspace_id, UUID(job.payload["member"]))
        # On a retry this job itself made the fresh link, and its mail may not have been sent.
        if job.attempts == 1 and await sessions.has_fresh_link(session, member):
            return
        workspace = await get_workspace(session, job.workspace_id)
        token = await sessions.make_sign_in_link(session, member)
    texts = DashboardTexts(member.locale)
    link = f"{settings.base_url}{SIGN_IN}/{token}"
    if job.payload["next"] != "/":
        link += "?" + urlencode({"next": job.payload["next"]})
    message = write_company_mail(
        sender_of(workspace, settings), member.email, settings.base_url,
        subject=f"{texts['link_subject']}: {workspace.name}",
        text=f"{texts['link_text']}\n\n{link}\n",
        about=None,
    )  # fmt: skip
    await send_or_later(mailer, job, message)
