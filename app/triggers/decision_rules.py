# SPDX-License-Identifier: Apache-2.0
"""Decide for each trigger and each new interaction whether to invite its customer.

Everything happens in the transaction that records the interaction. The tickets and customers
concerned are locked by then, so if two transactions would invite one customer at the same time,
the second waits and sees the first invitation.
"""

import datetime as dt
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlmodel.ext.asyncio.session import AsyncSession

from app.core.clock import utc_now
from app.core.durations import duration_of
from app.core.ids import uuid7
from app.core.prepared_statements import PreparedStatement, as_json
from app.core.signing import SealedBox
from app.core.telemetry import DECISIONS
from app.interactions.interaction_recorder import RecordedInteraction
from app.invitations import service as invitations
from app.invitations.attribution import attribution_of
from app.invitations.refusals import (
    PastInvitation,
    Refusal,
    RefusalReason,
    refusal_by_throttle,
    refusal_of_customer,
)
from app.surveys.compiled import CompiledSurvey
from app.triggers.cancellation import cancel_by_interactions, refusal_by_later_events
from app.triggers.compiled_trigger import CompiledTrigger
from app.triggers.conditions import ConditionFailed, evaluate
from app.triggers.decision_context import DecisionContext, read_context
from app.triggers.timing import is_sampled, move_into_window
from app.triggers.workspace_triggers import read_triggers

# Customers are not asked about tickets that the company opened itself.
_COMPANY_OPENERS = {"admin", "bot"}


@dataclass(frozen=True, slots=True)
class TriggerEvaluation:
    """What one trigger wants: when to send which survey, or why not."""

    refusal: Refusal | None
    survey: CompiledSurvey | None = None
    send_at: dt.datetime | None = None


async def decide(
    session: AsyncSession,
    box: SealedBox,
    workspace_id: UUID,
    recorded: Sequence[RecordedInteraction],
) -> list[dict[str, Any]]:
    """Let every active trigger decide about the new interactions; return what was stored."""
    fresh = [interaction for interaction in recorded if interaction.created]
    workspace_triggers = await read_triggers(session, workspace_id)
    await cancel_by_interactions(session, workspace_triggers, fresh)
    by_type = {
        type_: workspace_triggers.find_on(type_)
        for type_ in {interaction.type for interaction in fresh}
    }
    relevant = [interaction for interaction in fresh if by_type[interaction.type]]
    if not relevant:
        return []
    every = [trigger for rules in by_type.values() for trigger in rules]
    context = await read_context(session, workspace_triggers, relevant, every)
    decided: list[dict[str, Any]] = []
    requests: dict[UUID, invitations.InvitationRequest] = {}
    for interaction in relevant:
        for trigger in by_type[interaction.type]:
            evaluation = evaluate_trigger(context, trigger, interaction)
            invitation = plan_invitation(context, trigger, interaction, evaluation)
            if invitation is not None:
                requests[invitation.id] = invitation
            decided.append(_decision(trigger, interaction, evaluation, invitation))
    await _store(session, workspace_id, decided, requests)
    await invitations.schedule_all(session, box, workspace_id, list(requests.values()))
    for (outcome, reason), count in Counter(
        (decision["outcome"], decision["reason"]) for decision in decided
    ).items():
        DECISIONS.labels(outcome, reason or "").inc(count)
    return decided


def evaluate_trigger(
    context: DecisionContext, trigger: CompiledTrigger, interaction: RecordedInteraction
) -> TriggerEvaluation:
    """Say when this trigger would ask about this interaction, or why it would not."""
    customer = context.customer_of(interaction)
    refusal = _refusal_at_once(trigger, interaction, context.facts_of(interaction))
    survey = context.surveys.get(trigger.row.survey_id)
    if refusal is None and survey is None:
        refusal = Refusal(RefusalReason.SURVEY_NOT_LIVE, "publish the survey first")
    if refusal is None:
        email = customer["email"] if customer else None
        refusal = refusal_of_customer(
            customer,
            suppressed_as=context.suppressions.get(email) if email else None,
            by_mail=trigger.rules.channel == "email",
            needs_consent=context.workspace.require_consent,
        )
    refusal = refusal or refusal_by_later_events(context, trigger, interaction)
    key = trigger.once_key(interaction)
    if refusal is None and (trigger.id, key) in context.used_once_keys:
        refusal = Refusal(RefusalReason.DUPLICATE, key)
    if refusal is not None or customer is None or survey is None:
        return TriggerEvaluation(refusal)
    send_at = _send_at(context, trigger, interaction)
    throttle = trigger.throttle(context.workspace)
    past_invitations = context.past_invitations[customer["id"]]
    refusal = refusal_by_throttle(past_invitations, survey, throttle=throttle, send_at=send_at)
    return TriggerEvaluation(refusal, survey, send_at)


def _refusal_at_once(
    trigger: CompiledTrigger, interaction: RecordedInteraction, facts: Mapping[str, Any]
) -> Refusal | None:
    """Return a refusal that needs no query, if there is one."""
    if not trigger.row.active:
        return Refusal(RefusalReason.INACTIVE, "the trigger is not active")
    if interaction.test:
        return Refusal(RefusalReason.TEST, "a test interaction invites nobody")
    oldest = duration_of(trigger.rules.max_age) if trigger.rules.max_age else None
    if oldest is not None and interaction.created_at - interaction.occurred_at > oldest:
        detail = f"it happened more than {trigger.rules.max_age} before it was reported"
        return Refusal(RefusalReason.TOO_OLD, detail)
    if refusal := evaluate_conditions(trigger, facts):
        return refusal
    if not is_sampled(
        trigger.id, interaction.customer_id or interaction.id, rate=trigger.rules.sample_rate
    ):
        share = f"{100 * trigger.rules.sample_rate:.6f}".rstrip("0").rstrip(".")
        return Refusal(RefusalReason.SAMPLED_OUT, f"{share}% are asked")
    return None


