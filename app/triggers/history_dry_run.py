# SPDX-License-Identifier: Apache-2.0
"""Dry run of a trigger over past interactions: which customers it would have invited.

Each interaction is decided as if it had been recorded when it happened. The trigger's own throttle
is simulated: invitations by other triggers count, those by this trigger do not.
"""

import datetime as dt
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from uuid import UUID

from sqlalchemy import text
from sqlmodel.ext.asyncio.session import AsyncSession

from app.core.clock import utc_now
from app.core.database import run_sql
from app.core.schema import Json
from app.interactions.inherited_fields import COLUMNS
from app.interactions.interaction_recorder import RecordedInteraction
from app.interactions.known_types import RESOLVING_TYPES
from app.invitations.refusals import PastInvitation, find_recent_invitations, throttle_interval
from app.triggers.compiled_trigger import CompiledTrigger
from app.triggers.decision_context import DecisionContext, case_of, read_context
from app.triggers.decision_rules import evaluate_trigger, plan_invitation
from app.triggers.models import Trigger
from app.triggers.schemas import HistoryDryRunOut
from app.triggers.workspace_triggers import read_triggers

_CHUNK = 500
_EXAMPLES = 20

_HISTORY = text(f"""
select {COLUMNS} from interaction where workspace_id = :workspace and type = :type and not test
and occurred_at >= :since and (occurred_at, id) > (:after, :id)
order by occurred_at, id limit :most
""").columns(properties=Json, contact=Json)


async def dry_run_history(
    session: AsyncSession, row: Trigger, since: dt.timedelta
) -> HistoryDryRunOut:
    """Return whom a trigger would have invited, and why not the others; nothing is stored."""
    trigger = CompiledTrigger(Trigger.model_validate(row.model_dump() | {"active": True}))
    until = utc_now()
    outcomes: Counter[str] = Counter()
    examples: list[dict[str, object]] = []
    used_once_keys: set[tuple[UUID, str]] = set()
    past_invitations: dict[UUID, list[PastInvitation]] = defaultdict(list)
    ordinals: Counter[tuple[str, str | None]] = Counter()
    async for chunk in _history(session, row, until - since):
        for interaction in chunk:
            _number(interaction, ordinals)
        context = await _context(session, row, trigger, chunk, until - since, past_invitations)
        for interaction in chunk:
            past_context = _as_of(context, trigger, interaction, used_once_keys, past_invitations)
            evaluation = evaluate_trigger(past_context, trigger, interaction)
            plan_invitation(past_context, trigger, interaction, evaluation)
            refusal = evaluation.refusal
            outcomes[str(refusal.reason) if refusal else "invited"] += 1
            if len(examples) < _EXAMPLES:
                examples.append({
                    "interaction": interaction.id, "occurred_at": interaction.occurred_at,
                    "outcome": "skipped" if refusal else "invited",
                    "reason": str(refusal.reason) if refusal else None,
                    "detail": refusal.detail if refusal else None,
                })  # fmt: skip
    would_ask = outcomes.pop("invited", 0)
    return HistoryDryRunOut.model_validate({
        "trigger": row.id, "since": until - since, "until": until,
        "interactions": would_ask + sum(outcomes.values()), "invited": would_ask,
        "skipped": dict(outcomes.most_common()), "examples": examples,
    })  # fmt: skip


async def _history(
    session: AsyncSession, row: Trigger, since: dt.datetime
) -> AsyncIterator[list[RecordedInteraction]]:
    """Yield the interactions of the trigger's type, oldest first, some at a time."""
    after, id_ = since, UUID(int=0)
    while True:
        rows = await run_sql(
            session,
            _HISTORY.bindparams(
                workspace=row.workspace_id, type=row.on_type, since=since, after=after,
                id=id_, most=_CHUNK,
            ),
        )  # fmt: skip
        interactions = [RecordedInteraction(created=True, **row._mapping) for row in rows]
        if not interactions:
            return
        # As if it had been recorded when it happened.
        yield [
            replace(interaction, created_at=interaction.occurred_at) for interaction in interactions
        ]
        after, id_ = interactions[-1].occurred_at, interactions[-1].id


def _number(interaction: RecordedInteraction, ordinals: Counter[tuple[str, str | None]]) -> None:
    """Number the resolutions of a ticket in the order in which they happened."""
    if interaction.ticket and interaction.type in RESOLVING_TYPES:
        case = interaction.source, interaction.ticket
        ordinals[case] += 1
        interaction.ordinal = ordinals[case]


async def _context(
    session: AsyncSession,
    row: Trigger,
    trigger: CompiledTrigger,
    chunk: Sequence[RecordedInteraction],
    since: dt.datetime,
    past_invitations: dict[UUID, list[PastInvitation]],
) -> DecisionContext:
    """Read the context of a chunk; add invitations by other triggers to the past ones."""
    known = await read_triggers(session, row.workspace_id)
    context = await read_context(session, known, chunk, [trigger])
    new = set(context.customers) - set(past_invitations)
    pause = throttle_interval(trigger.throttle(context.workspace))
    if new and pause:
        sent = await find_recent_invitations(
            session, row.workspace_id, new, since=since - pause, excluded_trigger=row.id
        )
        for customer, past in sent.items():
            past_invitations[customer] += past
    return context


def _as_of(
    context: DecisionContext,
    trigger: CompiledTrigger,
    interaction: RecordedInteraction,
    used_once_keys: set[tuple[UUID, str]],
    past_invitations: dict[UUID, list[PastInvitation]],
) -> DecisionContext:
    """Return the context at the time of the interaction, with events up to its sending time."""
    case = case_of(interaction)
    until = interaction.occurred_at + trigger.delay
    events = (
        [event for event in context.case_events.get(case, []) if event.at <= until] if case else []
    )
    return replace(
        context, used_once_keys=used_once_keys, past_invitations=past_invitations,
        as_of=interaction.occurred_at, case_events={case: events} if case else {},
    )  # fmt: skip
