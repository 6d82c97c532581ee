"""The job that turns a stored delivery into interactions; what it cannot is kept with a reason."""

import logging
from typing import Any
from uuid import UUID

from pydantic import ValidationError
from sqlalchemy import text
from sqlmodel import select
from sqlmodel.ext.asyncio.session import AsyncSession

from app.core.clock import utc_now
from app.core.database import Database, is_connection_lost, run_sql
from app.core.errors import AfterwordError
from app.core.jobs import Job
from app.core.signing import SealedBox
from app.core.telemetry import INBOUND
from app.core.text import decode_json
from app.integrations.adapter import Delivery, NotUsed, Told
from app.integrations.models import InboundEvent, Integration
from app.integrations.receiving import integration_by_id, refusal_of_delivery
from app.integrations.registry import ADAPTERS
from app.integrations.schemas import EventStatus
from app.interactions.interaction_schemas import InteractionIn
from app.interactions.recording import Draft
from app.triggers.telling import tell

logger = logging.getLogger(__name__)

_LONGEST_REASON = 500


class UntranslatableError(Exception):
    """The delivery makes no interaction; the message says why."""


async def translate_event(database: Database, box: SealedBox, job: Job) -> None:
    """Translate one delivery and tell what it means, in one transaction."""
    async with database.transaction() as session:
        event = await _locked(session, job)
        if event is None or event.status not in {EventStatus.RECEIVED, EventStatus.FAILED}:
            return
        integration = await integration_by_id(session, event.integration_id)
        try:
            async with session.begin_nested():
                await _translate(session, box, integration, event)
        except (UntranslatableError, AfterwordError) as error:
            _end(event, EventStatus.FAILED, str(error))
        except Exception as error:
            if is_connection_lost(error):
                # The job is tried again.
                raise
            logger.exception("webhook was not translated", extra={"event": str(event.id)})
            _end(event, EventStatus.FAILED, f"unexpected: {error!r}")
        INBOUND.labels(integration.source, event.status).inc()
        session.add(event)


async def _locked(session: AsyncSession, job: Job) -> InboundEvent | None:
    found = await session.exec(
        select(InboundEvent)
        .where(
            InboundEvent.workspace_id == job.workspace_id,
            InboundEvent.id == UUID(job.payload["event"]),
        )
        .with_for_update()
    )
    return found.first()


def _end(event: InboundEvent, status: EventStatus, reason: str | None) -> None:
    event.status, event.translated_at = str(status), utc_now()
    event.reason = reason.replace("\x00", "")[:_LONGEST_REASON] if reason else None


async def _translate(
    session: AsyncSession, box: SealedBox, integration: Integration, event: InboundEvent
) -> None:
    if not event.verified:
        refusal = refusal_of_delivery(
            integration, box, event.headers, event.body, now=event.received_at
        )
        if refusal is not None:
            raise UntranslatableError(refusal)
        event.verified = True
    payload = decode_json(event.body)
    if not isinstance(payload, dict):
        msg = f"the body is a JSON {type(payload).__name__}, not an object"
        raise UntranslatableError(msg)
    adapter = ADAPTERS[integration.source]
    found = adapter.translate(
        Delivery(event.headers, payload, event.received_at), integration.mapping
    )
    if isinstance(found, NotUsed):
        _end(event, EventStatus.SKIPPED, found.reason)
        return
    drafts = [_draft(integration, one, event) for one in found]
    drafts = await _not_known(session, integration, drafts)
    recorded = await tell(session, box, integration.workspace_id, drafts) if drafts else []
    fresh = [one for one in recorded if one.created]
    if fresh:
        event.interactions = [str(one.id) for one in fresh]
        _end(event, EventStatus.TRANSLATED, None)
    else:
        _end(event, EventStatus.SKIPPED, "all of it was told before")


def _draft(integration: Integration, one: Told, event: InboundEvent) -> Draft:
    """Hold an interaction to the same rules as the API's own."""
    body: dict[str, Any] = {"occurred_at": event.received_at, **one, "source": integration.key}
    if integration.touchpoint and "touchpoint" not in body:
        body["touchpoint"] = integration.touchpoint
    try:
        return InteractionIn.model_validate(body).draft(test=False)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        msg = f"{where}: {first['msg'].removeprefix('Value error, ')}"
        raise UntranslatableError(msg) from None


async def _not_known(
    session: AsyncSession, integration: Integration, drafts: list[Draft]
) -> list[Draft]:
    """Leave out what the ticket's state says already: senders repeat the same resolution."""
    kept = []
    for draft in drafts:
        ticket = await _ticket(session, integration, draft.ticket) if draft.ticket else None
        if ticket is not None and _is_repeated(draft, ticket):
            continue
        kept.append(draft)
    return kept


def _is_repeated(draft: Draft, ticket: Any) -> bool:
    at = draft.occurred_at
    if draft.type == "ticket.opened":
        return ticket.opened_at is not None
    if draft.type == "ticket.solved" and ticket.status != "open":
        return bool(at is None or ticket.last_solved_at is None or at >= ticket.last_solved_at)
    if draft.type == "ticket.reopened" and ticket.status == "open":
        return bool(at is None or ticket.last_solved_at is None or at >= ticket.last_solved_at)
    return False


async def _ticket(session: AsyncSession, integration: Integration, ticket: str) -> Any:
    rows = await run_sql(
        session,
        text(
            "select status, opened_at, last_solved_at from ticket "
            "where workspace_id = :workspace_id and source = :source and ticket = :ticket"
        ).bindparams(workspace_id=integration.workspace_id, source=integration.key, ticket=ticket),
    )
    return rows.first()
