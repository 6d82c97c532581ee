# SPDX-License-Identifier: Apache-2.0
"""Ingest on a cluster: one function that runs wholly on the node that holds the workspace.

The one statement of `statements.INSERT` would be taken apart by the coordinator into a dozen
remote ones with a commit in two phases. The coordinator hands this function over as a whole, so
there is one remote call and one node to commit. The steps are those of the statement, in the same
order of locks.

The number of the events must be the coordinator's, but a transaction of the coordinator around
the call would keep the function from being handed over. So the writer takes a number in a
transaction of its own and holds an advisory lock on it until the call ends. The lock belongs to
the same connection: if the writer dies, it is released when the call has ended.
`event_consumer` reads no event at or above a number that is held.
"""

from app.core.config_lock import config_lock_sql
from app.core.event_consumer import EVENT_NUMBER_LOCKS, NUMBER_MASK
from app.responses.event_data import CREATED, event_data_sql
from app.responses.statements import (
    GIVEN_COLUMNS,
    IS_CHANGE,
    contributions_sql,
    insert_responses_sql,
    upsert_rollups_sql,
)

NAME = "afterword_ingest"
SIGNATURE = f"{NAME}(uuid, timestamptz, int2, bool, json, xid8)"
TAKE_NUMBER = f"""
select x from (select pg_current_xact_id() as x) number cross join lateral (
  select pg_advisory_lock_shared(
    {EVENT_NUMBER_LOCKS}, (x::text::int8 & {NUMBER_MASK})::int4)) held"""
RELEASE_NUMBER = f"""
select pg_advisory_unlock_shared(
  {EVENT_NUMBER_LOCKS}, ($1::xid8::text::int8 & {NUMBER_MASK})::int4)"""
# $1 workspace, $2 the batch's moment, $3 slot, $4 whether to write events, $5 the rows,
# $6 the number.
CALL = f"select {NAME}($1, $2, $3, $4, $5, $6)"

_FRESH = "(select 1 as sign, f.* from response f where f.workspace_id = p_workspace"
_FRESH += " and f.id = any(fresh) and f.state = 'counted') r"
_ROLLUPS = upsert_rollups_sql(
    "w.workspace_id", "p_slot",
    f"workspace_config w cross join ({contributions_sql(_FRESH, 'held.configs')}) delta",
    condition=f"w.workspace_id = p_workspace and {IS_CHANGE}",
)  # fmt: skip
_DATA = event_data_sql("r.settled", "n.about").replace("$1", "p_workspace")

FUNCTION = f"""
create or replace function {NAME}(
  p_workspace uuid, p_moment timestamptz, p_slot int2, p_events bool, p_rows json, p_xid xid8)
returns uuid[] language plpgsql set plan_cache_mode = force_custom_plan as $body$
declare
  held record;
  answer record;
  fresh uuid[] := '{{}}';
begin
  perform pg_advisory_xact_lock_shared({config_lock_sql("p_workspace")});
  select config, configs into held from workspace_config
    where workspace_id = p_workspace for key share;
  for answer in
    {insert_responses_sql("w.workspace_id", "p_moment", "w.config", "p_events")}
    from workspace_config w cross join json_to_recordset(p_rows) n({GIVEN_COLUMNS})
    join survey s on s.workspace_id = p_workspace and s.id = n.survey_id
    where w.workspace_id = p_workspace order by n.id
    on conflict (workspace_id, id) do nothing returning id
  loop
    fresh := fresh || answer.id;
  end loop;
  if cardinality(fresh) = 0 then
    return fresh;
  end if;
  {_ROLLUPS};
  if p_events then
    insert into event (workspace_id, xid, id, type, data, created_at)
    select r.workspace_id, p_xid, n.event_id, {CREATED}, {_DATA}, p_moment
    from response r
    join json_to_recordset(p_rows) n({GIVEN_COLUMNS}) on n.id = r.id
    join survey s on s.workspace_id = p_workspace and s.id = r.survey_id
    where r.workspace_id = p_workspace and r.id = any(fresh) and not r.test and r.told;
  end if;
  return fresh;
end $body$
"""
