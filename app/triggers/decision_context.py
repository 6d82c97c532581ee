# SPDX-License-Identifier: Apache-2.0
"""What decisions need, read once for all interactions and triggers of a transaction."""

import datetime as dt
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

from sqlmodel.ext.asyncio.session import AsyncSession

from app.core.clock import utc_now
from app.core.prepared_statements import PreparedStatement
from app.interactions.customers import find_customers_by_id
from app.interactions.interaction_recorder import RecordedInteraction
from app.interactions.known_types import WITHDRAWING_TYPES
from app.invitations.refusals import PastInvitation, find_recent_invitations, throttle_interval
from app.invitations.suppression import SuppressionKind, find_suppressions
from app.surveys.compiled import CompiledSurvey
from app.triggers.compiled_trigger import CompiledTrigger
from app.triggers.workspace_triggers import WorkspaceTriggers
from app.workspaces.models import Workspace

CaseKey = tuple[str, str, str]


class CaseEvent(NamedTuple):
    """An event of a ticket or order that may cancel an invitation."""

    at: dt.datetime
    type: str
    id: UUID
    refund: str | None = None
    amount: Decimal | None = None
    currency: str | None = None
    session: str | None = None


@dataclass(slots=True)
class DecisionContext:
    """Customers, surveys and past invitations; planned ones are added as they are decided."""

    workspace: Workspace
    customers: Mapping[UUID, dict[str, Any]]
    suppressions: Mapping[str, SuppressionKind]
    surveys: Mapping[UUID, CompiledSurvey]
    used_once_keys: set[tuple[UUID, str]]
    past_invitations: dict[UUID, list[PastInvitation]]
    case_events: Mapping[CaseKey, list[CaseEvent]] = field(default_factory=dict)
    # The time of the decision in a dry run over history; None means now.
    as_of: dt.datetime | None = None
    _facts: dict[UUID, dict[str, Any]] = field(default_factory=dict)

    def customer_of(self, interaction: RecordedInteraction) -> dict[str, Any] | None:
        """Return the interaction's customer, with the address that the interaction itself has."""
        customer = self.customers.get(interaction.customer_id) if interaction.customer_id else None
        if customer is None or customer["erased_at"] is not None or interaction.contact is None:
            return customer
        return customer | interaction.contact

    def facts_of(self, interaction: RecordedInteraction) -> Mapping[str, Any]:
        """Return what conditions may name of an interaction; it is the same for every trigger."""
        if interaction.id not in self._facts:
            self._facts[interaction.id] = _facts_of(interaction, self.customer_of(interaction))
        return self._facts[interaction.id]


def _facts_of(
    interaction: RecordedInteraction, customer: Mapping[str, Any] | None
) -> dict[str, Any]:
    """Return what conditions may name: properties, the customer, the value and the case."""
    fields = customer or {}
    facts = dict(interaction.properties)
    facts |= {f"customer.{name}": value for name, value in fields.get("properties", {}).items()}
    facts |= {f"customer.{name}": fields.get(name) for name in ("email", "name", "locale")}
    facts |= {
        "value.amount": interaction.amount,
        "value.currency": interaction.currency,
        "touchpoint": interaction.touchpoint or None,
        "ticket": interaction.ticket,
        "order": interaction.order_ref,
        "source": interaction.source,
        "locale": interaction.locale,
    }
    return facts


def case_of(interaction: RecordedInteraction) -> CaseKey | None:
    """Return the case of an interaction: its ticket, else its order."""
    if interaction.ticket:
        return "ticket", interaction.source, interaction.ticket
    return (
        ("order", interaction.order_source or "", interaction.order_ref)
        if interaction.order_ref
        else None
    )


async def read_context(
    session: AsyncSession,
    workspace_triggers: WorkspaceTriggers,
    recorded: Sequence[RecordedInteraction],
    triggers: Sequence[CompiledTrigger],
) -> DecisionContext:
    """Read what deciding about these interactions by these triggers needs."""
    workspace, workspace_id = workspace_triggers.workspace, workspace_triggers.workspace.id
    customers = {
        interaction.customer_id: interaction.customer
        for interaction in recorded
        if interaction.customer_id and interaction.customer
    }
    unread = {interaction.customer_id for interaction in recorded if interaction.customer_id} - set(
        customers
    )
    customers |= await find_customers_by_id(session, workspace_id, unread)
    emails = [customer["email"] for customer in customers.values() if customer["email"]]
    emails += [interaction.contact["email"] for interaction in recorded if interaction.contact]
    pauses = [throttle_interval(trigger.throttle(workspace)) for trigger in triggers]
    past_invitations: dict[UUID, list[PastInvitation]] = defaultdict(list)
    if customers and any(pauses):
        since = utc_now() - max(pauses)
        past_invitations = await find_recent_invitations(
            session, workspace_id, customers, since=since
        )
    return DecisionContext(
        workspace=workspace,
        customers=customers,
        suppressions=await find_suppressions(session, workspace_id, emails),
        surveys=workspace_triggers.surveys,
        used_once_keys=await _find_used_once_keys(session, workspace_id, recorded, triggers),
        past_invitations=past_invitations,
        case_events=await find_case_events(session, workspace_id, recorded, triggers),
    )


