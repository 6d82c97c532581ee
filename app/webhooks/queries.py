# SPDX-License-Identifier: Apache-2.0
"""Reading events and deliveries: one statement each."""

import datetime as dt
from collections.abc import Collection, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlmodel import select
from sqlmodel.ext.asyncio.session import AsyncSession

from app.core.cursors import newest_first
from app.core.database import run_sql
from app.core.event_types import EventType
from app.core.schema import Json
from app.surveys.bands import bands_sql
from app.surveys.scales import LOW_BANDS
from app.webhooks.models import Delivery, WebhookEndpoint
from app.webhooks.subscriber_events import (
    COMPLETION_TYPES,
    LOW_SCORE_MAX_AGE,
    EventFilter,
    OutboxEvent,
)

_COMPLETION_TYPES_SQL = ", ".join(f"'{name}'" for name in COMPLETION_TYPES)
_COMPLETES = f"type in ({_COMPLETION_TYPES_SQL}) and (data ->> 'completes')::bool"
_LOW = bands_sql(LOW_BANDS)
_FRESH_SECONDS = int(LOW_SCORE_MAX_AGE.total_seconds())
DERIVED = (EventType.RESPONSE_COMPLETED, EventType.RESPONSE_LOW_SCORE)


def event_condition_sql(types: Collection[str], *, any_score: bool) -> str:
    """Return the SQL condition of the stored events from which these types are delivered.

    A low score is one of the low band or, with `any_score`, any score that the filter allows.
    """
    stored_types = [f"'{name}'" for name in EventType if name in types and name not in DERIVED]
    conditions = [f"type in ({', '.join(stored_types)})"] if stored_types else []
    if EventType.RESPONSE_COMPLETED in types:
        conditions.append(_COMPLETES)
    if EventType.RESPONSE_LOW_SCORE in types:
        low = "data ->> 'score' is not null" if any_score else f"data ->> 'band' in ({_LOW})"
        conditions.append(
            f"{_COMPLETES} and {low} and (data ->> 'responded_at')::timestamptz > "
            f"created_at - make_interval(secs => {_FRESH_SECONDS})"
        )
    return (
        "(" + " or ".join(f"({condition})" for condition in conditions) + ")"
        if conditions
        else "false"
    )


async def events_after(  # noqa: PLR0913 - what a page of a feed is
    session: AsyncSession,
    workspace_id: UUID,
    cursor: tuple[int, UUID],
    *,
    below: int,
    limit: int,
    condition_sql: str,
    since: dt.datetime | None = None,
) -> list[OutboxEvent]:
    """Return events behind a cursor and below a transaction, oldest first."""
    recent = "and created_at >= :since " if since else ""
    bound: dict[str, Any] = {"since": since} if since else {}
    rows = await run_sql(
        session,
        text(
            "select xid::text::int8 as xid, id, type, data, created_at from event "
            "where workspace_id = :workspace_id and (xid, id) > (cast(cast(:xid as text) as xid8), "
            f":id) and xid < cast(cast(:below as text) as xid8) {recent}and {condition_sql} "
            "order by xid, id limit :limit"
        )
        .columns(data=Json)
        .bindparams(
            workspace_id=workspace_id,
            xid=str(cursor[0]),
            id=cursor[1],
            below=str(below),
            limit=limit,
            **bound,
        ),
    )
    return [OutboxEvent(row.xid, row.id, row.type, row.data, row.created_at) for row in rows]


async def count_wanted(
    session: AsyncSession,
    workspace_id: UUID,
    since: dt.datetime,
    event_filter: EventFilter,
    *,
    below: int,
) -> int:
    """Count the deliveries of a filter from the events since; one event may give several."""
    counts = [
        f"count(*) filter (where {_wanted_sql(type_, event_filter)})"
        for type_ in sorted(event_filter.events)
    ]
    sql = f"select {' + '.join(counts)} from event"
    values = {
        "survey": event_filter.survey,
        "touchpoint": event_filter.touchpoint,
        "min_score": event_filter.min_score,
        "max_score": event_filter.max_score,
        "types": sorted(event_filter.types) or None,
    }
    rows = await run_sql(
        session,
        text(
            f"{sql} where workspace_id = :workspace_id "
            "and created_at >= :since and xid < cast(cast(:below as text) as xid8)"
        ).bindparams(
            workspace_id=workspace_id, since=since, below=str(below),
            **{name: value for name, value in values.items() if f":{name}" in sql},
        ),
    )  # fmt: skip
    count: int = rows.one()[0]
    return count


