# SPDX-License-Identifier: Apache-2.0
"""Reading interactions and tickets."""

from collections.abc import Collection
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlmodel.ext.asyncio.session import AsyncSession

from app.core.cursors import decode_cursor
from app.core.database import run_sql
from app.core.errors import NotFound
from app.core.ids import as_uuid
from app.core.schema import Json
from app.interactions.customers import require_customer
from app.interactions.filter_values import is_customer_sql, require_touchpoints
from app.interactions.inherited_fields import COLUMNS
from app.interactions.interaction_recorder import (
    RecordedInteraction,
    find_interactions,
    interaction_body,
)
from app.interactions.interaction_schemas import (
    InteractionFilter,
    InteractionOut,
    TicketFilter,
    TicketOut,
    TicketTimes,
)

_TYPES = text("""
select id, type from interaction where workspace_id = :workspace_id and id = any(:ids)
""")
_OF_CUSTOMER = is_customer_sql("customer_id", workspace=":workspace_id", name=":customer")
_INTERACTIONS = {
    "source": "source = :source",
    "type": "type = :type",
    "ticket": "ticket = :ticket",
    "order": "order_ref = :order",
    "customer": _OF_CUSTOMER,
    "touchpoint": "touchpoint = :touchpoint",
    "since": "occurred_at >= :since",
    "until": "occurred_at < :until",
}
_TICKETS = {
    "source": "source = :source",
    "ticket": "ticket = :ticket",
    "status": "status = :status",
    "agent": "properties ->> 'agent' = :agent",
    "customer": _OF_CUSTOMER,
    "since": "updated_at >= :since",
}


async def find_page(
    session: AsyncSession, workspace_id: UUID, filters: InteractionFilter
) -> list[InteractionOut]:
    """Return up to `limit + 1` interactions, newest first by their arrival."""
    if filters.touchpoint is not None:
        await require_touchpoints(session, workspace_id, [filters.touchpoint])
    if filters.customer is not None:
        await require_customer(session, workspace_id, filters.customer)
    values = filters.model_dump(exclude_none=True)
    conditions = [sql for name, sql in _INTERACTIONS.items() if name in values]
    rows = await _page(
        session, "interaction", "created_at", filters,
        conditions=[*conditions, "test = :test"],
        bound={name: values[name] for name in (*_INTERACTIONS, "test") if name in values}
        | {"workspace_id": workspace_id},
    )  # fmt: skip
    return [interaction_out(row) for row in rows]


async def get_interaction(
    session: AsyncSession, workspace_id: UUID, interaction_id: UUID
) -> InteractionOut:
    """Return one interaction, or raise NotFound."""
    rows = await find_interactions(session, workspace_id, [interaction_id])
    if interaction_id not in rows:
        raise NotFound.in_workspace("interaction")
    return interaction_out(rows[interaction_id])


def interaction_out(row: dict[str, Any]) -> InteractionOut:
    """Return a stored interaction as the API shows it."""
    columns = {name: row[name] for name in COLUMNS.split(", ")}
    return InteractionOut.model_validate(
        interaction_body(RecordedInteraction(created=False, **columns))
    )


async def find_tickets(
    session: AsyncSession, workspace_id: UUID, filters: TicketFilter
) -> list[TicketOut]:
    """Return up to `limit + 1` tickets, last changed first."""
    if filters.customer is not None:
        await require_customer(session, workspace_id, filters.customer)
    values = filters.model_dump(exclude_none=True)
    rows = await _page(
        session, "ticket", "updated_at", filters,
        conditions=[sql for name, sql in _TICKETS.items() if name in values],
        bound={name: values[name] for name in _TICKETS if name in values}
        | {"workspace_id": workspace_id},
    )  # fmt: skip
    return [_ticket_out(row) for row in rows]


async def get_ticket(session: AsyncSession, workspace_id: UUID, reference: str) -> TicketOut:
    """Return one ticket by its id or by its source's number, or raise NotFound."""
    rows = await run_sql(
        session,
        text(
            "select * from ticket where workspace_id = :workspace_id "
            "and (id = :id or ticket = :reference) "
            "order by coalesce(id = :id, false) desc, updated_at desc limit 1"
        )
        .columns(properties=Json)
        .bindparams(workspace_id=workspace_id, id=as_uuid(reference), reference=reference),
    )
    row = rows.first()
    if row is None:
        raise NotFound.in_workspace("ticket")
    return _ticket_out(dict(row._mapping))


async def _page(
    session: AsyncSession,
    table: str,
    order: str,
    filters: InteractionFilter | TicketFilter,
    *,
    conditions: list[str],
    bound: dict[str, Any],
) -> list[dict[str, Any]]:
    conditions = ["workspace_id = :workspace_id", *conditions]
    if position := decode_cursor(filters.cursor, UUID):
        conditions.append(f"({order}, id) < (:at, :id)")
        bound |= {"at": position[0], "id": position[1]}
    query = (
        f"select * from {table} where {' and '.join(conditions)} "
        f"order by {order} desc, id desc limit :limit"
    )
    statement = text(query).columns(properties=Json).bindparams(**bound, limit=filters.limit + 1)
    return [dict(row._mapping) for row in await run_sql(session, statement)]


def _ticket_out(row: dict[str, Any]) -> TicketOut:
    def times(measure: str) -> TicketTimes:
        return TicketTimes(
            calendar_seconds=row[f"{measure}_seconds"], business_seconds=row[f"{measure}_business"]
        )

    agent = row["properties"].get("agent")
    return TicketOut.model_validate(
        row
        | {
            "touchpoint": row["touchpoint"] or None,
            "agent": agent if isinstance(agent, str) else None,
            "first_resolution": times("first"),
            "full_resolution": times("full"),
            "first_reply": times("reply"),
        }
    )


async def types_of(
    session: AsyncSession, workspace_id: UUID, ids: Collection[UUID]
) -> dict[str, str]:
    """Return the types of some interactions, by their ids as texts."""
    rows = await run_sql(session, _TYPES.bindparams(workspace_id=workspace_id, ids=list(ids)))
    return {str(row.id): row.type for row in rows}
