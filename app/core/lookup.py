# SPDX-License-Identifier: Apache-2.0
"""Finding rows of a workspace by what a path, query or body names: an id or a key."""

from typing import Any, TypeVar
from uuid import UUID

from sqlmodel import SQLModel, col, or_, select
from sqlmodel.ext.asyncio.session import AsyncSession

from app.core.errors import NotFound
from app.core.ids import as_uuid

M = TypeVar("M", bound=SQLModel)


def plain_reference(reference: str) -> str:
    """Return a key or id as it is stored: in small letters."""
    return reference.lower()


def is_referenced_sql(table: str, reference: str) -> str:
    """Return the SQL that a row of a table or alias has this id or key."""
    return f"lower({reference}) in ({table}.key, {table}.id::text)"


async def find_by_reference(
    session: AsyncSession, model: type[M], workspace_id: UUID, reference: str, *, lock: bool = False
) -> M:
    """Return the row of this id or key, locked against other changes if asked; else NotFound."""
    table: Any = model
    conditions = [col(table.key) == plain_reference(reference)]
    if (by_id := as_uuid(reference)) is not None:
        conditions.append(col(table.id) == by_id)
    query = select(model).where(table.workspace_id == workspace_id, or_(*conditions))
    row = (await session.exec(query.with_for_update() if lock else query)).first()
    if row is None:
        noun = table.__tablename__.replace("_", " ")
        raise NotFound.in_workspace(noun, reference)
    return row
