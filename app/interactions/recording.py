"""Recording what happened: once per source and external id, inheriting within its case.

Locks are taken in one order by every transaction that records: customers' names, the workspace's
row (FOR KEY SHARE), tickets by id, interactions by id, then customers by id. So none of them can
wait in a circle.
"""

import datetime as dt
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlmodel.ext.asyncio.session import AsyncSession

from app.core.clock import rfc3339, utc_now
from app.core.database import run_sql
from app.core.ids import derived_uuid
from app.core.outbox import emit
from app.core.schema import Json
from app.interactions.customers import lock_customers
from app.interactions.directory import Person, register_touchpoints, resolve_persons
from app.interactions.tickets import (
    lock_counting,
    lock_tickets,
    save_tickets,
    stories_of,
    ticket_id,
)

CREATED_EVENT = "interaction.created"


@dataclass(frozen=True, slots=True)
class Draft:
    """One interaction as a caller or an integration tells of it."""

    type: str
    source: str
    external_id: str
    ticket: str | None = None
    order: str | None = None
    touchpoint: str = ""
    occurred_at: dt.datetime | None = None
    person: Person | None = None
    customer_id: UUID | None = None
    consent: Mapping[str, Any] | None = None
    customer_properties: Mapping[str, Any] = field(default_factory=dict)
    locale: str | None = None
    amount: Decimal | None = None
    currency: str | None = None
    properties: Mapping[str, Any] = field(default_factory=dict)
    test: bool = False


@dataclass(slots=True)
class Recorded:
    """One interaction as it is stored, with what it inherited.

    `ordinal` numbers the resolution of its ticket that it belongs to, `ticket_open` tells where
    the ticket stands now; both are None without a ticket.
    """

    id: UUID
    created: bool
    type: str
    source: str
    external_id: str
    ticket: str | None
    order_ref: str | None
    touchpoint: str
    customer_id: UUID | None
    locale: str | None
    amount: Decimal | None
    currency: str | None
    properties: dict[str, Any]
    test: bool
    occurred_at: dt.datetime
    created_at: dt.datetime
    ordinal: int | None = None
    ticket_open: bool | None = None


_COLUMNS = (
    "id, type, source, external_id, ticket, order_ref, touchpoint, customer_id, locale, amount, "
    "currency, properties, test, occurred_at, created_at"
)
_TYPES = (
    "id uuid, type text, source text, external_id text, ticket text, order_ref text, "
    "touchpoint text, customer_id uuid, locale text, amount numeric, currency text, "
    "properties jsonb, test bool, occurred_at timestamptz, created_at timestamptz"
)


def interaction_id(workspace_id: UUID, source: str, external_id: str) -> UUID:
    """Return the id of an interaction, which its source and its number there always give."""
    return derived_uuid(str(workspace_id), "interaction", source, external_id)


async def record(
    session: AsyncSession, workspace_id: UUID, drafts: Sequence[Draft]
) -> list[Recorded]:
    """Store interactions that are new and return all, in the order given.

    Tickets are computed anew from their interactions, in the same transaction.
    """
    persons = [d.person for d in drafts if d.person is not None and not d.test]
    customers = await resolve_persons(session, workspace_id, persons)
    counting = await lock_counting(session, workspace_id)
    tickets = {(d.source, d.ticket) for d in drafts if d.ticket and not d.test}
    await lock_tickets(session, counting, tickets)
    rows = [_row(workspace_id, draft, customers) for draft in drafts]
    created = await _insert(session, workspace_id, rows)
    named = (draft.touchpoint for draft in drafts if not draft.test)
    await register_touchpoints(session, workspace_id, named)
    await _inherit(session, workspace_id, [r for r in rows if r["id"] in created])
    ids = [ticket_id(workspace_id, *name) for name in tickets]
    resolutions = await save_tickets(
        session, counting, await stories_of(session, workspace_id, ids)
    )
    stored = await find_interactions(session, workspace_id, [r["id"] for r in rows])
    found = []
    first = set(created)
    for row in rows:
        one = Recorded(created=row["id"] in first, **stored[row["id"]])
        first.discard(row["id"])
        if one.ticket and (
            told := resolutions.get(ticket_id(workspace_id, one.source, one.ticket))
        ):
            one.ordinal = told.ordinals.get(one.id)
            one.ticket_open = told.status == "open"
        found.append(one)
    concerned = {*customers.values(), *(one.customer_id for one in found if one.customer_id)}
    await lock_customers(session, workspace_id, concerned)
    await _complete_customers(session, workspace_id, drafts, customers)
    news = [shown(one) for one in found if one.created and not one.test]
    await emit(session, workspace_id, CREATED_EVENT, data=news)
    return found


