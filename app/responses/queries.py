# SPDX-License-Identifier: Apache-2.0
"""Reading responses: one place for the columns, the filters and the order."""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlmodel.ext.asyncio.session import AsyncSession

from app.core.clock import utc_now
from app.core.cursors import decode_cursor
from app.core.database import run_sql
from app.core.lookup import is_referenced_sql
from app.core.property_filters import property_among_sql
from app.core.schema import Json
from app.interactions.customers import require_customer
from app.interactions.filter_values import is_customer_sql
from app.responses.filter_values import require_known
from app.responses.follow_ups import is_overdue_sql
from app.responses.models import Response
from app.responses.schemas import ResponseFilter
from app.responses.states import COUNTED, Integrity, ResponseState

_SELECT = """
select r.*, s.key as survey_key, case when r.import_id is not null then (
    select jsonb_build_object('id', w.import_id, 'source', m.source, 'external_id', w.external_id)
    from import_row w join import_run m on m.workspace_id = w.workspace_id and m.id = w.import_id
    where w.workspace_id = r.workspace_id and w.response_id = r.id and not w.was_there
    order by w.at desc, w.import_id desc limit 1) end as imported_from
from response r
join survey s on s.workspace_id = r.workspace_id and s.id = r.survey_id
where r.workspace_id = :workspace_id and r.state <> 'deleted'"""

_JSON = {
    column.name: Json
    for column in Response.__table__.columns  # type: ignore[attr-defined]
    if isinstance(column.type, Json)
} | {"imported_from": Json}

# The SQL condition of each filter; its value is bound under the filter's name.
_CONDITIONS = {
    "survey": is_referenced_sql("s", ":survey"),
    "touchpoint": "r.touchpoint = :touchpoint",
    "channel": "r.channel = :channel",
    "locale": "r.locale = :locale",
    "customer": is_customer_sql("r.customer_id", workspace=":workspace_id", name=":customer"),
    "order": "r.order_ref = :order",
    "ticket": "r.ticket_ref = :ticket",
    "band": "r.band = :band",
    "follow_up": "r.follow_up = :follow_up",
    "assignee": "r.assignee = :assignee",
    "tag": "r.tags @> jsonb_build_array(:tag ::text)",
    "min_score": "r.score >= :min_score",
    "max_score": "r.score <= :max_score",
    "since": "r.responded_at >= :since",
    "until": "r.responded_at < :until",
    "updated_since": "r.updated_at >= :updated_since",
    "q": "r.comment ilike :q",
}


async def find_page(
    session: AsyncSession,
    workspace_id: UUID,
    filters: ResponseFilter,
    *,
    properties: Mapping[str, list[str]],
) -> list[dict[str, Any]]:
    """Return up to `limit + 1` responses, newest first."""
    for name in ("survey", "touchpoint"):
        if value := getattr(filters, name):
            await require_known(session, workspace_id, name, [value])
    if filters.customer:
        await require_customer(session, workspace_id, filters.customer)
    conditions, bound = _narrow(filters)
    bound |= {"workspace_id": workspace_id, "limit": filters.limit + 1}
    for number, (name, value) in enumerate(sorted(properties.items())):
        conditions.append(property_among_sql("r.properties", f":name{number}", f":value{number}"))
        bound |= {f"name{number}": name, f"value{number}": value}
    order = filters.order_by
    if position := decode_cursor(filters.cursor, UUID):
        conditions.append(f"(r.{order}, r.id) < (:at, :id)")
        bound |= {"at": position[0], "id": position[1]}
    query = (
        f"{_SELECT} and {' and '.join(conditions)} order by r.{order} desc, r.id desc limit :limit"
    )
    rows = await run_sql(session, text(query).columns(**_JSON).bindparams(**bound))
    return [dict(row._mapping) for row in rows]


def _narrow(filters: ResponseFilter) -> tuple[list[str], dict[str, Any]]:
    """Return the conditions of the filter, and what is bound in them."""
    values = filters.model_dump(exclude_none=True)
    bound: dict[str, Any] = {name: values[name] for name in _CONDITIONS if name in values}
    conditions = ["r.test = :test", *(_CONDITIONS[name] for name in bound)]
    bound["test"] = filters.test
    if filters.q:
        bound["q"] = f"%{_literal(filters.q)}%"
    if filters.integrity is not None:
        counted = "test" if filters.test else "counted"
        conditions.append("r.state = :state")
        bound["state"] = counted if filters.integrity is Integrity.OK else str(filters.integrity)
    if filters.has_comment is not None:
        conditions.append(f"r.comment is {'not null' if filters.has_comment else 'null'}")
    if filters.overdue is not None:
        late = is_overdue_sql(":now")
        conditions.append(late if filters.overdue else f"not {late}")
        bound["now"] = utc_now()
    return conditions, bound


async def find_response(
    session: AsyncSession, workspace_id: UUID, response_id: UUID
) -> dict[str, Any] | None:
    """Return one response; None if it does not exist or was deleted."""
    rows = await run_sql(
        session,
        text(f"{_SELECT} and r.id = :id")
        .columns(**_JSON)
        .bindparams(workspace_id=workspace_id, id=response_id),
    )
    row = rows.first()
    return dict(row._mapping) if row else None


def _literal(part: str) -> str:
    return part.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


