# SPDX-License-Identifier: Apache-2.0
"""Routes of integrations and what they sent."""

import datetime as dt
from collections.abc import Sequence
from typing import Annotated, Any
from urllib.parse import quote
from uuid import UUID

from fastapi import Path, Query, Request
from sqlmodel.ext.asyncio.session import AsyncSession

from app.core.paging import Page, page_of
from app.core.parameters import PageCursor, PageLimit
from app.core.routing import BoxDep, SessionDep, current_transaction, router
from app.core.settings import Settings
from app.integrations import inbound_events, service, translation_preview, write_back
from app.integrations.models import InboundEvent, Integration
from app.integrations.schemas import (
    InboundEventStatus,
    InboundOut,
    InboundWithBody,
    IntegrationIn,
    IntegrationOut,
    IntegrationPatch,
    RotateSecret,
    UnmappedStatus,
    WebhookPreviewIn,
    WebhookPreviewOut,
    WriteBackIn,
    WriteBackOut,
)
from app.integrations.service import IntegrationWithToken
from app.workspaces.admission import Admin, Reader, Writer

routes = router("Integrations")

IntegrationRef = Annotated[str, Path(max_length=64, description="The integration's id or key.")]


def _integration_out(
    request: Request,
    result: IntegrationWithToken,
    *,
    last_event_at: dt.datetime | None = None,
    unmapped: Sequence[Any] = (),
) -> IntegrationOut:
    settings: Settings = request.app.state.settings
    row = result.integration
    token = f"?token={quote(result.token, safe='')}" if result.token else ""
    return IntegrationOut(
        id=row.id,
        key=row.key,
        source=row.source,
        url=f"{settings.base_url}/in/{row.id}{token}",
        preset=row.preset,
        touchpoint=row.touchpoint,
        timezone=row.timezone,
        accept_test=row.accept_test,
        status_map=row.status_map,
        unmapped=[
            UnmappedStatus.model_validate(status, from_attributes=True) for status in unmapped
        ],
        mapping=service.mapping_of(row) or None,
        signature=row.signature,
        has_secret=service.can_verify(row),
        writes_back=row.write_back is not None,
        old_secret_until=row.old_until,
        last_event_at=last_event_at,
        last_refused_at=row.refused_at,
        last_refused_reason=row.refused_reason,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )


async def _integration_with_events(
    request: Request, session: AsyncSession, result: IntegrationWithToken
) -> IntegrationOut:
    """Return one integration with its last event and its unmapped statuses."""
    row = result.integration
    last = await inbound_events.find_last_event_times(session, row.workspace_id, [row.id])
    unmapped = await inbound_events.find_unmapped_statuses(session, row)
    return _integration_out(request, result, last_event_at=last[row.id], unmapped=unmapped)


def _event(row: InboundEvent) -> InboundOut:
    return InboundOut.model_validate(row, from_attributes=True)


@routes.post("/v1/integrations", status_code=201, summary="Register an integration")
async def create_integration(
    request: Request, session: SessionDep, caller: Admin, box: BoxDep, body: IntegrationIn
) -> IntegrationOut:
    """Register a shop or a helpdesk; give it the `url`. A token in it is shown this once.

    The secret may come later: until then webhooks are kept, unverified and untranslated.
    """
    return _integration_out(
        request, await service.create(session, caller.workspace_id, body, box=box)
    )


@routes.get("/v1/integrations", summary="List the senders")
async def list_integrations(
    request: Request,
    session: SessionDep,
    caller: Reader,
    limit: PageLimit = 50,
    cursor: PageCursor = None,
) -> Page[IntegrationOut]:
    """Return integrations, newest first, with when each last sent something."""
    rows = await service.find_page(session, caller.workspace_id, limit=limit, cursor=cursor)
    last = await inbound_events.find_last_event_times(
        session, caller.workspace_id, [row.id for row in rows]
    )

    def show(row: Integration) -> IntegrationOut:
        return _integration_out(request, IntegrationWithToken(row), last_event_at=last[row.id])

    return page_of(rows, limit, position=lambda row: (row.created_at, row.id), show=show)


@routes.get("/v1/integrations/{integration}", summary="Read an integration")
async def get_integration(
    request: Request, session: SessionDep, caller: Reader, integration: IntegrationRef
) -> IntegrationOut:
    """Return one integration; its secrets are never shown."""
    row = await service.find(session, caller.workspace_id, integration)
    return await _integration_with_events(request, session, IntegrationWithToken(row))


@routes.patch("/v1/integrations/{integration}", summary="Change an integration")
async def update_integration(
    request: Request,
    session: SessionDep,
    caller: Admin,
    box: BoxDep,
    integration: IntegrationRef,
    body: IntegrationPatch,
) -> IntegrationOut:
    """Change what is given. What waited for its secret or for a mapping is translated then."""
    current_transaction(request).after_commit.append(request.app.state.integrations.forget)
    changed = await service.change(session, caller.workspace_id, integration, body, box=box)
    return await _integration_with_events(request, session, changed)


