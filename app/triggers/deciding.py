"""Deciding: each trigger that hears an interaction invites its customer or says why not.

Everything is in the transaction that records the interaction. The tickets and customers
concerned are locked by then, so of two that would ask one customer at once the second waits and
sees the first.
"""

import datetime as dt
import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import text
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from app.core.clock import utc_now
from app.core.database import run_sql
from app.core.ids import uuid7
from app.core.signing import SealedBox
from app.core.telemetry import DECISIONS
from app.interactions.recording import Recorded
from app.interactions.resolution import GONE
from app.invitations import service as invitations
from app.invitations.admission import (
    PastInvitation,
    Reason,
    Refusal,
    refusal_by_throttle,
    refusal_of_customer,
)
from app.surveys.compiled import CompiledSurvey
from app.triggers.conditions import Skipped, judge
from app.triggers.hearing import (
    ENDS,
    REFUNDED,
    CaseEvent,
    Hearing,
    Ruled,
    case_of,
    happened,
    hear,
    same_shop,
)
from app.triggers.models import Trigger
from app.triggers.timing import duration_of, is_sampled, moved_into_window

# Nobody has asked the company for anything in a conversation that it began itself.
_COMPANY = {"admin", "bot"}


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one trigger came to: when to send which survey, or why not."""

    refusal: Refusal | None
    survey: CompiledSurvey | None = None
    send_at: dt.datetime | None = None


async def decide(
    session: AsyncSession, box: SealedBox, workspace_id: UUID, recorded: Sequence[Recorded]
) -> None:
    """Let every active trigger hear the interactions that are new; write its decisions down."""
    fresh = [one for one in recorded if one.created]
    await call_off(session, workspace_id, fresh)
    by_type = await _listening(session, workspace_id, {one.type for one in fresh})
    heard = [one for one in fresh if one.type in by_type]
    if not heard:
        return
    every = [rule for rules in by_type.values() for rule in rules]
    hearing = await hear(session, workspace_id, heard, every)
    decisions: list[dict[str, Any]] = []
    wanted: dict[UUID, invitations.Wanted] = {}
    for one in heard:
        for rule in by_type[one.type]:
            verdict = judge_interaction(hearing, rule, one)
            invitation = _planned(hearing, rule, one, verdict)
            if invitation is not None:
                wanted[invitation.id] = invitation
            decisions.append(_decision(rule, one, verdict, invitation))
    await _store(session, workspace_id, decisions, wanted)
    await invitations.schedule_all(session, box, workspace_id, list(wanted.values()))
    for decision in decisions:
        DECISIONS.labels(decision["outcome"], decision["reason"] or "").inc()


async def _listening(
    session: AsyncSession, workspace_id: UUID, types: set[str]
) -> dict[str, list[Ruled]]:
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
    found: dict[str, list[Ruled]] = defaultdict(list)
    for trigger in rows:
        found[trigger.on_type].append(Ruled(trigger))
    return found


def judge_interaction(hearing: Hearing, rule: Ruled, one: Recorded) -> Verdict:
    """Say when this trigger would ask about this interaction, or why it would not."""
    customer = hearing.customer_of(one)
    refusal = _refusal_at_once(rule, one, customer)
    survey = hearing.surveys.get(rule.trigger.survey_id)
    if refusal is None and survey is None:
        refusal = Refusal(Reason.SURVEY_NOT_LIVE, "publish the survey first")
    if refusal is None:
        email = customer["email"] if customer else None
        refusal = refusal_of_customer(
            customer,
            suppressed_as=hearing.suppressed.get(email) if email else None,
            by_mail=rule.rules.channel == "email",
            needs_consent=hearing.workspace.require_consent,
        )
    refusal = refusal or withdrawn(hearing, rule, one)
    key = rule.once_key(one)
    if refusal is None and (rule.trigger.id, key) in hearing.invited:
        refusal = Refusal(Reason.DUPLICATE, key)
    if refusal is not None or customer is None or survey is None:
        return Verdict(refusal)
    send_at = _send_at(hearing, rule, one)
    throttle = rule.throttle(hearing.workspace)
    asked = hearing.asked[customer["id"]]
    refusal = refusal_by_throttle(asked, survey, throttle=throttle, send_at=send_at)
    return Verdict(refusal, survey, send_at)


def _refusal_at_once(
    rule: Ruled, one: Recorded, customer: Mapping[str, Any] | None
) -> Refusal | None:
    """Return what the interaction alone says against asking."""
    if not rule.trigger.active:
        return Refusal(Reason.INACTIVE, "the trigger is not active")
    if one.test:
        return Refusal(Reason.TEST, "tests ask no real person")
    oldest = duration_of(rule.rules.max_age) if rule.rules.max_age else None
    if oldest is not None and one.created_at - one.occurred_at > oldest:
        told = f"it happened more than {rule.rules.max_age} before it was told"
        return Refusal(Reason.TOO_OLD, told)
    if refusal := judge_facts(rule, facts_of(one, customer)):
        return refusal
    if not is_sampled(rule.trigger.id, one.customer_id or one.id, rate=rule.rules.sample_rate):
        return Refusal(Reason.SAMPLED_OUT, f"{rule.rules.sample_rate:.0%} are asked")
    return None


def judge_facts(rule: Ruled, facts: Mapping[str, Any]) -> Refusal | None:
    """Hold what is known to the trigger's conditions."""
    opened_by = facts.get("opened_by")
    if isinstance(opened_by, str) and opened_by in _COMPANY:
        return Refusal(Reason.CONDITION, "the company itself has opened the conversation")
    verdict = judge(rule.where, rule.unless, facts)
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


