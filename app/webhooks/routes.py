# SPDX-License-Identifier: Apache-2.0
"""Routes of webhook endpoints, their deliveries, and the event feed."""

from collections.abc import Sequence
from typing import Annotated
from uuid import UUID

from fastapi import Query
from sqlmodel.ext.asyncio.session import AsyncSession

from app.core.paging import Page, page_of
from app.core.parameters import PageCursor, PageLimit
from app.core.routing import BoxDep, SessionDep, SettingsDep, router
from app.webhooks import event_feed, queries, service
from app.webhooks.models import Delivery, WebhookEndpoint
from app.webhooks.schemas import (
    DeliveryOut,
    DeliveryStatus,
    EndpointIn,
    EndpointOut,
    EndpointPatch,
    EndpointWithSecret,
    EventFeed,
    ReplayIn,
    ReplayOut,
    SecretOut,
    TestIn,
)
from app.workspaces.admission import Reader, Writer

routes = router("Webhooks")


_HIDDEN = {
    "filter", "secret", "old_secret", "old_until", "listens_from", "headers", "header_names",
}  # fmt: skip


async def _endpoints_out(
    session: AsyncSession, rows: Sequence[WebhookEndpoint]
) -> list[EndpointOut]:
    if not rows:
        return []
    counts = await queries.count_open(session, rows[0].workspace_id, [row.id for row in rows])
    return [
        EndpointOut(
            **row.model_dump(exclude=_HIDDEN),
            filter=service.endpoint_filter_of(row.filter),
            headers=row.header_names,
            active=row.disabled_at is None,
            pending=counts[row.id][0],
            failed=counts[row.id][1],
            old_secret_until=row.old_until,
        )
        for row in rows
    ]


def _delivery(row: Delivery) -> DeliveryOut:
    return DeliveryOut.model_validate(
        {
            **row.model_dump(),
            "endpoint": row.endpoint_id,
            "event": row.type,
            "kind": service.kind_of(row),
            "next_attempt_at": row.next_at if row.status == "pending" else None,
        }
    )


@routes.post("/v1/webhook-endpoints", status_code=201, summary="Subscribe a URL")
async def create_webhook_endpoint(
    settings: SettingsDep, session: SessionDep, caller: Writer, box: BoxDep, body: EndpointIn
) -> EndpointWithSecret:
    """Send events to a URL, signed by Standard Webhooks; the secret is shown once.

    `mailto:` URLs get a mail; `format` may be `slack` or `teams`.
    """
    endpoint, secret = await service.create(
        session, caller.workspace_id, body, box=box, settings=settings
    )
    (endpoint_out,) = await _endpoints_out(session, [endpoint])
    return EndpointWithSecret(**endpoint_out.model_dump(), secret=secret)


@routes.get("/v1/webhook-endpoints", summary="List the endpoints")
async def list_webhook_endpoints(
    session: SessionDep, caller: Reader, limit: PageLimit = 50, cursor: PageCursor = None
) -> Page[EndpointOut]:
    """Return endpoints, newest first, with how many deliveries wait or were given up."""
    rows = await queries.find_endpoints(session, caller.workspace_id, limit=limit, cursor=cursor)
    return page_of(
        await _endpoints_out(session, rows),
        limit,
        position=lambda row: (row.created_at, row.id),
        show=lambda row: row,
    )


@routes.get("/v1/webhook-endpoints/{endpoint_id}", summary="Read an endpoint")
async def get_webhook_endpoint(
    session: SessionDep, caller: Reader, endpoint_id: UUID
) -> EndpointOut:
    """Return one endpoint; its secret is never shown again."""
    row = await service.find(session, caller.workspace_id, endpoint_id)
    return (await _endpoints_out(session, [row]))[0]


@routes.patch("/v1/webhook-endpoints/{endpoint_id}", summary="Change an endpoint")
async def update_webhook_endpoint(
    settings: SettingsDep,
    session: SessionDep,
    caller: Writer,
    box: BoxDep,
    endpoint_id: UUID,
    body: EndpointPatch,
) -> EndpointOut:
    """Change what is given; `active: true` enables an endpoint that was disabled."""
    changed = await service.change(
        session, caller.workspace_id, endpoint_id, body, box=box, settings=settings
    )
    return (await _endpoints_out(session, [changed]))[0]


@routes.delete("/v1/webhook-endpoints/{endpoint_id}", status_code=204, summary="Delete an endpoint")
async def delete_webhook_endpoint(session: SessionDep, caller: Writer, endpoint_id: UUID) -> None:
    """Delete an endpoint with its log."""
    await service.delete(session, caller.workspace_id, endpoint_id)


@routes.post("/v1/webhook-endpoints/{endpoint_id}/test", status_code=202, summary="Send a sample")
async def send_test_event(
    session: SessionDep, caller: Writer, endpoint_id: UUID, body: TestIn | None = None
) -> DeliveryOut:
    """Send a sample event, marked `test`, once; look at its attempt among the deliveries."""
    event = body.event if body else None
    return _delivery(await service.send_test(session, caller.workspace_id, endpoint_id, event))


@routes.post("/v1/webhook-endpoints/{endpoint_id}/rotate-secret", summary="Rotate the secret")
async def rotate_endpoint_secret(
    session: SessionDep, caller: Writer, box: BoxDep, endpoint_id: UUID
) -> SecretOut:
    """Make the next secret; for 24 hours both sign."""
    return SecretOut(
        secret=await service.rotate(session, caller.workspace_id, endpoint_id, box=box)
    )


@routes.post(
    "/v1/webhook-endpoints/{endpoint_id}/replay", status_code=202, summary="Send again since"
)
async def replay_events(
    session: SessionDep, caller: Writer, endpoint_id: UUID, body: ReplayIn
) -> ReplayOut:
    """Send every event since a moment once more, each under its old `webhook-id`."""
    count = await service.start_replay(session, caller.workspace_id, endpoint_id, body.since)
    return ReplayOut(events=count, since=body.since)


@routes.get("/v1/webhook-endpoints/{endpoint_id}/deliveries", summary="List deliveries")
async def list_deliveries(
    session: SessionDep,
    caller: Reader,
    endpoint_id: UUID,
    status: Annotated[DeliveryStatus | None, Query()] = None,
    limit: PageLimit = 50,
    cursor: PageCursor = None,
) -> Page[DeliveryOut]:
    """Return the deliveries of the last 30 days, newest first, with every attempt."""
    endpoint = await service.find(session, caller.workspace_id, endpoint_id)
    rows = await queries.find_deliveries(
        session, endpoint, status=status, limit=limit, cursor=cursor
    )
    return page_of(rows, limit, position=lambda row: (row.created_at, row.id), show=_delivery)


@routes.post("/v1/deliveries/{delivery_id}/redeliver", status_code=202, summary="Send once more")
async def redeliver(session: SessionDep, caller: Writer, delivery_id: UUID) -> DeliveryOut:
    """Send one delivery again, once, under the same `webhook-id`."""
    return _delivery(await service.redeliver(session, caller.workspace_id, delivery_id))


@routes.get("/v1/events", summary="Pull events")
async def list_events(
    session: SessionDep,
    caller: Reader,
    after: Annotated[str | None, Query(max_length=200, description="`next_cursor`.")] = None,
    types: Annotated[
        str | None, Query(max_length=600, description="Comma-separated; default: all.")
    ] = None,
    limit: PageLimit = 50,
) -> EventFeed:
    """Return the events of the last 30 days behind a cursor, oldest first."""
    return await event_feed.read(
        session,
        caller.workspace_id,
        after=after,
        types=event_feed.parse_types(types),
        limit=limit,
    )
