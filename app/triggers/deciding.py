"""Deciding: each trigger that hears an interaction invites its customer or says why not.

Everything is in the transaction that records the interaction. The tickets and customers
concerned are locked by then, so of two that would ask one customer at once the second waits and
sees the first.
"""

import datetime as dt
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import text
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from app.core.clock import utc_now
from app.core.database import run_sql
from app.core.errors import NotFound
from app.core.ids import uuid7
from app.core.signing import SealedBox
from app.core.telemetry import DECISIONS
from app.interactions.customers import find_customers_by_id
from app.interactions.recording import Recorded
from app.invitations import service as invitations
from app.invitations.admission import (
    Reason,
    Refusal,
    refusal_by_throttle,
    refusal_of_customer,
)
from app.surveys.catalogue import find_published
from app.surveys.compiled import CompiledSurvey
from app.triggers.conditions import Skipped, judge
from app.triggers.models import Decision, Trigger
from app.triggers.schemas import TriggerRules
from app.triggers.service import rules_of
from app.triggers.timing import duration_of, is_sampled, moved_into_window
from app.workspaces.models import Workspace
from app.workspaces.service import get_workspace

_ENDS = {"ticket.solved", "ticket.closed"}
# Nobody has asked the company for anything in a conversation that it began itself.
_COMPANY = {"admin", "bot"}


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one trigger came to: when to send, or why not."""

    refusal: Refusal | None
    send_at: dt.datetime | None = None


@dataclass(slots=True)
class Hearing:
    """What deciding needs to know, read once for many interactions."""

    workspace: Workspace
    box: SealedBox
    customers: Mapping[UUID, dict[str, Any]]
    surveys: dict[UUID, CompiledSurvey | None] = field(default_factory=dict)

    @property
    def workspace_id(self) -> UUID:
        """The workspace of all of it."""
        return self.workspace.id


async def hearing_of(
    session: AsyncSession, box: SealedBox, workspace_id: UUID, recorded: Sequence[Recorded]
) -> Hearing:
    """Read what deciding about these interactions needs."""
    ids = {one.customer_id for one in recorded if one.customer_id}
    return Hearing(
        workspace=await get_workspace(session, workspace_id),
        box=box,
        customers=await find_customers_by_id(session, workspace_id, ids),
    )


async def decide(
    session: AsyncSession, box: SealedBox, workspace_id: UUID, recorded: Sequence[Recorded]
) -> dict[UUID, list[Decision]]:
    """Let every active trigger hear the interactions; return the decisions by interaction."""
    fresh = [one for one in recorded if one.created]
    await call_off(session, workspace_id, fresh)
    triggers = await _listening(session, workspace_id, {one.type for one in fresh})
    found: dict[UUID, list[Decision]] = defaultdict(list)
    if not triggers:
        return found
    hearing = await hearing_of(session, box, workspace_id, fresh)
    for one in fresh:
        for trigger in triggers.get(one.type, ()):
            verdict = await judge_interaction(session, hearing, trigger, one)
            decision = await _carry_out(session, hearing, trigger, one, verdict)
            DECISIONS.labels(decision.outcome, decision.reason or "").inc()
            found[one.id].append(decision)
    return found


async def _listening(
    session: AsyncSession, workspace_id: UUID, types: set[str]
) -> dict[str, list[Trigger]]:
    """Return active triggers by type, those of higher priority first."""
    rows = await session.exec(
        select(Trigger)
        .where(
            Trigger.workspace_id == workspace_id,
            col(Trigger.active),
            col(Trigger.on_type).in_(types),
        )
        .order_by(col(Trigger.priority).desc(), col(Trigger.created_at), col(Trigger.id))
    )
    found: dict[str, list[Trigger]] = defaultdict(list)
    for trigger in rows:
        found[trigger.on_type].append(trigger)
    return found


async def judge_interaction(
    session: AsyncSession, hearing: Hearing, trigger: Trigger, one: Recorded
) -> Verdict:
    """Say when this trigger would ask about this interaction, or why it would not."""
    rules = rules_of(trigger)
    customer = hearing.customers.get(one.customer_id) if one.customer_id else None
    if refusal := _refusal_at_once(trigger, rules, one, customer):
        return Verdict(refusal)
    survey = await _live_survey(session, hearing, trigger.survey_id)
    if survey is None:
        return Verdict(Refusal(Reason.SURVEY_NOT_LIVE, "publish the survey first"))
    refusal = await refusal_of_customer(
        session,
        hearing.workspace_id,
        customer,
        by_mail=rules.channel == "email",
        needs_consent=hearing.workspace.require_consent,
    )
    refusal = refusal or await withdrawn(session, hearing.workspace_id, trigger, one)
    refusal = refusal or await _repeated(session, trigger, rules, one)
    if refusal is not None or customer is None:
        return Verdict(refusal)
    send_at = _send_at(hearing.workspace, rules, one)
    refusal = await refusal_by_throttle(
        session,
        survey,
        customer["id"],
        throttle=_throttle(trigger, hearing.workspace),
        send_at=send_at,
    )
    return Verdict(refusal, send_at)


def _refusal_at_once(
    trigger: Trigger, rules: TriggerRules, one: Recorded, customer: Mapping[str, Any] | None
) -> Refusal | None:
    """Return what can be said without asking the database."""
    if not trigger.active:
        return Refusal(Reason.INACTIVE, "the trigger is not active")
    if one.test:
        return Refusal(Reason.TEST, "tests ask no real person")
    oldest = duration_of(rules.max_age) if rules.max_age else None
    if oldest is not None and one.created_at - one.occurred_at > oldest:
        return Refusal(Reason.TOO_OLD, f"it happened more than {rules.max_age} before it was told")
    if refusal := judge_facts(rules, facts_of(one, customer)):
        return refusal
    if not is_sampled(trigger.id, one.customer_id or one.id, rate=rules.sample_rate):
        return Refusal(Reason.SAMPLED_OUT, f"{rules.sample_rate:.0%} are asked")
    return None


def judge_facts(rules: TriggerRules, facts: Mapping[str, Any]) -> Refusal | None:
    """Hold what is known to the trigger's conditions."""
    if facts.get("opened_by") in _COMPANY:
        return Refusal(Reason.CONDITION, "the company itself has opened the conversation")
    where, unless = (
        [c.model_dump(exclude_unset=True) for c in conditions]
        for conditions in (rules.where, rules.unless)
    )
    verdict = judge(where, unless, facts)
    return Refusal(Reason.CONDITION, verdict.detail) if isinstance(verdict, Skipped) else None


