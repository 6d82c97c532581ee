# SPDX-License-Identifier: Apache-2.0
"""Routes of tickets."""

import datetime as dt
from typing import Annotated
from uuid import UUID

from fastapi import Path, Query

from app.core.paging import Page, page_of
from app.core.routing import SessionDep, router
from app.interactions import queries
from app.interactions.customer_schemas import Short
from app.interactions.interaction_schemas import TicketFilter, TicketOut
from app.workspaces.admission import Reader

routes = router("Customers, interactions and tickets")


def _position(row: TicketOut) -> tuple[dt.datetime, UUID]:
    return row.updated_at, row.id


@routes.get("/v1/tickets", summary="List tickets")
async def list_tickets(
    session: SessionDep, caller: Reader, filters: Annotated[TicketFilter, Query()]
) -> Page[TicketOut]:
    """Return tickets with their times to resolution, last changed first."""
    rows = await queries.find_tickets(session, caller.workspace_id, filters)
    return page_of(rows, filters.limit, position=_position, show=lambda row: row)


@routes.get("/v1/tickets/{ticket}", summary="Read a ticket")
async def get_ticket(
    session: SessionDep,
    caller: Reader,
    ticket: Annotated[Short, Path(description="The ticket's id, or its number at the source.")],
) -> TicketOut:
    """Return one ticket."""
    return await queries.get_ticket(session, caller.workspace_id, ticket)
