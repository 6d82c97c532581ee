# SPDX-License-Identifier: Apache-2.0
"""Recent interaction types, properties and invitations, for pages about triggers."""

import datetime as dt
from collections.abc import Iterable
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlmodel.ext.asyncio.session import AsyncSession

from app.core.clock import utc_now
from app.core.database import run_sql

_SAMPLE = 2000
_MAX_VALUES = 12


async def find_recent_types(session: AsyncSession, workspace_id: UUID) -> list[str]:
    """Return the types of the latest interactions, the commonest first."""
    rows = await run_sql(
        session,
        text(
            "select type, count(*) as n from (select type from interaction "
            "where workspace_id = :workspace and not test order by created_at desc, id desc "
            "limit :sample) i group by 1 order by 2 desc, 1"
        ).bindparams(workspace=workspace_id, sample=_SAMPLE),
    )
    return [row.type for row in rows]


async def find_recent_properties(session: AsyncSession, workspace_id: UUID) -> dict[str, list[str]]:
    """Return the properties of the latest interactions, each with its commonest values."""
    rows = await run_sql(
        session,
        text(
            "select p.key, p.value #>> '{}' as value, count(*) as n from (select properties "
            "from interaction where workspace_id = :workspace and not test "
            "order by created_at desc, id desc limit :sample) i "
            "cross join lateral jsonb_each(i.properties) p "
            "where jsonb_typeof(p.value) in ('string', 'number', 'boolean') "
            "and p.key <> 'response' "
            "group by 1, 2 order by 1, 3 desc"
        ).bindparams(workspace=workspace_id, sample=_SAMPLE),
    )
    properties: dict[str, list[str]] = {}
    for row in rows:
        values = properties.setdefault(row.key, [])
        if len(values) < _MAX_VALUES and len(row.value) <= 60:
            values.append(row.value)
    return properties


async def count_invitation_funnel(
    session: AsyncSession,
    workspace_id: UUID,
    since: dt.datetime,
    until: dt.datetime | None = None,
) -> dict[str, int]:
    """Return how many invitations of a time were asked, sent, opened and answered."""
    rows = await run_sql(
        session,
        text(
            "select count(*) as asked, count(*) filter (where sent_at is not null) as sent, "
            "count(*) filter (where opened_at is not null or answered_at is not null) as opened, "
            "count(*) filter (where answered_at is not null) as answered "
            "from invitation where workspace_id = :workspace and created_at >= :since "
            "and created_at < :until and not test"
        ).bindparams(workspace=workspace_id, since=since, until=until or utc_now()),
    )
    return dict(rows.one()._mapping)


async def describe_decisions(
    session: AsyncSession, workspace_id: UUID, ids: Iterable[UUID]
) -> dict[UUID, dict[str, Any]]:
    """Return what decisions are about: trigger, customer, order, ticket; by the decision's id."""
    rows = await run_sql(
        session,
        text(
            "select d.id, coalesce(t.name, d.trigger_id::text) as trigger, d.trigger_id, "
            "d.ticket, d.order_ref as order_number, d.customer_id, "
            "coalesce(c.name, c.email) as customer "
            "from decision d left join trigger t on t.workspace_id = d.workspace_id "
            "and t.id = d.trigger_id left join customer c on c.workspace_id = d.workspace_id "
            "and c.id = d.customer_id where d.workspace_id = :workspace and d.id = any(:ids)"
        ).bindparams(workspace=workspace_id, ids=list(ids)),
    )
    return {row.id: dict(row._mapping) for row in rows}