def evaluate_conditions(trigger: CompiledTrigger, facts: Mapping[str, Any]) -> Refusal | None:
    """Check the known facts against the conditions of a trigger."""
    opened_by = facts.get("opened_by")
    if facts.get("ticket") and isinstance(opened_by, str) and opened_by in _COMPANY_OPENERS:
        detail = f"the company opened the ticket itself: `opened_by` is `{opened_by}`"
        return Refusal(RefusalReason.CONDITION, detail)
    evaluation = evaluate(trigger.where, trigger.unless, facts)
    return (
        Refusal(RefusalReason.CONDITION, evaluation.detail)
        if isinstance(evaluation, ConditionFailed)
        else None
    )


def _send_at(
    context: DecisionContext, trigger: CompiledTrigger, interaction: RecordedInteraction
) -> dt.datetime:
    window = trigger.rules.send_window
    return move_into_window(
        max(context.as_of or utc_now(), interaction.occurred_at + trigger.delay),
        window.model_dump(by_alias=True) if window else None,
        zone=ZoneInfo(context.workspace.timezone),
    )


def plan_invitation(
    context: DecisionContext,
    trigger: CompiledTrigger,
    interaction: RecordedInteraction,
    evaluation: TriggerEvaluation,
) -> invitations.InvitationRequest | None:
    """Return the invitation that a trigger wants, and add it to the context for the next ones."""
    survey, send_at, customer = (
        evaluation.survey,
        evaluation.send_at,
        context.customer_of(interaction),
    )
    if evaluation.refusal is not None or survey is None or send_at is None or customer is None:
        return None
    context.used_once_keys.add((trigger.id, trigger.once_key(interaction)))
    context.past_invitations[customer["id"]].append(
        PastInvitation(send_at, survey.id, str(survey.metric))
    )
    rules = trigger.rules
    return invitations.InvitationRequest(
        survey=survey,
        customer=customer,
        channel=rules.channel,
        send_at=send_at,
        locale=interaction.locale or customer["locale"],
        trigger_id=trigger.id,
        interaction_id=interaction.id,
        source=interaction.source,
        ticket=interaction.ticket,
        order=interaction.order_ref,
        touchpoint=interaction.touchpoint or survey.touchpoint,
        context=attribution_of(
            type_=interaction.type,
            source=interaction.source,
            external_id=interaction.external_id,
            properties=interaction.properties,
            amount=interaction.amount,
            currency=interaction.currency,
        ),
        expires_after=duration_of(rules.expires_after) or invitations.EXPIRES_AFTER,
        remind_after=duration_of(rules.reminder_after) if rules.reminder_after else None,
    )


def _decision(
    trigger: CompiledTrigger,
    interaction: RecordedInteraction,
    evaluation: TriggerEvaluation,
    invitation: invitations.InvitationRequest | None,
) -> dict[str, Any]:
    refusal = evaluation.refusal
    return {
        "id": uuid7(),
        "interaction": interaction.id,
        "trigger": trigger.id,
        "outcome": "skipped" if refusal else "invited",
        "reason": str(refusal.reason) if refusal else None,
        "detail": refusal.detail if refusal else None,
        "invitation": invitation.id if invitation else None,
        "once_key": trigger.once_key(interaction),
        "customer_id": interaction.customer_id,
        "ticket": interaction.ticket,
        "order_ref": interaction.order_ref,
    }


_INSERT = PreparedStatement("""
insert into decision (workspace_id, id, interaction_id, trigger_id, outcome, reason, detail,
  invitation_id, once_key, customer_id, ticket, order_ref, at)
select cast(:workspace_id as uuid), n.* from json_to_recordset(cast(:rows as json)) n(id uuid,
  interaction uuid, trigger uuid, outcome text, reason text, detail text, invitation uuid,
  once_key text, customer_id uuid, ticket text, order_ref text,
  at timestamptz)
on conflict do nothing returning id
""")


async def _store(
    session: AsyncSession,
    workspace_id: UUID,
    decisions: Sequence[dict[str, Any]],
    requests: dict[UUID, invitations.InvitationRequest],
) -> None:
    """Insert decisions; if another transaction invited under the same key, it is a duplicate."""
    stored = await _insert(session, workspace_id, decisions)
    lost = [decision for decision in decisions if decision["id"] not in stored]
    for decision in lost:
        requests.pop(decision["invitation"], None)
        decision |= {
            "outcome": "skipped",
            "reason": str(RefusalReason.DUPLICATE),
            "detail": decision["once_key"],
            "invitation": None,
        }
    if lost:
        await _insert(session, workspace_id, lost)


async def _insert(
    session: AsyncSession, workspace_id: UUID, decisions: Sequence[dict[str, Any]]
) -> set[UUID]:
    now, step = utc_now(), dt.timedelta(microseconds=1)
    for number, decision in enumerate(decisions):
        # One microsecond apart, so that lists show them in the order in which they were made.
        decision["at"] = now + number * step
    rows = await _INSERT.run(session, workspace_id=workspace_id, rows=as_json(decisions))
    return {row["id"] for row in rows}
