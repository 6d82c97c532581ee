# SPDX-License-Identifier: Apache-2.0
"""Declare, list and delete touchpoints and journeys."""

from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from app.core.clock import utc_now
from app.core.cursors import newest_first
from app.core.database import run_sql
from app.core.errors import NotFound
from app.core.notices import notify
from app.interactions.models import Journey, Touchpoint
from app.interactions.schemas import JourneyIn, TouchpointIn
from app.interactions.touchpoint_registry import TOUCHPOINT_NOTICES

Named = TypeVar("Named", Touchpoint, Journey)


async def declare_touchpoint(
    session: AsyncSession, workspace_id: UUID, key: str, body: TouchpointIn
) -> Touchpoint:
    """Make or replace what is known of a touchpoint."""
    values = body.model_dump(mode="json") | {"declared": True}
    await notify(session, TOUCHPOINT_NOTICES, str(workspace_id))
    return await _upsert(session, Touchpoint, workspace_id, key, values)


async def put_journey(
    session: AsyncSession, workspace_id: UUID, key: str, body: JourneyIn
) -> Journey:
    """Make or replace a journey."""
    return await _upsert(session, Journey, workspace_id, key, body.model_dump(mode="json"))


async def _upsert(
    session: AsyncSession, table: type[Named], workspace_id: UUID, key: str, values: dict[str, Any]
) -> Named:
    statement = insert(table).values(
        workspace_id=workspace_id, key=key, created_at=utc_now(), **values
    )
    await session.exec(
        statement.on_conflict_do_update(index_elements=["workspace_id", "key"], set_=values)
    )
    return await get(session, table, workspace_id, key)


async def get(session: AsyncSession, table: type[Named], workspace_id: UUID, key: str) -> Named:
    """Return one touchpoint or journey by its key, or raise NotFound."""
    rows = await session.exec(
        select(table).where(table.workspace_id == workspace_id, table.key == key)
    )
    row = rows.first()
    if row is None:
        raise NotFound.in_workspace(table.__name__.lower(), key)
    return row


async def find_touchpoints(session: AsyncSession, workspace_id: UUID) -> list[Touchpoint]:
    """Return every touchpoint of a workspace, by key."""
    rows = await session.exec(
        select(Touchpoint)
        .where(Touchpoint.workspace_id == workspace_id)
        .order_by(col(Touchpoint.key))
    )
    return list(rows)


async def find_page(
    session: AsyncSession, table: type[Named], workspace_id: UUID, *, limit: int, cursor: str | None
) -> list[Named]:
    """Return up to `limit + 1` rows, newest first."""
    query = select(table).where(table.workspace_id == workspace_id)
    query = newest_first(query, table, limit=limit, cursor=cursor, key="key")
    return list(await session.exec(query))


async def delete_journey(session: AsyncSession, workspace_id: UUID, key: str) -> None:
    """Delete a journey; its touchpoints stay."""
    await session.delete(await get(session, Journey, workspace_id, key))


async def delete_touchpoint(session: AsyncSession, workspace_id: UUID, key: str) -> None:
    """Delete a declaration; a touchpoint that is in use stays listed as not declared."""
    touchpoint = await get(session, Touchpoint, workspace_id, key)
    is_used = await _is_touchpoint_used(session, workspace_id, key)
    await session.delete(touchpoint)
    if is_used:
        await session.flush()
        session.add(
            Touchpoint(
                workspace_id=workspace_id, key=key, name={}, declared=False, created_at=utc_now()
            )
        )
    await notify(session, TOUCHPOINT_NOTICES, str(workspace_id))


async def _is_touchpoint_used(session: AsyncSession, workspace_id: UUID, key: str) -> bool:
    """Tell whether an answer, an interaction or a ticket names a touchpoint."""
    rows = await run_sql(
        session,
        text(
            "select exists (select from rollup "
            "where workspace_id = :workspace_id and touchpoint = :key) "
            "or exists (select from interaction "
            "where workspace_id = :workspace_id and touchpoint = :key) "
            "or exists (select from ticket "
            "where workspace_id = :workspace_id and touchpoint = :key) as used"
        ).bindparams(workspace_id=workspace_id, key=key),
    )
    return bool(rows.one().used)


async def touchpoint_names(
    session: AsyncSession, workspace_id: UUID, language: str
) -> dict[str, str]:
    """Return the names of all touchpoints by their keys; one without a name is called by its key.

    A name that is not in this language is the English one.
    """
    return {
        row.key: row.name.get(language) or row.name.get("en") or row.key
        for row in await find_touchpoints(session, workspace_id)
    }
