# SPDX-License-Identifier: Apache-2.0
"""Reading entity sets: what may be read, the rows of one page, one entity, and counts."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import text
from sqlmodel.ext.asyncio.session import AsyncSession

from app.core.database import run_sql
from app.core.errors import Forbidden
from app.exports.odata_apply import RowSource, apply_transformations, rows_of
from app.exports.odata_filter import ODataFilter
from app.exports.odata_sets import EntitySet
from app.workspaces.caller import Caller
from app.workspaces.scopes import Scope
from app.workspaces.service import find_workspace_by_id


async def find_readable_rows(
    session: AsyncSession, caller: Caller, entity_set: EntitySet, apply: str | None
) -> RowSource:
    """Return what is to be read, with the workspace bound; Forbidden where it is hidden."""
    workspace = await find_workspace_by_id(session, caller.workspace_id)
    least = workspace.min_group_size if workspace else 1
    if apply is not None:
        rows = apply_transformations(entity_set, apply, min_group_size=least)
    else:
        if least > 1 and Scope.READ not in caller.scopes:
            detail = (
                f"This workspace hides groups of fewer than {least} answers, and rows of counts "
                "would show them: use a key with the scope `read`, or ask for groups with "
                "`$apply=groupby((survey), aggregate(responses with sum as n))`."
            )
            raise Forbidden(detail)
        rows = rows_of(entity_set)
    rows.bound["workspace"] = caller.workspace_id
    return rows


def apply_filter(rows: RowSource, expression: str | None) -> RowSource:
    """Return the rows that a `$filter` keeps."""
    if not expression:
        return rows
    odata_filter = ODataFilter(rows.name, rows.types, expression)
    source = f"select * from ({rows.source}) m where {odata_filter.condition}"
    return RowSource(rows.name, rows.types, rows.keys, source, rows.bound | odata_filter.bound)


async def read_page(
    session: AsyncSession, rows: RowSource, names: list[str], order: str, *, limit: int, skip: int
) -> list[dict[str, Any]]:
    """Return some properties of the rows of a page, in their order."""
    columns = ", ".join(f'"{name}"' for name in names)
    ordered = f"order by {order}" if order else ""
    query = text(
        f"select {columns} from ({rows.source}) m {ordered} limit :limit offset :skip"
    ).bindparams(**rows.bound, limit=limit, skip=skip)
    return [dict(row._mapping) for row in await run_sql(session, query)]


async def find_entity(
    session: AsyncSession, rows: RowSource, names: list[str], keys: Mapping[str, str]
) -> dict[str, Any] | None:
    """Return the one entity that the keys name, or None."""
    columns = ", ".join(f'"{name}"' for name in names)
    conditions = " and ".join(f"cast({name} as text) = :k_{name}" for name in keys)
    bound = {f"k_{name}": value for name, value in keys.items()}
    query = text(f"select {columns} from ({rows.source}) m where {conditions} limit 1")
    row = (await run_sql(session, query.bindparams(**rows.bound, **bound))).first()
    return None if row is None else dict(row._mapping)


async def count_rows(session: AsyncSession, rows: RowSource) -> int:
    """Return how many rows there are."""
    query = text(f"select count(*) from ({rows.source}) m").bindparams(**rows.bound)
    counted: int = (await run_sql(session, query)).one()[0]
    return counted
