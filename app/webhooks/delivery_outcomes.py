# SPDX-License-Identifier: Apache-2.0
"""Store the results of attempts: the log, the next try, and whether an endpoint still works."""

import datetime as dt
import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlmodel.ext.asyncio.session import AsyncSession

from app.core.clock import utc_now
from app.core.database import run_sql
from app.core.retry_delays import retry_delay
from app.core.telemetry import DELIVERIES
from app.webhooks import disabled_mail
from app.webhooks.attempts import Attempt
from app.webhooks.models import Delivery

logger = logging.getLogger(__name__)

_ONLY_FAILURES = dt.timedelta(days=5)


@dataclass(frozen=True, slots=True)
class FinishedAttempt:
    """A finished attempt whose result is not stored yet."""

    delivery: Delivery
    attempt: Attempt


async def write(session: AsyncSession, ended: Sequence[FinishedAttempt]) -> None:
    """Store finished attempts, and disable endpoints that fail."""
    await _update_deliveries(session, ended)
    await _update_endpoints(session, ended)


async def release(session: AsyncSession, deliveries: Sequence[Delivery]) -> None:
    """Release deliveries that were claimed but not tried."""
    await run_sql(
        session,
        text(
            "update delivery d set next_at = :now from unnest(:workspaces ::uuid[], :ids ::uuid[], "
            ":leases ::timestamptz[]) n(workspace_id, id, lease) "
            "where d.workspace_id = n.workspace_id and d.id = n.id "
            "and d.status = 'pending' and d.next_at = n.lease"
        ).bindparams(
            now=utc_now(),
            workspaces=[delivery.workspace_id for delivery in deliveries],
            ids=[delivery.id for delivery in deliveries],
            leases=[delivery.next_at for delivery in deliveries],
        ),
    )


async def _update_deliveries(session: AsyncSession, ended: Sequence[FinishedAttempt]) -> None:
    """Append the attempts to their deliveries, and say when each is tried again."""
    now = utc_now()
    rows = [_delivery_update(finished, now) for finished in ended]
    await run_sql(
        session,
        text(
            "update delivery d set attempts = case when jsonb_array_length(d.attempts) < 50 "
            "then d.attempts || n.attempt else d.attempts end, tries = d.tries + 1, "
            "status = n.status, next_at = coalesce(n.next_at, d.next_at), updated_at = :now "
            "from json_to_recordset(cast(:rows as json)) n(workspace_id uuid, id uuid, "
            "attempt jsonb, status text, next_at timestamptz, lease timestamptz) "
            # If the lease is over, another worker sends it and stores its own result.
            "where d.workspace_id = n.workspace_id and d.id = n.id and d.status = 'pending' "
            "and d.next_at = n.lease"
        ).bindparams(rows=json.dumps(rows, default=str), now=now),
    )


def _delivery_update(ended: FinishedAttempt, now: dt.datetime) -> dict[str, Any]:
    delivery, attempt = ended.delivery, ended.attempt
    wait = None
    if attempt.error is not None and not delivery.once and not attempt.is_gone:
        wait = retry_delay(delivery.tries + 1, requested=attempt.requested_wait)
    unsent_status = "failed" if wait is None else "pending"
    return {
        "workspace_id": delivery.workspace_id,
        "id": delivery.id,
        "attempt": attempt.log_entry(),
        "status": "delivered" if attempt.error is None else unsent_status,
        "next_at": None if wait is None else now + wait,
        "lease": delivery.next_at.isoformat(),
    }


async def _update_endpoints(session: AsyncSession, ended: Sequence[FinishedAttempt]) -> None:
    """Note which endpoints work and which fail; disable one that is gone or only fails."""
    # Sorted, so that two workers cannot deadlock.
    for endpoint_id in sorted({finished.delivery.endpoint_id for finished in ended}):
        outcomes = [finished for finished in ended if finished.delivery.endpoint_id == endpoint_id]
        why = await _reason_to_disable(
            session, outcomes[0].delivery.workspace_id, endpoint_id, outcomes
        )
        if why is not None:
            await _disable(session, outcomes[0].delivery.workspace_id, endpoint_id, why)


async def _reason_to_disable(
    session: AsyncSession,
    workspace_id: UUID,
    endpoint_id: UUID,
    outcomes: Sequence[FinishedAttempt],
) -> str | None:
    """Return why an endpoint should get nothing more, or None.

    A successful test or replay shows that it works; a failed one is ignored.
    """
    if any(ended.attempt.is_gone for ended in outcomes):
        return "the receiver answered 410 Gone"
    if any(ended.attempt.error is None for ended in outcomes):
        await _note_failing_since(session, workspace_id, endpoint_id, None)
        return None
    if all(ended.delivery.once for ended in outcomes):
        return None
    since = await _note_failing_since(session, workspace_id, endpoint_id, utc_now())
    if since is None or utc_now() - since <= _ONLY_FAILURES:
        return None
    last = max(outcomes, key=lambda ended: ended.attempt.at).attempt
    return f"only failures for five days, the last: {last.error}"


async def _note_failing_since(
    session: AsyncSession, workspace_id: UUID, endpoint_id: UUID, at: dt.datetime | None
) -> dt.datetime | None:
    """Store since when an endpoint fails, None if it works; return the stored time."""
    rows = await run_sql(
        session,
        text(
            "update webhook_endpoint set failing_since = :at "
            "where workspace_id = :workspace_id and id = :id and disabled_at is null "
            "and (failing_since is null) = (cast(:at as timestamptz) is not null) "
            "returning failing_since"
        ).bindparams(workspace_id=workspace_id, id=endpoint_id, at=at),
    )
    if rows.first() is not None or at is None:
        return at
    present = await run_sql(
        session,
        text(
            "select failing_since from webhook_endpoint "
            "where workspace_id = :workspace_id and id = :id"
        ).bindparams(workspace_id=workspace_id, id=endpoint_id),
    )
    row = present.first()
    return row.failing_since if row is not None else None


async def _disable(session: AsyncSession, workspace_id: UUID, endpoint_id: UUID, why: str) -> None:
    """Disable an endpoint, notify the admins, and give up its pending deliveries."""
    now = utc_now()
    bound = {"workspace_id": workspace_id, "id": endpoint_id, "now": now}
    disabled = await run_sql(
        session,
        text(
            "update webhook_endpoint set disabled_at = :now, disabled_reason = :why, "
            "updated_at = :now where workspace_id = :workspace_id and id = :id "
            "and disabled_at is null returning 1"
        ).bindparams(why=why[:500], **bound),
    )
    if disabled.first() is None:
        return
    logger.warning("a webhook endpoint is disabled", extra={"endpoint": str(endpoint_id)})
    DELIVERIES.labels("disabled").inc()
    await run_sql(
        session,
        text(
            "update delivery set status = 'failed', updated_at = :now "
            "where workspace_id = :workspace_id and endpoint_id = :id and status = 'pending'"
        ).bindparams(**bound),
    )
    await disabled_mail.enqueue_mails(session, workspace_id, endpoint_id)
