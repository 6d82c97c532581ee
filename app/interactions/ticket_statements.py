# SPDX-License-Identifier: Apache-2.0
"""The statement that changes tickets and moves their counts with them, in one step.

Locks are taken in one order: the workspace's row, tickets by id, counts by key. The caller has
locked the workspace (FOR KEY SHARE) and the tickets before it computed what they are now.
"""

import math

# A DDSketch with a relative error of 1 %: bucket i holds what lies in (gamma^(i-1), gamma^i].
GAMMA = 1.01 / 0.99
ZERO_BUCKET = -1
COUNT_KEY = "measure, clock, segment, local_date, source, touchpoint, value, bucket"

_COMPUTED = {
    "status": "text",
    "customer_id": "uuid",
    "touchpoint": "text",
    "properties": "jsonb",
    "opened_at": "timestamptz",
    "first_reply_at": "timestamptz",
    "first_solved_at": "timestamptz",
    "last_solved_at": "timestamptz",
    "reopened": "bool",
    "invalid": "bool",
    "first_seconds": "int8",
    "first_business": "int8",
    "full_seconds": "int8",
    "full_business": "int8",
    "reply_seconds": "int8",
    "reply_business": "int8",
}

_MEASURES = """(values
  ('first', 'calendar', t.first_solved_at, t.first_seconds),
  ('first', 'business', t.first_solved_at, t.first_business),
  ('full', 'calendar', t.last_solved_at, t.full_seconds),
  ('full', 'business', t.last_solved_at, t.full_business),
  ('reply', 'calendar', t.first_reply_at, t.reply_seconds),
  ('reply', 'business', t.first_reply_at, t.reply_business),
  ('unresolved', '', case when t.status = 'open' then t.opened_at end, 0),
  ('reopened', '', case when t.reopened then t.first_solved_at end, 0),
  ('invalid', '', case when t.invalid then t.last_solved_at end, 0)
) m(measure, clock, at, seconds)"""


def bucket_sql(seconds: str) -> str:
    """Return the SQL of the bucket in which a time of so many seconds lies."""
    return (
        f"case when {seconds} > 0 then ceil(ln({seconds}::float8) / {math.log(GAMMA)!r})::int "
        f"else {ZERO_BUCKET} end"
    )


def measures_sql(source: str, configs: str) -> str:
    """Return the SQL that lists what each ticket of `source` measures, per segment it has."""
    return f"""
select t.sign, m.measure, m.clock, s.segment, s.value, t.source, t.touchpoint,
  (m.at at time zone (c.configs -> t.counted_as::text ->> 'timezone'))::date as local_date,
  m.seconds, {bucket_sql("m.seconds")} as bucket
from {source} t
cross join {configs} c
cross join lateral {_MEASURES}
cross join lateral (
  select '' as segment, '' as value
  union all
  select k, t.properties ->> k
  from jsonb_array_elements_text(c.configs -> t.counted_as::text -> 'segments') k
  where jsonb_typeof(t.properties -> k) in ('string', 'number', 'boolean')
) s
where m.at is not null and m.seconds is not null"""


# :workspace_id, :now, :ids, :rows (JSON, `id` and what is computed).
SAVE = f"""
with gate as (
  select config, configs from workspace_config where workspace_id = :workspace_id
),
given as materialized (
  select * from json_to_recordset(cast(:rows as json))
    n(id uuid, {", ".join(f"{name} {kind}" for name, kind in _COMPUTED.items())})
),
old as materialized (
  select t.* from ticket t where t.workspace_id = :workspace_id and t.id = any(:ids)
),
updated as (
  update ticket t set {", ".join(f"{name} = n.{name}" for name in _COMPUTED)},
    counted_as = gate.config, updated_at = cast(:now as timestamptz)
  from given n, gate
  where t.workspace_id = :workspace_id and t.id = any(:ids) and t.id = n.id returning t.*
),
moved as (select -1 as sign, * from old union all select 1, * from updated),
measured as ({measures_sql("moved", "gate")}),
delta as materialized (
  select {COUNT_KEY}, sum(sign)::int as n, sum(sign * seconds)::int8 as seconds
  from measured group by {COUNT_KEY}
)
insert into ticket_count (workspace_id, {COUNT_KEY}, n, seconds)
select cast(:workspace_id as uuid), {COUNT_KEY}, n, seconds from delta where n <> 0 or seconds <> 0
order by {COUNT_KEY}
on conflict (workspace_id, {COUNT_KEY}) do update
set n = ticket_count.n + excluded.n, seconds = ticket_count.seconds + excluded.seconds
"""

# Ticket counts that do not match the tickets; there should be none. Binds :workspace_id.
DIFFERENCES = f"""
with fresh as (
  select {COUNT_KEY}, sum(sign)::int as n, sum(seconds)::int8 as seconds
  from ({
    measures_sql(
        "(select 1 as sign, * from ticket where workspace_id = :workspace_id)",
        "(select configs from workspace_config where workspace_id = :workspace_id)",
    )
}) measured
  group by {COUNT_KEY}
),
kept as (
  select {COUNT_KEY}, n, seconds from ticket_count
  where workspace_id = :workspace_id and (n <> 0 or seconds <> 0)
)
select {COUNT_KEY}, jsonb_build_array(fresh.n, fresh.seconds) as in_rows,
  jsonb_build_array(kept.n, kept.seconds) as in_rollups
from fresh full join kept using ({COUNT_KEY})
where (fresh.n, fresh.seconds) is distinct from (kept.n, kept.seconds)
"""

REBUILD = f"""
insert into ticket_count (workspace_id, {COUNT_KEY}, n, seconds)
select :workspace_id, {COUNT_KEY}, sum(sign)::int, sum(seconds)::int8
from ({
    measures_sql(
        "(select 1 as sign, * from ticket where workspace_id = :workspace_id)",
        "(select configs from workspace_config where workspace_id = :workspace_id)",
    )
}) measured
group by {COUNT_KEY} order by {COUNT_KEY}
"""
