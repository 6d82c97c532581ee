# SPDX-License-Identifier: Apache-2.0
"""Record interactions, once per source and external id; gaps are filled from their case.

Locks are taken in one order by every transaction that records: customers' names, the workspace's
row (FOR KEY SHARE), tickets by id, orders by number, interactions by id, then customers by id. This
prevents deadlocks.
"""

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlmodel.ext.asyncio.session import AsyncSession

from app.core.clock import rfc3339, utc_now
from app.core.event_types import EventType
from app.core.ids import derived_uuid
from app.core.outbox import emit
from app.core.prepared_statements import PreparedStatement, as_json
from app.interactions.customer_resolver import CustomerReference, resolve_customers
from app.interactions.customers import lock_and_read
from app.interactions.history_rewrite import Rewrite, mark_empty_tickets, rewrite
from app.interactions.inherited_fields import COLUMNS, TYPES, fill_inherited_fields
from app.interactions.profiles import CustomerStatement, complete_profiles
from app.interactions.resolution import TicketProgress
from app.interactions.tickets import (
    ComputedTickets,
    compute_tickets,
    lock_tickets,
    share_configuration_lock,
    ticket_id,
)
from app.interactions.touchpoint_registry import register_touchpoints


@dataclass(frozen=True, slots=True)
class InteractionDraft:
    """One interaction as a caller or an integration reports it.

    `order_source` names the shop that numbered the order; None for the workspace's own numbers.
    """

    type: str
    source: str
    external_id: str
    ticket: str | None = None
    order: str | None = None
    order_source: str | None = None
    touchpoint: str = ""
    occurred_at: dt.datetime | None = None
    customer: CustomerReference | None = None
    customer_id: UUID | None = None
    consent: Mapping[str, Any] | None = None
    customer_properties: Mapping[str, Any] = field(default_factory=dict)
    locale: str | None = None
    amount: Decimal | None = None
    currency: str | None = None
    properties: Mapping[str, Any] = field(default_factory=dict)
    test: bool = False


@dataclass(slots=True)
class RecordedInteraction:
    """One interaction as it is stored, with what it inherited.

    `ordinal` is the number of its ticket's resolution to which it belongs, `ticket_open` tells
    whether the ticket is open now; both are None without a ticket. `customer` is whom it happened
    to, as stored in the same transaction; None where it was not read with it.
    """

    id: UUID
    created: bool
    type: str
    source: str
    external_id: str
    ticket: str | None
    order_ref: str | None
    order_source: str | None
    touchpoint: str
    customer_id: UUID | None
    contact: dict[str, str] | None
    locale: str | None
    amount: Decimal | None
    currency: str | None
    properties: dict[str, Any]
    test: bool
    occurred_at: dt.datetime
    created_at: dt.datetime
    ordinal: int | None = None
    ticket_open: bool | None = None
    customer: dict[str, Any] | None = None


# Distinguishes ids of interactions from those that are derived of the same names elsewhere.
INTERACTION_NAMES = "interaction"


def interaction_id(workspace_id: UUID, source: str, external_id: str) -> UUID:
    """Return the id of an interaction, derived from its source and its id there."""
    return derived_uuid(str(workspace_id), INTERACTION_NAMES, source, external_id)


async def record(
    session: AsyncSession,
    workspace_id: UUID,
    drafts: Sequence[InteractionDraft],
    *,
    change: Rewrite | None = None,
) -> list[RecordedInteraction]:
    """Store interactions that are new and return all, in the order given.

    Tickets are computed again from their interactions, in the same transaction. With a `change`,
    the interactions of an earlier import are rewritten, and no events are written.
    """
    began = utc_now()
    statements = _statements_of(drafts, now=began)
    customers = await resolve_customers(
        session, workspace_id, [statement.customer for statement in statements],
        told_at={
            statement.customer: statement.at
            for statement in sorted(statements, key=lambda statement: statement.at)
        },
    )  # fmt: skip
    configuration = await share_configuration_lock(session, workspace_id)
    tickets = {(draft.source, draft.ticket) for draft in drafts if draft.ticket and not draft.test}
    tickets |= change.tickets if change else frozenset()
    await lock_tickets(session, configuration, tickets)
    await _lock_orders(session, workspace_id, drafts)
    rows = [_row(workspace_id, draft, customers) for draft in drafts]
    created = await _insert(session, workspace_id, rows)
    if change is not None:
        repeated = [row for row in rows if row["id"] not in created]
        created |= await rewrite(session, workspace_id, repeated, change)
    touchpoints = (draft.touchpoint for draft in drafts if not draft.test)
    await register_touchpoints(session, workspace_id, touchpoints)
    fresh = [row for row in rows if row["id"] in created]
    in_cases = await fill_inherited_fields(session, workspace_id, fresh)
    ids = [ticket_id(workspace_id, *name) for name in tickets]
    known = _histories_in(workspace_id, in_cases, fresh) if change is None else {}
    computed = await compute_tickets(
        session, configuration, ids, known, created, is_rewrite=change is not None
    )
    recorded = await _insert_or_find(session, workspace_id, rows, created, in_cases)
    _number_events(workspace_id, recorded, computed.progress)
    concerned = {*customers.values(), *(row.customer_id for row in recorded if row.customer_id)}
    profiles = await lock_and_read(session, workspace_id, concerned)
    by_customer = [(customers[statement.customer], statement) for statement in statements]
    await complete_profiles(session, workspace_id, profiles, by_customer, began=began)
    for interaction in recorded:
        if interaction.customer_id is not None:
            interaction.customer = profiles.get(interaction.customer_id)
    if change is None:
        await _emit_ticket_events(session, workspace_id, recorded, computed)
    else:
        await mark_empty_tickets(session, workspace_id, ids)
    return recorded


