# SPDX-License-Identifier: Apache-2.0
"""Verbs of customers: find, make or change, lock."""

import datetime as dt
from collections.abc import Iterable, Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, text
from sqlmodel.ext.asyncio.session import AsyncSession

from app.core.clock import rfc3339, utc_now
from app.core.cursors import decode_cursor
from app.core.database import run_sql
from app.core.errors import Conflict, InvalidInput, NotFound
from app.core.ids import as_uuid
from app.core.notices import notify
from app.core.prepared_statements import PreparedStatement
from app.core.schema import Json
from app.interactions.customer_resolver import (
    CUSTOMER_NOTICES,
    EMAIL,
    CustomerReference,
    find_known_customers,
    resolve_customers,
)
from app.interactions.customer_schemas import CustomerFilter, CustomerPatch, CustomerRow

_SELECT = """
select c.*, coalesce((
    select jsonb_agg(jsonb_build_object('source', nullif(substr(i.kind, 4), ''), 'id', i.value)
      order by i.kind, i.value)
    from customer_identity i where i.workspace_id = c.workspace_id
    and i.customer_id = c.id and i.kind like 'id:%'), '[]') as external_ids,
  (select min(i.value) from customer_identity i where i.workspace_id = c.workspace_id
    and i.customer_id = c.id and i.kind = 'phone') as phone_number
from customer c where c.workspace_id = :workspace_id"""
_JSON = {"external_ids": Json, "properties": Json, "consent": Json, "told_at": Json}

_KNOWN_AS = (
    "c.id in (select customer_id from customer_identity where workspace_id = :workspace_id and {})"
)
_BY_EMAIL = _KNOWN_AS.format("kind = 'email' and value = lower(:email)")
_BY_PART = (
    "(position(lower(:part) in lower(c.name)) > 0 or position(lower(:part) in lower(c.email)) > 0 "
    "or " + _KNOWN_AS.format("starts_with(lower(value), lower(:part))") + ")"
)
_BY_ID = _KNOWN_AS.format(
    "kind like 'id:%' and value = coalesce(:external_id, value) "
    "and kind = coalesce('id:' || :source, kind)"
)


async def find_customers(
    session: AsyncSession, workspace_id: UUID, filters: CustomerFilter
) -> list[dict[str, Any]]:
    """Return up to `limit + 1` customers, newest first."""
    conditions = ["c.merged_into is null"]
    bound: dict[str, Any] = {"workspace_id": workspace_id, "limit": filters.limit + 1}
    if filters.q is not None:
        conditions.append(_BY_PART)
        bound["part"] = filters.q.strip()
    if filters.email is not None:
        conditions.append(_BY_EMAIL)
        bound["email"] = filters.email
    if filters.external_id is not None or filters.source is not None:
        conditions.append(_BY_ID)
        bound |= {"external_id": filters.external_id, "source": filters.source}
    if position := decode_cursor(filters.cursor, UUID):
        conditions.append("(c.created_at, c.id) < (:at, :id)")
        bound |= {"at": position[0], "id": position[1]}
    query = (
        f"{_SELECT} and {' and '.join(conditions)} "
        "order by c.created_at desc, c.id desc limit :limit"
    )
    rows = await run_sql(session, text(query).columns(**_JSON).bindparams(**bound))
    return [dict(row._mapping) for row in rows]


async def find_customer(
    session: AsyncSession, workspace_id: UUID, reference: str, *, source: str | None = None
) -> dict[str, Any] | None:
    """Return a customer by id or by external id; one that was merged leads to the other."""
    query = text(
        f"{_SELECT} and c.id = coalesce("
        "(select coalesce(merged_into, id) from customer where workspace_id = :workspace_id "
        "and id = :id), (select customer_id from customer_identity "
        "where workspace_id = :workspace_id and kind like 'id:%' and value = :reference "
        "and (cast(:kind as text) is null or kind = :kind) order by kind limit 1))"
    )
    rows = await run_sql(
        session,
        query.columns(**_JSON).bindparams(
            workspace_id=workspace_id,
            id=as_uuid(reference),
            reference=reference,
            kind=None if source is None else f"id:{source}",
        ),
    )
    row = rows.first()
    return dict(row._mapping) if row else None


async def find_by_email(
    session: AsyncSession, workspace_id: UUID, email: str
) -> dict[str, Any] | None:
    """Return the customer who has, or had, an address."""
    rows = await run_sql(
        session,
        text(
            f"{_SELECT} and c.id = (select customer_id from customer_identity "
            "where workspace_id = :workspace_id and kind = 'email' and value = lower(:email))"
        )
        .columns(**_JSON)
        .bindparams(workspace_id=workspace_id, email=email),
    )
    row = rows.first()
    return dict(row._mapping) if row else None


