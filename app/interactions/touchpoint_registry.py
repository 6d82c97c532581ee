# SPDX-License-Identifier: Apache-2.0
"""Register the touchpoints that answers name, before the answers are written.

They are written in a short transaction of their own, so that the statement that writes answers
takes no locks here.
"""

import time
from collections.abc import Iterable
from uuid import UUID

from cachetools import LRUCache
from sqlalchemy import text
from sqlmodel.ext.asyncio.session import AsyncSession

from app.core.clock import utc_now
from app.core.database import Database, run_sql
from app.core.notices import EVERYTHING
from app.core.prepared_statements import PreparedStatement

TOUCHPOINT_NOTICES = "afterword_touchpoints"
_MAX_REMEMBERED = 100_000
_DECLARED_SECONDS = 60

_REGISTER = PreparedStatement("""
insert into touchpoint (workspace_id, key, name, declared, created_at)
select cast(:workspace_id as uuid), key, '{}', false, cast(:now as timestamptz)
from unnest(cast(:keys as text[])) key on conflict do nothing
""")
_DECLARED = text("select key from touchpoint where workspace_id = :id and declared")


async def register_touchpoints(
    session: AsyncSession, workspace_id: UUID, keys: Iterable[str]
) -> None:
    """Insert unknown touchpoints as not declared; known ones are not changed."""
    unique_keys = sorted({key for key in keys if key})
    if unique_keys:
        await _REGISTER.run(session, workspace_id=workspace_id, keys=unique_keys, now=utc_now())


class TouchpointRegistry:
    """Registers touchpoints, and remembers which are registered and which are declared."""

    def __init__(self, database: Database) -> None:
        """Start with an empty memory."""
        self._database = database
        self._registered: LRUCache[tuple[UUID, str], None] = LRUCache(_MAX_REMEMBERED)
        self._declared: dict[UUID, tuple[float, frozenset[str]]] = {}

    async def register(self, workspace_id: UUID, keys: Iterable[str]) -> None:
        """Register touchpoints that an answer names, as not declared."""
        new = {key for key in keys if key and (workspace_id, key) not in self._registered}
        if not new:
            return
        async with self._database.recording_transaction() as session:
            await register_touchpoints(session, workspace_id, new)
        self._registered.update(((workspace_id, key), None) for key in new)

    async def is_declared(self, workspace_id: UUID, key: str) -> bool:
        """Tell whether the workspace has declared this touchpoint; remembered for a minute."""
        cached = self._declared.get(workspace_id)
        if cached is None or cached[0] < time.monotonic() or key not in cached[1]:
            async with self._database.session() as session:
                rows = await run_sql(session, _DECLARED.bindparams(id=workspace_id))
                cached = (time.monotonic() + _DECLARED_SECONDS, frozenset(row.key for row in rows))
            self._declared[workspace_id] = cached
        return key in cached[1]

    def forget(self, payload: str = EVERYTHING) -> None:
        """Forget the touchpoints of one workspace, or of all, after one was deleted there."""
        for workspace_id in list(self._declared):
            if payload in {EVERYTHING, str(workspace_id)}:
                del self._declared[workspace_id]
        for workspace_id, key in list(self._registered):
            if payload in {EVERYTHING, str(workspace_id)}:
                del self._registered[workspace_id, key]
