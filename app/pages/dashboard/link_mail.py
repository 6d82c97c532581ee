"""The mail with a link to sign in; the worker sends it."""

import datetime as dt
from urllib.parse import urlencode
from uuid import UUID

from app.core.database import Database
from app.core.jobs import Job, LaterError
from app.core.settings import Settings
from app.invitations.delivery import sender_of
from app.invitations.mail import write_notice
from app.invitations.mailer import Mailer, MailWaitsError, wait_before
from app.pages.dashboard.words import Said
from app.workspaces import members, sessions
from app.workspaces.service import get_workspace

LINK_JOB = "dashboard.send_link"
SIGN_IN = "/sign-in"


async def send_link(database: Database, settings: Settings, mailer: Mailer, job: Job) -> None:
    """Mail a member a link to sign in, once a minute at most."""
    if settings.sending == "paused":
        why = "sending is paused (AFTERWORD_SENDING)"
        raise LaterError(why, after=dt.timedelta(seconds=30), counted=False)
    async with database.transaction() as session:
        if await sessions.has_fresh_link(session, job.workspace_id, UUID(job.payload["member"])):
            return
        member = await members.get(session, job.workspace_id, UUID(job.payload["member"]))
        workspace = await get_workspace(session, job.workspace_id)
        token = await sessions.new_link(session, member)
    said = Said(member.locale)
    link = f"{settings.base_url}{SIGN_IN}/{token}"
    if job.payload["next"] != "/":
        link += "?" + urlencode({"next": job.payload["next"]})
    message = write_notice(
        sender_of(workspace, settings), member.email, settings.base_url,
        subject=f"{said['link_subject']}: {workspace.name}",
        text=f"{said['link_text']}\n\n{link}\n",
    )  # fmt: skip
    try:
        await mailer.send(message)
    except MailWaitsError as error:
        wait = wait_before(job.attempts, temporary=error.temporary)
        raise LaterError(str(error), after=wait) from error
