# SPDX-License-Identifier: Apache-2.0
"""Detect integrations that have stopped sending.

An integration is silent if nothing has come for a day, and for ten times its usual pause, which
is the mean pause of its last 200 webhooks. With fewer than ten webhooks it is never silent.
"""

import datetime as dt
import logging
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlmodel import select
from sqlmodel.ext.asyncio.session import AsyncSession

from app.core.clock import utc_now
from app.core.database import run_sql, select_workspace_ids
from app.core.telemetry import SILENT
from app.integrations.models import Integration
from app.integrations.service import can_verify

logger = logging.getLogger(__name__)

_MIN_PAUSE = dt.timedelta(days=1)
_PAUSE_FACTOR = 10
_MIN_WEBHOOKS = 10


@dataclass(frozen=True, slots=True)
class IntegrationHealth:
    """The health of one integration."""

    key: str
    source: str
    health: str
    last_event_at: dt.datetime | None
    waiting: int
    failed: int


_HEALTH_SQL = """
select i.workspace_id, i.id, i.key, i.source,
  e.n, e.first, e.last, e.waiting, e.failed
from integration i left join lateral (
  select count(*) as n, min(received_at) as first, max(received_at) as last, (
      select count(*) from inbound_event w where w.workspace_id = :workspace_id
      and w.integration_id = i.id and w.status = 'received') as waiting, (
      select count(*) from inbound_event w where w.workspace_id = :workspace_id
      and w.integration_id = i.id and w.status = 'failed') as failed
  from (
    select v.received_at from inbound_event v where v.workspace_id = :workspace_id
    and v.integration_id = i.id order by v.received_at desc, v.id desc limit 200) v
) e on true where i.workspace_id = :workspace_id order by i.key"""


def is_silent(
    n: int, first: dt.datetime | None, last: dt.datetime | None, now: dt.datetime
) -> bool:
    """Tell whether the pause since the last webhook is much longer than usual."""
    if first is None or last is None or n < _MIN_WEBHOOKS:
        return False
    usual = (last - first) / (n - 1)
    return now - last > max(_MIN_PAUSE, usual * _PAUSE_FACTOR)


def _state(row: Any, now: dt.datetime, *, is_verified: bool) -> IntegrationHealth:
    health = "ok"
    if not is_verified:
        health = "unverified"
    elif row.last is None:
        health = "waiting"
    elif is_silent(row.n, row.first, row.last, now):
        health = "silent"
    return IntegrationHealth(row.key, row.source, health, row.last, row.waiting, row.failed)


async def read_health(session: AsyncSession, workspace_id: UUID) -> list[IntegrationHealth]:
    """Return the integrations of a workspace, by key."""
    of_workspace = select(Integration).where(Integration.workspace_id == workspace_id)
    integrations = {row.id: row for row in await session.exec(of_workspace)}
    rows = await run_sql(session, text(_HEALTH_SQL).bindparams(workspace_id=workspace_id))
    now = utc_now()
    # One that was made or deleted between the two queries is left out.
    return [
        _state(row, now, is_verified=can_verify(integrations[row.id]))
        for row in rows
        if row.id in integrations
    ]


async def note_silence(session: AsyncSession, now: dt.datetime) -> None:
    """Log which integrations are silent, and set their gauge."""
    silent: list[Any] = []
    with_senders = "select distinct workspace_id from integration"
    for workspace_id in await select_workspace_ids(session, with_senders):
        rows = await run_sql(session, text(_HEALTH_SQL).bindparams(workspace_id=workspace_id))
        silent += [row for row in rows if is_silent(row.n, row.first, row.last, now)]
    for row in silent:
        extra = {
            "workspace": str(row.workspace_id), "integration": row.key,
            "last_event_at": row.last.isoformat(),
        }  # fmt: skip
        logger.warning("an integration is silent", extra=extra)
    SILENT.set(len(silent))
