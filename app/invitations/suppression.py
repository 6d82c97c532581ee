# SPDX-License-Identifier: Apache-2.0
"""Addresses that get no mails, because they unsubscribed or bounced."""

import datetime as dt
import hashlib
from collections.abc import Iterable
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlmodel.ext.asyncio.session import AsyncSession

from app.core.clock import rfc3339, utc_now
from app.core.cursors import decode_cursor
from app.core.database import run_sql
from app.core.event_types import EventType
from app.core.outbox import emit
from app.core.prepared_statements import PreparedStatement


class SuppressionKind(StrEnum):
    """Why an address gets no mails."""

    UNSUBSCRIBED = "unsubscribed"
    BOUNCED = "bounced"


def address_hash(workspace_id: UUID, email: str) -> bytes:
    """Return the hash by which an address is known in one workspace."""
    return hashlib.sha256(workspace_id.bytes + email.strip().lower().encode()).digest()


_FIND_SUPPRESSIONS = PreparedStatement(
    "select kind, address_hash from suppression where workspace_id = :workspace_id "
    "and address_hash = any(:hashes) order by kind"
)


async def find_suppressions(
    session: AsyncSession, workspace_id: UUID, emails: Iterable[str]
) -> dict[str, SuppressionKind]:
    """Return which of these addresses get no mails, and why."""
    # One address may come in two spellings, which have the same hash.
    hashes = {email: address_hash(workspace_id, email) for email in emails}
    if not hashes:
        return {}
    rows = await _FIND_SUPPRESSIONS.run(
        session, workspace_id=workspace_id, hashes=list(set(hashes.values()))
    )
    kinds = {row["address_hash"]: SuppressionKind(row["kind"]) for row in rows}
    return {email: kinds[hash_] for email, hash_ in hashes.items() if hash_ in kinds}


async def suppress(
    session: AsyncSession,
    workspace_id: UUID,
    emails: Iterable[str],
    *,
    kind: SuppressionKind,
    detail: str | None = None,
) -> int:
    """Put addresses on the list; return how many of them are new there."""
    emails_by_hash = {address_hash(workspace_id, email): email.strip().lower() for email in emails}
    now = utc_now()
    rows = await run_sql(
        session,
        text(
            "insert into suppression (workspace_id, kind, address_hash, email, detail, created_at) "
            "select :workspace_id, :kind, n.hash, n.email, :detail, :now "
            "from unnest(:hashes ::bytea[], :emails ::text[]) n(hash, email) order by n.hash "
            "on conflict (workspace_id, kind, address_hash) do nothing returning email"
        ).bindparams(
            workspace_id=workspace_id,
            kind=str(kind),
            detail=detail,
            now=now,
            hashes=list(emails_by_hash),
            emails=list(emails_by_hash.values()),
        ),
    )
    fresh = [row.email for row in rows]
    if kind is SuppressionKind.UNSUBSCRIBED:
        events = [{"email": email, "detail": detail, "at": rfc3339(now)} for email in fresh]
        await emit(session, workspace_id, EventType.CUSTOMER_UNSUBSCRIBED, data=events)
    return len(fresh)


async def release(
    session: AsyncSession, workspace_id: UUID, email: str, *, kind: SuppressionKind
) -> bool:
    """Take an address off the list; False where it was not on it."""
    rows = await run_sql(
        session,
        text(
            "delete from suppression where workspace_id = :workspace_id and kind = :kind "
            "and address_hash = :hash returning 1"
        ).bindparams(
            workspace_id=workspace_id, kind=str(kind), hash=address_hash(workspace_id, email)
        ),
    )
    return rows.first() is not None


async def find_page(
    session: AsyncSession,
    workspace_id: UUID,
    *,
    kind: SuppressionKind,
    limit: int,
    cursor: str | None,
) -> list[dict[str, Any]]:
    """Return up to `limit + 1` addresses, newest first; an erased one is null."""
    bound: dict[str, Any] = {
        "workspace_id": workspace_id, "kind": str(kind), "limit": limit + 1
    }  # fmt: skip
    condition = ""
    if position := decode_cursor(cursor, bytes.fromhex):
        condition = "and (created_at, address_hash) < (:at, :hash)"
        bound |= {"at": position[0], "hash": position[1]}
    rows = await run_sql(
        session,
        text(
            "select email, detail, created_at, address_hash from suppression "
            f"where workspace_id = :workspace_id and kind = :kind {condition} "
            "order by created_at desc, address_hash desc limit :limit"
        ).bindparams(**bound),
    )
    return [dict(row._mapping) for row in rows]


async def find_in_span(
    session: AsyncSession,
    workspace_id: UUID,
    kind: SuppressionKind,
    span: tuple[dt.datetime | None, dt.datetime | None],
    *,
    limit: int,
    offset: int,
) -> list[dict[str, Any]]:
    """Return addresses that came in a span, in their order; erased ones are left out."""
    rows = await run_sql(
        session,
        text(
            "select email, created_at from suppression where workspace_id = :workspace_id "
            "and kind = :kind and email is not null "
            "and created_at >= coalesce(cast(:since as timestamptz), '-infinity') "
            "and created_at < coalesce(cast(:until as timestamptz), 'infinity') "
            "order by created_at, address_hash limit :limit offset :offset"
        ).bindparams(
            workspace_id=workspace_id, kind=str(kind), since=span[0], until=span[1], limit=limit,
            offset=offset,
        ),
    )  # fmt: skip
    return [dict(row._mapping) for row in rows]
