# SPDX-License-Identifier: Apache-2.0
"""Record interactions and run the triggers on them."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlmodel.ext.asyncio.session import AsyncSession

from app.core.clock import utc_now
from app.core.event_types import EventType
from app.core.outbox import emit
from app.core.signing import SealedBox
from app.interactions.interaction_recorder import (
    InteractionDraft,
    RecordedInteraction,
    interaction_body,
    record,
)
from app.invitations.refusals import Refusal, RefusalReason
from app.triggers import decisions
from app.triggers.compiled_trigger import CompiledTrigger
from app.triggers.decision_context import read_context
from app.triggers.decision_rules import TriggerEvaluation, decide, evaluate_trigger
from app.triggers.models import Trigger
from app.triggers.schemas import DryRunOut
from app.triggers.workspace_triggers import read_triggers


async def take_interactions(
    session: AsyncSession,
    box: SealedBox,
    workspace_id: UUID,
    drafts: Sequence[InteractionDraft],
    *,
    triggers: bool = True,
) -> list[RecordedInteraction]:
    """Record interactions; with `triggers`, these decide about the new ones."""
    recorded = await record(session, workspace_id, drafts)
    decisions = await decide(session, box, workspace_id, recorded) if triggers else []
    created = [interaction for interaction in recorded if interaction.created]
    await _emit_events(session, workspace_id, created, _with_decisions(created, decisions))
    return recorded


async def take_and_show(
    session: AsyncSession, box: SealedBox, workspace_id: UUID, drafts: Sequence[InteractionDraft]
) -> list[tuple[dict[str, Any], bool]]:
    """Record interactions and run the triggers; return each as shown, and whether it is new."""
    recorded = await record(session, workspace_id, drafts)
    new_decisions = await decide(session, box, workspace_id, recorded)
    repeated = [interaction.id for interaction in recorded if not interaction.created]
    earlier = await decisions.find_by_interactions(session, workspace_id, repeated)
    replies = _with_decisions(recorded, [*new_decisions, *earlier])
    await _emit_events(session, workspace_id, recorded, replies)
    return [
        (reply, interaction.created) for reply, interaction in zip(replies, recorded, strict=True)
    ]


async def _emit_events(
    session: AsyncSession,
    workspace_id: UUID,
    recorded: Sequence[RecordedInteraction],
    replies: Sequence[dict[str, Any]],
) -> None:
    """Write the events of those that are new, with their decisions; test interactions have none."""
    events = [
        reply
        for reply, interaction in zip(replies, recorded, strict=True)
        if interaction.created and not interaction.test
    ]
    await emit(session, workspace_id, EventType.INTERACTION_CREATED, data=events)


def _with_decisions(
    recorded: Sequence[RecordedInteraction], decision_rows: Sequence[dict[str, Any]]
) -> list[dict[str, Any]]:
    """Return interactions as the API shows them, each with the decisions about it."""
    by_interaction: dict[UUID, list[dict[str, Any]]] = defaultdict(list)
    for decision in decision_rows:
        by_interaction[decision["interaction"]].append(decisions.decision_body(decision))
    return [
        interaction_body(interaction) | {"decisions": by_interaction[interaction.id]}
        for interaction in recorded
    ]


async def dry_run(session: AsyncSession, trigger: Trigger, draft: InteractionDraft) -> DryRunOut:
    """Say what a trigger would decide of an interaction now, and store nothing."""
    workspace_id = trigger.workspace_id
    async with session.begin_nested() as attempt:
        interaction = (await record(session, workspace_id, [draft]))[0]
        compiled, known = CompiledTrigger(trigger), await read_triggers(session, workspace_id)
        context = await read_context(session, known, [interaction], [compiled])
        evaluation = evaluate_trigger(context, compiled, interaction)
        if interaction.type != trigger.on_type:
            detail = f"the trigger is on `{trigger.on_type}` only"
            evaluation = TriggerEvaluation(Refusal(RefusalReason.CONDITION, detail))
        await attempt.rollback()
    refusal = evaluation.refusal
    return DryRunOut(
        trigger=trigger.id,
        interaction=None,
        outcome="skipped" if refusal else "invited",
        reason=refusal.reason if refusal else None,
        detail=refusal.detail if refusal else None,
        invitation=None,
        at=utc_now(),
        send_at=None if refusal else evaluation.send_at,
    )
