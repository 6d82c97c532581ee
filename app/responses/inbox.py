# SPDX-License-Identifier: Apache-2.0
"""The inbox: whom to call back and what customers wrote, a page at a time."""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlmodel.ext.asyncio.session import AsyncSession

from app.core.clock import utc_now
from app.core.cursors import decode_cursor, encode_cursor
from app.core.database import run_sql
from app.core.paging import cut_page
from app.responses.follow_ups import OPEN_STATUSES, FollowUpStatus, is_overdue_sql

PAGE = 50
_LISTED_STATUSES = {*OPEN_STATUSES, FollowUpStatus.RESOLVED}
_MAX_SEARCHED_ANSWERS = 20_000
_FIRST_MOMENT, _END_OF_TIME = (
    dt.datetime.fromtimestamp(0, dt.UTC),
    dt.datetime(9000, 1, 1, tzinfo=dt.UTC),
)

_FOLLOW_UP_COLUMNS = f"""
select r.id, r.score, r.band, r.comment, r.touchpoint, r.channel, r.follow_up, r.assignee, r.due_at,
  r.follow_up_opened_at, r.created_at, r.responded_at, s.key as survey, s.name as survey_name,
  coalesce(c.name, c.email, r.claimed ->> 'name', r.claimed ->> 'email') as customer,
  {is_overdue_sql(":now")} as overdue
from response r
join survey s on s.workspace_id = r.workspace_id and s.id = r.survey_id
left join customer c on c.workspace_id = r.workspace_id and c.id = r.customer_id
where r.workspace_id = :workspace and not r.test and r.state = 'counted'"""


@dataclass(frozen=True, slots=True)
class FollowUpFilter:
    """The filters of follow-ups; an empty `status` means those that are not resolved.

    `by_score` puts the lowest score first instead of the latest.
    """

    status: str = ""
    owner: str = ""
    overdue: bool = False
    survey: str = ""
    by_score: bool = False


async def find_follow_ups(
    session: AsyncSession,
    workspace_id: UUID,
    filters: FollowUpFilter,
    *,
    limit: int = PAGE,
    cursor: str | None = None,
) -> tuple[Sequence[dict[str, Any]], str | None]:
    """Return the answers somebody should act upon, the latest first, and the next cursor."""
    status, owner = filters.status, filters.owner
    statuses = [status] if status in _LISTED_STATUSES else [*OPEN_STATUSES]
    conditions = "r.follow_up_opened_at is not null and r.follow_up = any(:statuses ::text[])"
    bound: dict[str, Any] = {"statuses": statuses}
    if owner:
        conditions += " and r.assignee = :owner"
        bound["owner"] = owner
    if filters.overdue:
        conditions += " and r.due_at < :now"
    if filters.survey:
        conditions += " and s.key = :survey"
        bound["survey"] = filters.survey
    order = "r.follow_up_opened_at desc, r.id desc"
    if filters.by_score:
        # The worst are few; there is one page of them.
        order = f"r.score asc nulls last, {order}"
    elif position := decode_cursor(cursor, UUID):
        conditions += " and (r.follow_up_opened_at, r.id) < (:at, :id)"
        bound |= {"at": position[0], "id": position[1]}
    rows = await run_sql(
        session,
        text(f"{_FOLLOW_UP_COLUMNS} and {conditions} order by {order} limit :limit").bindparams(
            workspace=workspace_id, now=utc_now(), limit=limit + 1, **bound
        ),
    )
    page, next_cursor = cut_page(
        [dict(row._mapping) for row in rows],
        limit,
        position=lambda row: (row["follow_up_opened_at"], row["id"]),
    )
    return page, None if filters.by_score else next_cursor


async def count_open_follow_ups(
    session: AsyncSession,
    workspace_id: UUID,
    *,
    span: tuple[dt.datetime, dt.datetime] | None = None,
    most: int = 1000,
) -> int:
    """Return how many follow-ups are open; none are counted beyond `most`.

    With `span`, only responses from its first moment until its second, exclusive, are counted.
    """
    since, until = span or (_FIRST_MOMENT, _END_OF_TIME)
    rows = await run_sql(
        session,
        text(
            "select count(*) from (select from response where workspace_id = :workspace "
            "and follow_up_opened_at is not null and follow_up = any(:statuses ::text[]) "
            "and state = 'counted' and responded_at >= :since and responded_at < :until "
            "limit :most) r"
        ).bindparams(
            workspace=workspace_id, statuses=[*OPEN_STATUSES], most=most, since=since, until=until
        ),
    )
    count: int = rows.one()[0]
    return count


async def find_comments(
    session: AsyncSession,
    workspace_id: UUID,
    filters: Mapping[str, str],
    *,
    cursor: str | None = None,
    limit: int = PAGE,
) -> tuple[Sequence[dict[str, Any]], str | None]:
    """Return what customers wrote, newest first, and the cursor of the next page.

    A page searches a limited number of answers, so that a rare word costs no more than another.
    """
    position = decode_cursor(cursor, UUID) or (_END_OF_TIME, UUID(int=(1 << 128) - 1))
    edge = await _window_before(session, workspace_id, position)
    conditions = ["r.comment is not null", "(r.created_at, r.id) < (:at, :id)"]
    bound: dict[str, Any] = {"at": position[0], "id": position[1]}
    if edge is not None:
        conditions.append("(r.created_at, r.id) >= (:edge_at, :edge_id)")
        bound |= {"edge_at": edge[0], "edge_id": edge[1]}
    sql_of_filter = {
        "survey": "s.key = :survey",
        "touchpoint": "r.touchpoint = :touchpoint",
        "channel": "r.channel = :channel",
        "band": "r.band = :band",
        "q": "position(lower(:q) in lower(r.comment)) > 0",
    }
    for name, condition in sql_of_filter.items():
        if value := filters.get(name):
            conditions.append(condition)
            bound[name] = value
    rows = await run_sql(
        session,
        text(
            f"{_FOLLOW_UP_COLUMNS} and {' and '.join(conditions)} "
            "order by r.created_at desc, r.id desc limit :limit"
        ).bindparams(workspace=workspace_id, now=utc_now(), limit=limit + 1, **bound),
    )
    comments, more = cut_page(
        [dict(row._mapping) for row in rows],
        limit,
        position=lambda row: (row["created_at"], row["id"]),
    )
    if more is None and edge is not None:
        more = encode_cursor(*edge)
    return comments, more


async def _window_before(
    session: AsyncSession, workspace_id: UUID, position: tuple[dt.datetime, UUID]
) -> tuple[dt.datetime, UUID] | None:
    """Return the last position that one page searches; None if it searches all answers."""
    rows = await run_sql(
        session,
        text(
            "select created_at, id from response where workspace_id = :workspace "
            "and (created_at, id) < (:at, :id) order by created_at desc, id desc "
            "limit 1 offset :window"
        ).bindparams(
            workspace=workspace_id, at=position[0], id=position[1], window=_MAX_SEARCHED_ANSWERS
        ),
    )
    row = rows.first()
    return (row.created_at, row.id) if row is not None else None
