# SPDX-License-Identifier: Apache-2.0
"""The health of connections: integrations and webhook endpoints."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from app.integrations import integration_health
from app.pages.dashboard.visit import DashboardVisit
from app.webhooks import queries as webhooks


@dataclass(frozen=True, slots=True)
class Connection:
    """One connection: `health` names its state, `reason` explains it."""

    id: Any
    name: str
    health: str
    reason: str | None
    last_event_at: Any
    waiting: int
    failed: int

    @property
    def is_well(self) -> bool:
        """Whether it works at present, or has not begun."""
        return self.health not in {"silent", "failing", "disabled", "unverified"}

    @property
    def needs_attention(self) -> bool:
        """Whether a person should look after it."""
        return not self.is_well or self.failed > 0


async def integrations(visit: DashboardVisit) -> Sequence[Connection]:
    """Return the integrations with their state."""
    states = await integration_health.read_health(visit.session, visit.workspace.id)
    return [
        Connection(
            id=integration.key,
            name=f"{integration.key} ({integration.source})",
            health=integration.health,
            reason=None,
            last_event_at=integration.last_event_at,
            waiting=integration.waiting,
            failed=integration.failed,
        )
        for integration in states
    ]


async def endpoints(visit: DashboardVisit) -> Sequence[Connection]:
    """Return the webhook endpoints with their state."""
    workspace_id = visit.workspace.id
    rows = await webhooks.find_endpoints(visit.session, workspace_id, limit=200, cursor=None)
    counts = await webhooks.count_open(visit.session, workspace_id, [row.id for row in rows])
    return [
        Connection(
            id=row.id,
            # The path of a chat's URL is its secret.
            name=urlsplit(row.url).hostname or row.url,
            health="disabled" if row.disabled_at else "failing" if row.failing_since else "ok",
            reason=row.disabled_reason,
            last_event_at=None,
            waiting=counts[row.id][0],
            failed=counts[row.id][1],
        )
        for row in rows
    ]
