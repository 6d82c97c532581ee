# SPDX-License-Identifier: Apache-2.0
"""The statements that change stored responses: joined, held, restored, deleted and recounted.

They follow the rules about locks, rollups and events that `statements` describes.
"""

import datetime as dt
from collections.abc import Sequence
from uuid import UUID

from app.core.clock import utc_now
from app.core.database import Database
from app.core.event_types import EventType
from app.core.ids import uuid7
from app.responses.event_data import UPDATED, event_data_sql, events_sql
from app.responses.statements import (
    COMPLETES,
    CONFIG_LOCK,
    CREATED_OR_UPDATED,
    LOCK_OLD,
    declared_segments_sql,
    rollups_sql,
    signed_rows_sql,
)
from app.surveys.bands import bands_sql
from app.surveys.scales import LOW_BANDS

# An answer that is not completed is final when nobody has changed it for so long.
ABANDONED_AFTER = dt.timedelta(minutes=30)


def _change(
    change: str,
    condition: str,
    event_type: str | None,
    *,
    touches: bool = True,
    extra_columns: str = "",
) -> str:
    """Return a statement that changes responses by id and moves their contributions with them.

    `event_type` is SQL; without one no event is written. Without `touches` the response's own
    time of change stays. `extra_columns` adds columns to `old`, because a cluster allows no query
    in SET.
    $1 workspace, $2 moment, $3 slot, $4 ids, $5 event ids.
    """
    emitted = (
        events_sql("updated", event_type, "true", data=event_data_sql(COMPLETES))
        if event_type
        else "emitted as (select $2::timestamptz)"
    )
    touched = "updated_at = $2::timestamptz, " if touches else ""
    return f"""
with {CONFIG_LOCK},
given as materialized (select * from unnest($4::uuid[], $5::uuid[]) n(id, event_id)),
{LOCK_OLD.format(ids="$4::uuid[]", extra_columns=extra_columns)},
updated as (
  update response r set {change}, {touched}counted_as = gate.config
  from old o cross join gate
  where r.workspace_id = $1 and r.id = o.id and {condition} returning r.*
),
moved as (
  {signed_rows_sql("old r join updated u using (id)", -1, "r.state = 'counted'")}
  union all {signed_rows_sql("updated r", 1, "r.state = 'counted'")}
),
{rollups_sql("$3::int2")},
{emitted}
select array(select id from old) as found, array(select id from updated) as changed
"""


# Adds the values of a case that became known later; the response's own values win. A public
# response only claims its case: it gets the touchpoint and the declared segments, no customer.
# $1 workspace, $2 moment, $3 slot, $4 JSON of id, event id, touchpoint, customer and properties.
JOIN_CASES = f"""
with {CONFIG_LOCK},
given as materialized (
  select n.*, {declared_segments_sql("n.properties", "gate")} as segments
  from json_to_recordset($4::json)
    n(id uuid, event_id uuid, touchpoint text, customer_id uuid, properties jsonb), gate
),
{LOCK_OLD.format(ids="array(select id from given)", extra_columns="")},
updated as (
  update response r set
    touchpoint = case when o.touchpoint = '' then n.touchpoint else o.touchpoint end,
    customer_id = case when o.claimed is null and not o.public
      then coalesce(o.customer_id, n.customer_id) else o.customer_id end,
    properties = case when o.public then n.segments else n.properties end || o.properties,
    updated_at = $2::timestamptz, counted_as = gate.config
  from given n join old o on o.id = n.id cross join gate
  where r.workspace_id = $1 and r.id = o.id and o.state <> 'deleted' returning r.*
),
moved as (
  {signed_rows_sql("old r join updated u using (id)", -1, "r.state = 'counted'")}
  union all {signed_rows_sql("updated r", 1, "r.state = 'counted'")}
),
{rollups_sql("$3::int2")},
{events_sql("updated", UPDATED, "true", data=event_data_sql())}
select count(*) from updated
"""

_INITIAL_STATE = "case when o.test then 'test' else 'counted' end"