def _wanted_sql(type_: str, event_filter: EventFilter) -> str:
    """Return the SQL of `EventFilter.wants` for one type of event."""
    conditions = [event_condition_sql([type_], any_score=event_filter.bounded)]
    if event_filter.survey is not None:
        conditions.append(
            "coalesce(case jsonb_typeof(data -> 'survey') when 'object' "
            "then data -> 'survey' ->> 'key' else data ->> 'survey' end, :survey) = :survey"
        )
    if event_filter.touchpoint is not None:
        conditions.append("(not data ? 'touchpoint' or data ->> 'touchpoint' = :touchpoint)")
    if event_filter.types and type_ == EventType.INTERACTION_CREATED:
        conditions.append("data ->> 'type' = any(:types)")
    if type_.startswith("response.") and type_ != EventType.RESPONSE_DELETED:
        if event_filter.min_score is not None:
            conditions.append("(data ->> 'score')::int >= :min_score")
        if event_filter.max_score is not None:
            conditions.append("(data ->> 'score')::int <= :max_score")
    return " and ".join(f"({condition})" for condition in conditions)


async def events_of_deliveries(
    session: AsyncSession, deliveries: Sequence[Delivery]
) -> dict[UUID, OutboxEvent]:
    """Return the events of deliveries, by id; events that are no longer kept are left out."""
    event_deliveries = [row for row in deliveries if row.event_id is not None]
    if not event_deliveries:
        return {}
    rows = await run_sql(
        session,
        text(
            "select e.xid::text::int8 as xid, e.id, e.type, e.data, e.created_at "
            "from unnest(:workspaces ::uuid[], :xids ::text[], :ids ::uuid[]) "
            "n(workspace_id, xid, id) join event e on e.workspace_id = n.workspace_id "
            "and e.xid = n.xid::xid8 and e.id = n.id"
        )
        .columns(data=Json)
        .bindparams(
            workspaces=[row.workspace_id for row in event_deliveries],
            xids=[str(row.event_xid) for row in event_deliveries],
            ids=[row.event_id for row in event_deliveries],
        ),
    )
    return {
        row.id: OutboxEvent(row.xid, row.id, row.type, row.data, row.created_at) for row in rows
    }


async def find_endpoints(
    session: AsyncSession, workspace_id: UUID, *, limit: int, cursor: str | None
) -> list[WebhookEndpoint]:
    """Return up to `limit + 1` endpoints, newest first."""
    query = select(WebhookEndpoint).where(WebhookEndpoint.workspace_id == workspace_id)
    query = newest_first(query, WebhookEndpoint, limit=limit, cursor=cursor)
    return list(await session.exec(query))


async def count_open(
    session: AsyncSession, workspace_id: UUID, endpoints: Collection[UUID]
) -> dict[UUID, tuple[int, int]]:
    """Return how many deliveries of each endpoint are pending, and how many failed."""
    rows = await run_sql(
        session,
        text(
            "select e.id as endpoint_id, (select count(*) from delivery d "
            "where d.workspace_id = :workspace_id and d.endpoint_id = e.id "
            "and d.status = 'pending') as pending, (select count(*) from delivery d "
            "where d.workspace_id = :workspace_id and d.endpoint_id = e.id "
            "and d.status = 'failed') as failed from unnest(:ids ::uuid[]) e(id)"
        ).bindparams(workspace_id=workspace_id, ids=list(endpoints)),
    )
    counts = {row.endpoint_id: (row.pending, row.failed) for row in rows}
    return {id_: counts.get(id_, (0, 0)) for id_ in endpoints}


async def find_deliveries(
    session: AsyncSession, endpoint: WebhookEndpoint, *, status: str | None, **page: Any
) -> list[Delivery]:
    """Return up to `limit + 1` deliveries of an endpoint, newest first."""
    query = (
        select(Delivery)
        .where(Delivery.workspace_id == endpoint.workspace_id)
        .where(Delivery.endpoint_id == endpoint.id)
    )
    if status is not None:
        query = query.where(Delivery.status == status)
    query = newest_first(query, Delivery, limit=page["limit"], cursor=page["cursor"])
    return list(await session.exec(query))
