# SPDX-License-Identifier: Apache-2.0
"""Cancel invitations because of what happens to their ticket or order after they were planned."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

from sqlmodel.ext.asyncio.session import AsyncSession

from app.core.prepared_statements import PreparedStatement
from app.interactions.interaction_recorder import RecordedInteraction
from app.interactions.known_types import RESOLVING_TYPES, WITHDRAWING_TYPES, KnownType
from app.invitations import service as invitations
from app.invitations.refusals import Refusal, RefusalReason
from app.triggers.compiled_trigger import CompiledTrigger
from app.triggers.decision_context import (
    CaseEvent,
    CaseKey,
    DecisionContext,
    case_of,
    find_case_events,
    same_shop,
)
from app.triggers.workspace_triggers import WorkspaceTriggers


def refusal_by_later_events(
    context: DecisionContext, trigger: CompiledTrigger, interaction: RecordedInteraction
) -> Refusal | None:
    """Return a refusal if a later event of the ticket or order cancels the invitation."""
    if interaction.ticket_open and trigger.row.on_type in RESOLVING_TYPES:
        return Refusal(RefusalReason.CANCELLED, "the ticket is open again")
    case = case_of(interaction)
    history = context.case_events.get(case, []) if case else []
    for event in history:
        later = event.at >= interaction.occurred_at and event.id != interaction.id
        asked_order = AskedOrder(
            interaction.amount, interaction.currency, interaction.properties.get("session")
        )
        if later and cancels(trigger, event, history, asked_order):
            return Refusal(RefusalReason.CANCELLED, event.type)
    return None


class AskedOrder(NamedTuple):
    """The value of the order that is asked about, and the session in which it was paid."""

    amount: Decimal | None
    currency: str | None
    session: str | None


def cancels(
    trigger: CompiledTrigger,
    event: CaseEvent,
    history: Sequence[CaseEvent],
    asked_order: AskedOrder,
) -> bool:
    """Tell whether an event of the case cancels the invitation; a partial refund never does.

    A refund that does not say whether it is partial counts as partial as long as all refunds
    together are less than the order's value. A session that ends cancels only its own order.
    """
    if event.type in WITHDRAWING_TYPES:
        return True
    if event.type not in trigger.cancel_types:
        return False
    if event.type != KnownType.ORDER_REFUNDED:
        return not (event.session and asked_order.session and event.session != asked_order.session)
    return event.refund == "full" or (
        event.refund is None and _is_whole(event, history, asked_order)
    )


def _is_whole(event: CaseEvent, history: Sequence[CaseEvent], asked_order: AskedOrder) -> bool:
    """Tell whether everything was paid back by now; without amounts, a refund is full."""
    if event.amount is None or asked_order.amount is None:
        return True
    if asked_order.currency != event.currency:
        return False
    refunded = sum(
        (
            refund.amount
            for refund in history
            if refund.type == KnownType.ORDER_REFUNDED and refund.amount
        ),
        Decimal(),
    )
    return refunded >= asked_order.amount


_SCHEDULED = PreparedStatement("""
select i.id, i.trigger_id, i.source, i.ticket, i.order_ref, a.occurred_at, a.amount, a.currency,
  a.order_source, a.properties ->> 'session' as session
from invitation i left join interaction a
  on a.workspace_id = i.workspace_id and a.id = i.interaction_id
where i.workspace_id = :workspace_id and i.status = 'scheduled'
  and (i.ticket = any(:tickets) or i.order_ref = any(:orders)) order by i.id
""")


async def cancel_by_interactions(
    session: AsyncSession,
    workspace_triggers: WorkspaceTriggers,
    recorded: Sequence[RecordedInteraction],
) -> None:
    """Cancel scheduled invitations of the same ticket, else order, where their trigger says so.

    Those of a deleted or merged ticket are cancelled whatever the trigger says.
    """
    workspace_id = workspace_triggers.workspace.id
    interactions = [
        interaction
        for interaction in recorded
        if not interaction.test and case_of(interaction) is not None
    ]
    if not interactions:
        return
    rows = await _SCHEDULED.run(
        session,
        workspace_id=workspace_id,
        tickets=sorted({interaction.ticket for interaction in interactions if interaction.ticket}),
        orders=sorted(
            {interaction.order_ref for interaction in interactions if interaction.order_ref}
        ),
    )
    pairs = [
        (row, interaction)
        for row in rows
        for interaction in interactions
        if _may_cancel(workspace_triggers.triggers.get(row["trigger_id"]), interaction, row)
    ]
    if not pairs:
        return
    triggers = [
        workspace_triggers.triggers[row["trigger_id"]]
        for row, _ in pairs
        if row["trigger_id"] in workspace_triggers.triggers
    ]
    histories = await find_case_events(
        session, workspace_id, [interaction for _, interaction in pairs], triggers
    )
    for row, interaction in pairs:
        if _is_cancelled(
            workspace_triggers.triggers.get(row["trigger_id"]), interaction, row, histories
        ):
            await _cancel(session, workspace_id, row["id"], because_of=interaction)


def _may_cancel(
    trigger: CompiledTrigger | None, interaction: RecordedInteraction, row: Mapping[str, Any]
) -> bool:
    """Tell whether an interaction of this type, case and time may cancel an invitation."""
    is_cancelling = interaction.type in WITHDRAWING_TYPES or (
        trigger and interaction.type in trigger.cancel_types
    )
    is_later = row["occurred_at"] is None or interaction.occurred_at >= row["occurred_at"]
    return bool(is_cancelling and is_later and _concerns(interaction, row))


def _concerns(interaction: RecordedInteraction, row: Mapping[str, Any]) -> bool:
    if interaction.ticket:
        same_source = row["source"] in {None, interaction.source}
        return bool(row["ticket"] == interaction.ticket and same_source)
    return bool(
        row["order_ref"] == interaction.order_ref
        and same_shop(row["order_source"], interaction.order_source)
    )


def _is_cancelled(
    trigger: CompiledTrigger | None,
    interaction: RecordedInteraction,
    row: Mapping[str, Any],
    histories: Mapping[CaseKey, Sequence[CaseEvent]],
) -> bool:
    if trigger is None:
        return interaction.type in WITHDRAWING_TYPES
    event = CaseEvent(
        at=interaction.occurred_at, type=interaction.type, id=interaction.id,
        refund=interaction.properties.get("refund"), amount=interaction.amount,
        currency=interaction.currency, session=interaction.properties.get("session"),
    )  # fmt: skip
    case = case_of(interaction)
    history = histories.get(case, ()) if case else ()
    asked_order = AskedOrder(row["amount"], row["currency"], row["session"])
    return cancels(trigger, event, history or [event], asked_order)


async def _cancel(
    session: AsyncSession,
    workspace_id: UUID,
    invitation_id: UUID,
    *,
    because_of: RecordedInteraction,
) -> None:
    invitation = await invitations.get(session, workspace_id, invitation_id, lock=True)
    if invitation.status == "scheduled":
        invitations.set_status(
            invitation, "cancelled", reason=str(RefusalReason.CANCELLED), detail=because_of.type
        )
        session.add(invitation)