async def find_by_phone(
    session: AsyncSession, workspace_id: UUID, number: str
) -> dict[str, Any] | None:
    """Return the customer who has a phone number."""
    rows = await run_sql(
        session,
        text(
            f"{_SELECT} and c.id = (select customer_id from customer_identity "
            "where workspace_id = :workspace_id and kind = 'phone' and value = :number)"
        )
        .columns(**_JSON)
        .bindparams(workspace_id=workspace_id, number=number),
    )
    row = rows.first()
    return dict(row._mapping) if row else None


async def find_in_order(  # noqa: PLR0913 - the filters of one list
    session: AsyncSession,
    workspace_id: UUID,
    *,
    since: dt.datetime | None = None,
    until: dt.datetime | None = None,
    email: str | None = None,
    phone: str | None = None,
    after: tuple[dt.datetime, UUID] | None = None,
    limit: int,
    offset: int = 0,
) -> list[dict[str, Any]]:
    """Return customers in the order in which they were made, who are neither merged nor erased."""
    conditions = ["c.merged_into is null", "c.erased_at is null"]
    bound: dict[str, Any] = {"workspace_id": workspace_id, "limit": limit, "offset": offset}
    filters = {"since": since, "until": until, "email": email, "phone": phone}
    condition_by_filter = {
        "since": "c.created_at >= :since",
        "until": "c.created_at < :until",
        "email": _BY_EMAIL,
        "phone": _KNOWN_AS.format("kind = 'phone' and value = :phone"),
    }
    for name, value in filters.items():
        if value is not None:
            conditions.append(condition_by_filter[name])
            bound[name] = value
    if after is not None:
        conditions.append("(c.created_at, c.id) > (:at, :id)")
        bound |= {"at": after[0], "id": after[1]}
    query = (
        f"{_SELECT} and {' and '.join(conditions)} "
        "order by c.created_at, c.id limit :limit offset :offset"
    )
    rows = await run_sql(session, text(query).columns(**_JSON).bindparams(**bound))
    return [dict(row._mapping) for row in rows]


_BY_IDS = PreparedStatement(f"{_SELECT} and c.id = any(:ids)")


async def find_customers_by_id(
    session: AsyncSession, workspace_id: UUID, ids: Iterable[UUID]
) -> dict[UUID, dict[str, Any]]:
    """Return customers by id."""
    unique_ids = list(set(ids))
    if not unique_ids:
        return {}
    rows = await _BY_IDS.run(session, workspace_id=workspace_id, ids=unique_ids)
    return {row["id"]: row for row in rows}


async def get_customer(session: AsyncSession, workspace_id: UUID, reference: str) -> dict[str, Any]:
    """Return a customer by id or by external id, or raise NotFound."""
    customer = await find_customer(session, workspace_id, reference)
    if customer is None:
        raise NotFound.in_workspace("customer")
    return customer


async def require_customer(session: AsyncSession, workspace_id: UUID, reference: str) -> None:
    """Raise InvalidInput if the filter `customer` is a UUID of no customer."""
    if as_uuid(reference) is not None and (
        await find_customer(session, workspace_id, reference) is None
    ):
        msg = "is not the id of a customer of this workspace"
        raise InvalidInput.at("query", "customer", msg=msg)


def _reference_of(row: CustomerRow) -> CustomerReference:
    return CustomerReference(
        external_id=row.external_id,
        source=row.source,
        email=row.email,
        name=row.name,
        locale=row.locale,
        phone=row.phone,
    )


async def find_existing(
    session: AsyncSession, workspace_id: UUID, row: CustomerRow
) -> dict[str, Any] | None:
    """Return the customer that `put_customer` would change, or None if it would make one."""
    reference = _reference_of(row)
    known = await find_known_customers(session, workspace_id, [reference])
    if reference not in known:
        return None
    return await get_customer(session, workspace_id, str(known[reference]))


async def put_customer(
    session: AsyncSession, workspace_id: UUID, row: CustomerRow
) -> tuple[dict[str, Any], bool]:
    """Make or change a customer by its names; return it and whether it is new."""
    reference = _reference_of(row)
    began = utc_now()
    customer_id = (await resolve_customers(session, workspace_id, [reference]))[reference]
    changed = await change_customer(session, workspace_id, str(customer_id), row)
    return changed, changed["created_at"] >= began


