# SPDX-License-Identifier: Apache-2.0
"""Verbs of the room: schedule, find, cancel, remind, open and answer invitations."""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from app.core import jobs
from app.core.clock import rfc3339, utc_now
from app.core.cursors import newest_first
from app.core.database import run_sql
from app.core.errors import Conflict, InvalidInput, NotFound
from app.core.event_types import EventType
from app.core.ids import uuid7
from app.core.outbox import emit
from app.core.prepared_statements import PreparedStatement, as_json
from app.core.signing import SealedBox
from app.core.tokens import hash_secret, new_token, workspace_of
from app.invitations.models import Invitation
from app.invitations.send_queue import (
    ENQUEUED_AHEAD,
    SEND_JOB,
    enqueue_reminder,
    enqueue_send,
)
from app.invitations.votes import MAX_HITS, LinkHit, hits_of, stored_hit
from app.surveys.compiled import CompiledSurvey

EXPIRES_AFTER = dt.timedelta(days=30)
OPEN_STATUSES = ("sent", "stored", "opened")


@dataclass(frozen=True, slots=True)
class InvitationRequest:
    """An invitation to make. `context` is what its answer will be attributed to."""

    survey: CompiledSurvey
    customer: Mapping[str, Any]
    channel: str
    send_at: dt.datetime
    locale: str | None = None
    trigger_id: UUID | None = None
    interaction_id: UUID | None = None
    source: str | None = None
    ticket: str | None = None
    order: str | None = None
    touchpoint: str = ""
    context: Mapping[str, Any] = field(default_factory=dict)
    expires_after: dt.timedelta = EXPIRES_AFTER
    remind_after: dt.timedelta | None = None
    test: bool = False
    id: UUID = field(default_factory=uuid7)


async def schedule(
    session: AsyncSession, box: SealedBox, request: InvitationRequest, *, status: str = "scheduled"
) -> tuple[Invitation, str]:
    """Make an invitation and return it with its token. The caller gives out a link itself."""
    row, token = _row(box, request, status=status)
    invitation = Invitation(**row)
    session.add(invitation)
    await session.flush()
    if invitation.status == "scheduled" and invitation.queued:
        await enqueue_send(session, invitation.workspace_id, invitation.id, run_at=request.send_at)
    if invitation.status == "sent":
        await note_sent(session, invitation.workspace_id, [invitation])
    return invitation, token


_INVITATION_COLUMNS = (
    "workspace_id uuid, id uuid, survey_id uuid, customer_id uuid, channel text, status text, "
    "email text, name text, locale text, token_hash bytea, token bytea, trigger_id uuid, "
    "interaction_id uuid, source text, ticket text, order_ref text, touchpoint text, "
    "context jsonb, test bool, send_at timestamptz, queued bool, sent_at timestamptz, "
    "expires_seconds int, expires_at timestamptz, hits jsonb, remind_seconds int, "
    "created_at timestamptz, updated_at timestamptz"
)
_COLUMN_NAMES = ", ".join(column.split()[0] for column in _INVITATION_COLUMNS.split(", "))
_INSERT_ALL = PreparedStatement(
    f"insert into invitation ({_COLUMN_NAMES}) select {_COLUMN_NAMES} "
    f"from json_to_recordset(cast(:rows as json)) n({_INVITATION_COLUMNS})"
)


async def schedule_all(
    session: AsyncSession, box: SealedBox, workspace_id: UUID, requests: Sequence[InvitationRequest]
) -> None:
    """Make many invitations of one workspace in one statement, and the jobs of those due soon."""
    rows = [_row(box, request, status="scheduled")[0] for request in requests]
    if not rows:
        return
    for row in rows:
        # A link that is due now is given out by its job, like a mail.
        row |= {"status": "scheduled", "sent_at": None, "expires_at": None}
        row |= {name: "\\x" + row[name].hex() for name in ("token_hash", "token")}
    await _INSERT_ALL.run(session, rows=as_json(rows))
    await jobs.enqueue_many(
        session,
        SEND_JOB,
        workspace_id=workspace_id,
        planned=[
            (row["send_at"], str(row["id"]), {"invitation": str(row["id"])})
            for row in rows
            if row["queued"]
        ],
        max_attempts=jobs.MAIL_ATTEMPTS,
    )


