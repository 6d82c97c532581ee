# SPDX-License-Identifier: Apache-2.0
"""The route of the audit log: who did what."""

import datetime as dt
from typing import Annotated
from uuid import UUID

from fastapi import Query
from pydantic import BaseModel

from app.core import audit
from app.core.paging import Page, page_of
from app.core.parameters import PageCursor, PageLimit
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
    limit: PageLimit = 50,
    cursor: PageCursor = None,
) -> Page[AuditOut]:
    """Return who changed what of this workspace, newest first; kept for 400 days."""
    rows = await audit.find_page(
        session, caller.workspace_id, since=since, until=until, limit=limit, cursor=cursor
    )
    return page_of(
        rows,
        limit,
        position=lambda row: (row.at, row.id),
        show=lambda row: AuditOut.model_validate(row, from_attributes=True),
    )
