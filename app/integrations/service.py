"""Verbs of integrations: register, change, rotate, list what came."""

import datetime as dt
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import col, or_, select, tuple_
from sqlmodel.ext.asyncio.session import AsyncSession

from app.core import jobs
from app.core.clock import utc_now
from app.core.database import run_sql
from app.core.errors import Conflict, InvalidInput, NotFound
from app.core.ids import as_uuid, uuid7
from app.core.paging import decode_cursor
from app.core.signing import SealedBox, hash_secret, new_secret
from app.integrations.models import InboundEvent, Integration, WriteBack
from app.integrations.registry import ADAPTERS
from app.integrations.schemas import EventStatus, IntegrationIn, IntegrationPatch
from app.integrations.signatures import SignatureRule
from app.workspaces.service import OLD_SECRET_LIVES

TRANSLATE_JOB = "integrations.translate"
_SHORTEST_TOKEN = 16
KEPT_FOR = dt.timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Made:
    """An integration with the token of its URL, which is shown this once."""

    integration: Integration
    token: str | None = None


def signs(integration: Integration) -> bool:
    """Tell whether its deliveries bear a signature; else its URL carries a token."""
    return integration.signature is not None or ADAPTERS[integration.source].signs


def rule_of(integration: Integration) -> SignatureRule | None:
    """Return how it signs, where that is a rule."""
    if integration.signature is not None:
        return SignatureRule(**integration.signature)
    return ADAPTERS[integration.source].signature


async def create(
    session: AsyncSession, workspace_id: UUID, wanted: IntegrationIn, *, box: SealedBox
) -> Made:
    """Register a sender; Conflict where its key is taken."""
    now = utc_now()
    integration = Integration(
        id=uuid7(),
        workspace_id=workspace_id,
        key=wanted.key or str(wanted.source),
        source=str(wanted.source),
        touchpoint=wanted.touchpoint,
        mapping=_dumped(wanted.mapping) or {},
        signature=_dumped(wanted.signature),
        created_at=now,
        updated_at=now,
    )
    token = _set_secret(integration, wanted.secret, box=box)
    made = await session.exec(
        insert(Integration)
        .values(**integration.model_dump())
        .on_conflict_do_nothing(index_elements=["workspace_id", "key"])
        .returning(col(Integration.id))
    )
    if made.first() is None:
        detail = f"There is an integration `{integration.key}` already; give it another `key`."
        raise Conflict(detail)
    return Made(integration, token)


def _dumped(part: Any) -> dict[str, Any] | None:
    return part.model_dump(mode="json", exclude_none=True) if part is not None else None


def _set_secret(integration: Integration, secret: str | None, *, box: SealedBox) -> str | None:
    """Keep the secret sealed, or as a token's hash; return the token of the URL."""
    if signs(integration):
        if secret is not None:
            integration.secret = box.seal(secret.encode())
        return None
    if secret is not None and len(secret) < _SHORTEST_TOKEN:
        msg = f"is the only protection of its URL: at least {_SHORTEST_TOKEN} characters"
        raise InvalidInput.at("body", "secret", msg=msg)
    token = secret or new_secret("in_")
    integration.token_hash = hash_secret(token)
    return token


async def change(
    session: AsyncSession, workspace_id: UUID, reference: str, patch: IntegrationPatch,
    *, box: SealedBox,
) -> Made:  # fmt: skip
    """Change what is given. With its first secret, what waited unverified is looked at."""
    integration = await find(session, workspace_id, reference)
    given = patch.model_fields_set
    if given & {"mapping", "signature"} and integration.source != "generic":
        name = min(given & {"mapping", "signature"})
        raise InvalidInput.at("body", name, msg="is only for `generic`")
    if "touchpoint" in given:
        integration.touchpoint = patch.touchpoint
    if patch.mapping is not None:
        integration.mapping = _dumped(patch.mapping) or {}
    if "signature" in given:
        integration.signature = _dumped(patch.signature)
    token = None
    if patch.secret is not None:
        token = _set_secret(integration, patch.secret, box=box)
        await _enqueue_waiting(session, integration)
    integration.updated_at = utc_now()
    session.add(integration)
    return Made(integration, token)


async def rotate(
    session: AsyncSession, workspace_id: UUID, reference: str, secret: str | None, *, box: SealedBox
) -> Made:
    """Take the next secret or token; the one before is good for 24 hours more."""
    integration = await find(session, workspace_id, reference)
    if signs(integration) and secret is None:
        raise InvalidInput.at("body", "secret", msg="is required: the sender makes it")
    integration.old_secret = integration.secret
    integration.old_token_hash = integration.token_hash
    integration.old_until = utc_now() + OLD_SECRET_LIVES
    token = _set_secret(integration, secret, box=box)
    integration.updated_at = utc_now()
    session.add(integration)
    return Made(integration, token)