def withdrawn(hearing: Hearing, rule: Ruled, one: Recorded) -> Refusal | None:
    """Return what has since happened to the ticket or order that calls the question off."""
    if one.ticket_open and rule.trigger.on_type in ENDS:
        return Refusal(Reason.CANCELLED, "the ticket is open again")
    case = case_of(one)
    story = hearing.happened.get(case, []) if case else []
    for event in story:
        later = event.at >= one.occurred_at and event.id != one.id
        told = AskedOrder(one.amount, one.currency, one.properties.get("session"))
        if later and calls_off(rule, event, story, told):
            return Refusal(Reason.CANCELLED, event.type)
    return None


class AskedOrder(NamedTuple):
    """What the order was worth that is asked about, and the session in which it was paid."""

    amount: Decimal | None
    currency: str | None
    session: str | None


def calls_off(
    rule: Ruled,
    event: CaseEvent,
    story: Sequence[CaseEvent],
    asked: AskedOrder,
) -> bool:
    """Tell whether an event of the case calls the question off; a partial refund never does.

    A refund that does not say whether it is partial is so while all that was paid back is less
    than the order's value. A session that ends calls off only what was paid in it.
    """
    if event.type in GONE:
        return True
    if event.type not in rule.called_off_by:
        return False
    if event.type != REFUNDED:
        return not (event.session and asked.session and event.session != asked.session)
    return event.refund == "full" or (event.refund is None and _is_whole(event, story, asked))


def _is_whole(event: CaseEvent, story: Sequence[CaseEvent], asked: AskedOrder) -> bool:
    """Tell whether all was paid back by now; without amounts a refund is a whole one."""
    if event.amount is None or asked.amount is None:
        return True
    if asked.currency != event.currency:
        return False
    back = sum((e.amount for e in story if e.type == REFUNDED and e.amount), Decimal())
    return back >= asked.amount


def _send_at(hearing: Hearing, rule: Ruled, one: Recorded) -> dt.datetime:
    window = rule.rules.send_window
    return moved_into_window(
        max(utc_now(), one.occurred_at + rule.delay),
        window.model_dump(by_alias=True) if window else None,
        zone=ZoneInfo(hearing.workspace.timezone),
    )


def _planned(
    hearing: Hearing, rule: Ruled, one: Recorded, verdict: Verdict
) -> invitations.Wanted | None:
    """Return the invitation of a verdict, and let those that follow know of it."""
    survey, send_at, customer = verdict.survey, verdict.send_at, hearing.customer_of(one)
    if verdict.refusal is not None or survey is None or send_at is None or customer is None:
        return None
    hearing.invited.add((rule.trigger.id, rule.once_key(one)))
    hearing.asked[customer["id"]].append(PastInvitation(send_at, survey.id, str(survey.metric)))
    context: dict[str, Any] = {
        "properties": one.properties,
        "interaction": {"source": one.source, "external_id": one.external_id},
        "type": one.type,
    }
    if one.amount is not None:
        context["value"] = {"amount": f"{one.amount:f}", "currency": one.currency}
    rules = rule.rules
    return invitations.Wanted(
        survey=survey,
        customer=customer,
        channel=rules.channel,
        send_at=send_at,
        locale=one.locale or customer["locale"],
        trigger_id=rule.trigger.id,
        interaction_id=one.id,
        source=one.source,
        ticket=one.ticket,
        order=one.order_ref,
        touchpoint=one.touchpoint or survey.touchpoint,
        context=context,
        expires_after=duration_of(rules.expires_after) or invitations.EXPIRES_AFTER,
        remind_after=duration_of(rules.reminder_after) if rules.reminder_after else None,
    )


def _decision(
    rule: Ruled, one: Recorded, verdict: Verdict, invitation: invitations.Wanted | None
) -> dict[str, Any]:
    refusal = verdict.refusal
    return {
        "id": uuid7(),
        "interaction_id": one.id,
        "trigger_id": rule.trigger.id,
        "outcome": "skipped" if refusal else "invited",
        "reason": str(refusal.reason) if refusal else None,
        "detail": refusal.detail if refusal else None,
        "invitation_id": invitation.id if invitation else None,
        "once_key": rule.once_key(one),
        "customer_id": one.customer_id,
        "ticket": one.ticket,
        "order_ref": one.order_ref,
    }


