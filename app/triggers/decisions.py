# SPDX-License-Identifier: Apache-2.0
"""Read decisions; if an invitation ends unsent or unanswered, its decision shows that reason."""

from collections.abc import Iterable, Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlmodel.ext.asyncio.session import AsyncSession

from app.core.clock import rfc3339
from app.core.cursors import decode_cursor
from app.core.database import run_sql
from app.core.errors import InvalidInput, not_found_as_field_error
from app.core.ids import as_uuid
from app.core.prepared_statements import PreparedStatement
from app.interactions.customers import require_customer
from app.interactions.filter_values import is_customer_sql
from app.interactions.interaction_recorder import find_interactions
from app.triggers.schemas import DecisionCount, DecisionFilter, DecisionListFilter
from app.triggers.service import find

_LATER = "i.status in ('cancelled', 'expired', 'suppressed', 'bounced')"
_REASON = f"case when {_LATER} then i.reason else d.reason end"
_FROM = """
from decision d left join invitation i
  on i.workspace_id = d.workspace_id and i.id = d.invitation_id
where d.workspace_id = :workspace_id"""
_DECISION_COLUMNS = f"""
select d.id, d.trigger_id as trigger, d.interaction_id as interaction, d.outcome, d.at,
  d.invitation_id as invitation, {_REASON} as reason,
  case when {_LATER} then i.detail else d.detail end as detail"""
_CONDITIONS = {
    "interaction": "d.interaction_id = :interaction",
    "ticket": "d.ticket = :ticket",
    "order": "d.order_ref = :order",
    "customer": is_customer_sql("d.customer_id", workspace=":workspace_id", name=":customer"),
    "trigger": "d.trigger_id = :trigger",
    "outcome": "d.outcome = :outcome",
    "reason": f"{_REASON} = :reason",
    "since": "d.at >= :since",
    "until": "d.at < :until",
}


_BY_INTERACTIONS = PreparedStatement(
    f"{_DECISION_COLUMNS} {_FROM} and d.interaction_id = any(:ids) order by d.at, d.id"
)


async def find_by_interactions(
    session: AsyncSession, workspace_id: UUID, ids: Iterable[UUID]
) -> list[dict[str, Any]]:
    """Return the decisions about interactions, in the order they were made."""
    interaction_ids = list(ids)
    if not interaction_ids:
        return []
    return await _BY_INTERACTIONS.run(session, workspace_id=workspace_id, ids=interaction_ids)


def decision_body(decision: Mapping[str, Any]) -> dict[str, Any]:
    """Return a decision as the API and events show it; see `DecisionOut`."""
    invitation = decision["invitation"]
    return {
        "trigger": str(decision["trigger"]),
        "interaction": str(decision["interaction"]),
        "outcome": decision["outcome"],
        "reason": decision["reason"],
        "detail": decision["detail"],
        "invitation": str(invitation) if invitation else None,
        "at": rfc3339(decision["at"]),
    }


async def _conditions_of(
    session: AsyncSession, workspace_id: UUID, filters: DecisionFilter
) -> tuple[str, dict[str, Any]]:
    values = filters.model_dump(include=set(_CONDITIONS), exclude_none=True)
    if filters.trigger is not None:
        values["trigger"] = await _trigger_id(session, workspace_id, filters.trigger)
    if filters.interaction is not None:
        await _require_interaction(session, workspace_id, filters.interaction)
    if filters.customer is not None:
        await require_customer(session, workspace_id, filters.customer)
    for name in ("outcome", "reason"):
        if name in values:
            values[name] = str(values[name])
    conditions = "".join(f" and {sql}" for name, sql in _CONDITIONS.items() if name in values)
    return conditions, values | {"workspace_id": workspace_id}


async def _trigger_id(session: AsyncSession, workspace_id: UUID, reference: str) -> UUID:
    """Return a trigger's id; the decisions of a deleted trigger are found by its id."""
    by_id = as_uuid(reference)
    if by_id is not None:
        rows = await run_sql(
            session,
            text(
                "select 1 from decision where workspace_id = :workspace_id and trigger_id = :id "
                "limit 1"
            ).bindparams(workspace_id=workspace_id, id=by_id),
        )
        if rows.first() is not None:
            return by_id
    with not_found_as_field_error("query", "trigger"):
        return (await find(session, workspace_id, reference)).id


async def _require_interaction(
    session: AsyncSession, workspace_id: UUID, interaction_id: UUID
) -> None:
    """Refuse an id of no interaction, unless there are decisions about it."""
    known = await find_interactions(session, workspace_id, [interaction_id])
    if interaction_id not in known and not await find_by_interactions(
        session, workspace_id, [interaction_id]
    ):
        msg = "is not the id of an interaction of this workspace"
        raise InvalidInput.at("query", "interaction", msg=msg)


async def find_page(
    session: AsyncSession, workspace_id: UUID, filters: DecisionListFilter
) -> list[dict[str, Any]]:
    """Return up to `limit + 1` decisions, newest first."""
    conditions, bound = await _conditions_of(session, workspace_id, filters)
    if position := decode_cursor(filters.cursor, UUID):
        conditions += " and (d.at, d.id) < (:after, :id)"
        bound |= {"after": position[0], "id": position[1]}
    rows = await run_sql(
        session,
        text(
            f"{_DECISION_COLUMNS} {_FROM}{conditions} order by d.at desc, d.id desc limit :limit"
        ).bindparams(**bound, limit=filters.limit + 1),
    )
    return [dict(row._mapping) for row in rows]


async def count_by_reason(
    session: AsyncSession, workspace_id: UUID, filters: DecisionFilter
) -> list[DecisionCount]:
    """Count the decisions by trigger, outcome and reason."""
    conditions, bound = await _conditions_of(session, workspace_id, filters)
    rows = await run_sql(
        session,
        text(
            f"select d.trigger_id as trigger, d.outcome, {_REASON} as reason, count(*) as n "
            f"{_FROM}{conditions} group by 1, 2, 3 order by 4 desc, 1, 2, 3"
        ).bindparams(**bound),
    )
    return [DecisionCount.model_validate(dict(row._mapping)) for row in rows]