# Both halves use an index: by once_key, and by the number of an order whose shop is unknown.
# `offset 0` forces one index look-up for each key, even without table statistics.
_USED_ONCE_KEYS = PreparedStatement("""
select found.* from unnest(cast(:keys as text[])) key cross join lateral (
  select d.trigger_id, d.once_key, d.order_ref from decision d
  where d.workspace_id = :workspace_id and d.outcome = 'invited' and d.once_key = key
  offset 0) found
union all
select found.* from unnest(cast(:orders as text[])) number cross join lateral (
  select d.trigger_id, d.once_key, d.order_ref from decision d
  where d.workspace_id = :workspace_id and d.outcome = 'invited' and d.order_ref is not null
    and d.order_ref = number and d.once_key like 'order:%' offset 0) found
""")


async def _find_used_once_keys(
    session: AsyncSession,
    workspace_id: UUID,
    recorded: Sequence[RecordedInteraction],
    triggers: Sequence[CompiledTrigger],
) -> set[tuple[UUID, str]]:
    """Return the keys under which these triggers have invited already.

    An order number with a shop and the same number without one mean the same order.
    """
    keys: dict[str, set[str]] = defaultdict(set)
    shared = {
        interaction.order_ref
        for interaction in recorded
        if interaction.order_ref and not interaction.order_source
    }
    for interaction in recorded:
        for trigger in triggers:
            key = trigger.once_key(interaction)
            keys[key].add(key)
            if key.startswith("order:") and interaction.order_source:
                keys[f"order:{interaction.order_ref}"].add(key)
    rows = await _USED_ONCE_KEYS.run(
        session,
        workspace_id=workspace_id,
        keys=list(keys),
        orders=sorted(shared),
    )
    trigger_ids = {trigger.id for trigger in triggers}
    rows = [row for row in rows if row["trigger_id"] in trigger_ids]
    invited = {(row["trigger_id"], key) for row in rows for key in keys.get(row["once_key"], ())}
    # An order number without a shop matches that of any shop.
    order_keys = {
        (row["trigger_id"], f"order:{row['order_ref']}")
        for row in rows
        if row["order_ref"] in shared
    }
    return invited | order_keys


_CASE_EVENTS = PreparedStatement("""
select id, type, source, ticket, order_ref, order_source, occurred_at, amount, currency,
  properties ->> 'refund' as refund, properties ->> 'session' as session
from interaction where workspace_id = :workspace_id and not test and type = any(:types)
  and (ticket = any(:tickets) or order_ref = any(:orders)) order by occurred_at
""")


async def find_case_events(
    session: AsyncSession,
    workspace_id: UUID,
    recorded: Sequence[RecordedInteraction],
    triggers: Sequence[CompiledTrigger],
) -> dict[CaseKey, list[CaseEvent]]:
    """Return the events of the same tickets and orders that may cancel an invitation."""
    types = sorted(WITHDRAWING_TYPES.union(*(trigger.cancel_types for trigger in triggers)))
    tickets = sorted({interaction.ticket for interaction in recorded if interaction.ticket})
    orders = sorted({interaction.order_ref for interaction in recorded if interaction.order_ref})
    cases_of_order: dict[str | None, set[CaseKey]] = defaultdict(set)
    for interaction in recorded:
        if (case := case_of(interaction)) and case[0] == "order":
            cases_of_order[interaction.order_ref].add(case)
    events_by_case: dict[CaseKey, list[CaseEvent]] = defaultdict(list)
    if not (tickets or orders):
        return events_by_case
    rows = await _CASE_EVENTS.run(
        session, workspace_id=workspace_id, types=types, tickets=tickets, orders=orders
    )
    for row in rows:
        case_event = CaseEvent(
            at=row["occurred_at"], type=row["type"], id=row["id"], refund=row["refund"],
            amount=row["amount"], currency=row["currency"], session=row["session"],
        )  # fmt: skip
        if row["ticket"]:
            events_by_case["ticket", row["source"], row["ticket"]].append(case_event)
        for case in cases_of_order[row["order_ref"]]:
            if same_shop(case[1], row["order_source"]):
                events_by_case[case].append(case_event)
    return events_by_case


def same_shop(shop: str | None, other: str | None) -> bool:
    """Tell whether two order numbers may be of one shop; an unknown shop matches any shop."""
    return not shop or not other or shop == other
