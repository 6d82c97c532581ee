# SPDX-License-Identifier: Apache-2.0
"""A customer's timeline: interactions, invitations and responses in the order of time."""

import datetime as dt
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel
from sqlalchemy import text
from sqlmodel.ext.asyncio.session import AsyncSession

from app.core.clock import in_utc
from app.core.cursors import decode_cursor
from app.core.database import run_sql
from app.core.schema import Json
from app.responses.states import integrity_sql

# One row for each entry: its time, its id, its kind, a summary word, and its details.
_TIMELINE_SQL = f"""
select i.occurred_at as at, i.id, 'interaction' as kind, i.type as what,
  jsonb_build_object('source', i.source, 'external_id', i.external_id, 'ticket', i.ticket,
    'order', i.order_ref, 'touchpoint', nullif(i.touchpoint, ''), 'properties', i.properties,
    'value', case when i.amount is not null then
      jsonb_build_object('amount', i.amount::text, 'currency', i.currency) end) as data
from interaction i where i.workspace_id = :workspace_id and i.customer_id = :customer
  and not i.test
union all
select coalesce(v.sent_at, v.send_at), v.id, 'invitation', v.status,
  jsonb_build_object('survey', s.key, 'channel', v.channel, 'reason', v.reason,
    'ticket', v.ticket, 'order', v.order_ref, 'opened_at', v.opened_at,
    'answered_at', v.answered_at)
from invitation v join survey s on s.workspace_id = v.workspace_id and s.id = v.survey_id
where v.workspace_id = :workspace_id and v.customer_id = :customer and not v.test
union all
select r.responded_at, r.id, 'response', coalesce(r.band, 'answered'),
  jsonb_build_object('survey', s.key, 'channel', r.channel, 'score', r.score, 'band', r.band,
    'comment', r.comment, 'touchpoint', nullif(r.touchpoint, ''), 'answers', r.answers,
    'properties', r.properties, 'order', r.order_ref, 'ticket', r.ticket_ref,
    'follow_up', r.follow_up, 'notes', r.notes,
    'integrity', {integrity_sql("r.state")})
from response r join survey s on s.workspace_id = r.workspace_id and s.id = r.survey_id
where r.workspace_id = :workspace_id and r.customer_id = :customer and not r.test
  and r.state <> 'deleted'"""


class TimelineEntry(BaseModel):
    """One entry of a customer's timeline."""

    at: dt.datetime
    id: UUID
    kind: Literal["interaction", "invitation", "response"]
    what: str
    data: dict[str, Any]


async def find_timeline_entries(
    session: AsyncSession,
    workspace_id: UUID,
    customer_id: UUID,
    *,
    limit: int | None,
    cursor: str | None = None,
) -> list[TimelineEntry]:
    """Return up to `limit + 1` moments, newest first; all without a limit."""
    bound: dict[str, Any] = {"workspace_id": workspace_id, "customer": customer_id}
    condition, cut = "", ""
    if position := decode_cursor(cursor, UUID):
        condition = "where (m.at, m.id) < (:at, :id)"
        bound |= {"at": position[0], "id": position[1]}
    if limit is not None:
        cut = "limit :limit"
        bound["limit"] = limit + 1
    rows = await run_sql(
        session,
        text(f"select * from ({_TIMELINE_SQL}) m {condition} order by m.at desc, m.id desc {cut}")
        .columns(data=Json)
        .bindparams(**bound),
    )
    return [TimelineEntry.model_validate(in_utc(dict(row._mapping))) for row in rows]
