"""The jobs that send invitations and reminders.

A mail leaves between two transactions: the first decides that it may, the second writes down
that it did. A worker killed in between sends it once more, under the same Message-ID.
"""

import datetime as dt
from dataclasses import dataclass
from email.message import EmailMessage
from uuid import UUID

from sqlmodel.ext.asyncio.session import AsyncSession

from app.core.clock import utc_now
from app.core.database import Database
from app.core.errors import NotFound
from app.core.jobs import Job, LaterError
from app.core.outbox import emit
from app.core.settings import Settings
from app.core.signing import SealedBox
from app.core.telemetry import MAILS
from app.core.tokens import new_token, token_hash
from app.interactions.customers import find_customers_by_id, lock_customers
from app.invitations import service
from app.invitations.admission import Reason, Refusal, refusal_now
from app.invitations.letter import Addressee, Links, MailSender
from app.invitations.mail import write_mail
from app.invitations.mailer import Mailer, MailOutcome, MailResult, MailWaitsError, wait_before
from app.invitations.models import Invitation
from app.invitations.suppression import SuppressionKind, suppress
from app.surveys.catalogue import find_published
from app.surveys.compiled import CompiledSurvey
from app.workspaces.brand import company_of, logo_url
from app.workspaces.models import Workspace
from app.workspaces.service import get_workspace

_PAUSED = dt.timedelta(seconds=30)


@dataclass(frozen=True)
class MailContext:
    """The settings and tools that sending needs."""

    settings: Settings
    box: SealedBox
    mailer: Mailer


async def recheck(session: AsyncSession, invitation: Invitation) -> Refusal | None:
    """Return why an invitation that was scheduled may not be sent any more, or None."""
    workspace = await get_workspace(session, invitation.workspace_id)
    survey = await live_survey(session, invitation.workspace_id, invitation.survey_id)
    if survey is None:
        return Refusal(Reason.SURVEY_NOT_LIVE, "the survey was closed")
    customer = None
    if invitation.customer_id is not None:
        customers = await find_customers_by_id(
            session, invitation.workspace_id, [invitation.customer_id]
        )
        customer = customers.get(invitation.customer_id)
    if customer is not None and invitation.email:
        # The mail goes to the invitation's own address; the customer's may have changed since.
        customer = customer | {"email": invitation.email}
    return await refusal_now(session, workspace, customer, by_mail=invitation.channel == "email")


async def live_survey(
    session: AsyncSession, workspace_id: UUID, survey_id: UUID
) -> CompiledSurvey | None:
    """Return a survey that may be answered now, or None."""
    try:
        survey = await find_published(session, workspace_id, str(survey_id))
    except NotFound:
        return None
    return survey if survey is not None and survey.live else None


async def send_invitation(database: Database, post: MailContext, job: Job) -> None:
    """Send one invitation that is due and was checked; one that ended meanwhile is left alone."""
    async with database.transaction() as session:
        invitation = await _find(session, job)
        if invitation is None or invitation.status != "scheduled":
            return
        if invitation.send_at > utc_now():
            wait = invitation.send_at - utc_now()
            raise LaterError("not due yet", after=wait, counted=False)
        require_sending(post.settings)
        refusal = await recheck(session, invitation)
        if refusal is not None:
            service.end(invitation, "suppressed", reason=str(refusal.reason), detail=refusal.detail)
            session.add(invitation)
            return
        customer_id = invitation.customer_id
        message = None
        if invitation.channel == "email":
            message = await _message(session, post, invitation, reminder=False)
    result = (
        await send_or_later(post.mailer, job, message) if message else MailResult(MailOutcome.SENT)
    )
    async with database.transaction() as session:
        # Everywhere the customer is locked first, then the invitation.
        await lock_customers(session, job.workspace_id, [customer_id] if customer_id else [])
        invitation = await _find(session, job)
        # An invitation that was cancelled while its mail was being sent counts as sent.
        waited = invitation is not None and invitation.status in {"scheduled", "cancelled"}
        if invitation is not None and waited and (invitation.email or not message):
            await _note_result(session, invitation, result)


