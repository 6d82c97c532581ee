# SPDX-License-Identifier: Apache-2.0
"""Writing a new answer that comes alone: a function instead of the one statement for a batch.

Starting and ending the plan of `statements.INSERT` takes longer than writing one row. The
function does the same by small statements whose plans it keeps, in the same order of locks; its
call is still one statement and so one transaction. Each connection that writes answers makes the
function for itself, so it always fits the program that calls it.
"""

from app.core.config_lock import config_lock_sql
from app.responses.event_data import CREATED, CUSTOMER, SURVEY
from app.responses.rows import ResponseRow, sql_type
from app.responses.statements import cells_sql, insert_responses_sql, upsert_rollups_sql

_COLUMNS = ResponseRow.__struct_fields__
_PARAMETERS = ", ".join(f"p_{name} {sql_type(name)}" for name in _COLUMNS)
_ARGUMENTS = ", ".join(
    f"${number}::text::{sql_type(name)}"
    if sql_type(name) in {"bytea", "jsonb"}
    else f"${number}::{sql_type(name)}"
    for number, name in enumerate(_COLUMNS, start=5)
)
_ROW = ", ".join(f"p_{name} as {name}" for name in _COLUMNS)
# Nothing needs to be summed: each score of a row has cells of its own.
_CELLS = cells_sql(
    f"(select {_ROW}, held.config as counted_as) r", "held.configs", "(a.value = '{value}')::int"
)

_NAME = "pg_temp.write_lone_answer"
FUNCTION = f"""
create function {_NAME}(
  p_workspace uuid, p_moment timestamptz, p_slot int2, p_events bool, {_PARAMETERS})
returns bool language plpgsql as $body$
declare
  held record;
  survey_key text;
  survey_name text;
  customer jsonb;
begin
  perform pg_advisory_xact_lock_shared({config_lock_sql("p_workspace")});
  select config, configs into held from workspace_config
    where workspace_id = p_workspace for key share;
  select key, name into survey_key, survey_name from survey
    where workspace_id = p_workspace and id = p_survey_id for key share;
  if not found then
    return false;
  end if;
  {insert_responses_sql("p_workspace", "p_moment", "held.config", "p_events")}
  from (select {_ROW}) n
  on conflict (workspace_id, id) do nothing;
  if not found then
    return false;
  end if;
  if p_state = 'counted' then
    {upsert_rollups_sql("p_workspace", "p_slot", f"({_CELLS}) cells")};
  end if;
  if p_event_data is not null then
    if p_customer_id is not null then
      select {CUSTOMER.replace("$1", "p_workspace")} into customer from (select {_ROW}) r;
    end if;
    insert into event (workspace_id, xid, id, type, data, created_at)
    select p_workspace, pg_current_xact_id(), p_event_id, {CREATED},
      p_event_data || jsonb_build_object('survey', {SURVEY}, 'customer', customer), p_moment
    from (select {_ROW}) r cross join (select survey_key as key, survey_name as name) s;
  end if;
  return true;
end $body$
"""

# $1 workspace, $2 the moment, $3 slot, $4 whether to write events, from $5 on the row's columns.
# Returns whether the answer is new.
CALL = f"select {_NAME}($1::uuid, $2::timestamptz, $3::int2, $4::bool, {_ARGUMENTS})"
