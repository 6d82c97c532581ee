# SPDX-License-Identifier: Apache-2.0
"""Resolve customers before answers are written.

New ones are made in a short transaction of their own, so that the statement that writes answers
takes no locks here. Results are kept in bounded memory. The hot path makes customers but never
changes or merges them.
"""

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from cachetools import LRUCache
from sqlmodel.ext.asyncio.session import AsyncSession

from app.core.clock import rfc3339, utc_now
from app.core.database import Database
from app.core.ids import uuid7
from app.core.notices import EVERYTHING
from app.core.prepared_statements import PreparedStatement

_MAX_CACHED_CUSTOMERS = 100_000
CUSTOMER_NOTICES = "afterword_customers"
EMAIL = "email"
PHONE = "phone"


@dataclass(frozen=True, slots=True)
class CustomerReference:
    """A customer as a caller names them: by an external id of some source, e-mail or phone."""

    external_id: str | None = None
    source: str | None = None
    email: str | None = None
    name: str | None = None
    locale: str | None = None
    phone: str | None = None
    # Each as (kind, value), the strongest first.
    identities: tuple[tuple[str, str], ...] = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        """List the identities once: they are read often."""
        pairs = []
        if self.external_id:
            pairs.append((f"id:{self.source or ''}", self.external_id))
        if self.email:
            pairs.append((EMAIL, self.email.lower()))
        if self.phone:
            pairs.append((PHONE, self.phone))
        object.__setattr__(self, "identities", tuple(pairs))


class CustomerResolver:
    """Resolves references to customers, and remembers them."""

    def __init__(self, database: Database) -> None:
        """Start with an empty memory."""
        self._database = database
        self._customers: LRUCache[tuple[UUID, str, str], UUID] = LRUCache(_MAX_CACHED_CUSTOMERS)

    async def resolve(
        self, workspace_id: UUID, references: Iterable[CustomerReference]
    ) -> dict[CustomerReference, UUID]:
        """Return the customer of each reference; new customers are made."""
        resolved: dict[CustomerReference, UUID] = {}
        unknown: list[CustomerReference] = []
        for reference in dict.fromkeys(references):
            cached = self._customers.get((workspace_id, *reference.identities[0]))
            if cached:
                resolved[reference] = cached
            else:
                unknown.append(reference)
        if unknown:
            async with self._database.recording_transaction() as session:
                told_at = dict.fromkeys(unknown, utc_now())
                fresh = await resolve_customers(session, workspace_id, unknown, told_at=told_at)
            for reference, customer_id in fresh.items():
                self._customers[workspace_id, *reference.identities[0]] = customer_id
            resolved |= fresh
        return resolved

    def forget(self, payload: str = EVERYTHING) -> None:
        """Forget the customers of one workspace, or of all, after some were merged or erased."""
        for key in [
            customer for customer in self._customers if payload in {EVERYTHING, str(customer[0])}
        ]:
            del self._customers[key]


async def resolve_customers(
    session: AsyncSession,
    workspace_id: UUID,
    references: Iterable[CustomerReference],
    *,
    told_at: Mapping[CustomerReference, dt.datetime] | None = None,
) -> dict[CustomerReference, UUID]:
    """Find each customer by the strongest identity, else by e-mail, else make one.

    `told_at` is the time at which each was named; a new customer keeps it for its fields.

    An id without a source is the workspace's own. It matches the same id of a source if only one
    source has it, and an id with a source matches the same id without one. Such a match, or a
    match by e-mail, counts only if that customer has no other id of the same source.
    """
    resolved: dict[CustomerReference, UUID] = {}
    unique = list(dict.fromkeys(references))
    # References with an external id come first; an e-mail alone then finds the same customer.
    for group in (
        [reference for reference in unique if reference.external_id],
        [reference for reference in unique if not reference.external_id],
    ):
        if group:
            resolved |= await _resolve_group(session, workspace_id, group, told_at=told_at or {})
    return resolved


async def _resolve_group(
    session: AsyncSession,
    workspace_id: UUID,
    group: list[CustomerReference],
    *,
    told_at: Mapping[CustomerReference, dt.datetime],
) -> dict[CustomerReference, UUID]:
    """Return the customer of each reference; new customers are made.

    The strongest identity of each reference is inserted first. If another transaction inserts the
    same one at that moment, the further identities go to that transaction's customer.
    """
    resolved = await find_known_customers(session, workspace_id, group)
    unknown = [reference for reference in group if reference not in resolved]
    new_ids = {reference.identities[0]: uuid7() for reference in unknown}
    firsts = {
        reference.identities[0]: resolved.get(reference) or new_ids[reference.identities[0]]
        for reference in reversed(group)
    }
    won = await _insert_identities(session, workspace_id, firsts)
    await _insert_customers(
        session,
        workspace_id,
        {new_ids[reference.identities[0]]: reference for reference in reversed(unknown)},
        {customer_id for customer_id in new_ids.values() if customer_id in won},
        told_at=told_at,
    )
    if all(customer_id in won for customer_id in new_ids.values()):
        resolved |= {reference: new_ids[reference.identities[0]] for reference in unknown}
    else:
        resolved |= await find_known_customers(session, workspace_id, unknown)
    identities = {
        name: resolved[reference]
        for reference in reversed(group)
        for name in reference.identities[1:]
    }
    await _insert_identities(session, workspace_id, identities)
    return resolved