_VALUES = text("""
select distinct value from (
  select value from rollup where workspace_id = :id and segment = :name limit 20000) r
order by 1 limit :most
""")


async def segment_values(
    session: AsyncSession, workspace_id: UUID, name: str, *, most: int = 200
) -> list[str]:
    """Return values that a segment has, in their order, up to so many."""
    rows = await run_sql(session, _VALUES.bindparams(id=workspace_id, name=name, most=most))
    return [row.value for row in rows]


async def locales_seen(session: AsyncSession, workspace_id: UUID) -> list[str]:
    """Return the languages of the latest answers, by their codes."""
    rows = await run_sql(
        session,
        text(
            "select distinct locale from (select locale from response "
            "where workspace_id = :workspace order by created_at desc, id desc limit 2000) r "
            "order by 1"
        ).bindparams(workspace=workspace_id),
    )
    return [row.locale for row in rows]


@dataclass(frozen=True, slots=True)
class StoredAnswers:
    """A response as it is stored; `seq` is 0 if there is none yet."""

    seq: int = 0
    answers: dict[str, Any] = field(default_factory=dict)
    state: ResponseState | None = None
    band: str | None = None
    complete: bool = False
    responded_at: dt.datetime | None = None
    gesture: bool | None = None

    @property
    def counts(self) -> bool:
        """Whether a person is known to have given it."""
        return self.state in COUNTED


async def find_stored(
    session: AsyncSession, workspace_id: UUID, response_id: UUID
) -> StoredAnswers:
    """Return what was submitted so far; of a deleted response only that it is deleted."""
    rows = await run_sql(
        session,
        text(
            "select seq, answers, state, band, complete, responded_at, gesture from response "
            "where workspace_id = :workspace_id and id = :id"
        )
        .columns(answers=Json)
        .bindparams(workspace_id=workspace_id, id=response_id),
    )
    row = rows.first()
    return StoredAnswers(**row._mapping) if row else StoredAnswers()


@dataclass(frozen=True, slots=True)
class SurveyResponseFilter:
    """Which responses of a survey: by their own time, by their last change, of one customer.

    `segment` is a list of properties, and a value that one of them must have.
    """

    since: dt.datetime | None = None
    until: dt.datetime | None = None
    updated_since: dt.datetime | None = None
    updated_until: dt.datetime | None = None
    customer_id: UUID | None = None
    segment: tuple[list[str], str] | None = None


async def find_survey_responses(  # noqa: PLR0913 - what a window is
    session: AsyncSession,
    workspace_id: UUID,
    survey_id: UUID,
    window: SurveyResponseFilter,
    *,
    order: tuple[str, str],
    limit: int,
    offset: int,
) -> list[dict[str, Any]]:
    """Return the counted responses of a survey in an order, from a place on."""
    known = {
        "since": "r.responded_at >= :since",
        "until": "r.responded_at < :until",
        "updated_since": "r.updated_at >= :updated_since",
        "updated_until": "r.updated_at < :updated_until",
        "customer_id": "r.customer_id = :customer_id",
    }
    conditions = ["r.survey_id = :survey_id", "r.state = 'counted'"]
    bound: dict[str, Any] = {"workspace_id": workspace_id, "survey_id": survey_id}
    for name, condition in known.items():
        if (value := getattr(window, name)) is not None:
            conditions.append(condition)
            bound[name] = value
    if window.segment is not None:
        names, value = window.segment
        conditions.append(
            "exists (select 1 from unnest(:segments ::text[]) s(name) "
            "where r.properties ->> s.name = :value)"
        )
        bound |= {"segments": names, "value": value}
    column, way = order
    query = (
        f"{_SELECT} and {' and '.join(conditions)} "
        f"order by r.{column} {way}, r.id {way} limit :limit offset :offset"
    )
    statement = text(query).columns(**_JSON).bindparams(**bound, limit=limit, offset=offset)
    return [dict(row._mapping) for row in await run_sql(session, statement)]


async def segments_with(session: AsyncSession, workspace_id: UUID, value: str) -> list[str]:
    """Return the segments that have had a value."""
    rows = await run_sql(
        session,
        text(
            "select distinct segment from rollup where workspace_id = :id and value = :value "
            "and segment <> '' order by 1"
        ).bindparams(id=workspace_id, value=value),
    )
    return [row.segment for row in rows]


async def last_answer_by_survey(
    session: AsyncSession, workspace_id: UUID
) -> dict[str, dt.datetime]:
    """Return when each survey was last answered, by its key."""
    rows = await run_sql(
        session,
        text(
            "select s.key, (select max(r.responded_at) from response r "
            "where r.workspace_id = :id and r.survey_id = s.id and r.state = 'counted') as last "
            "from survey s where s.workspace_id = :id"
        ).bindparams(id=workspace_id),
    )
    return {row.key: row.last for row in rows if row.last is not None}


async def last_answer_by_customer(
    session: AsyncSession, workspace_id: UUID, customers: Sequence[UUID]
) -> dict[UUID, dt.datetime]:
    """Return when customers last answered."""
    rows = await run_sql(
        session,
        text(
            "select customer_id, max(responded_at) as last from response "
            "where workspace_id = :id and customer_id = any(:customers) and not test "
            "and state <> 'deleted' group by 1"
        ).bindparams(id=workspace_id, customers=list(customers)),
    )
    return {row.customer_id: row.last for row in rows}
