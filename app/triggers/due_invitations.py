# SPDX-License-Identifier: Apache-2.0
"""Send invitations that are due, after their triggers have decided again.

Many are sent at once: one transaction checks all that are waiting, and another one stores what
became of their mails.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import text
from sqlmodel.ext.asyncio.session import AsyncSession

from app.core.batching import Batcher
from app.core.clock import utc_now
from app.core.database import Database, run_sql
from app.core.jobs import Job, LaterError
from app.core.schema import Json
from app.interactions.interaction_recorder import RecordedInteraction, find_interactions
from app.invitations import service as invitations
from app.invitations.invitation_mails import (
    MailContext,
    MailDraft,
    SentMail,
    note_results,
    prepare_mails,
    require_sending,
    send_or_later,
)
from app.invitations.mailer import MailOutcome, MailResult
from app.invitations.models import Invitation
from app.invitations.refusals import Refusal, RefusalReason
from app.triggers.cancellation import refusal_by_later_events
from app.triggers.decision_context import read_context
from app.triggers.decision_rules import evaluate_conditions
from app.triggers.workspace_triggers import read_triggers

# How many invitations are sent at once, and how many share a transaction.
MAX_BATCH_SIZE = 64
_MAX_TRANSACTIONS = 2


@dataclass(frozen=True, slots=True)
class SendableInvitation:
    """An invitation that may be sent now; a link has no mail."""

    customer_id: UUID | None
    mail: MailDraft | None


class InvitationSender:
    """Sends the invitations of jobs."""

    def __init__(self, database: Database, context: MailContext) -> None:
        """Prepare; nothing runs before the first invitation."""
        self._database = database
        self._context = context
        self._preparations: Batcher[UUID, SendableInvitation | LaterError | None] = Batcher(
            self._prepare_due, slots=asyncio.Semaphore(_MAX_TRANSACTIONS),
            most=MAX_BATCH_SIZE, max_waiting=100 * MAX_BATCH_SIZE,
        )  # fmt: skip
        self._results: Batcher[SentMail, None] = Batcher(
            self._note, slots=asyncio.Semaphore(_MAX_TRANSACTIONS), most=MAX_BATCH_SIZE,
            max_waiting=100 * MAX_BATCH_SIZE,
        )  # fmt: skip

    async def send(self, _database: Database, job: Job) -> None:
        """Send an invitation that is due, unless it may not be sent any more."""
        invitation_id = UUID(job.payload["invitation"])
        prepared = await self._preparations.submit(job.workspace_id, invitation_id)
        if isinstance(prepared, LaterError):
            raise prepared
        if prepared is None:
            return
        result = MailResult(MailOutcome.SENT)
        if prepared.mail is not None:
            result = await send_or_later(self._context.mailer, job, prepared.mail.write())
        sent = SentMail(invitation_id, prepared.customer_id, result)
        await self._results.submit(job.workspace_id, sent)

    async def _note(self, workspace_id: UUID, mails: list[SentMail]) -> list[None]:
        async with self._database.transaction() as session:
            await note_results(session, workspace_id, mails)
        return [None for _ in mails]

    async def _prepare_due(
        self, workspace_id: UUID, ids: list[UUID]
    ) -> list[SendableInvitation | LaterError | None]:
        """Prepare what may be sent now; cancel or suppress the others with their reasons."""
        prepared: dict[UUID, SendableInvitation | LaterError] = {}
        async with self._database.transaction() as session:
            waiting = [
                invitation
                for invitation in await invitations.lock_all(session, workspace_id, ids)
                if invitation.status == "scheduled"
            ]
            refusals = await _refusals_of_triggers(session, workspace_id, waiting)
            due = []
            for invitation in waiting:
                if refusal := refusals.get(invitation.id):
                    _end(session, invitation, "cancelled", refusal)
                elif later := self._reason_to_wait(invitation):
                    prepared[invitation.id] = later
                else:
                    due.append(invitation)
            mails = await prepare_mails(session, self._context, workspace_id, due)
            for invitation in due:
                mail = mails[invitation.id]
                if isinstance(mail, Refusal):
                    _end(session, invitation, "suppressed", mail)
                else:
                    prepared[invitation.id] = SendableInvitation(invitation.customer_id, mail)
        return [prepared.get(id_) for id_ in ids]

    def _reason_to_wait(self, invitation: Invitation) -> LaterError | None:
        if invitation.send_at > utc_now():
            return LaterError("not due yet", after=invitation.send_at - utc_now(), counted=False)
        try:
            require_sending(self._context.settings)
        except LaterError as later:
            return later
        return None


def _end(session: AsyncSession, invitation: Invitation, status: str, refusal: Refusal) -> None:
    invitations.set_status(invitation, status, reason=str(refusal.reason), detail=refusal.detail)
    session.add(invitation)


async def _refusals_of_triggers(
    session: AsyncSession, workspace_id: UUID, waiting: Sequence[Invitation]
) -> dict[UUID, Refusal]:
    """Return which invitations their triggers would not make any more, and why."""
    by_trigger = [invitation for invitation in waiting if invitation.trigger_id is not None]
    if not by_trigger:
        return {}
    workspace_triggers = await read_triggers(session, workspace_id)
    triggers = {invitation.trigger_id for invitation in by_trigger}
    rules = [trigger for id_, trigger in workspace_triggers.active.items() if id_ in triggers]
    recorded = await _find_current_interactions(session, workspace_id, by_trigger)
    context = await read_context(session, workspace_triggers, list(recorded.values()), rules)
    refusals = {}
    for invitation in by_trigger:
        trigger = (
            workspace_triggers.active.get(invitation.trigger_id) if invitation.trigger_id else None
        )
        about = invitation.interaction_id
        interaction = recorded.get(about) if about is not None else None
        if trigger is None:
            detail = "the trigger was switched off or deleted"
            refusals[invitation.id] = Refusal(RefusalReason.INACTIVE, detail)
        elif interaction is not None:
            refusal = refusal_by_later_events(context, trigger, interaction)
            if refusal := refusal or evaluate_conditions(trigger, context.facts_of(interaction)):
                refusals[invitation.id] = refusal
    return refusals


async def _find_current_interactions(
    session: AsyncSession, workspace_id: UUID, invited: Sequence[Invitation]
) -> Mapping[UUID, RecordedInteraction]:
    """Return the interactions of invitations with the present state of their tickets."""
    ids = [invitation.interaction_id for invitation in invited if invitation.interaction_id]
    rows = await find_interactions(session, workspace_id, ids)
    recorded = {id_: RecordedInteraction(created=False, **fields) for id_, fields in rows.items()}
    tickets = await _ticket_states(
        session,
        workspace_id,
        {interaction.ticket for interaction in recorded.values() if interaction.ticket},
    )
    for interaction in recorded.values():
        state = tickets.get((interaction.source, interaction.ticket or ""))
        if state is not None:
            status, properties = state
            interaction.ticket_open = status == "open"
            interaction.properties = interaction.properties | properties
    return recorded


async def _ticket_states(
    session: AsyncSession, workspace_id: UUID, names: set[str]
) -> dict[tuple[str, str], tuple[str, dict[str, object]]]:
    """Return the status and the properties of tickets, by source and name."""
    if not names:
        return {}
    rows = await run_sql(
        session,
        text(
            "select source, ticket, status, properties from ticket "
            "where workspace_id = :workspace_id and ticket = any(:names)"
        )
        .columns(properties=Json)
        .bindparams(workspace_id=workspace_id, names=sorted(names)),
    )
    return {(row.source, row.ticket): (row.status, row.properties) for row in rows}
