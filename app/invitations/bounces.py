# SPDX-License-Identifier: Apache-2.0
"""Mark invitations to dead addresses as bounced."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import text
from sqlmodel.ext.asyncio.session import AsyncSession

from app.core.clock import utc_now
from app.core.database import run_sql
from app.core.event_types import EventType
from app.invitations import service
from app.invitations.bounce_reports import DeadAddress


async def mark_bounced(
    session: AsyncSession, workspace_id: UUID, dead: Sequence[DeadAddress]
) -> None:
    """Mark the latest invitation to each address as bounced, and cancel what was to be sent."""
    for report in dead:
        rows = await run_sql(
            session,
            text(
                "update invitation set status = 'bounced', reason = 'bounced', detail = :detail, "
                "updated_at = :now where workspace_id = :workspace_id and lower(email) = :email "
                "and (status = 'scheduled' or id = (select id from invitation "
                "where workspace_id = :workspace_id and lower(email) = :email "
                "and status = 'sent' order by sent_at desc limit 1)) "
                "returning id"
            ).bindparams(
                workspace_id=workspace_id,
                email=report.email.lower(),
                detail=report.detail,
                now=utc_now(),
            ),
        )
        bounced = await service.lock_all(session, workspace_id, [row.id for row in rows])
        await service.emit_of(session, EventType.INVITATION_BOUNCED, bounced)
