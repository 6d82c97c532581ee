# SPDX-License-Identifier: Apache-2.0
"""Who did what."""

import datetime as dt
from typing import Annotated
from uuid import UUID

from fastapi import Query
from pydantic import BaseModel
from sqlmodel import col, select, tuple_

from app.core.audit import AuditEntry
from app.core.cursors import decode_cursor
from app.core.paging import CursorParam, Limit, Page, page_of
from app.core.routing import SessionDep, router
from app.workspaces.admission import Admin
from app.workspaces.schemas import Moment

routes = router("Workspaces and keys")


class AuditOut(BaseModel):
    """One change: who made it, by which route, and what the route named."""

    id: UUID
    actor: str
    key_id: UUID | None
    action: str
    target: dict[str, str]
    at: dt.datetime


@routes.get("/v1/audit", summary="List changes")
async def list_changes(
    session: SessionDep,
    caller: Admin,
    since: Annotated[Moment | None, Query(description="At or after.")] = None,
    until: Annotated[Moment | None, Query(description="Before.")] = None,
    limit: Limit = 50,
    cursor: CursorParam = None,
) -> Page[AuditOut]:
    """Return who changed what of this workspace, newest first; kept for 400 days."""
    query = (
        select(AuditEntry)
        .where(AuditEntry.workspace_id == caller.workspace_id)
        .order_by(col(AuditEntry.at).desc(), col(AuditEntry.id).desc())
        .limit(limit + 1)
    )
    if since is not None:
        query = query.where(col(AuditEntry.at) >= since)
    if until is not None:
        query = query.where(col(AuditEntry.at) < until)
    if position := decode_cursor(cursor, UUID):
        query = query.where(tuple_(col(AuditEntry.at), col(AuditEntry.id)) < position)
    rows = list(await session.exec(query))
    return page_of(
        rows,
        limit,
        position=lambda row: (row.at, row.id),
        show=lambda row: AuditOut.model_validate(row, from_attributes=True),
    )