@routes.delete("/v1/integrations/{integration}", status_code=204, summary="Delete an integration")
async def delete_integration(
    request: Request,
    session: SessionDep,
    caller: Admin,
    integration: IntegrationRef,
) -> None:
    """Delete a sender with its webhooks; the interactions stay."""
    current_transaction(request).after_commit.append(request.app.state.integrations.forget)
    await service.delete(session, caller.workspace_id, integration)


@routes.post("/v1/integrations/{integration}/rotate-secret", summary="Rotate a sender's secret")
async def rotate_integration_secret(
    request: Request,
    session: SessionDep,
    caller: Admin,
    box: BoxDep,
    integration: IntegrationRef,
    body: RotateSecret | None = None,
) -> IntegrationOut:
    """Take the next secret, or make the next token; the one before is good for 24 hours more."""
    current_transaction(request).after_commit.append(request.app.state.integrations.forget)
    secret = body.secret if body else None
    rotated = await service.rotate(session, caller.workspace_id, integration, secret, box=box)
    return await _integration_with_events(request, session, rotated)


@routes.post("/v1/integrations/{integration}/preview", summary="Try a webhook")
async def preview_integration(
    request: Request,
    session: SessionDep,
    caller: Writer,
    box: BoxDep,
    integration: IntegrationRef,
    body: WebhookPreviewIn,
) -> WebhookPreviewOut:
    """Say what a webhook would become, and whether its signature is right; nothing is stored."""
    row = await service.find(session, caller.workspace_id, integration)
    settings: Settings = request.app.state.settings
    return await translation_preview.preview(session, row, body, box=box, settings=settings)


@routes.get("/v1/integrations/{integration}/events", summary="List inbound events")
async def list_integration_events(
    session: SessionDep,
    caller: Reader,
    integration: IntegrationRef,
    status: Annotated[InboundEventStatus | None, Query()] = None,
    limit: PageLimit = 50,
    cursor: PageCursor = None,
) -> Page[InboundOut]:
    """Return its webhooks of the last 30 days, newest first, with reasons."""
    row = await service.find(session, caller.workspace_id, integration)
    rows = await inbound_events.find_events(session, row, status=status, limit=limit, cursor=cursor)
    return page_of(rows, limit, position=lambda event: (event.received_at, event.id), show=_event)


@routes.get("/v1/integrations/{integration}/events/{event_id}", summary="Read a webhook")
async def get_integration_event(
    session: SessionDep, caller: Admin, integration: IntegrationRef, event_id: UUID
) -> InboundWithBody:
    """Return one webhook as it came."""
    row = await service.find(session, caller.workspace_id, integration)
    event = await inbound_events.get_event(session, row, event_id)
    return InboundWithBody(
        **_event(event).model_dump(),
        headers=event.headers,
        body=event.body.decode("utf-8", "replace"),
    )


@routes.post(
    "/v1/integrations/{integration}/events/{event_id}/retry",
    status_code=202,
    summary="Translate a webhook again",
)
async def retry_integration_event(
    session: SessionDep, caller: Admin, integration: IntegrationRef, event_id: UUID
) -> InboundOut:
    """Translate a webhook that failed or was skipped, after a change of the mapping."""
    row = await service.find(session, caller.workspace_id, integration)
    return _event(await inbound_events.retry_event(session, row, event_id))


@routes.post(
    "/v1/integrations/{integration}/write-back",
    summary="Put scores onto the sender's tickets",
)
async def set_write_back(
    request: Request,
    session: SessionDep,
    caller: Admin,
    box: BoxDep,
    integration: IntegrationRef,
    body: WriteBackIn,
) -> IntegrationOut:
    """Put score and comment as a private note on the ticket: Zendesk, Freshdesk, Chatwoot.

    The status is never touched: it would reopen the ticket.
    """
    row = await service.find(session, caller.workspace_id, integration)
    settings: Settings = request.app.state.settings
    await write_back.set_write_back(session, row, body, box=box, settings=settings)
    return await _integration_with_events(request, session, IntegrationWithToken(row))


@routes.delete(
    "/v1/integrations/{integration}/write-back", status_code=204, summary="Delete the write-back"
)
async def delete_write_back(
    session: SessionDep, caller: Admin, integration: IntegrationRef
) -> None:
    """Delete the settings of the write-back, with the token."""
    row = await service.find(session, caller.workspace_id, integration)
    write_back.remove(session, row)


@routes.get("/v1/integrations/{integration}/write-backs", summary="List scores put back")
async def list_write_backs(
    session: SessionDep,
    caller: Reader,
    integration: IntegrationRef,
    limit: PageLimit = 50,
    cursor: PageCursor = None,
) -> Page[WriteBackOut]:
    """Return the answers on their way onto tickets, newest first, with every attempt."""
    row = await service.find(session, caller.workspace_id, integration)
    rows = await service.find_write_backs(session, row, limit=limit, cursor=cursor)
    return page_of(
        rows,
        limit,
        position=lambda write_back: (write_back.created_at, write_back.response_id),
        show=lambda write_back: WriteBackOut(
            response=write_back.response_id, ticket=write_back.ticket, status=write_back.status,
            attempts=write_back.attempts, created_at=write_back.created_at,
            updated_at=write_back.updated_at,
        ),
    )  # fmt: skip