_ERASED_COLUMNS = (
    "state = 'deleted', answers = '{}', scores = '{}', properties = '{}', tags = '[]', "
    "notes = '[]', revisions = '[]', comment = null, customer_id = null, claimed = null, "
    "order_ref = null, ticket_ref = null, interaction_ref = null, external_id = null, "
    "score = null, band = null, follow_up = 'none', follow_up_opened_at = null, "
    "follow_up_closed_at = null, assignee = null, due_at = null"
)
DELETE = _change(_ERASED_COLUMNS, "o.state <> 'deleted'", f"'{EventType.RESPONSE_DELETED}'")
# For imports, which emit no events.
DELETE_SILENTLY = _change(_ERASED_COLUMNS, "o.state <> 'deleted'", None)
QUARANTINE = _change("state = 'quarantined'", "o.state in ('counted', 'test')", UPDATED)
# A low score opens its follow-up only once the answer is counted.
_OPENS_FOLLOW_UP = f""", r.state <> 'rejected' and r.follow_up = 'none' and not r.test
    and not r.imported and coalesce(r.score < (
      select (v.definition ->> 'follow_up_below')::int from survey_version v
      where v.workspace_id = $1 and v.survey_id = r.survey_id and v.version = r.survey_version),
      r.band in ({bands_sql(LOW_BANDS)})) as opens"""
RESTORE = _change(
    f"state = {_INITIAL_STATE}, told = o.told or not o.test, "
    "settled = o.settled or (o.complete and not o.test), "
    "follow_up = case when o.opens then 'open' else o.follow_up end, "
    "follow_up_opened_at = case when o.opens then $2::timestamptz "
    "else o.follow_up_opened_at end",
    "o.state in ('provisional', 'unverified', 'quarantined', 'superseded', 'rejected')",
    CREATED_OR_UPDATED,
    extra_columns=_OPENS_FOLLOW_UP,
)
# Whether somebody with a secret key, or the invited customer, has answered about the same case.
_SAME_CASE = {
    "order": "(t.order_ref = {row}.order_ref or t.interaction_ref = {row}.interaction_ref)",
    "ticket": "t.ticket_ref = {row}.ticket_ref",
    "customer": """t.customer_id in (
      select i.customer_id from customer_identity i where i.workspace_id = {workspace_id}
      and (i.value = {row}.claimed ->> 'external_id'
        or i.value = lower({row}.claimed ->> 'email')))""",
}


def is_superseded_sql(per: str, workspace_id: str, *, row: str = "o") -> str:
    """Return the SQL condition that a trusted answer supersedes the claim whose alias is `row`.

    `per` is what the survey takes one answer for, `workspace_id` the SQL that names the workspace.
    """
    same = _SAME_CASE[per].format(workspace_id=workspace_id, row=row)
    return f"""{row}.public and {row}.state = 'counted' and exists (
    select from response t where t.workspace_id = {workspace_id} and t.survey_id = {row}.survey_id
    and not t.public and t.state = 'counted' and {same})"""


SUPERSEDE = {
    per: _change(
        "state = 'superseded'", "o.is_superseded", UPDATED,
        extra_columns=f", ({is_superseded_sql(per, '$1', row='r')}) as is_superseded",
    )
    for per in _SAME_CASE
}  # fmt: skip
REJECT = _change("state = 'rejected'", "o.state not in ('deleted', 'rejected')", UPDATED)
# Recounts responses that were counted under an older configuration; changes nothing else.
RECOUNT = _change("seq = o.seq", "o.counted_as <> gate.config", None, touches=False)
# An abandoned answer becomes final.
COMPLETE = _change(
    "settled = true",
    "not o.settled and o.state = 'counted' "
    f"and o.updated_at <= $2::timestamptz - interval '{ABANDONED_AFTER}'",
    f"'{EventType.RESPONSE_COMPLETED}'",
    touches=False,
)


async def change_responses(
    database: Database, slot: int, workspace_id: UUID, *, statement: str, ids: Sequence[UUID]
) -> tuple[list[UUID], list[UUID]]:
    """Run one of the statements that change responses; return the ids found and changed.

    It is a transaction of its own, so that it takes its locks in the common order only.
    """
    connection = await database.connect(jit="off")
    try:
        row = await connection.fetchrow(
            statement, workspace_id, utc_now(), slot, list(ids), [uuid7() for _ in ids]
        )
    finally:
        await connection.close()
    assert row is not None  # noqa: S101 - a select without from always returns one row
    return row["found"], row["changed"]