def facts_of(one: Recorded, customer: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return what conditions may name: properties, the customer, the value and the case."""
    known = customer or {}
    facts = dict(one.properties)
    facts |= {f"customer.{name}": value for name, value in known.get("properties", {}).items()}
    facts |= {f"customer.{name}": known.get(name) for name in ("email", "name", "locale")}
    facts |= {
        "value.amount": one.amount,
        "value.currency": one.currency,
        "touchpoint": one.touchpoint or None,
        "ticket": one.ticket,
        "order": one.order_ref,
        "source": one.source,
        "locale": one.locale,
    }
    return facts


async def _live_survey(
    session: AsyncSession, hearing: Hearing, survey_id: UUID
) -> CompiledSurvey | None:
    if survey_id not in hearing.surveys:
        try:
            found = await find_published(session, hearing.workspace_id, str(survey_id))
        except NotFound:
            found = None
        hearing.surveys[survey_id] = found if found is not None and found.live else None
    return hearing.surveys[survey_id]


def cancelling_types(trigger: Trigger) -> list[str]:
    """Return what calls an invitation of this trigger off."""
    stated = rules_of(trigger).cancel_on
    if stated is not None:
        return list(stated)
    if trigger.on_type in _ENDS:
        return ["ticket.reopened"]
    return ["order.refunded"] if trigger.on_type.startswith("order.") else []


async def withdrawn(
    session: AsyncSession, workspace_id: UUID, trigger: Trigger, one: Recorded
) -> Refusal | None:
    """Return what has since happened to the ticket or order that calls the question off."""
    if one.ticket_open and trigger.on_type in _ENDS:
        return Refusal(Reason.CANCELLED, "the ticket is open again")
    types = cancelling_types(trigger)
    if not types or not (one.ticket or one.order_ref):
        return None
    case = "ticket = :ticket and source = :source" if one.ticket else "order_ref = :order"
    names = {"ticket": one.ticket, "source": one.source} if one.ticket else {"order": one.order_ref}
    rows = await run_sql(
        session,
        text(
            "select type from interaction where workspace_id = :workspace_id "
            f"and {case} and type = any(:types) and occurred_at >= :at and id <> :id and not test "
            "order by occurred_at limit 1"
        ).bindparams(
            **names, workspace_id=workspace_id, types=types, at=one.occurred_at, id=one.id
        ),
    )
    row = rows.first()
    return Refusal(Reason.CANCELLED, row.type) if row else None


def once_key(trigger: Trigger, rules: TriggerRules, one: Recorded) -> str:
    """Return what must not be asked about twice by one trigger."""
    per = rules.once_per
    if per is None:
        per = "resolution" if trigger.on_type in _ENDS else "interaction"
        per = "order" if trigger.on_type.startswith("order.") else per
    if per == "resolution" and one.ticket:
        return f"resolution:{one.source}:{one.ticket}:{one.ordinal}"
    if per == "order" and one.order_ref:
        return f"order:{one.order_ref}"
    if per == "customer" and one.customer_id:
        return f"customer:{one.customer_id}"
    return f"interaction:{one.id}"


async def _repeated(
    session: AsyncSession, trigger: Trigger, rules: TriggerRules, one: Recorded
) -> Refusal | None:
    rows = await run_sql(
        session,
        text(
            "select 1 from decision where workspace_id = :workspace_id "
            "and trigger_id = :trigger_id and once_key = :once_key and outcome = 'invited'"
        ).bindparams(
            workspace_id=trigger.workspace_id,
            trigger_id=trigger.id,
            once_key=once_key(trigger, rules, one),
        ),
    )
    if rows.first() is None:
        return None
    return Refusal(Reason.DUPLICATE, once_key(trigger, rules, one))


def _send_at(workspace: Workspace, rules: TriggerRules, one: Recorded) -> dt.datetime:
    delay = duration_of(rules.delay) or dt.timedelta()
    window = rules.send_window.model_dump(by_alias=True) if rules.send_window else None
    earliest = max(utc_now(), one.occurred_at + delay)
    return moved_into_window(earliest, window, zone=ZoneInfo(workspace.timezone))


def _throttle(trigger: Trigger, workspace: Workspace) -> Mapping[str, Any] | None:
    if "throttle" in trigger.rules:
        stated: Mapping[str, Any] | None = trigger.rules["throttle"]
        return {"scope": "workspace", **stated} if stated else None
    return workspace.throttle


async def _carry_out(
    session: AsyncSession, hearing: Hearing, trigger: Trigger, one: Recorded, verdict: Verdict
) -> Decision:
    """Write the decision down, with its invitation where there is one."""
    refusal = verdict.refusal
    decision = Decision(
        workspace_id=hearing.workspace_id,
        interaction_id=one.id,
        trigger_id=trigger.id,
        id=uuid7(),
        outcome="skipped" if refusal else "invited",
        reason=str(refusal.reason) if refusal else None,
        detail=refusal.detail if refusal else None,
        invitation_id=None if refusal else uuid7(),
        once_key=once_key(trigger, rules_of(trigger), one),
        customer_id=one.customer_id,
        ticket=one.ticket,
        order_ref=one.order_ref,
        at=utc_now(),
    )
    if not await _store(session, decision):
        # Another transaction has invited under the same key since this one looked.
        decision.outcome, decision.reason = "skipped", str(Reason.DUPLICATE)
        decision.detail, decision.invitation_id = decision.once_key, None
        await _store(session, decision)
    if decision.invitation_id is not None and verdict.send_at is not None:
        survey = hearing.surveys[trigger.survey_id]
        assert survey is not None  # noqa: S101 - the verdict has just looked at it
        wanted = _wanted(hearing, trigger, one, survey=survey, send_at=verdict.send_at)
        wanted = replace(wanted, id=decision.invitation_id)
        await invitations.schedule(session, hearing.box, wanted)
    return decision


async def _store(session: AsyncSession, decision: Decision) -> bool:
    """Insert a decision; False where its key was invited under already."""
    stored = await session.exec(
        insert(Decision)
        .values(**decision.model_dump())
        .on_conflict_do_nothing()
        .returning(col(Decision.id))
    )
    return stored.first() is not None


def _wanted(
    hearing: Hearing,
    trigger: Trigger,
    one: Recorded,
    *,
    survey: CompiledSurvey,
    send_at: dt.datetime,
) -> invitations.Wanted:
    rules = rules_of(trigger)
    assert one.customer_id is not None  # noqa: S101 - nobody is not invited
    customer = hearing.customers[one.customer_id]
    context: dict[str, Any] = {
        "properties": one.properties,
        "interaction": {"source": one.source, "external_id": one.external_id},
        "type": one.type,
    }
    if one.amount is not None:
        context["value"] = {"amount": f"{one.amount:f}", "currency": one.currency}
    return invitations.Wanted(
        survey=survey,
        customer=customer,
        channel=rules.channel,
        send_at=send_at,
        locale=one.locale or customer["locale"],
        trigger_id=trigger.id,
        interaction_id=one.id,
        source=one.source,
        ticket=one.ticket,
        order=one.order_ref,
        touchpoint=one.touchpoint or survey.touchpoint,
        context=context,
        expires_after=duration_of(rules.expires_after) or invitations.EXPIRES_AFTER,
        remind_after=duration_of(rules.reminder_after) if rules.reminder_after else None,
    )


async def call_off(session: AsyncSession, workspace_id: UUID, recorded: Sequence[Recorded]) -> None:
    """Cancel what waits for the same ticket, else the same order, where a trigger says so."""
    for one in recorded:
        if one.test or not (one.ticket or one.order_ref):
            continue
        case = "i.ticket = :ticket and i.source = :source" if one.ticket else "i.order_ref = :order"
        names: dict[str, Any] = (
            {"ticket": one.ticket, "source": one.source} if one.ticket else {"order": one.order_ref}
        )
        rows = await run_sql(
            session,
            text(
                "select i.id, i.trigger_id from invitation i join interaction a "
                "on a.workspace_id = i.workspace_id and a.id = i.interaction_id "
                "where i.workspace_id = :workspace_id and i.status = 'scheduled' "
                f"and i.trigger_id is not null and {case} and a.occurred_at <= :at"
            ).bindparams(**names, workspace_id=workspace_id, at=one.occurred_at),
        )
        for row in rows.all():
            await _call_off_one(session, workspace_id, row, one)


async def _call_off_one(session: AsyncSession, workspace_id: UUID, row: Any, one: Recorded) -> None:
    trigger = await session.get(Trigger, (workspace_id, row.trigger_id))
    if trigger is None or one.type not in cancelling_types(trigger):
        return
    invitation = await invitations.get(session, workspace_id, row.id, lock=True)
    if invitation.status == "scheduled":
        invitations.end(invitation, "cancelled", reason=str(Reason.CANCELLED), detail=one.type)
        session.add(invitation)
