# SPDX-License-Identifier: Apache-2.0
"""Turn events into deliveries, once per endpoint and event, together with the cursor.

Each workspace with endpoints has its own cursor in the outbox, so that one with many events
delays no other, and workspaces without endpoints cost nothing.
"""

import datetime as dt
import json
from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import text
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from app.core import event_consumer
from app.core.clock import utc_now
from app.core.database import Database, is_connection_lost, run_sql
from app.core.ids import derived_uuid
from app.core.jobs import Job
from app.webhooks import queries
from app.webhooks.models import WebhookEndpoint
from app.webhooks.service import consumer_name, event_condition_of, filter_of
from app.webhooks.subscriber_events import SubscriberEvent, subscriber_events

_CHUNK = 500


async def dispatch(database: Database) -> int | None:
    """Make the deliveries of all workspaces' next events; return how many events were read.

    None if no workspace has endpoints. An error of one workspace is raised after the others' turn.
    """
    async with database.session() as session:
        rows = await run_sql(session, text("select distinct workspace_id from webhook_endpoint"))
        workspaces = [row.workspace_id for row in rows]
    if not workspaces:
        return None
    read = 0
    failure: Exception | None = None
    for workspace_id in workspaces:
        try:
            async with database.transaction() as session:
                read += await _dispatch_next(session, workspace_id)
        except Exception as error:
            if is_connection_lost(error):
                raise
            error.add_note(f"in workspace {workspace_id}")
            failure = error
    if failure is not None:
        raise failure
    return read


async def _dispatch_next(session: AsyncSession, workspace_id: UUID) -> int:
    consumer = consumer_name(workspace_id)
    cursor = await event_consumer.lock_cursor(session, consumer)
    if cursor is None:
        await event_consumer.create_cursor(session, consumer)
        cursor = await event_consumer.lock_cursor(session, consumer)
    if cursor is None:
        return 0
    rows = await session.exec(
        select(WebhookEndpoint)
        .where(WebhookEndpoint.workspace_id == workspace_id)
        .where(col(WebhookEndpoint.disabled_at).is_(None))
    )
    endpoints = list(rows)
    conditions = {event_condition_of(endpoint) for endpoint in endpoints}
    condition_sql = f"({' or '.join(sorted(conditions))})" if conditions else "false"
    top = await event_consumer.readable_below(session)
    events = await queries.events_after(
        session, workspace_id, cursor, below=top, limit=_CHUNK, condition_sql=condition_sql
    )
    pairs = [
        (endpoint, event)
        for endpoint in endpoints
        for outbox_event in events
        for event in subscriber_events(outbox_event)
        if _is_due(endpoint, event)
    ]
    await _insert(session, pairs, once=False)
    # Events that no endpoint wants are skipped without being read.
    reached = (events[-1].xid, events[-1].id) if events else cursor
    if len(events) < _CHUNK:
        reached = max(reached, (top, UUID(int=0)))
    if events or event_consumer.is_worth_saving(cursor, reached):
        await event_consumer.advance_cursor(session, consumer, max(cursor, reached))
    return len(events)


def _is_due(endpoint: WebhookEndpoint, event: SubscriberEvent) -> bool:
    return event.at >= endpoint.listens_from and filter_of(endpoint).wants(event)


async def _insert(
    session: AsyncSession,
    pairs: Sequence[tuple[WebhookEndpoint, SubscriberEvent]],
    *,
    once: bool,
    run: str = "",
) -> None:
    """Insert deliveries that are missing; `run` gives those of a replay their own ids."""
    rows = [
        {
            "id": str(derived_uuid("delivery", str(endpoint.id), str(event.id), run)),
            "endpoint_id": str(endpoint.id),
            "type": event.type,
            "webhook_id": str(event.id),
            "event_xid": event.origin.xid,
            "event_id": str(event.origin.id),
        }
        for endpoint, event in pairs
    ]
    if not rows:
        return
    await run_sql(
        session,
        text(
            "insert into delivery (workspace_id, id, endpoint_id, type, webhook_id, event_xid, "
            "event_id, once, status, attempts, tries, next_at, created_at, updated_at) "
            "select :workspace_id, n.id, n.endpoint_id, n.type, n.webhook_id, n.event_xid, "
            "n.event_id, :once, 'pending', '[]', 0, :now, :now, :now "
            "from json_to_recordset(cast(:rows as json)) n(id uuid, endpoint_id uuid, type text, "
            "webhook_id uuid, event_xid int8, event_id uuid) "
            "order by n.id on conflict do nothing"
        ).bindparams(
            workspace_id=pairs[0][0].workspace_id,
            once=once,
            now=utc_now(),
            rows=json.dumps(rows),
        ),
    )


async def replay(database: Database, job: Job) -> None:
    """Deliver to an endpoint every event since a moment that it wants, once each."""
    since = dt.datetime.fromisoformat(job.payload["since"])
    endpoint_id = UUID(job.payload["endpoint"])
    cursor = (0, UUID(int=0))
    below = job.payload.get("below")
    while True:
        async with database.transaction() as session:
            endpoint = await session.get(WebhookEndpoint, (job.workspace_id, endpoint_id))
            if endpoint is None or endpoint.disabled_at is not None:
                return
            top = await event_consumer.readable_below(session)
            events = await queries.events_after(
                session, job.workspace_id, cursor, below=top, limit=_CHUNK,
                condition_sql=event_condition_of(endpoint), since=since,
            )  # fmt: skip
            if below is not None:
                # Events after the request of the replay are delivered anyway.
                events = [event for event in events if event.xid < below]
            event_filter = filter_of(endpoint)
            pairs = [
                (endpoint, event)
                for outbox_event in events
                for event in subscriber_events(outbox_event)
                if event_filter.wants(event)
            ]
            await _insert(session, pairs, once=True, run=job.payload["run"])
        if len(events) < _CHUNK:
            return
        cursor = (events[-1].xid, events[-1].id)
