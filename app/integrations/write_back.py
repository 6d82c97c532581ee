# SPDX-License-Identifier: Apache-2.0
"""Scores back onto their tickets: a private note and a tag, never the status.

The status is left alone, because a helpdesk would reopen the ticket. Each answer is written once,
when it is complete or nobody has continued it for half an hour; only answers by an invitation or
with a secret key, since anybody else could claim to answer about a ticket.
"""

import datetime as dt
import json
from collections.abc import Mapping, Sequence
from operator import attrgetter
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from app.core import jobs
from app.core.clock import rfc3339, utc_now
from app.core.database import Database, run_sql
from app.core.errors import InvalidInput
from app.core.event_consumer import StoredEvent
from app.core.guarded_http import (
    HttpReply,
    RefusedAddressError,
    UnreachableError,
    require_public_url,
    send,
)
from app.core.jobs import Job, LaterError
from app.core.retry_delays import retry_delay
from app.core.settings import Settings
from app.core.signing import SealedBox
from app.integrations.helpdesk_requests import HelpdeskAccess, HelpdeskRequest, WriteBackContent
from app.integrations.models import Integration, WriteBack
from app.integrations.registry import ADAPTERS
from app.integrations.schemas import WriteBackIn
from app.invitations.invitation_mails import require_sending
from app.responses.changes import ABANDONED_AFTER

WRITE_BACK_JOB = "integrations.write_back"
_GOOD = range(200, 300)
# Statuses for which another try is useless.
_PERMANENT = {400, 401, 403, 404, 410, 422}


async def set_write_back(
    session: AsyncSession,
    integration: Integration,
    body: WriteBackIn,
    *,
    box: SealedBox,
    settings: Settings,
) -> None:
    """Keep where scores go, sealed; InvalidInput for a helpdesk or URL that cannot be."""
    rules = ADAPTERS[integration.source].write_back
    if rules is None:
        takers = [str(source) for source, adapter in ADAPTERS.items() if adapter.write_back]
        msg = f"`{integration.source}` takes no scores; {', '.join(takers)} do"
        raise InvalidInput.at("body", "base_url", msg=msg)
    for name, msg in rules.needs.items():
        if attrgetter(name)(body) is None:
            raise InvalidInput.at("body", *name.split("."), msg=msg)
    private = settings.allow_private_webhooks
    await require_public_url(body.base_url, "base_url", allow_private=private)
    integration.write_back = box.seal(body.model_dump_json().encode())
    integration.updated_at = utc_now()
    session.add(integration)


def remove(session: AsyncSession, integration: Integration) -> None:
    """Delete the settings of a write-back, with the token."""
    integration.write_back = None
    session.add(integration)


async def consume_responses(session: AsyncSession, events: Sequence[StoredEvent]) -> None:
    """Enqueue the answers that go back onto a ticket, each once."""
    answered = [
        event
        for event in events
        if event.data.get("ticket") and event.data.get("state") == "counted"
    ]
    for workspace_id in {event.workspace_id for event in answered}:
        events = [event for event in answered if event.workspace_id == workspace_id]
        rows = await run_sql(
            session,
            text(
                "select r.id as response, r.ticket_ref as ticket, i.id as integration_id "
                "from response r cross join lateral ("
                # Without a source, the number alone must mean one ticket only.
                "  select min(t.source) as source from ticket t "
                "  where t.workspace_id = :workspace_id and t.ticket = r.ticket_ref "
                "  and t.source = coalesce(r.interaction_ref ->> 'source', t.source) "
                "  having count(*) = 1) t "
                "join integration i on i.workspace_id = :workspace_id and i.key = t.source "
                "and i.write_back is not null "
                "where r.workspace_id = :workspace_id and r.id = any(:responses) "
                "and (not r.public or exists (select 1 from invitation v "
                "where v.workspace_id = :workspace_id and v.id = r.id))"
            ).bindparams(
                workspace_id=workspace_id, responses=[UUID(event.data["id"]) for event in events]
            ),
        )
        for row in rows.all():
            await _enqueue_write_back(session, workspace_id, row)
        response_ids = [event.data["id"] for event in events if event.data.get("completes")]
        await jobs.hasten(session, WRITE_BACK_JOB, workspace_id=workspace_id, dedupes=response_ids)


async def _enqueue_write_back(session: AsyncSession, workspace_id: UUID, row: Any) -> None:
    now = utc_now()
    noted = await session.exec(
        insert(WriteBack)
        .values(
            workspace_id=workspace_id, response_id=row.response, ticket=row.ticket,
            integration_id=row.integration_id, status="pending", attempts=[], created_at=now,
            updated_at=now,
        )
        .on_conflict_do_nothing()
        .returning(col(WriteBack.response_id))
    )  # fmt: skip
    if noted.first() is not None:
        await jobs.enqueue(
            session,
            WRITE_BACK_JOB,
            workspace_id=workspace_id,
            payload={"response": str(row.response)},
            dedupe=str(row.response),
            max_attempts=1000,
        )


