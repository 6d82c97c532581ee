# SPDX-License-Identifier: Apache-2.0
"""`Idempotency-Key`: the first reply again, and no second side effect, for 24 hours.

The key's row is written in the transaction of the change it guards; a second request with the
same key waits on that row until the first has committed or given up. Replies may hold a new
secret, so they are kept sealed.
"""

import datetime as dt
import hashlib
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import Index, text
from sqlmodel import Field, SQLModel
from sqlmodel.ext.asyncio.session import AsyncSession
from starlette.requests import Request
from starlette.responses import Response

from app.core.clock import utc_now
from app.core.database import run_sql
from app.core.errors import Conflict, InvalidInput
from app.core.expiry import Expiry
from app.core.http import header_of
from app.core.schema import TENANT, Instant
from app.core.signing import SealedBox

KEPT_FOR = dt.timedelta(hours=24)
EXPIRY = Expiry("idempotency", KEPT_FOR, key=("route", "key_hash"))
_MAX_KEY_CHARACTERS = 255
_OTHER_BODY = "This Idempotency-Key was used with another body; use a new key for a new request."


class Idempotency(SQLModel, table=True):
    """One key that a caller used on one route, with the reply it got."""

    __table_args__ = (Index(None, "workspace_id", "created_at"), TENANT)

    workspace_id: UUID = Field(primary_key=True)
    route: str = Field(primary_key=True)
    key_hash: bytes = Field(primary_key=True)
    body_hash: bytes
    reply: bytes | None = None
    created_at: dt.datetime = Field(sa_type=Instant)


class KeptReply(msgspec.Struct):
    """A reply as it was first sent."""

    status: int
    body: bytes
    media_type: str


class TakenKey(msgspec.Struct):
    """This request's hold on its key."""

    workspace_id: UUID
    route: str
    key_hash: bytes


def requested_key(request: Request) -> str | None:
    """Return the request's idempotency key, None if it has none; raise InvalidInput if invalid."""
    key = header_of(request, b"idempotency-key")
    if key is not None and not (0 < len(key) <= _MAX_KEY_CHARACTERS and key.isprintable()):
        msg = f"must be 1 to {_MAX_KEY_CHARACTERS} printable characters"
        raise InvalidInput.at("header", "Idempotency-Key", msg=msg)
    return key


async def take_key(
    session: AsyncSession, box: SealedBox, *, workspace_id: UUID, route: str, key: str, body: bytes
) -> TakenKey | Response:
    """Take hold of the key, or return the reply that it got before.

    Raises Conflict where the key came with another body.
    """
    taken_key = TakenKey(workspace_id, route, hashlib.sha256(key.encode()).digest())
    body_hash = hashlib.sha256(body).digest()
    row = await _take(session, taken_key, body_hash)
    if row is None:
        return taken_key
    if row.body_hash != body_hash:
        raise Conflict(_OTHER_BODY)
    if row.reply is None:
        # The first request was interrupted after it took the key; it is safe to repeat.
        return taken_key
    plain = box.unseal(row.reply)
    if plain is None:
        detail = "This Idempotency-Key was used before, and its reply can no longer be opened."
        raise Conflict(detail)
    reply = msgspec.msgpack.decode(plain, type=KeptReply)
    return Response(
        reply.body,
        reply.status,
        headers={"Idempotency-Replayed": "true"},
        media_type=reply.media_type,
    )


async def remember_key(
    session: AsyncSession, *, workspace_id: UUID, route: str, key: str, body_hash: bytes
) -> bool:
    """Store a key whose reply need not be kept; return whether it was stored before.

    Raises Conflict if the key was stored with another body.
    """
    taken_key = TakenKey(workspace_id, route, hashlib.sha256(key.encode()).digest())
    row = await _take(session, taken_key, body_hash)
    if row is not None and row.body_hash != body_hash:
        raise Conflict(_OTHER_BODY)
    return row is not None


async def _take(session: AsyncSession, key: TakenKey, body_hash: bytes) -> Any:
    """Insert the key's row, or wait for the request that inserts it; return an existing row."""
    names = {
        "workspace_id": key.workspace_id,
        "route": key.route,
        "key_hash": key.key_hash,
    }
    now = utc_now()
    await run_sql(
        session,
        text(
            "delete from idempotency where workspace_id = :workspace_id and route = :route "
            "and key_hash = :key_hash and created_at < :oldest"
        ).bindparams(**names, oldest=now - KEPT_FOR),
    )
    rows = await run_sql(
        session,
        text(
            "insert into idempotency (workspace_id, route, key_hash, body_hash, created_at) "
            "values (:workspace_id, :route, :key_hash, :body_hash, :now) "
            "on conflict do nothing returning 1"
        ).bindparams(**names, body_hash=body_hash, now=now),
    )
    if rows.first():
        return None
    rows = await run_sql(
        session,
        text(
            "select body_hash, reply from idempotency where workspace_id = :workspace_id "
            "and route = :route and key_hash = :key_hash"
        ).bindparams(**names),
    )
    return rows.one()


async def keep_reply(session: AsyncSession, box: SealedBox, key: TakenKey, reply: Response) -> None:
    """Keep the reply, in the transaction of the change."""
    kept_reply = KeptReply(
        reply.status_code, bytes(reply.body), reply.headers.get("content-type", "application/json")
    )
    await _store(session, key, box.seal(msgspec.msgpack.encode(kept_reply)))


async def _store(session: AsyncSession, key: TakenKey, reply: bytes) -> None:
    await run_sql(
        session,
        text(
            "update idempotency set reply = :reply where workspace_id = :workspace_id "
            "and route = :route and key_hash = :key_hash"
        ).bindparams(
            workspace_id=key.workspace_id,
            route=key.route,
            key_hash=key.key_hash,
            reply=reply,
        ),
    )


async def erase_replies(
    session: AsyncSession, box: SealedBox, workspace_id: UUID, search_texts: Sequence[bytes]
) -> int:
    """Empty stored replies that contain any of these bytes; their keys stay in use."""
    rows = await run_sql(
        session,
        text(
            "select route, key_hash, reply from idempotency "
            "where workspace_id = :workspace_id and reply is not null"
        ).bindparams(workspace_id=workspace_id),
    )
    emptied = 0
    for row in rows.all():
        plain = box.unseal(row.reply) or b""
        if any(search_text in plain for search_text in search_texts):
            kept_reply = KeptReply(200, b'{"erased":true}', "application/json")
            key = TakenKey(workspace_id, row.route, row.key_hash)
            await _store(session, key, box.seal(msgspec.msgpack.encode(kept_reply)))
            emptied += 1
    return emptied