async def change_customer(
    session: AsyncSession, workspace_id: UUID, reference: str, patch: CustomerPatch
) -> dict[str, Any]:
    """Change what is given of a customer."""
    customer = await get_customer(session, workspace_id, reference)
    if customer["erased_at"] is not None:
        raise Conflict("This customer was erased and cannot be changed.")
    changes = patch.model_dump(exclude_unset=True, exclude={"source", "external_id", "phone"})
    if "email" in changes:
        await _change_email(session, workspace_id, customer["id"], changes["email"])
    if consent := changes.get("consent"):
        at = consent.get("at") or utc_now()
        changes["consent"] = consent | {"at": rfc3339(at), "source": consent.get("source")}
    if changes:
        timed_fields = [name for name in ("email", "name", "locale") if name in changes]
        now = rfc3339(utc_now())
        changes["told_at"] = customer["told_at"] | dict.fromkeys(timed_fields, now)
        await update_customer(session, workspace_id, customer["id"], changes)
    return await get_customer(session, workspace_id, str(customer["id"]))


async def update_customer(
    session: AsyncSession, workspace_id: UUID, customer_id: UUID, values: Mapping[str, Any]
) -> None:
    """Set columns of one customer; properties are added to those there are."""
    assignments = [
        "properties = properties || :properties" if name == "properties" else f"{name} = :{name}"
        for name in values
    ]
    statement = text(
        f"update customer set {', '.join(assignments)}, updated_at = :now "
        "where workspace_id = :workspace_id and id = :id"
    ).bindparams(
        *(
            bindparam(name, type_=Json)
            for name in ("properties", "consent", "told_at")
            if name in values
        )
    )
    await run_sql(
        session,
        statement.bindparams(**values, now=utc_now(), workspace_id=workspace_id, id=customer_id),
    )


async def _change_email(
    session: AsyncSession, workspace_id: UUID, customer_id: UUID, email: str | None
) -> None:
    """Give the customer another e-mail; Conflict where another customer has it.

    The old address still finds the customer. None removes all addresses.
    """
    bound = {"workspace_id": workspace_id, "customer_id": customer_id}
    await notify(session, CUSTOMER_NOTICES, str(workspace_id))
    if email is None:
        await run_sql(
            session,
            text(
                "delete from customer_identity where workspace_id = :workspace_id "
                "and customer_id = :customer_id and kind = 'email'"
            ).bindparams(**bound),
        )
        return
    rows = await run_sql(
        session,
        text(
            "insert into customer_identity (workspace_id, kind, value, customer_id) "
            "values (:workspace_id, :kind, :email, :customer_id) on conflict "
            "(workspace_id, kind, value) do update set value = excluded.value "
            "returning customer_id"
        ).bindparams(**bound, kind=EMAIL, email=email.lower()),
    )
    if rows.one().customer_id != customer_id:
        detail = "Another customer has this e-mail; join the two with `POST /v1/customers/merge`."
        raise Conflict(detail)


async def lock_cases(session: AsyncSession, workspace_id: UUID, customers: Iterable[UUID]) -> None:
    """Lock the tickets and interactions of customers, in the order in which `record` locks."""
    for table in ("ticket", "interaction"):
        await run_sql(
            session,
            text(
                f"select 1 from {table} where workspace_id = :workspace_id "
                "and customer_id = any(:customers) order by id for no key update"
            ).bindparams(workspace_id=workspace_id, customers=list(customers)),
        )


_LOCK = PreparedStatement(
    "select 1 from customer where workspace_id = :workspace_id and id = any(:ids) "
    "order by id for no key update"
)


_LOCK_AND_READ = PreparedStatement("""
select id, email, name, locale, properties, do_not_survey, consent, told_at, created_at, erased_at
from customer where workspace_id = :workspace_id and id = any(:ids)
order by id for no key update
""")


async def lock_and_read(
    session: AsyncSession, workspace_id: UUID, ids: Iterable[UUID]
) -> dict[UUID, dict[str, Any]]:
    """Lock customers in order and return their fields, without their external ids."""
    rows = await _LOCK_AND_READ.run(session, workspace_id=workspace_id, ids=list(set(ids)))
    return {row["id"]: row for row in rows}


async def lock_customers(session: AsyncSession, workspace_id: UUID, ids: Iterable[UUID]) -> None:
    """Lock customers in order, so that decisions about one of them come one after the other."""
    await _LOCK.run(session, workspace_id=workspace_id, ids=list(set(ids)))
