# SPDX-License-Identifier: Apache-2.0
"""Prepare the mails of invitations, send them, and note what became of them.

A mail leaves between two transactions: the first decides that it may, the second writes down
that it did. A worker killed in between sends it once more, under the same Message-ID.
"""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from email.message import EmailMessage
from uuid import UUID

from sqlmodel.ext.asyncio.session import AsyncSession

from app.core.clock import utc_now
from app.core.database import Database
from app.core.errors import NotFound
from app.core.event_types import EventType
from app.core.jobs import Job, LaterError
from app.core.settings import Settings
from app.core.signing import SealedBox
from app.core.telemetry import MAILS
from app.core.tokens import hash_secret, new_token
from app.interactions.customers import find_customers_by_id, lock_customers
from app.invitations import service
from app.invitations.mail import MailKind, write_mail
from app.invitations.mail_content import Addressee, Links, MailSender
from app.invitations.mailer import Mailer, MailOutcome, MailResult, MailWaitsError, mail_retry_delay
from app.invitations.models import Invitation
from app.invitations.refusals import Refusal, RefusalReason, refusal_of_customer
from app.invitations.suppression import SuppressionKind, find_suppressions, suppress
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


@dataclass(frozen=True, slots=True)
class MailDraft:
    """The data from which the mail of one invitation is written."""

    survey: CompiledSurvey
    addressee: Addressee
    sender: MailSender
    links: Links
    kind: MailKind

    def write(self) -> EmailMessage:
        """Return the mail."""
        return write_mail(
            self.survey.definition, self.addressee, sender=self.sender, links=self.links,
            kind=self.kind,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class SentMail:
    """The result of sending one invitation: its customer and the mail server's reply."""

    invitation_id: UUID
    customer_id: UUID | None
    result: MailResult


async def prepare_mails(
    session: AsyncSession,
    context: MailContext,
    workspace_id: UUID,
    invitations: Sequence[Invitation],
    *,
    kind: MailKind = "invitation",
) -> dict[UUID, MailDraft | Refusal | None]:
    """Return the mail of each invitation, None for a link, or why it may not be sent any more."""
    if not invitations:
        return {}
    workspace = await get_workspace(session, workspace_id)
    surveys = {
        survey_id: await find_live_survey(session, workspace_id, survey_id)
        for survey_id in {invitation.survey_id for invitation in invitations}
    }
    customers = await find_customers_by_id(
        session,
        workspace_id,
        [invitation.customer_id for invitation in invitations if invitation.customer_id],
    )
    emails = {invitation.email for invitation in invitations if invitation.email}
    emails |= {customer["email"] for customer in customers.values() if customer["email"]}
    suppressions = await find_suppressions(session, workspace_id, emails)
    prepared: dict[UUID, MailDraft | Refusal | None] = {}
    for invitation in invitations:
        survey = surveys[invitation.survey_id]
        customer = customers.get(invitation.customer_id) if invitation.customer_id else None
        if survey is None:
            prepared[invitation.id] = Refusal(
                RefusalReason.SURVEY_NOT_LIVE, "the survey was closed"
            )
        elif refusal := _refusal(workspace, invitation, customer, suppressions):
            prepared[invitation.id] = refusal
        elif invitation.channel == "email":
            prepared[invitation.id] = await _draft(
                session, context, workspace, survey, invitation, kind
            )
        else:
            prepared[invitation.id] = None
    return prepared


def _refusal(
    workspace: Workspace,
    invitation: Invitation,
    customer: Mapping[str, object] | None,
    suppressions: Mapping[str, SuppressionKind],
) -> Refusal | None:
    if customer is not None and invitation.email:
        # The mail goes to the invitation's own address; the customer's may have changed since.
        customer = {**customer, "email": invitation.email}
    email = str(customer["email"]) if customer and customer["email"] else None
    return refusal_of_customer(
        customer,
        suppressed_as=suppressions.get(email) if email else None,
        by_mail=invitation.channel == "email",
        needs_consent=workspace.require_consent,
    )


async def _draft(
    session: AsyncSession,
    context: MailContext,
    workspace: Workspace,
    survey: CompiledSurvey,
    invitation: Invitation,
    kind: MailKind,
) -> MailDraft:
    addressee = Addressee(
        invitation_id=invitation.id,
        email=invitation.email or "",
        name=invitation.name,
        locale=invitation.locale or workspace.default_locale,
        order=invitation.order_ref,
        ticket=invitation.ticket,
        properties=invitation.context.get("properties", {}),
    )
    links = Links(context.settings.base_url, await token_of(session, context.box, invitation))
    return MailDraft(survey, addressee, sender_of(workspace, context.settings), links, kind)


async def find_live_survey(
    session: AsyncSession, workspace_id: UUID, survey_id: UUID
) -> CompiledSurvey | None:
    """Return a survey that may be answered now, or None."""
    try:
        survey = await find_published(session, workspace_id, str(survey_id))
    except NotFound:
        return None
    return survey if survey is not None and survey.live else None


async def send_reminder(database: Database, context: MailContext, job: Job) -> None:
    """Remind once of an invitation that was sent and is not answered."""
    async with database.transaction() as session:
        invitation = await _find(session, job)
        if (
            invitation is None
            or invitation.reminded_at is not None
            or invitation.status not in {"sent", "opened"}
        ):
            return
        require_sending(context.settings)
        prepared = await prepare_mails(
            session, context, job.workspace_id, [invitation], kind="reminder"
        )
        draft = prepared[invitation.id]
    if not isinstance(draft, MailDraft):
        return
    result = await send_or_later(context.mailer, job, draft.write())
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
    invitation.token, invitation.token_hash = box.seal(token.encode()), hash_secret(token)
    session.add(invitation)
    return token


async def send_or_later(mailer: Mailer, job: Job, message: EmailMessage) -> MailResult:
    """Send a job's mail; LaterError while sending is paused, or where it should be tried again."""
    require_sending(mailer.settings)
    try:
        result = await mailer.send(message)
    except MailWaitsError as error:
        MAILS.labels("waits").inc()
        wait = mail_retry_delay(job.attempts, temporary=error.temporary)
        raise LaterError(str(error), after=wait) from error
    MAILS.labels(str(result.outcome)).inc()
    return result


async def _note_bounce(session: AsyncSession, invitation: Invitation, result: MailResult) -> None:
    service.set_status(invitation, "bounced", reason="bounced", detail=result.detail)
    session.add(invitation)
    await service.emit_of(session, EventType.INVITATION_BOUNCED, [invitation])
    if result.address_is_dead and invitation.email:
        await suppress(
            session,
            invitation.workspace_id,
            [invitation.email],
            kind=SuppressionKind.BOUNCED,
            detail=result.detail,
        )


async def note_results(
    session: AsyncSession, workspace_id: UUID, mails: Sequence[SentMail]
) -> None:
    """Write down what became of invitations whose mails have left.

    One that was cancelled while its mail was being sent counts as sent.
    """
    # Everywhere the customer is locked first, then the invitation.
    customers = [mail.customer_id for mail in mails if mail.customer_id]
    await lock_customers(session, workspace_id, customers)
    result_by_id = {mail.invitation_id: mail.result for mail in mails}
    sent = []
    for invitation in await service.lock_all(session, workspace_id, list(result_by_id)):
        is_erased = invitation.channel == "email" and not invitation.email
        if invitation.status not in {"scheduled", "cancelled"} or is_erased:
            continue
        result = result_by_id[invitation.id]
        if result.outcome is MailOutcome.BOUNCED:
            await _note_bounce(session, invitation, result)
            continue
        _set_sent(invitation, result)
        session.add(invitation)
        if result.outcome is MailOutcome.SENT:
            sent.append(invitation)
    await service.note_sent(session, workspace_id, sent)


def _set_sent(invitation: Invitation, result: MailResult) -> None:
    now = utc_now()
    service.set_status(invitation, str(result.outcome), detail=result.detail)
    invitation.expires_at = now + dt.timedelta(seconds=invitation.expires_seconds)
    if result.outcome is MailOutcome.SENT:
        invitation.sent_at = now
        if invitation.remind_seconds:
            invitation.remind_at = now + dt.timedelta(seconds=invitation.remind_seconds)