async def _insert_or_find(
    session: AsyncSession,
    workspace_id: UUID,
    rows: Sequence[Mapping[str, Any]],
    created: Set[UUID],
    in_cases: Sequence[Mapping[str, Any]],
) -> list[RecordedInteraction]:
    """Return each row as it is stored; of repeated rows of one interaction, the first is new."""
    stored = {row["id"]: row for row in in_cases}
    elsewhere = [row["id"] for row in rows if row["id"] not in stored]
    stored |= await find_interactions(session, workspace_id, elsewhere)
    recorded = []
    seen: set[UUID] = set()
    for row in rows:
        id_ = row["id"]
        is_new = id_ in created and id_ not in seen
        seen.add(id_)
        recorded.append(RecordedInteraction(created=is_new, **stored[id_]))
    return recorded


def _number_events(
    workspace_id: UUID,
    recorded: Sequence[RecordedInteraction],
    progress_by_id: Mapping[UUID, TicketProgress],
) -> None:
    """Set each interaction's number of resolution or reopening, and whether its ticket is open."""
    for interaction in recorded:
        if not interaction.ticket:
            continue
        id_ = ticket_id(workspace_id, interaction.source, interaction.ticket)
        if progress := progress_by_id.get(id_):
            interaction.ordinal = progress.ordinals.get(interaction.id)
            interaction.ticket_open = progress.status == "open"


_LOCK_ORDERS = PreparedStatement("""
select pg_advisory_xact_lock(11, key) from (
  select distinct (hashtextextended(cast(:workspace as text) || number, 0) % 4096)::int as key
  from unnest(cast(:numbers as text[])) number order by 1) keys
""")


async def _lock_orders(
    session: AsyncSession, workspace_id: UUID, drafts: Sequence[InteractionDraft]
) -> None:
    """Lock the numbers of orders, so that interactions of one order are recorded in turn."""
    numbers = sorted({draft.order for draft in drafts if draft.order and not draft.test})
    if numbers:
        await _LOCK_ORDERS.run(session, workspace=str(workspace_id), numbers=numbers)


def _statements_of(
    drafts: Sequence[InteractionDraft], *, now: dt.datetime
) -> list[CustomerStatement]:
    """Return what each draft states about its customer.

    A draft without a time counts as stated now; a test states nothing.
    """
    return [
        CustomerStatement(
            draft.customer, draft.occurred_at or now, draft.customer_properties, draft.consent
        )
        for draft in drafts
        if draft.customer is not None and not draft.test
    ]


def _histories_in(
    workspace_id: UUID,
    in_cases: Sequence[Mapping[str, Any]],
    fresh: Sequence[Mapping[str, Any]],
) -> dict[UUID, Sequence[Mapping[str, Any]]]:
    """Return the histories of the tickets of fresh interactions, from all of their cases."""
    tickets = {(row["source"], row["ticket"]) for row in fresh if row["ticket"]}
    histories: dict[UUID, list[Mapping[str, Any]]] = defaultdict(list)
    for row in in_cases:
        if (row["source"], row["ticket"]) in tickets and not row["test"]:
            histories[ticket_id(workspace_id, row["source"], row["ticket"])].append(row)
    return dict(histories)