_INSERT = text("""
insert into decision (workspace_id, id, interaction_id, trigger_id, outcome, reason, detail,
  invitation_id, once_key, customer_id, ticket, order_ref, at)
select :workspace_id, n.* from json_to_recordset(cast(:rows as json)) n(id uuid,
  interaction_id uuid, trigger_id uuid, outcome text, reason text, detail text,
  invitation_id uuid, once_key text, customer_id uuid, ticket text, order_ref text,
  at timestamptz)
on conflict do nothing returning id
""")


async def _store(
    session: AsyncSession,
    workspace_id: UUID,
    decisions: Sequence[dict[str, Any]],
    wanted: dict[UUID, invitations.Wanted],
) -> None:
    """Insert decisions; one whose key another transaction has invited under is a duplicate."""
    stored = await _insert(session, workspace_id, decisions)
    lost = [decision for decision in decisions if decision["id"] not in stored]
    for decision in lost:
        wanted.pop(decision["invitation_id"], None)
        decision |= {
            "outcome": "skipped",
            "reason": str(Reason.DUPLICATE),
            "detail": decision["once_key"],
            "invitation_id": None,
        }
    if lost:
        await _insert(session, workspace_id, lost)


async def _insert(
    session: AsyncSession, workspace_id: UUID, decisions: Sequence[Mapping[str, Any]]
) -> set[UUID]:
    now, step = utc_now(), dt.timedelta(microseconds=1)
    # A microsecond apart, so that lists tell them in the order in which they were made.
    timed = [{**decision, "at": now + n * step} for n, decision in enumerate(decisions)]
    rows = await run_sql(
        session,
        _INSERT.bindparams(workspace_id=workspace_id, rows=json.dumps(timed, default=str)),
    )
    return {row.id for row in rows}


async def call_off(session: AsyncSession, workspace_id: UUID, recorded: Sequence[Recorded]) -> None:
    """Cancel what waits for the same ticket, else the same order, where a trigger says so.

    What waits for a ticket that was deleted or merged is cancelled whatever the trigger says.
    """
    told = [one for one in recorded if not one.test and case_of(one) is not None]
    if not told:
        return
    rows = await run_sql(
        session,
        text(
            "select i.id, i.trigger_id, i.source, i.ticket, i.order_ref, a.occurred_at, "
            "a.amount, a.currency, a.order_source, a.properties ->> 'session' as session "
            "from invitation i left join interaction a "
            "on a.workspace_id = i.workspace_id and a.id = i.interaction_id "
            "where i.workspace_id = :workspace_id and i.status = 'scheduled' "
            "and (i.ticket = any(:tickets) or i.order_ref = any(:orders)) order by i.id"
        ).bindparams(
            workspace_id=workspace_id,
            tickets=sorted({one.ticket for one in told if one.ticket}),
            orders=sorted({one.order_ref for one in told if one.order_ref}),
        ),
    )
    for row in rows.all():
        for one in told:
            is_later = row.occurred_at is None or one.occurred_at >= row.occurred_at
            if is_later and _concerns(one, row):
                await _call_off_one(session, workspace_id, row, one)


def _concerns(one: Recorded, row: Any) -> bool:
    if one.ticket:
        return bool(row.ticket == one.ticket and row.source in {None, one.source})
    return bool(row.order_ref == one.order_ref and same_shop(row.order_source, one.order_source))


async def _call_off_one(session: AsyncSession, workspace_id: UUID, row: Any, one: Recorded) -> None:
    if not await _is_called_off(session, workspace_id, row, one):
        return
    invitation = await invitations.get(session, workspace_id, row.id, lock=True)
    if invitation.status == "scheduled":
        invitations.end(invitation, "cancelled", reason=str(Reason.CANCELLED), detail=one.type)
        session.add(invitation)


async def _is_called_off(
    session: AsyncSession, workspace_id: UUID, row: Any, one: Recorded
) -> bool:
    if one.type in GONE:
        return True
    trigger = None
    if row.trigger_id is not None:
        trigger = await session.get(Trigger, (workspace_id, row.trigger_id))
    if trigger is None:
        return False
    rule = Ruled(trigger)
    story = (await happened(session, workspace_id, [one], [rule])).get(case_of(one) or ("", "", ""))
    refund = one.properties.get("refund")
    session_ = one.properties.get("session")
    event = CaseEvent(one.occurred_at, one.type, one.id, refund, one.amount, one.currency, session_)
    asked = AskedOrder(row.amount, row.currency, row.session)
    return calls_off(rule, event, story or [event], asked)