_FIND_CUSTOMERS = PreparedStatement("""
select n.number, coalesce(i.customer_id, o.customer_id, m.customer_id) as customer_id
from unnest(cast(:kinds as text[]), cast(:values as text[]), cast(:emails as text[]))
  with ordinality n(kind, value, email, number)
left join customer_identity i on i.workspace_id = :workspace_id
  and i.value = any(cast(:values as text[])) and i.kind = n.kind and i.value = n.value
left join lateral (
  select min(x.customer_id::text)::uuid as customer_id from customer_identity x
  where x.workspace_id = :workspace_id and x.value = n.value
  and n.kind like 'id:%' and x.kind like 'id:%' and (n.kind = 'id:' or x.kind = 'id:')
  and not exists (select from customer_identity other
    where other.workspace_id = :workspace_id
    and other.customer_id = x.customer_id and other.kind = n.kind)
  having count(distinct x.customer_id) = 1
) o on true
left join customer_identity m on m.workspace_id = :workspace_id
  and m.kind = 'email' and m.value = any(cast(:emails as text[])) and m.value = n.email
  and not exists (
    select from customer_identity other where other.workspace_id = :workspace_id
    and other.customer_id = m.customer_id and other.kind = n.kind)
""")


async def find_known_customers(
    session: AsyncSession, workspace_id: UUID, references: Sequence[CustomerReference]
) -> dict[CustomerReference, UUID]:
    """Return the customers of those references that `resolve_customers` would not make new."""
    rows = await _FIND_CUSTOMERS.run(
        session,
        workspace_id=workspace_id,
        kinds=[reference.identities[0][0] for reference in references],
        values=[reference.identities[0][1] for reference in references],
        emails=[reference.email.lower() if reference.email else None for reference in references],
    )
    return {references[row["number"] - 1]: row["customer_id"] for row in rows if row["customer_id"]}


_INSERT_IDENTITIES = PreparedStatement("""
insert into customer_identity (workspace_id, kind, value, customer_id)
select cast(:workspace_id as uuid), n.kind, n.value, n.customer_id
from unnest(cast(:kinds as text[]), cast(:values as text[]), cast(:customers as uuid[]))
  n(kind, value, customer_id)
order by n.kind, n.value on conflict do nothing returning customer_id
""")


async def _insert_identities(
    session: AsyncSession, workspace_id: UUID, identities: dict[tuple[str, str], UUID]
) -> set[UUID]:
    """Insert identities in order, to avoid deadlocks; return the customers that got any."""
    if not identities:
        return set()
    ordered = sorted(identities)
    rows = await _INSERT_IDENTITIES.run(
        session,
        workspace_id=workspace_id,
        kinds=[kind for kind, _ in ordered],
        values=[value for _, value in ordered],
        customers=[identities[key] for key in ordered],
    )
    return {row["customer_id"] for row in rows}


_INSERT = PreparedStatement("""
insert into customer (workspace_id, id, email, name, locale, properties,
  do_not_survey, told_at, created_at, updated_at)
select cast(:workspace_id as uuid), n.id, n.email, n.name, n.locale, '{}', false,
  case when n.told is null then '{}'::jsonb
  else jsonb_build_object('email', n.told, 'name', n.told, 'locale', n.told) end,
  cast(:now as timestamptz), cast(:now as timestamptz)
from unnest(cast(:ids as uuid[]), cast(:emails as text[]), cast(:names as text[]),
  cast(:locales as text[]), cast(:told as text[])) n(id, email, name, locale, told)
""")


async def _insert_customers(
    session: AsyncSession,
    workspace_id: UUID,
    references: dict[UUID, CustomerReference],
    fresh: set[UUID],
    *,
    told_at: Mapping[CustomerReference, dt.datetime],
) -> None:
    new = {id_: reference for id_, reference in references.items() if id_ in fresh}
    if new:
        await _INSERT.run(
            session,
            workspace_id=workspace_id,
            now=utc_now(),
            told=[
                rfc3339(at) if (at := told_at.get(reference)) else None
                for reference in new.values()
            ],
            ids=list(new),
            emails=[reference.email for reference in new.values()],
            names=[reference.name for reference in new.values()],
            locales=[reference.locale for reference in new.values()],
        )
