# SPDX-License-Identifier: Apache-2.0
"""Routes of touchpoints and journeys."""

import datetime as dt
from typing import Annotated

from fastapi import Path

from app.core.paging import Page, page_of
from app.core.parameters import PageCursor, PageLimit
from app.core.routing import SessionDep, router
from app.interactions import service
from app.interactions.models import Journey, Touchpoint
from app.interactions.schemas import (
    JourneyIn,
    JourneyOut,
    TouchpointIn,
    TouchpointKey,
    TouchpointOut,
)
from app.workspaces.admission import Analyst, Writer

routes = router("Touchpoints and journeys")

KeyParam = Annotated[TouchpointKey, Path(description="The key you chose.")]


def _touchpoint_out(row: Touchpoint) -> TouchpointOut:
    return TouchpointOut.model_validate(row.model_dump(exclude={"workspace_id"}))


def _position(row: Touchpoint | Journey) -> tuple[dt.datetime, str]:
    return row.created_at, row.key


def _journey_out(row: Journey) -> JourneyOut:
    return JourneyOut.model_validate(row.model_dump(exclude={"workspace_id"}))


@routes.get("/v1/touchpoints", summary="List touchpoints")
async def list_touchpoints(
    session: SessionDep, caller: Analyst, limit: PageLimit = 50, cursor: PageCursor = None
) -> Page[TouchpointOut]:
    """Return declared touchpoints, and those that answers have named, newest first."""
    rows = await service.find_page(
        session, Touchpoint, caller.workspace_id, limit=limit, cursor=cursor
    )
    return page_of(rows, limit, position=_position, show=_touchpoint_out)


@routes.get("/v1/touchpoints/{key}", summary="Read a touchpoint")
async def get_touchpoint(session: SessionDep, caller: Analyst, key: KeyParam) -> TouchpointOut:
    """Return one touchpoint."""
    return _touchpoint_out(await service.get(session, Touchpoint, caller.workspace_id, key))


@routes.put("/v1/touchpoints/{key}", summary="Declare a touchpoint")
async def put_touchpoint(
    session: SessionDep, caller: Writer, key: KeyParam, body: TouchpointIn
) -> TouchpointOut:
    """Make or replace what is known of a touchpoint."""
    row = await service.declare_touchpoint(session, caller.workspace_id, key, body)
    return _touchpoint_out(row)


@routes.delete("/v1/touchpoints/{key}", status_code=204, summary="Delete a touchpoint")
async def delete_touchpoint(session: SessionDep, caller: Writer, key: KeyParam) -> None:
    """Delete the declaration. A touchpoint that answers name stays in the list as undeclared."""
    await service.delete_touchpoint(session, caller.workspace_id, key)


@routes.get("/v1/journeys", summary="List journeys")
async def list_journeys(
    session: SessionDep, caller: Analyst, limit: PageLimit = 50, cursor: PageCursor = None
) -> Page[JourneyOut]:
    """Return the journeys, newest first."""
    rows = await service.find_page(
        session, Journey, caller.workspace_id, limit=limit, cursor=cursor
    )
    return page_of(rows, limit, position=_position, show=_journey_out)


@routes.get("/v1/journeys/{key}", summary="Read a journey")
async def get_journey(session: SessionDep, caller: Analyst, key: KeyParam) -> JourneyOut:
    """Return one journey with its steps."""
    return _journey_out(await service.get(session, Journey, caller.workspace_id, key))


@routes.put("/v1/journeys/{key}", summary="Make or replace a journey")
async def put_journey(
    session: SessionDep, caller: Writer, key: KeyParam, body: JourneyIn
) -> JourneyOut:
    """Lay down the ordered path of touchpoints."""
    return _journey_out(await service.put_journey(session, caller.workspace_id, key, body))


@routes.delete("/v1/journeys/{key}", status_code=204, summary="Delete a journey")
async def delete_journey(session: SessionDep, caller: Writer, key: KeyParam) -> None:
    """Delete the journey; its touchpoints stay."""
    await service.delete_journey(session, caller.workspace_id, key)