async def _complete_customers(
    session: AsyncSession,
    workspace_id: UUID,
    drafts: Sequence[Draft],
    customers: Mapping[Person, UUID],
) -> None:
    """Add to known customers what they lacked: e-mail, name, locale; and what is said anew."""
    said: dict[UUID, dict[str, Any]] = {}
    for draft in drafts:
        if draft.test or draft.person is None:
            continue
        entry = said.setdefault(customers[draft.person], {"properties": {}})
        for name in ("email", "name", "locale"):
            entry.setdefault(name, None)
            entry[name] = getattr(draft.person, name) or entry[name]
        entry["properties"] |= draft.customer_properties
        if draft.consent is not None:
            at = draft.consent.get("at") or rfc3339(utc_now())
            entry["consent"] = {**draft.consent, "at": at}
    if not said:
        return
    rows = [{"id": str(id_), **entry} for id_, entry in sorted(said.items())]
    await run_sql(
        session,
        text("""
            update customer c set email = coalesce(c.email, n.email),
              name = coalesce(c.name, n.name), locale = coalesce(c.locale, n.locale),
              properties = c.properties || n.properties,
              consent = coalesce(n.consent, c.consent), updated_at = :now
            from json_to_recordset(cast(:rows as json)) n(id uuid, email text, name text,
              locale text, properties jsonb, consent jsonb)
            where c.workspace_id = :workspace_id and c.id = n.id and c.erased_at is null
            and (c.email, c.name, c.locale, c.properties, c.consent) is distinct from
              (coalesce(c.email, n.email), coalesce(c.name, n.name), coalesce(c.locale, n.locale),
               c.properties || n.properties, coalesce(n.consent, c.consent))
        """).bindparams(workspace_id=workspace_id, now=utc_now(), rows=json.dumps(rows)),
    )


def _row(workspace_id: UUID, draft: Draft, customers: Mapping[Person, UUID]) -> dict[str, Any]:
    now = utc_now()
    return {
        "id": interaction_id(workspace_id, draft.source, draft.external_id),
        "type": draft.type,
        "source": draft.source,
        "external_id": draft.external_id,
        "ticket": draft.ticket,
        "order_ref": draft.order,
        "touchpoint": draft.touchpoint,
        "customer_id": customers.get(draft.person) if draft.person else draft.customer_id,
        "locale": draft.locale or (draft.person.locale if draft.person else None),
        "amount": draft.amount,
        "currency": draft.currency,
        "properties": dict(draft.properties),
        "test": draft.test,
        "occurred_at": draft.occurred_at or now,
        "created_at": now,
    }


async def _insert(
    session: AsyncSession, workspace_id: UUID, rows: Iterable[Mapping[str, Any]]
) -> set[UUID]:
    """Insert by id, so that two writers never wait in a circle; return the ids that are new."""
    inserted = await run_sql(
        session,
        text(
            f"insert into interaction (workspace_id, {_COLUMNS}) "
            f"select :workspace_id, {_COLUMNS} from json_to_recordset(cast(:rows as json)) "
            f"n({_TYPES}) order by id on conflict (workspace_id, id) do nothing returning id"
        ).bindparams(workspace_id=workspace_id, rows=json.dumps(list(rows), default=str)),
    )
    return {row.id for row in inserted}