async def write_back(database: Database, box: SealedBox, settings: Settings, job: Job) -> None:
    """Send one answer to its helpdesk, up to ten times over three days."""
    require_sending(settings)
    response_id = UUID(job.payload["response"])
    async with database.session() as session:
        pending = await _pending(session, job.workspace_id, response_id)
        if pending is None:
            return
        row, integration = pending
        answer = await _answer(session, job.workspace_id, row)
    rules = ADAPTERS[integration.source].write_back
    if answer is None or rules is None or integration.write_back is None:
        return
    plain = box.unseal(integration.write_back)
    if plain is None:
        raise LaterError("its token cannot be opened by a live secret key",
                         after=dt.timedelta(hours=1))  # fmt: skip
    write_back_settings = WriteBackIn.model_validate_json(plain)
    began = utc_now()
    status, error, requested_wait = await _send_all(
        write_back_settings.base_url, rules.requests(_access_of(write_back_settings), answer),
        allow_private=settings.allow_private_webhooks,
    )  # fmt: skip
    attempt = {
        "at": rfc3339(began),
        "status_code": status,
        "duration_ms": int((utc_now() - began).total_seconds() * 1000),
        "error": error,
    }
    wait = None
    outcome = "delivered"
    if error is not None:
        tries = len(row.attempts) + 1
        wait = None if status in _PERMANENT else retry_delay(tries, requested=requested_wait)
        outcome = "pending" if wait is not None else "failed"
    async with database.transaction() as session:
        await _log_attempt(session, job.workspace_id, response_id, attempt, outcome)
    if wait is not None:
        raise LaterError(error or "", after=wait)


def _access_of(body: WriteBackIn) -> HelpdeskAccess:
    return HelpdeskAccess(body.auth.token, body.auth.user, body.account_id, body.tags)


async def _pending(
    session: AsyncSession, workspace_id: UUID, response_id: UUID
) -> tuple[WriteBack, Integration] | None:
    rows = await session.exec(
        select(WriteBack, Integration)
        .where(WriteBack.integration_id == Integration.id)
        .where(WriteBack.workspace_id == workspace_id, WriteBack.response_id == response_id)
        .where(WriteBack.status == "pending")
    )
    row = rows.first()
    return (row[0], row[1]) if row else None


async def _answer(
    session: AsyncSession, workspace_id: UUID, row: WriteBack
) -> WriteBackContent | None:
    """Return the response; raise LaterError while the respondent is still answering."""
    rows = await run_sql(
        session,
        text(
            "select r.score, r.band, r.comment, r.complete, r.updated_at, s.key from response r "
            "join survey s on s.workspace_id = r.workspace_id and s.id = r.survey_id "
            "where r.workspace_id = :workspace_id and r.id = :id and r.state = 'counted'"
        ).bindparams(workspace_id=workspace_id, id=row.response_id),
    )
    answer = rows.first()
    if answer is None:
        return None
    left = utc_now() - answer.updated_at
    if not answer.complete and left < ABANDONED_AFTER:
        raise LaterError("the respondent is still answering", after=ABANDONED_AFTER - left)
    return WriteBackContent(row.ticket, answer.key, answer.score, answer.band, answer.comment)


async def _send_all(
    base_url: str, requests: Sequence[HelpdeskRequest], *, allow_private: bool
) -> tuple[int | None, str | None, dt.timedelta | None]:
    """Send the requests in turn; return the last status, what went wrong, and the wait asked."""
    status = None
    for request in requests:
        try:
            reply: HttpReply = await send(
                request.method,
                base_url.rstrip("/") + request.path,
                headers={"Content-Type": "application/json", **request.headers},
                content=json.dumps(request.body).encode(),
                allow_private=allow_private,
            )
        except (RefusedAddressError, UnreachableError) as error:
            return None, str(error), None
        status = reply.status
        if status not in _GOOD:
            return status, f"the helpdesk answered {status}", reply.retry_after
    return status, None, None


async def _log_attempt(
    session: AsyncSession,
    workspace_id: UUID,
    response_id: UUID,
    attempt: Mapping[str, Any],
    outcome: str,
) -> None:
    await run_sql(
        session,
        text(
            "update write_back set attempts = attempts || cast(:attempt as jsonb), "
            "status = :outcome, updated_at = :now "
            "where workspace_id = :workspace_id and response_id = :response_id"
        ).bindparams(
            attempt=json.dumps([attempt]),
            outcome=outcome,
            now=utc_now(),
            workspace_id=workspace_id,
            response_id=response_id,
        ),
    )
