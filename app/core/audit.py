# SPDX-License-Identifier: Apache-2.0
"""Who did what: every change by a key, written in the transaction of the change."""

import datetime as dt
from typing import Any
from uuid import UUID

from sqlalchemy import Index, text
from sqlmodel import Field, SQLModel, col, select
from sqlmodel.ext.asyncio.session import AsyncSession
from starlette.requests import Request

from app.core.clock import utc_now
from app.core.cursors import newest_first
from app.core.database import run_sql
from app.core.ids import as_uuid, uuid7
from app.core.schema import TENANT, Instant, Json

KEPT_FOR = dt.timedelta(days=400)
_CHANGING_METHODS = frozenset({"POST", "PUT", "PATCH", "DELETE"})
# These routes report what happened or only ask; they do not change the workspace's settings.
_UNAUDITED_PATHS = frozenset({
    "/v1/interactions", "/v1/alerts/preview", "/v1/triggers/{trigger}/dry-run",
    "/v1/integrations/{integration}/preview", "/v1/surveys/{survey}/mail-preview",
})  # fmt: skip


class AuditEntry(SQLModel, table=True):
    """One change: who made it by which route, and what the route named."""

    __tablename__ = "audit_entry"
    __table_args__ = (Index(None, "workspace_id", "at", "id"), TENANT)

    workspace_id: UUID = Field(primary_key=True)
    id: UUID = Field(primary_key=True)
    actor: str
    key_id: UUID | None = None
    action: str
    target: dict[str, Any] = Field(sa_type=Json)
    at: dt.datetime = Field(sa_type=Instant)


def is_audited(request: Request) -> bool:
    """Tell whether a request changes something that is written down."""
    return request.method in _CHANGING_METHODS and is_audited_path(_route_of(request))


def is_audited_path(path: str) -> bool:
    """Tell whether changes by this route are written down."""
    return path.startswith("/v1/") and path not in _UNAUDITED_PATHS


def _route_of(request: Request) -> str:
    path: str = getattr(request.scope.get("route"), "path", "")
    return path


def note_change(session: AsyncSession, request: Request, workspace_id: UUID) -> None:
    """Write down who changes what; it is stored with the change, or not at all."""
    caller = getattr(request.state, "caller", None)
    add_entry(
        session,
        workspace_id,
        actor=getattr(caller, "name", "?"),
        key_id=getattr(caller, "key_id", None),
        action=f"{request.method} {_route_of(request)}",
        target=_path_names(request),
    )


def add_entry(
    session: AsyncSession,
    workspace_id: UUID,
    *,
    actor: str,
    action: str,
    target: dict[str, str],
    key_id: UUID | None = None,
) -> None:
    """Write down a change: its route, such as `PUT /v1/journeys/{key}`, and what that named."""
    session.add(
        AuditEntry(
            workspace_id=workspace_id, id=uuid7(), actor=actor, key_id=key_id, action=action,
            target=target, at=utc_now(),
        )
    )  # fmt: skip


def _path_names(request: Request) -> dict[str, str]:
    """Return what the path names; of a customer only an id, never an address."""
    return {
        name: str(value)[:128]
        for name, value in request.path_params.items()
        if name != "customer" or as_uuid(str(value))
    }


async def find_page(
    session: AsyncSession,
    workspace_id: UUID,
    *,
    since: dt.datetime | None,
    until: dt.datetime | None,
    limit: int,
    cursor: str | None,
) -> list[AuditEntry]:
    """Return up to `limit + 1` changes from `since` to `until`, exclusive, newest first."""
    query = select(AuditEntry).where(AuditEntry.workspace_id == workspace_id)
    if since is not None:
        query = query.where(col(AuditEntry.at) >= since)
    if until is not None:
        query = query.where(col(AuditEntry.at) < until)
    query = newest_first(query, AuditEntry, limit=limit, cursor=cursor, at="at")
    return list(await session.exec(query))


async def delete_expired(session: AsyncSession, now: dt.datetime) -> None:
    """Delete the entries whose time is over."""
    statement = text("delete from audit_entry where at < :oldest")
    await run_sql(session, statement.bindparams(oldest=now - KEPT_FOR))