async def _inherit(
    session: AsyncSession, workspace_id: UUID, created: Sequence[Mapping[str, Any]]
) -> None:
    """Fill what interactions lack from the latest earlier one of their ticket or order.

    One that arrives late gives to those that came before it, too.
    """
    tickets = sorted({r["ticket"] for r in created if r["ticket"]})
    orders = sorted({r["order_ref"] for r in created if r["order_ref"]})
    if not tickets and not orders:
        return
    found = await run_sql(
        session,
        text(
            f"select {_COLUMNS} from interaction where workspace_id = :workspace_id "
            "and (ticket = any(:tickets) or order_ref = any(:orders)) order by occurred_at, id"
        )
        .columns(properties=Json)
        .bindparams(workspace_id=workspace_id, tickets=tickets, orders=orders),
    )
    latest: dict[tuple[object, ...], dict[str, Any]] = {}
    changed = []
    for row in found:
        one = dict(row._mapping)
        cases = _cases(one)
        earlier = [latest[case] for case in cases if case in latest]
        if earlier:
            filled = _filled(one, max(earlier, key=lambda e: (e["occurred_at"], e["id"])))
            if filled != one:
                changed.append(filled)
            one = filled
        latest |= dict.fromkeys(cases, one)
    if changed:
        await _fill(session, workspace_id, sorted(changed, key=lambda r: r["id"]))


def _cases(one: Mapping[str, Any]) -> list[tuple[object, ...]]:
    """Return the cases of an interaction; tests stay among themselves."""
    cases: list[tuple[object, ...]] = []
    if one["ticket"]:
        cases.append(("ticket", one["test"], one["source"], one["ticket"]))
    if one["order_ref"]:
        cases.append(("order", one["test"], one["order_ref"]))
    return cases


def _filled(one: Mapping[str, Any], earlier: Mapping[str, Any]) -> dict[str, Any]:
    filled = dict(one)
    for name in ("customer_id", "locale"):
        filled[name] = one[name] or earlier[name]
    if one["amount"] is None:
        filled |= {"amount": earlier["amount"], "currency": earlier["currency"]}
    filled["properties"] = {**earlier["properties"], **one["properties"]}
    return filled


async def _fill(
    session: AsyncSession, workspace_id: UUID, rows: Sequence[Mapping[str, Any]]
) -> None:
    await run_sql(
        session,
        text(
            "update interaction i set customer_id = n.customer_id, locale = n.locale, "
            "amount = n.amount, currency = n.currency, properties = n.properties "
            f"from json_to_recordset(cast(:rows as json)) n({_TYPES}) "
            "where i.workspace_id = :workspace_id and i.id = n.id"
        ).bindparams(workspace_id=workspace_id, rows=json.dumps(list(rows), default=str)),
    )


async def find_interactions(
    session: AsyncSession, workspace_id: UUID, ids: Iterable[UUID]
) -> dict[UUID, dict[str, Any]]:
    """Return stored interactions by id."""
    rows = await run_sql(
        session,
        text(
            f"select {_COLUMNS} from interaction "
            "where workspace_id = :workspace_id and id = any(:ids)"
        )
        .columns(properties=Json)
        .bindparams(workspace_id=workspace_id, ids=list(set(ids))),
    )
    return {row.id: dict(row._mapping) for row in rows}


def shown(one: Recorded) -> dict[str, Any]:
    """Return an interaction as the API and the news show it, without its customer's data."""
    value = None
    if one.amount is not None:
        value = {"amount": f"{one.amount:f}", "currency": one.currency}
    return {
        "id": str(one.id),
        "type": one.type,
        "source": one.source,
        "external_id": one.external_id,
        "ticket": one.ticket,
        "order": one.order_ref,
        "touchpoint": one.touchpoint or None,
        "customer_id": str(one.customer_id) if one.customer_id else None,
        "locale": one.locale,
        "value": value,
        "properties": one.properties,
        "test": one.test,
        "occurred_at": rfc3339(one.occurred_at),
        "created_at": rfc3339(one.created_at),
    }
