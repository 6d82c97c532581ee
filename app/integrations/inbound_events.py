# SPDX-License-Identifier: Apache-2.0
"""List inbound events, translate them again, and wake those that wait."""

import datetime as dt
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlmodel import select
from sqlmodel.ext.asyncio.session import AsyncSession

from app.core import jobs
from app.core.cursors import newest_first
from app.core.database import run_sql
from app.core.errors import Conflict, NotFound
from app.core.expiry import Expiry
from app.core.ids import uuid7
from app.integrations.models import InboundEvent, Integration
from app.integrations.schemas import InboundEventStatus

TRANSLATE_JOB = "integrations.translate"
KEPT_FOR = dt.timedelta(days=30)
# The interactions that they became stay.
EXPIRIES = (
    Expiry("inbound_event", KEPT_FOR, at="received_at", order=("received_at",)),
    Expiry("write_back", KEPT_FOR, key=("response_id",)),
)
# What a webhook may wait for.
WAITS_FOR_STATUS, WAITS_FOR_ORDER, WAITS_FOR_END, WAITS_FOR_REOPENING = (
    "status:",
    "order:",
    "end:",
    "reopening:",
)
# Waits until an earlier webhook of the same case, whose status is unmapped, is translated.
WAITS_FOR_TURN = "turn:"


async def find_last_event_times(
    session: AsyncSession, workspace_id: UUID, ids: list[UUID]
) -> dict[UUID, dt.datetime]:
    """Return when each integration last sent something."""
    rows = await run_sql(
        session,
        text(
            "select n.id, (select max(e.received_at) from inbound_event e "
            "where e.workspace_id = :workspace_id and e.integration_id = n.id) as at "
            "from unnest(:ids ::uuid[]) n(id)"
        ).bindparams(workspace_id=workspace_id, ids=ids),
    )
    return {row.id: row.at for row in rows}


async def find_events(
    session: AsyncSession,
    integration: Integration,
    *,
    status: InboundEventStatus | None,
    limit: int,
    cursor: str | None,
) -> list[InboundEvent]:
    """Return up to `limit + 1` webhooks, newest first."""
    query = select(InboundEvent).where(
        InboundEvent.workspace_id == integration.workspace_id,
        InboundEvent.integration_id == integration.id,
    )
    if status is not None:
        query = query.where(InboundEvent.status == str(status))
    query = newest_first(query, InboundEvent, limit=limit, cursor=cursor, at="received_at")
    return list(await session.exec(query))


async def get_event(
    session: AsyncSession, integration: Integration, event_id: UUID
) -> InboundEvent:
    """Return one webhook, or raise NotFound."""
    rows = await session.exec(
        select(InboundEvent).where(
            InboundEvent.workspace_id == integration.workspace_id,
            InboundEvent.integration_id == integration.id,
            InboundEvent.id == event_id,
        )
    )
    event = rows.first()
    if event is None:
        raise NotFound("There is no such event of this integration.")
    return event


async def retry_event(
    session: AsyncSession, integration: Integration, event_id: UUID
) -> InboundEvent:
    """Translate a webhook again that failed or was skipped; Conflict for a translated one."""
    event = await get_event(session, integration, event_id)
    if event.status == InboundEventStatus.TRANSLATED:
        raise Conflict("This event was translated; its interactions are recorded.")
    event.status, event.reason = str(InboundEventStatus.RECEIVED), None
    event.waits_for = []
    session.add(event)
    await enqueue_translation(session, integration.workspace_id, event_id, again=f":{uuid7()}")
    return event


async def enqueue_translation(
    session: AsyncSession, workspace_id: UUID, event_id: UUID, *, again: str = ""
) -> None:
    """Enqueue the translation of a webhook; with `again` also beside a job that still runs."""
    await jobs.enqueue(
        session,
        TRANSLATE_JOB,
        workspace_id=workspace_id,
        payload={"event": str(event_id)},
        dedupe=f"{event_id}{again}",
    )


async def enqueue_unverified(session: AsyncSession, integration: Integration) -> None:
    """Enqueue the webhooks that could not be verified yet: a new secret may fit them."""
    rows = await run_sql(
        session,
        text(
            "select id from inbound_event where workspace_id = :workspace_id "
            "and integration_id = :id and status in ('received', 'failed') and not verified "
            "order by received_at limit 10000"
        ).bindparams(workspace_id=integration.workspace_id, id=integration.id),
    )
    for row in rows:
        await enqueue_translation(session, integration.workspace_id, row.id)


async def enqueue_waiting(
    session: AsyncSession,
    integration: Integration,
    *,
    prefixes: Sequence[str] = (),
    names: Sequence[str] = (),
) -> None:
    """Translate again webhooks that wait for one of these names, or for a name with a prefix."""
    # Each of the two is found by an index of its own.
    condition_sql = (
        "waits_for ?| cast(:wanted as text[])"
        if names
        else (
            "exists (select from jsonb_array_elements_text(waits_for) w "
            "where w like any(cast(:wanted as text[])))"
        )
    )
    rows = await run_sql(
        session,
        text(
            "update inbound_event set status = 'received', reason = null, waits_for = '[]' "
            "where workspace_id = :workspace_id and integration_id = :id and waits_for <> '[]' "
            f"and {condition_sql} returning id"
        ).bindparams(
            workspace_id=integration.workspace_id,
            id=integration.id,
            wanted=list(names) or [f"{prefix}%" for prefix in prefixes],
        ),
    )
    for row in rows:
        await enqueue_translation(session, integration.workspace_id, row.id, again=f":{uuid7()}")


async def find_unmapped_statuses(session: AsyncSession, integration: Integration) -> list[Any]:
    """Return the statuses that nobody has mapped: each once, with what waits for it."""
    rows = await run_sql(
        session,
        text(
            "select substr(s.name, :skipped) as status, count(*) as count, "
            "max(e.received_at) as last_at from inbound_event e "
            "cross join lateral jsonb_array_elements_text(e.waits_for) s(name) "
            "where e.workspace_id = :workspace_id and e.integration_id = :id "
            "and e.waits_for <> '[]' and s.name like :prefix "
            "group by 1 order by 2 desc, 1 limit 200"
        ).bindparams(
            skipped=len(WAITS_FOR_STATUS) + 1,
            workspace_id=integration.workspace_id,
            id=integration.id,
            prefix=f"{WAITS_FOR_STATUS}%",
        ),
    )
    return list(rows)
