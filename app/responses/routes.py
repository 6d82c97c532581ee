# SPDX-License-Identifier: Apache-2.0
"""Routes of stored responses; those that take new ones are in `intake` and `batch`."""

from typing import Annotated
from uuid import UUID

from fastapi import Depends, Query, Request

from app.core.database import Database
from app.core.paging import Page, page_of
from app.core.routing import PropertiesDep, SessionDep, router
from app.responses import queries, service
from app.responses.bulk import change_many
from app.responses.schemas import (
    FollowUpReply,
    ResponseFilter,
    ResponseOut,
    ResponsePatch,
    ResponsesPatch,
    ResponsesPatched,
    ResponseWithRevisions,
)
from app.workspaces.admission import Admin, Reader, Responder, Writer
from app.workspaces.scopes import Scope

routes = router("Responses")


def _database(request: Request) -> Database:
    database: Database = request.app.state.database
    return database


def _slot(request: Request) -> int:
    slot: int = request.app.state.slot
    return slot


DatabaseDep = Annotated[Database, Depends(_database)]
SlotDep = Annotated[int, Depends(_slot)]


@routes.get("/v1/responses", summary="List responses")
async def list_responses(
    session: SessionDep,
    caller: Reader,
    filters: Annotated[ResponseFilter, Query()],
    properties: PropertiesDep,
) -> Page[ResponseOut]:
    """Return responses with answers, customer and properties, newest first."""
    rows = await queries.find_page(session, caller.workspace_id, filters, properties=properties)
    responses = await service.responses_out(session, caller.workspace_id, rows)
    return page_of(
        responses,
        filters.limit,
        position=lambda r: (getattr(r, filters.order_by), r.id),
        show=lambda r: ResponseOut.model_validate(r.model_dump()),
    )


@routes.get("/v1/responses/{response_id}", summary="Read a response")
async def get_response(
    session: SessionDep, caller: Reader, response_id: UUID
) -> ResponseWithRevisions:
    """Return one response, with the main scores it had before."""
    return await service.read(session, caller.workspace_id, response_id)


@routes.patch("/v1/responses", summary="Change many responses")
async def update_responses(  # noqa: PLR0913, PLR0917 - what the framework hands in
    database: DatabaseDep,
    slot: SlotDep,
    session: SessionDep,
    caller: Responder,
    body: ResponsesPatch,
    filters: Annotated[ResponseFilter, Query()],
    properties: PropertiesDep,
) -> ResponsesPatched:
    """Tag, follow up, restore or reject those named by `ids`, or all that the filters find."""
    return await change_many(
        database, slot, session, caller, body, filters=filters, properties=properties
    )


@routes.patch("/v1/responses/{response_id}", summary="Annotate a response")
async def update_response(
    session: SessionDep, caller: Responder, response_id: UUID, body: ResponsePatch
) -> ResponseWithRevisions | FollowUpReply:
    """Change tags and follow-up; a note is appended, with who and when.

    A key that may follow up but not read learns the follow-up alone.
    """
    changed = await service.annotate(session, caller, response_id, body)
    if Scope.READ in caller.scopes:
        return changed
    return FollowUpReply(id=changed.id, follow_up=changed.follow_up)


@routes.post("/v1/responses/{response_id}/restore", summary="Restore a response")
async def restore_response(
    database: DatabaseDep, slot: SlotDep, session: SessionDep, caller: Writer, response_id: UUID
) -> ResponseWithRevisions:
    """Count a response that was held back or rejected."""
    await service.restore(database, slot, caller.workspace_id, response_id)
    return await service.read(session, caller.workspace_id, response_id)


@routes.post("/v1/responses/{response_id}/reject", summary="Reject a response")
async def reject_response(
    database: DatabaseDep, slot: SlotDep, session: SessionDep, caller: Writer, response_id: UUID
) -> ResponseWithRevisions:
    """Take a response out of every figure; it stays listed and can be restored."""
    await service.reject(database, slot, caller.workspace_id, response_id)
    return await service.read(session, caller.workspace_id, response_id)


@routes.delete("/v1/responses/{response_id}", status_code=204, summary="Delete a response")
async def delete_response(
    database: DatabaseDep, slot: SlotDep, caller: Admin, response_id: UUID
) -> None:
    """Delete a response with all it says; the figures move with it, its id is never used again."""
    await service.delete(database, slot, caller.workspace_id, response_id)