async def send_reminder(database: Database, post: MailContext, job: Job) -> None:
    """Remind once of an invitation that was sent and is not answered."""
    async with database.transaction() as session:
        invitation = await _find(session, job)
        if (
            invitation is None
            or invitation.reminded_at is not None
            or invitation.status not in {"sent", "opened"}
        ):
            return
        require_sending(post.settings)
        if await recheck(session, invitation) is not None:
            return
        message = await _message(session, post, invitation, reminder=True)
    result = await send_or_later(post.mailer, job, message)
    async with database.transaction() as session:
        invitation = await _find(session, job)
        if invitation is None:
            return
        invitation.reminded_at = utc_now()
        session.add(invitation)
        if result.outcome is MailOutcome.BOUNCED:
            await _note_bounce(session, invitation, result)


def require_sending(settings: Settings) -> None:
    """Let a job wait, without counting an attempt, while sending is paused."""
    if settings.sending == "paused":
        why = "sending is paused (AFTERWORD_SENDING, or a copy before `afterword resume`)"
        raise LaterError(why, after=_PAUSED, counted=False)


async def _find(session: AsyncSession, job: Job) -> Invitation | None:
    try:
        return await service.get(
            session, job.workspace_id, UUID(job.payload["invitation"]), lock=True
        )
    except NotFound:
        return None


async def _message(
    session: AsyncSession, post: MailContext, invitation: Invitation, *, reminder: bool
) -> EmailMessage:
    workspace = await get_workspace(session, invitation.workspace_id)
    survey = await live_survey(session, invitation.workspace_id, invitation.survey_id)
    assert survey is not None  # noqa: S101 - `recheck` has just found it
    addressee = Addressee(
        invitation_id=invitation.id,
        email=invitation.email or "",
        name=invitation.name,
        locale=invitation.locale or workspace.default_locale,
        order=invitation.order_ref,
        ticket=invitation.ticket,
        properties=invitation.context.get("properties", {}),
    )
    links = Links(post.settings.base_url, await token_of(session, post.box, invitation))
    return write_mail(
        survey.definition,
        addressee,
        sender=sender_of(workspace, post.settings),
        links=links,
        kind="reminder" if reminder else "invitation",
    )


def sender_of(workspace: Workspace, settings: Settings) -> MailSender:
    """Return who writes the workspace's mails."""
    mail = workspace.mail
    return MailSender(
        company=company_of(workspace),
        address=mail.get("from_email") or settings.sender,
        name=mail.get("from_name"),
        reply_to=mail.get("reply_to"),
        footer=mail.get("footer"),
        colour=workspace.brand.get("colour"),
        logo_url=logo_url(workspace, settings.base_url),
    )


async def token_of(session: AsyncSession, box: SealedBox, invitation: Invitation) -> str:
    """Return the token of an invitation; a new one where no live key opens the sealed one."""
    plain = box.unseal(invitation.token)
    if plain is not None:
        return plain.decode()
    token = new_token(invitation.workspace_id)
    invitation.token, invitation.token_hash = box.seal(token.encode()), token_hash(token)
    session.add(invitation)
    return token


async def send_or_later(mailer: Mailer, job: Job, message: EmailMessage) -> MailResult:
    """Send a job's mail; LaterError where it should be tried again."""
    try:
        result = await mailer.send(message)
    except MailWaitsError as error:
        MAILS.labels("waits").inc()
        wait = wait_before(job.attempts, temporary=error.temporary)
        raise LaterError(str(error), after=wait) from error
    MAILS.labels(str(result.outcome)).inc()
    return result


async def _note_bounce(session: AsyncSession, invitation: Invitation, result: MailResult) -> None:
    service.end(invitation, "bounced", reason="bounced", detail=result.detail)
    session.add(invitation)
    await emit(
        session,
        invitation.workspace_id,
        "invitation.bounced",
        data=[service.event_data(invitation)],
    )
    if result.address_is_dead and invitation.email:
        await suppress(
            session,
            invitation.workspace_id,
            [invitation.email],
            kind=SuppressionKind.BOUNCED,
            detail=result.detail,
        )


async def _note_result(session: AsyncSession, invitation: Invitation, result: MailResult) -> None:
    now = utc_now()
    if result.outcome is MailOutcome.BOUNCED:
        await _note_bounce(session, invitation, result)
        return
    service.end(invitation, str(result.outcome), detail=result.detail)
    invitation.expires_at = now + dt.timedelta(seconds=invitation.expires_seconds)
    if result.outcome is MailOutcome.SENT:
        invitation.sent_at = now
        if invitation.remind_seconds:
            invitation.remind_at = now + dt.timedelta(seconds=invitation.remind_seconds)
        await service.note_sent(session, invitation)
    session.add(invitation)
