"""From events to deliveries: once per endpoint and event, in the transaction that moves on.

Each workspace with endpoints has a place in the feed of its own, so that one with many events
delays no other, and workspaces without endpoints cost nothing.
"""

import datetime as dt
import json
from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import text
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from app.core import feed
from app.core.clock import utc_now
from app.core.database import Database, is_connection_lost, run_sql
from app.core.ids import derived_uuid
from app.core.jobs import Job
from app.webhooks import queries
from app.webhooks.models import WebhookEndpoint
from app.webhooks.news import Told, told_by
from app.webhooks.service import consumer_of, types_of, wish_of

_CHUNK = 500


async def dispatch(database: Database) -> int | None:
    """Make the deliveries of all workspaces' next events; return how many events were read.

    None where nobody listens at all. A workspace that breaks is told after the others' turn.
    """
    async with database.session() as session:
        rows = await run_sql(session, text("select distinct workspace_id from webhook_endpoint"))
        workspaces = [row.workspace_id for row in rows]
    if not workspaces:
        return None
    read = 0
    broke: Exception | None = None
    for workspace_id in workspaces:
        try:
            async with database.transaction() as session:
                read += await _dispatch_next(session, workspace_id)
        except Exception as error:
            if is_connection_lost(error):
                raise
            error.add_note(f"in workspace {workspace_id}")
            broke = error
    if broke is not None:
        raise broke
    return read


async def _dispatch_next(session: AsyncSession, workspace_id: UUID) -> int:
    consumer = consumer_of(workspace_id)
    place = await feed.take_place(session, consumer)
    if place is None:
        await feed.begin(session, consumer)
        place = await feed.take_place(session, consumer)
    if place is None:
        return 0
    rows = await session.exec(
        select(WebhookEndpoint)
        .where(WebhookEndpoint.workspace_id == workspace_id)
        .where(col(WebhookEndpoint.disabled_at).is_(None))
    )
    endpoints = list(rows)
    wanted = {types_of(one) for one in endpoints}
    which = f"({' or '.join(sorted(wanted))})" if wanted else "false"
    top = await feed.top(session)
    events = await queries.events_after(session, workspace_id, place, limit=_CHUNK, which=which)
    told = [one for event in events for one in told_by(event)]
    pairs = [(endpoint, one) for endpoint in endpoints for one in told if _is_due(endpoint, one)]
    await _insert(session, pairs, once=False)
    # Events that nobody wants are passed over without being read.
    reached = (events[-1].xid, events[-1].id) if events else place
    if len(events) < _CHUNK:
        reached = max(reached, (top, UUID(int=0)))
    if events or feed.is_far(place, reached):
        await feed.move(session, consumer, max(place, reached))
    return len(events)


def _is_due(endpoint: WebhookEndpoint, told: Told) -> bool:
    return told.at >= endpoint.listens_from and wish_of(endpoint).wants(told)


async def _insert(
    session: AsyncSession,
    pairs: Sequence[tuple[WebhookEndpoint, Told]],
    *,
    once: bool,
    run: str = "",
) -> None:
    """Insert deliveries that are not there yet; `run` makes those of a replay their own."""
    rows = [
        {
            "id": str(derived_uuid("delivery", str(endpoint.id), str(told.id), run)),
            "endpoint_id": str(endpoint.id),
            "type": told.type,
            "webhook_id": str(told.id),
            "event_xid": told.origin.xid,
            "event_id": str(told.origin.id),
        }
        for endpoint, told in pairs
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
    """Send an endpoint everything since a moment that it wants, once each."""
    since = dt.datetime.fromisoformat(job.payload["since"])
    endpoint_id = UUID(job.payload["endpoint"])
    place = (0, UUID(int=0))
    below = job.payload.get("below")
    while True:
        async with database.transaction() as session:
            endpoint = await session.get(WebhookEndpoint, (job.workspace_id, endpoint_id))
            if endpoint is None or endpoint.disabled_at is not None:
                return
            events = await queries.events_after(
                session, job.workspace_id, place, limit=_CHUNK, which=types_of(endpoint),
                since=since,
            )  # fmt: skip
            if below is not None:
                # What came after the replay was asked for is delivered by itself.
                events = [event for event in events if event.xid < below]
            told = [one for event in events for one in told_by(event)]
            wish = wish_of(endpoint)
            pairs = [(endpoint, one) for one in told if wish.wants(one)]
            await _insert(session, pairs, once=True, run=job.payload["run"])
        if len(events) < _CHUNK:
            return
        place = (events[-1].xid, events[-1].id)