def _row(box: SealedBox, request: InvitationRequest, *, status: str) -> tuple[dict[str, Any], str]:
    """Return the columns of a new invitation, and its token."""
    now = utc_now()
    workspace_id = request.survey.workspace_id
    token = new_token(workspace_id)
    is_link = request.channel == "link" and status == "scheduled" and request.send_at <= now
    reminds = request.remind_after
    row: dict[str, Any] = {
        "workspace_id": workspace_id,
        "id": request.id,
        "survey_id": request.survey.id,
        "customer_id": request.customer.get("id"),
        "channel": request.channel,
        "status": "sent" if is_link else status,
        "email": request.customer.get("email"),
        "name": request.customer.get("name"),
        "locale": request.locale or request.customer.get("locale"),
        "token_hash": hash_secret(token),
        "token": box.seal(token.encode()),
        "trigger_id": request.trigger_id,
        "interaction_id": request.interaction_id,
        "source": request.source,
        "ticket": request.ticket,
        "order_ref": request.order,
        "touchpoint": request.touchpoint,
        "context": dict(request.context),
        "test": request.test,
        "send_at": request.send_at,
        "queued": request.send_at <= now + ENQUEUED_AHEAD,
        "sent_at": now if is_link else None,
        "expires_seconds": int(request.expires_after.total_seconds()),
        "expires_at": now + request.expires_after if is_link else None,
        "hits": [],
        "remind_seconds": int(reminds.total_seconds()) if reminds else None,
        "created_at": now,
        "updated_at": now,
    }
    return row, token


async def note_sent(session: AsyncSession, workspace_id: UUID, sent: Sequence[Invitation]) -> None:
    """Store when customers were last asked, and emit the events."""
    if not sent:
        return
    await run_sql(
        session,
        text(
            "update customer c set last_invited_at = n.at from ("
            "  select customer_id, max(at) as at from unnest(cast(:customers as uuid[]), "
            "  cast(:times as timestamptz[])) n(customer_id, at) group by 1) n "
            "where c.workspace_id = :workspace_id and c.id = n.customer_id"
        ).bindparams(
            workspace_id=workspace_id,
            customers=[invitation.customer_id for invitation in sent],
            times=[invitation.sent_at for invitation in sent],
        ),
    )
    await emit_of(session, EventType.INVITATION_SENT, sent)


async def emit_of(
    session: AsyncSession, type_: EventType, invitations: Sequence[Invitation]
) -> None:
    """Emit an event of each of one workspace's invitations; tests have none."""
    real = [invitation for invitation in invitations if not invitation.test]
    if real:
        await emit(
            session,
            real[0].workspace_id,
            type_,
            data=[_event_data(invitation) for invitation in real],
        )


def _event_data(invitation: Invitation) -> dict[str, Any]:
    """Return an invitation as its events show it, without address and token."""
    return {
        "id": str(invitation.id),
        "survey_id": str(invitation.survey_id),
        "customer_id": str(invitation.customer_id) if invitation.customer_id else None,
        "channel": invitation.channel,
        "status": invitation.status,
        "order": invitation.order_ref,
        "ticket": invitation.ticket,
        "touchpoint": invitation.touchpoint or None,
        "sent_at": rfc3339(invitation.sent_at) if invitation.sent_at else None,
    }


async def get(
    session: AsyncSession, workspace_id: UUID, invitation_id: UUID, *, lock: bool = False
) -> Invitation:
    """Return one invitation, or raise NotFound."""
    query = select(Invitation).where(
        Invitation.workspace_id == workspace_id, Invitation.id == invitation_id
    )
    row = (await session.exec(query.with_for_update() if lock else query)).first()
    if row is None:
        raise NotFound.in_workspace("invitation")
    return row


async def lock_all(
    session: AsyncSession, workspace_id: UUID, ids: Sequence[UUID]
) -> list[Invitation]:
    """Lock these invitations in the order of their ids; return those that exist."""
    rows = await session.exec(
        select(Invitation)
        .where(Invitation.workspace_id == workspace_id, col(Invitation.id).in_(ids))
        .order_by(col(Invitation.id))
        .with_for_update()
    )
    return list(rows.all())


async def require_trigger(session: AsyncSession, workspace_id: UUID, trigger_id: UUID) -> None:
    """Refuse the filter `trigger` for an id of no trigger, unless it has invitations."""
    rows = await run_sql(
        session,
        text(
            "select 1 from trigger where workspace_id = :workspace_id and id = :id "
            "union all select 1 from invitation where workspace_id = :workspace_id "
            "and trigger_id = :id limit 1"
        ).bindparams(workspace_id=workspace_id, id=trigger_id),
    )
    if rows.first() is None:
        msg = "is the id of no trigger of this workspace"
        raise InvalidInput.at("query", "trigger", msg=msg)


async def find_page(
    session: AsyncSession,
    workspace_id: UUID,
    *,
    limit: int,
    cursor: str | None,
    narrowed: Mapping[str, Any],
) -> list[Invitation]:
    """Return up to `limit + 1` invitations, newest first."""
    query = select(Invitation).where(Invitation.workspace_id == workspace_id)
    for name, value in narrowed.items():
        query = query.where(col(getattr(Invitation, name)) == value)
    query = newest_first(query, Invitation, limit=limit, cursor=cursor)
    return list(await session.exec(query))


async def find_by_token(
    session: AsyncSession, token: str, *, lock: bool = False
) -> Invitation | None:
    """Return the invitation of a link, or None."""
    workspace_id = workspace_of(token)
    if workspace_id is None:
        return None
    query = select(Invitation).where(
        Invitation.workspace_id == workspace_id, Invitation.token_hash == hash_secret(token)
    )
    return (await session.exec(query.with_for_update() if lock else query)).first()