async def find(session: AsyncSession, workspace_id: UUID, reference: str) -> Integration:
    """Return an integration by id or key, or raise NotFound."""
    named = [col(Integration.key) == reference]
    if (by_id := as_uuid(reference)) is not None:
        named.append(col(Integration.id) == by_id)
    found = await session.exec(
        select(Integration).where(Integration.workspace_id == workspace_id, or_(*named))
    )
    integration = found.first()
    if integration is None:
        detail = f"There is no integration `{reference[:64]}` in this workspace."
        raise NotFound(detail)
    return integration


async def find_page(
    session: AsyncSession, workspace_id: UUID, *, limit: int, cursor: str | None
) -> list[Integration]:
    """Return up to `limit + 1` integrations, newest first."""
    query = (
        select(Integration)
        .where(Integration.workspace_id == workspace_id)
        .order_by(col(Integration.created_at).desc(), col(Integration.id).desc())
        .limit(limit + 1)
    )
    if position := decode_cursor(cursor, UUID):
        query = query.where(tuple_(col(Integration.created_at), col(Integration.id)) < position)
    return list(await session.exec(query))


async def delete(session: AsyncSession, workspace_id: UUID, reference: str) -> None:
    """Delete a sender with what it sent; the interactions stay."""
    integration = await find(session, workspace_id, reference)
    for table in ("inbound_event", "write_back"):
        await run_sql(
            session,
            text(
                f"delete from {table} where workspace_id = :workspace_id "
                "and integration_id = :integration_id"
            ).bindparams(workspace_id=workspace_id, integration_id=integration.id),
        )
    await session.delete(integration)


async def last_events(
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
    status: EventStatus | None,
    limit: int,
    cursor: str | None,
) -> list[InboundEvent]:
    """Return up to `limit + 1` deliveries, newest first."""
    query = (
        select(InboundEvent)
        .where(
            InboundEvent.workspace_id == integration.workspace_id,
            InboundEvent.integration_id == integration.id,
        )
        .order_by(col(InboundEvent.received_at).desc(), col(InboundEvent.id).desc())
        .limit(limit + 1)
    )
    if status is not None:
        query = query.where(InboundEvent.status == str(status))
    if position := decode_cursor(cursor, UUID):
        query = query.where(tuple_(col(InboundEvent.received_at), col(InboundEvent.id)) < position)
    return list(await session.exec(query))


async def get_event(
    session: AsyncSession, integration: Integration, event_id: UUID
) -> InboundEvent:
    """Return one delivery, or raise NotFound."""
    found = await session.exec(
        select(InboundEvent).where(
            InboundEvent.workspace_id == integration.workspace_id,
            InboundEvent.integration_id == integration.id,
            InboundEvent.id == event_id,
        )
    )
    event = found.first()
    if event is None:
        raise NotFound("There is no such event of this integration.")
    return event


async def retry_event(
    session: AsyncSession, integration: Integration, event_id: UUID
) -> InboundEvent:
    """Translate a delivery again that failed or was skipped; Conflict for a translated one."""
    event = await get_event(session, integration, event_id)
    if event.status == EventStatus.TRANSLATED:
        raise Conflict("This event was translated; its interactions are recorded.")
    event.status, event.reason = str(EventStatus.RECEIVED), None
    session.add(event)
    await enqueue_translation(session, integration.workspace_id, event_id)
    return event


async def enqueue_translation(session: AsyncSession, workspace_id: UUID, event_id: UUID) -> None:
    """Add the job that translates one delivery."""
    await jobs.enqueue(
        session,
        TRANSLATE_JOB,
        workspace_id=workspace_id,
        payload={"event": str(event_id)},
        dedupe=str(event_id),
    )


async def _enqueue_waiting(session: AsyncSession, integration: Integration) -> None:
    rows = await run_sql(
        session,
        text(
            "select id from inbound_event where workspace_id = :workspace_id "
            "and integration_id = :id and status = 'received' and not verified limit 10000"
        ).bindparams(workspace_id=integration.workspace_id, id=integration.id),
    )
    for row in rows:
        await enqueue_translation(session, integration.workspace_id, row.id)


async def find_write_backs(
    session: AsyncSession, integration: Integration, *, limit: int, cursor: str | None
) -> list[WriteBack]:
    """Return up to `limit + 1` answers on their way back, newest first."""
    query = (
        select(WriteBack)
        .where(
            WriteBack.workspace_id == integration.workspace_id,
            WriteBack.integration_id == integration.id,
        )
        .order_by(col(WriteBack.created_at).desc(), col(WriteBack.response_id).desc())
        .limit(limit + 1)
    )
    if position := decode_cursor(cursor, UUID):
        query = query.where(
            tuple_(col(WriteBack.created_at), col(WriteBack.response_id)) < position
        )
    return list(await session.exec(query))


async def forget_old(session: AsyncSession, now: dt.datetime) -> None:
    """Delete deliveries and write-backs whose time is over; their interactions stay."""
    for table, at in (("inbound_event", "received_at"), ("write_back", "created_at")):
        await run_sql(
            session,
            text(f"delete from {table} where {at} < :oldest").bindparams(oldest=now - KEPT_FOR),
        )
