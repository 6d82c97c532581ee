# SPDX-License-Identifier: Apache-2.0
"""The case an answer is about: an interaction, a ticket or an order that it names.

A response inherits missing values from its case. If the case is unknown, its values are added
when it arrives.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlmodel.ext.asyncio.session import AsyncSession

from app.core import jobs
from app.core.clock import utc_now
from app.core.database import Database, run_sql
from app.core.event_consumer import StoredEvent
from app.core.ids import uuid7
from app.core.jobs import Job
from app.core.schema import Json
from app.interactions.interaction_recorder import find_interactions, interaction_id
from app.responses.body import ResponseIn
from app.responses.case_interaction import case_interaction_sql, interaction_id_sql
from app.responses.changes import JOIN_CASES
from app.responses.statements import declared_segments_sql

JOIN_JOB = "responses.join_case"
_MAX_JOINED = 500


@dataclass(frozen=True, slots=True)
class Case:
    """The latest interaction of a case; `about` is the part of it that events contain.

    `segments` are the properties by which the workspace groups its figures. An answer that only
    claims its case inherits no other properties.
    """

    touchpoint: str
    locale: str | None
    customer_id: UUID | None
    properties: dict[str, Any]
    segments: dict[str, Any]
    about: dict[str, Any] | None = None


_CASE = case_interaction_sql(
    ":workspace_id",
    id_="n.interaction_id",
    source="n.source",
    ticket="n.ticket",
    order_ref="n.order_ref",
)
_FIND_CASES = text(f"""
select n.number, i.touchpoint, i.locale, i.customer_id, i.properties, i.type, i.source, i.ticket,
  i.order_ref, {declared_segments_sql("i.properties", "w")} as segments
from json_to_recordset(cast(:asked as json))
  n(number int, source text, interaction_id uuid, ticket text, order_ref text)
cross join lateral ({_CASE}) i
join workspace w on w.id = :workspace_id
""").columns(properties=Json, segments=Json)


def names_a_case(body: ResponseIn) -> bool:
    """Tell whether an answer names a case at all."""
    return body.interaction is not None or body.ticket is not None or body.order is not None


async def find_cases(
    database: Database, workspace_id: UUID, bodies: Sequence[ResponseIn]
) -> dict[int, Case]:
    """Return the cases that are known, by the position of the answer that names them."""
    references = [
        {
            "number": number,
            "source": body.interaction.source if body.interaction else None,
            "interaction_id": _interaction_id(workspace_id, body),
            "ticket": body.ticket,
            "order_ref": body.order,
        }
        for number, body in enumerate(bodies)
        if names_a_case(body) and not body.test
    ]
    if not references:
        return {}
    async with database.session() as session:
        references_json = json.dumps(references, default=str)
        rows = await run_sql(
            session, _FIND_CASES.bindparams(workspace_id=workspace_id, asked=references_json)
        )
        return {
            row.number: Case(
                row.touchpoint,
                row.locale,
                row.customer_id,
                row.properties,
                row.segments,
                _describe_interaction(row),
            )
            for row in rows
        }


def _describe_interaction(row: Any) -> dict[str, Any]:
    return {
        "type": row.type,
        "source": row.source,
        "ticket": row.ticket,
        "order": row.order_ref,
        "properties": row.properties,
    }


def _interaction_id(workspace_id: UUID, body: ResponseIn) -> UUID | None:
    key = body.interaction
    return interaction_id(workspace_id, key.source, key.external_id) if key else None


async def consume_interactions(session: AsyncSession, events: Sequence[StoredEvent]) -> None:
    """Enqueue the joining of answers that came before their interaction."""
    for workspace_id in {event.workspace_id for event in events}:
        ids = [event.data["id"] for event in events if event.workspace_id == workspace_id]
        await jobs.enqueue(
            session, JOIN_JOB, workspace_id=workspace_id, payload={"interactions": ids}
        )


_NAMED_ID = interaction_id_sql(
    "r.workspace_id", "(r.interaction_ref ->> 'source')", "(r.interaction_ref ->> 'external_id')"
)
# Only answers whose case was unknown when they came; values from an invitation, or from an
# interaction that was known at the time, stay.
_UNJOINED = text(f"""
select distinct on (r.id) r.id, i.id as interaction_id
from interaction i join response r on r.workspace_id = i.workspace_id and (
  (r.order_ref = i.order_ref and not exists (
    select from interaction x where x.workspace_id = i.workspace_id
    and x.order_ref = i.order_ref and x.order_source <> i.order_source and not x.test))
  or (r.ticket_ref = i.ticket and (r.interaction_ref ->> 'source' = i.source
    or r.interaction_ref ->> 'source' is null and not exists (
      select from interaction x where x.workspace_id = i.workspace_id
      and x.ticket = i.ticket and x.source <> i.source and not x.test)))
  or (r.interaction_ref ->> 'external_id' = i.external_id
    and r.interaction_ref ->> 'source' = i.source))
where i.workspace_id = :workspace_id and i.id = any(:ids) and not i.test and not r.test
and r.state <> 'deleted' and (
  (r.customer_id is null and i.customer_id is not null and r.claimed is null and not r.public)
  or (r.touchpoint = '' and i.touchpoint <> '') or not r.properties ?& array(
    select jsonb_object_keys(i.properties)))
and not exists (
  select from invitation v where v.workspace_id = r.workspace_id and v.id = r.id)
and not exists (
  select from interaction e where e.workspace_id = r.workspace_id and not e.test
  and e.created_at < r.created_at and (e.order_ref = r.order_ref or (e.ticket = r.ticket_ref
    and coalesce(r.interaction_ref ->> 'source', e.source) = e.source)
    or e.id = {_NAMED_ID}))
order by r.id, i.occurred_at desc
""")


async def join_cases(database: Database, job: Job) -> None:
    """Add to answers the values of an interaction that came later."""
    workspace_id = job.workspace_id
    interaction_ids = [UUID(id_) for id_ in job.payload["interactions"]]
    async with database.session() as session:
        rows = await run_sql(
            session, _UNJOINED.bindparams(workspace_id=workspace_id, ids=interaction_ids)
        )
        pairs = [(row.id, row.interaction_id) for row in rows]
        interactions = await find_interactions(session, workspace_id, {id_ for _, id_ in pairs})
    if not pairs:
        return
    additions = [
        {
            "id": response_id,
            "event_id": uuid7(),
            "touchpoint": interactions[about]["touchpoint"],
            "customer_id": interactions[about]["customer_id"],
            "properties": interactions[about]["properties"],
        }
        for response_id, about in pairs
    ]
    connection = await database.connect(jit="off")
    try:
        for start in range(0, len(additions), _MAX_JOINED):
            part = json.dumps(additions[start : start + _MAX_JOINED], default=str)
            await connection.execute(JOIN_CASES, workspace_id, utc_now(), 0, part)
    finally:
        await connection.close()