def set_status(
    invitation: Invitation, status: str, *, reason: str | None = None, detail: str | None = None
) -> None:
    """Set the status of an invitation, with the reason for it."""
    invitation.status, invitation.reason, invitation.detail = status, reason, detail
    invitation.updated_at = utc_now()


async def cancel(session: AsyncSession, workspace_id: UUID, invitation_id: UUID) -> Invitation:
    """Cancel an invitation that was not sent yet; Conflict for any other."""
    invitation = await get(session, workspace_id, invitation_id, lock=True)
    given_out = invitation.channel == "link" and invitation.status in OPEN_STATUSES
    if invitation.status not in {"scheduled", "cancelled"} and not given_out:
        detail = (
            f"The invitation is {invitation.status}; only one that is scheduled, or a link that is "
            "not answered, can be cancelled."
        )
        raise Conflict(detail)
    set_status(invitation, "cancelled", reason="cancelled", detail="by the API")
    session.add(invitation)
    return invitation


async def remind(session: AsyncSession, workspace_id: UUID, invitation_id: UUID) -> Invitation:
    """Remind once of an invitation that was sent by mail and not answered."""
    invitation = await get(session, workspace_id, invitation_id, lock=True)
    if invitation.channel != "email" or invitation.status not in {"sent", "opened"}:
        detail = (
            f"The invitation is {invitation.status}; only an invitation that was sent by mail can "
            "have a reminder."
        )
        raise Conflict(detail)
    if invitation.reminded_at is not None:
        raise Conflict("A reminder was sent already; only one is allowed.")
    await enqueue_reminder(session, workspace_id, invitation_id)
    return invitation


async def cancel_invitations(
    session: AsyncSession, workspace_id: UUID, interactions: Sequence[UUID], *, detail: str
) -> None:
    """Cancel the scheduled invitations about these interactions."""
    rows = await session.exec(
        select(Invitation)
        .where(
            Invitation.workspace_id == workspace_id,
            col(Invitation.interaction_id).in_(interactions),
            Invitation.status == "scheduled",
        )
        .order_by(col(Invitation.id))
        .with_for_update()
    )
    for invitation in rows.all():
        set_status(invitation, "cancelled", reason="cancelled", detail=detail)
        session.add(invitation)


async def cancel_of_customer(
    session: AsyncSession, workspace_id: UUID, customer_id: UUID, *, detail: str
) -> int:
    """Cancel the scheduled invitations of a customer; return how many."""
    rows = await session.exec(
        select(Invitation)
        .where(
            Invitation.workspace_id == workspace_id,
            Invitation.customer_id == customer_id,
            Invitation.status == "scheduled",
        )
        .order_by(col(Invitation.id))
        .with_for_update()
    )
    waiting = rows.all()
    for invitation in waiting:
        set_status(invitation, "cancelled", reason="cancelled", detail=detail)
        session.add(invitation)
    return len(waiting)


async def times_of(
    session: AsyncSession, workspace_id: UUID, customers: Sequence[UUID]
) -> dict[UUID, tuple[dt.datetime | None, dt.datetime | None]]:
    """Return when customers were last asked, and when they will be next."""
    rows = await run_sql(
        session,
        text(
            "select customer_id, max(sent_at) as last, "
            "min(send_at) filter (where status = 'scheduled') as next from invitation "
            "where workspace_id = :workspace_id and customer_id = any(:customers) and not test "
            "group by 1"
        ).bindparams(workspace_id=workspace_id, customers=list(customers)),
    )
    return {row.customer_id: (row.last, row.next) for row in rows}


async def note_hit(session: AsyncSession, invitation: Invitation, hit: LinkHit) -> list[LinkHit]:
    """Remember that the page was opened or sent; return the last such hits, this one included.

    The invitation must be locked.
    """
    hits = [*invitation.hits, stored_hit(hit)][-MAX_HITS:]
    invitation.hits = hits
    session.add(invitation)
    return hits_of(hits)


async def note_opened(session: AsyncSession, invitation: Invitation) -> None:
    """Note that the customer has opened the page."""
    if invitation.status in {"sent", "stored"}:
        invitation.status, invitation.opened_at = "opened", utc_now()
        # A mail that was only stored has reached its customer by some other way.
        invitation.sent_at = invitation.sent_at or invitation.opened_at
        invitation.updated_at = invitation.opened_at
        session.add(invitation)
        await emit_of(session, EventType.INVITATION_OPENED, [invitation])


async def note_answered(session: AsyncSession, invitation: Invitation) -> None:
    """Note that the customer has answered, and emit the event the first time."""
    if invitation.answered_at is None:
        invitation.answered_at = utc_now()
        invitation.sent_at = invitation.sent_at or invitation.answered_at
        set_status(invitation, "answered")
        session.add(invitation)
        await emit_of(session, EventType.INVITATION_ANSWERED, [invitation])
