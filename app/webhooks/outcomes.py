"""What attempts leave behind: the log, the next time, and whether an endpoint still works."""

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
from app.core.ladder import wait_after
from app.core.telemetry import DELIVERIES
from app.webhooks import notice
from app.webhooks.attempts import Attempt
from app.webhooks.models import Delivery

logger = logging.getLogger(__name__)

_ONLY_FAILURES = dt.timedelta(days=5)


@dataclass(frozen=True, slots=True)
class Ended:
    """One attempt that is over, not written yet."""

    delivery: Delivery
    attempt: Attempt


async def write(session: AsyncSession, ended: Sequence[Ended]) -> None:
    """Write the ends of attempts, and judge their endpoints by them."""
    await _log(session, ended)
    await _judge_endpoints(session, ended)


async def release(session: AsyncSession, deliveries: Sequence[Delivery]) -> None:
    """Give back what was claimed and not tried."""
    await run_sql(
        session,
        text(
            "update delivery d set next_at = :now from unnest(:workspaces ::uuid[], :ids ::uuid[], "
            ":leases ::timestamptz[]) n(workspace_id, id, lease) "
            "where d.workspace_id = n.workspace_id and d.id = n.id "
            "and d.status = 'pending' and d.next_at = n.lease"
        ).bindparams(
            now=utc_now(),
            workspaces=[one.workspace_id for one in deliveries],
            ids=[one.id for one in deliveries],
            leases=[one.next_at for one in deliveries],
        ),
    )


async def _log(session: AsyncSession, ended: Sequence[Ended]) -> None:
    """Append the attempts to their deliveries, and say when each is tried again."""
    now = utc_now()
    rows = [_outcome(one, now) for one in ended]
    await run_sql(
        session,
        text(
            "update delivery d set attempts = case when jsonb_array_length(d.attempts) < 50 "
            "then d.attempts || n.attempt else d.attempts end, tries = d.tries + 1, "
            "status = n.status, next_at = coalesce(n.next_at, d.next_at), updated_at = :now "
            "from json_to_recordset(cast(:rows as json)) n(workspace_id uuid, id uuid, "
            "attempt jsonb, status text, next_at timestamptz, lease timestamptz) "
            # Whose lease was over has been sent by somebody else, who says what became of it.
            "where d.workspace_id = n.workspace_id and d.id = n.id and d.status = 'pending' "
            "and d.next_at = n.lease"
        ).bindparams(rows=json.dumps(rows, default=str), now=now),
    )


def _outcome(one: Ended, now: dt.datetime) -> dict[str, Any]:
    delivery, attempt = one.delivery, one.attempt
    wait = None
    if attempt.error is not None and not delivery.once and not attempt.is_gone:
        wait = wait_after(delivery.tries + 1, asked=attempt.asked)
    failed = "failed" if wait is None else "pending"
    return {
        "workspace_id": delivery.workspace_id,
        "id": delivery.id,
        "attempt": attempt.logged(),
        "status": "delivered" if attempt.error is None else failed,
        "next_at": None if wait is None else now + wait,
        "lease": delivery.next_at.isoformat(),
    }


async def _judge_endpoints(session: AsyncSession, ended: Sequence[Ended]) -> None:
    """Note which endpoints work and which fail; disable one that is gone or only fails."""
    for endpoint_id in {one.delivery.endpoint_id for one in ended}:
        mine = [one for one in ended if one.delivery.endpoint_id == endpoint_id]
        workspace_id = mine[0].delivery.workspace_id
        last = max(mine, key=lambda one: one.attempt.at).attempt
        worked = any(one.attempt.error is None for one in mine)
        real = [one for one in mine if not one.delivery.once]
        why = None
        if any(one.attempt.is_gone for one in mine):
            why = "the receiver answered 410: it wants nothing any more"
        row = await _note_health(session, workspace_id, endpoint_id, worked=worked, real=bool(real))
        since = row.failing_since if row is not None else None
        if why is None and since and utc_now() - since > _ONLY_FAILURES:
            why = f"only failures for five days, the last: {last.error}"
        if why is not None:
            await _disable(session, workspace_id, endpoint_id, why)


async def _note_health(
    session: AsyncSession, workspace_id: UUID, endpoint_id: UUID, *, worked: bool, real: bool
) -> Any:
    """Remember the first failure after the last success; tests and replays count as successes."""
    set_to = "null" if worked else "coalesce(failing_since, :now)" if real else "failing_since"
    bound: dict[str, Any] = {} if worked or not real else {"now": utc_now()}
    rows = await run_sql(
        session,
        text(
            f"update webhook_endpoint set failing_since = {set_to} "
            "where workspace_id = :workspace_id and id = :id and disabled_at is null "
            + ("and failing_since is not null " if worked else "")
            + "returning failing_since"
        ).bindparams(workspace_id=workspace_id, id=endpoint_id, **bound),
    )
    return rows.first()


async def _disable(session: AsyncSession, workspace_id: UUID, endpoint_id: UUID, why: str) -> None:
    """Switch an endpoint off, say so, and give up what waits for it."""
    logger.warning("a webhook endpoint is disabled", extra={"endpoint": str(endpoint_id)})
    DELIVERIES.labels("disabled").inc()
    now = utc_now()
    bound = {"workspace_id": workspace_id, "id": endpoint_id, "now": now}
    await run_sql(
        session,
        text(
            "update webhook_endpoint set disabled_at = :now, disabled_reason = :why, "
            "updated_at = :now where workspace_id = :workspace_id and id = :id "
            "and disabled_at is null"
        ).bindparams(why=why[:500], **bound),
    )
    await run_sql(
        session,
        text(
            "update delivery set status = 'failed', updated_at = :now "
            "where workspace_id = :workspace_id and endpoint_id = :id and status = 'pending'"
        ).bindparams(**bound),
    )
    await notice.queue(session, workspace_id, endpoint_id)
