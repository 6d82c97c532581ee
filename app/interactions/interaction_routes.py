# SPDX-License-Identifier: Apache-2.0
"""Routes that read interactions; the routes that record them are in `triggers`."""

import datetime as dt
from typing import Annotated
from uuid import UUID

from fastapi import Query

from app.core.paging import Page, page_of
from app.core.routing import SessionDep, router
from app.interactions import queries
from app.interactions.interaction_schemas import InteractionFilter, InteractionOut
from app.workspaces.admission import Reader

routes = router("Customers, interactions and tickets")


def _position(row: InteractionOut) -> tuple[dt.datetime, UUID]:
    return row.created_at, row.id


@routes.get("/v1/interactions", summary="List interactions")
async def list_interactions(
    session: SessionDep, caller: Reader, filters: Annotated[InteractionFilter, Query()]
) -> Page[InteractionOut]:
    """Return interactions, newest first; tests only with `test=true`."""
    rows = await queries.find_page(session, caller.workspace_id, filters)
    return page_of(rows, filters.limit, position=_position, show=lambda row: row)


@routes.get("/v1/interactions/{interaction_id}", summary="Read an interaction")
async def get_interaction(
    session: SessionDep, caller: Reader, interaction_id: UUID
) -> InteractionOut:
    """Return one interaction with what it inherited."""
    return await queries.get_interaction(session, caller.workspace_id, interaction_id)