async def _emit_ticket_events(
    session: AsyncSession,
    workspace_id: UUID,
    recorded: Sequence[RecordedInteraction],
    computed: ComputedTickets,
) -> None:
    """Write the events of tickets that were resolved or reopened, once for each number."""
    by_ticket = {
        ticket_id(workspace_id, interaction.source, interaction.ticket): interaction
        for interaction in recorded
        if interaction.ticket and not interaction.test
    }
    data_by_event: dict[EventType, list[dict[str, Any]]] = {
        EventType.TICKET_RESOLVED: [], EventType.TICKET_REOPENED: [],
    }  # fmt: skip
    for id_, interaction in by_ticket.items():
        progress, previous = computed.progress.get(id_), computed.before.get(id_)
        if progress is None or previous is None:
            continue
        for event, after, earlier in (
            (EventType.TICKET_RESOLVED, progress.resolutions, previous.resolutions),
            (EventType.TICKET_REOPENED, progress.reopenings, previous.reopenings),
        ):
            data_by_event[event] += [
                _ticket_event(id_, interaction, progress, number)
                for number in range(earlier + 1, after + 1)
            ]
    for event, data in data_by_event.items():
        await emit(session, workspace_id, event, data=data)


def _ticket_event(
    id_: UUID, interaction: RecordedInteraction, progress: TicketProgress, number: int
) -> dict[str, Any]:
    times = {"opened_at": progress.opened_at, "first_solved_at": progress.first_solved_at,
             "last_solved_at": progress.last_solved_at}  # fmt: skip
    return {
        "id": str(id_),
        "source": interaction.source,
        "ticket": interaction.ticket,
        "number": number,
        "status": str(progress.status),
        "customer_id": str(interaction.customer_id) if interaction.customer_id else None,
        "touchpoint": interaction.touchpoint or None,
        "properties": interaction.properties,
        **{name: rfc3339(at) if at else None for name, at in times.items()},
    }


def _row(
    workspace_id: UUID, draft: InteractionDraft, customers: Mapping[CustomerReference, UUID]
) -> dict[str, Any]:
    now = utc_now()
    return {
        "id": interaction_id(workspace_id, draft.source, draft.external_id),
        "type": draft.type,
        "source": draft.source,
        "external_id": draft.external_id,
        "ticket": draft.ticket,
        "order_ref": draft.order,
        "order_source": draft.order_source if draft.order else None,
        "touchpoint": draft.touchpoint,
        "customer_id": customers.get(draft.customer) if draft.customer else draft.customer_id,
        "contact": _contact(draft.customer) if not draft.test else None,
        "locale": draft.locale or (draft.customer.locale if draft.customer else None),
        "amount": draft.amount,
        "currency": draft.currency,
        "properties": dict(draft.properties),
        "test": draft.test,
        "occurred_at": draft.occurred_at or now,
        "created_at": now,
    }


def _contact(customer: CustomerReference | None) -> dict[str, str] | None:
    """Return the address for mails about the interaction, if it names one itself."""
    if customer is None or customer.email is None:
        return None
    return {"email": customer.email, **({"name": customer.name} if customer.name else {})}


_INSERT = PreparedStatement(
    f"insert into interaction (workspace_id, {COLUMNS}) "
    f"select cast(:workspace_id as uuid), {COLUMNS} from json_to_recordset(cast(:rows as json)) "
    f"n({TYPES}) order by id on conflict (workspace_id, id) do nothing returning id"
)


async def _insert(
    session: AsyncSession, workspace_id: UUID, rows: Iterable[Mapping[str, Any]]
) -> set[UUID]:
    """Insert in the order of ids, to avoid deadlocks; return the ids that are new."""
    inserted = await _INSERT.run(session, workspace_id=workspace_id, rows=as_json(list(rows)))
    return {row["id"] for row in inserted}


_FIND_INTERACTIONS = PreparedStatement(
    f"select {COLUMNS} from interaction where workspace_id = :workspace_id and id = any(:ids)"
)


async def find_interactions(
    session: AsyncSession, workspace_id: UUID, ids: Iterable[UUID]
) -> dict[UUID, dict[str, Any]]:
    """Return stored interactions by id."""
    unique_ids = list(set(ids))
    if not unique_ids:
        return {}
    rows = await _FIND_INTERACTIONS.run(session, workspace_id=workspace_id, ids=unique_ids)
    return {row["id"]: row for row in rows}


def interaction_body(interaction: RecordedInteraction) -> dict[str, Any]:
    """Return an interaction as the API and its event show it, without its customer's data."""
    value = None
    if interaction.amount is not None:
        value = {"amount": f"{interaction.amount:f}", "currency": interaction.currency}
    return {
        "id": str(interaction.id),
        "type": interaction.type,
        "source": interaction.source,
        "external_id": interaction.external_id,
        "ticket": interaction.ticket,
        "order": interaction.order_ref,
        "touchpoint": interaction.touchpoint or None,
        "customer_id": str(interaction.customer_id) if interaction.customer_id else None,
        "locale": interaction.locale,
        "value": value,
        "properties": interaction.properties,
        "test": interaction.test,
        "occurred_at": rfc3339(interaction.occurred_at),
        "created_at": rfc3339(interaction.created_at),
    }
