"""Send invitations that are due, after their triggers have judged them again."""

from uuid import UUID

from sqlalchemy import text
from sqlmodel.ext.asyncio.session import AsyncSession

from app.core.database import Database, run_sql
from app.core.errors import NotFound
from app.core.jobs import Job
from app.core.schema import Json
from app.interactions.recording import Recorded, find_interactions
from app.invitations import service as invitations
from app.invitations.admission import Reason, Refusal
from app.invitations.models import Invitation
from app.invitations.sending import MailContext, send_invitation
from app.triggers.calling_off import refusal_by_later_events
from app.triggers.deciding import facts_of, judge_facts
from app.triggers.decision_context import ActiveTrigger, read_context
from app.triggers.models import Trigger


async def send_due(database: Database, post: MailContext, job: Job) -> None:
    """Send an invitation that is due, unless its trigger would not ask any more."""
    async with database.transaction() as session:
        try:
            invitation = await invitations.get(
                session, job.workspace_id, UUID(job.payload["invitation"]), lock=True
            )
        except NotFound:
            return
        if invitation.status == "scheduled" and invitation.trigger_id is not None:
            refusal = await _recheck(session, invitation)
            if refusal is not None:
                invitations.end(
                    invitation, "cancelled", reason=str(refusal.reason), detail=refusal.detail
                )
                session.add(invitation)
                return
    await send_invitation(database, post, job)


async def _recheck(session: AsyncSession, invitation: Invitation) -> Refusal | None:
    workspace_id = invitation.workspace_id
    trigger = await session.get(Trigger, (workspace_id, invitation.trigger_id))
    if trigger is None or not trigger.active:
        return Refusal(Reason.INACTIVE, "the trigger was switched off or deleted")
    interaction = await _find_current_interaction(session, invitation)
    if interaction is None:
        return None
    rule = ActiveTrigger(trigger)
    context = await read_context(session, workspace_id, [interaction], [rule])
    if refusal := refusal_by_later_events(context, rule, interaction):
        return refusal
    return judge_facts(rule, facts_of(interaction, context.customer_of(interaction)))


async def _find_current_interaction(
    session: AsyncSession, invitation: Invitation
) -> Recorded | None:
    """Return the interaction with the present state of its ticket."""
    workspace_id, interaction_id = invitation.workspace_id, invitation.interaction_id
    if interaction_id is None:
        return None
    found = await find_interactions(session, workspace_id, [interaction_id])
    if interaction_id not in found:
        return None
    interaction = Recorded(created=False, **found[interaction_id])
    if interaction.ticket:
        rows = await run_sql(
            session,
            text(
                "select status, properties from ticket where workspace_id = :workspace_id "
                "and source = :source and ticket = :ticket"
            )
            .columns(properties=Json)
            .bindparams(
                workspace_id=workspace_id, source=interaction.source, ticket=interaction.ticket
            ),
        )
        ticket = rows.first()
        if ticket is not None:
            interaction.ticket_open = ticket.status == "open"
            interaction.properties = interaction.properties | ticket.properties
    return interaction
