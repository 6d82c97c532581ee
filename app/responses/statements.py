# SPDX-License-Identifier: Apache-2.0
"""The statements by which every response is written; those that change it later are in `changes`.

A new answer that comes alone is written by `lone_answer`, a batch on a cluster by `cluster_ingest`.

Each is one statement and so one transaction, with the rollups and the events in it. All lock in
one order: the workspace's configuration, responses by id, rollups by key. No response is locked
after a rollup, and nothing else is locked but event rows. So processes cannot deadlock, and
rollups never differ from the rows:

* `workspace_config` holds the configuration (zone, segments) under which answers are counted.
  Writers share its lock and its row; a change of the settings takes both exclusively, so no
  writer goes on under the old configuration.
* An old row is read by `select … for update` before it is changed: any other read could miss a
  change that came between, and the rollups would lose its contribution.
* Rollup rows are upserted in the order of their key.
* A response to a deleted survey is not inserted: an insert locks the survey's row as shared, and
  a deletion locks it exclusively.
"""

from app.core.config_lock import config_lock_sql
from app.core.property_filters import is_scalar_sql
from app.responses.event_data import CREATED, UPDATED, event_data_sql, events_sql
from app.responses.rows import ResponseRow, StoredResponse, sql_type

# The counters of a rollup row, and the score that each counts.
COUNTERS = [*(f"n{score}" for score in range(11)), "n_missing", "n_na"]
COUNTED_VALUES = [*map(str, range(11)), "-1", "-2"]
# A cell whose counters all stay as they are need not be written.
IS_CHANGE = f"({', '.join(COUNTERS)}) <> ({', '.join('0' for _ in COUNTERS)})"
ROLLUP_KEY = "survey_id, question, segment, local_date, touchpoint, channel, locale, value, slot"


# Fields of `ResponseRow` that are not columns of the table.
_NOT_STORED = {"event_id", "event_data", "editable_from", "about"}
STORED_COLUMNS = [field_ for field_ in ResponseRow.__struct_fields__ if field_ not in _NOT_STORED]

# One JSON document a batch: half the work of an array for each column.
GIVEN_COLUMNS = ", ".join(f"{name} {sql_type(name)}" for name in ResponseRow.__struct_fields__)
_GIVEN = f"given as materialized (select * from json_to_recordset($5::json) n({GIVEN_COLUMNS}))"

# Take the transaction's number in a part that reads no table: on a cluster, the coordinator, which
# begins and ends the whole transaction, then assigns it.
# Writers queue at the shared lock behind a change of settings that waits.
CONFIG_LOCK = f"""gate as materialized (select config, configs from workspace_config
  where workspace_id = $1
  and (select pg_advisory_xact_lock_shared({config_lock_sql("$1")}) is not null)
  for key share),
stamp as materialized (select pg_current_xact_id() as xid)"""

_MOVED = (
    "survey_id",
    "scores",
    "responded_at",
    "touchpoint",
    "channel",
    "locale",
    "properties",
    "counted_as",
)


def declared_segments_sql(properties: str, workspace: str) -> str:
    """Return the SQL of the properties by which figures are grouped."""
    return f"""coalesce((
      select jsonb_object_agg(p.key, p.value) from jsonb_each({properties}) p
      where {workspace}.configs -> {workspace}.config::text -> 'segments' ? p.key), '{{}}')"""


def signed_rows_sql(source: str, sign: int, condition: str) -> str:
    columns = ", ".join(f"r.{column}" for column in _MOVED)
    return f"select {sign} as sign, {columns} from {source} where {condition}"


def contributions_sql(moved: str, configs: str) -> str:
    """Return the SQL that counts rows, signed, into rollup cells.

    `moved` is what stands after FROM, with the rows as `r`; `configs` is the configurations.

    Every counted answer gives once to the base row and once to each declared segment it has.
    """
    counters = "coalesce(sum(r.sign) filter (where a.value = '{value}'), 0)::int"
    return f"""{cells_sql(moved, configs, counters)}
group by 1, 2, 3, 4, 5, 6, 7, 8"""


def cells_sql(moved: str, configs: str, counter: str) -> str:
    """Return the SQL of a rollup cell for each answer of rows, and for each segment they have.

    `counter` is the SQL of a cell's counter of a {value}.
    """
    counters = ", ".join(
        f"{counter.format(value=value)} as {name}"
        for name, value in zip(COUNTERS, COUNTED_VALUES, strict=True)
    )
    return f"""
select r.survey_id, a.key as question, s.segment,
  (r.responded_at at time zone ({configs} -> r.counted_as::text ->> 'timezone'))::date
    as local_date,
  r.touchpoint,
  case when s.segment = '' then r.channel else '' end as channel,
  case when s.segment = '' then r.locale else '' end as locale,
  s.value, {counters}
from {moved}
cross join jsonb_each_text(r.scores) a
cross join lateral (
  select '' as segment, '' as value
  union all
  select k, r.properties ->> k
  from jsonb_array_elements_text({configs} -> r.counted_as::text -> 'segments') k
  where {is_scalar_sql("r.properties", "k")}
) s"""


def upsert_rollups_sql(workspace: str, slot: str, source: str, *, condition: str = "true") -> str:
    """Return the SQL that adds the contributions of a source to the rollups."""
    columns = ", ".join(COUNTERS)
    added = ", ".join(f"{counter} = rollup.{counter} + excluded.{counter}" for counter in COUNTERS)
    key = ROLLUP_KEY.removesuffix(", slot")
    return f"""insert into rollup (workspace_id, {ROLLUP_KEY}, {columns})
  select {workspace}, {key}, {slot}, {columns} from {source}
  where {condition}
  order by {key}
  on conflict (workspace_id, {ROLLUP_KEY}) do update set {added}"""


def rollups_sql(slot: str) -> str:
    """Return the CTEs that bring the contributions of `moved` into the rollups."""
    return f"""
delta as materialized ({contributions_sql("moved r cross join gate c", "c.configs")}),
counted as (
  {upsert_rollups_sql("$1", slot, "delta", condition=IS_CHANGE)}
)"""


def insert_responses_sql(workspace: str, moment: str, config: str, events: str) -> str:
    """Return the SQL that makes responses of the given rows `n`, up to its FROM."""
    return f"""insert into response (workspace_id, {", ".join(STORED_COLUMNS)},
    follow_up_opened_at, notes, revisions, counted_as, told, settled, public, created_at,
    updated_at)
  select {workspace}, {", ".join(f"n.{column}" for column in STORED_COLUMNS)},
    case when n.follow_up = 'open' then {moment} end, '[]', '[]',
    {config}, n.state = 'counted', (n.state = 'counted' and n.complete) or not {events},
    n.editable_from is not null, {moment}, {moment}"""


# $1 workspace, $2 the batch's moment, $3 slot, $4 whether to write events, $5 the rows.
INSERT = f"""
with {CONFIG_LOCK},
{_GIVEN},
inserted as (
  {insert_responses_sql("$1", "$2::timestamptz", "gate.config", "$4::bool")}
  from gate cross join given n join survey s on s.workspace_id = $1 and s.id = n.survey_id
  order by n.id for key share of s
  on conflict (workspace_id, id) do nothing returning *
),
moved as ({signed_rows_sql("inserted r", 1, "r.state = 'counted'")}),
{rollups_sql("$3::int2")},
{events_sql("inserted", CREATED, "$4::bool", data=event_data_sql("r.settled", "n.about"))}
select array(select id from inserted) as ids
"""

LOCK_OLD = """
old as materialized (
  select r.*{extra_columns} from response r where (select config from gate) > 0
  and r.workspace_id = $1 and r.id = any({ids}) order by r.id for update
)"""


def _stored_column_sql(column: str) -> str:
    """Return a column as it is stored now, changed or not."""
    value = f"case when u.id is null then o.{column} else u.{column} end"
    return f"({value}){'::text' if column == 'request_hash' else ''} as {column}"


# Whether an answer may replace the one before: an unconfirmed answer never replaces a confirmed
# one. An answer that an operator rejected stays rejected, and only a trusted caller lifts a
# quarantine.
_MAY_REPLACE = """case n.state
      when 'provisional' then o.state = 'provisional'
      when 'unverified' then o.state in ('provisional', 'unverified')
      else true end"""
_NEXT_STATE = """case
      when o.state = 'rejected' then o.state
      when o.state in ('quarantined', 'superseded') and n.editable_from is not null then o.state
      else n.state end"""
# An answer with a gesture is never changed by one without; it may only be extended.
_MAY_OVERWRITE = """(n.gesture is distinct from false or o.gesture is not true
      or (n.answers @> jsonb_strip_nulls(o.answers) and n.state = o.state))"""
# The first event of an answer that was unconfirmed so far is `response.created`.
CREATED_OR_UPDATED = f"""case when (select o.told from old o where o.id = r.id)
    then {UPDATED} else {CREATED} end"""
COMPLETES = "r.settled and not (select o.settled from old o where o.id = r.id)"

_AS_IT_WAS = """,
    follow_up in ('none', 'open') and assignee is null and notes = '[]' as untouched,
    jsonb_build_object('seq', seq, 'score', score, 'at', updated_at) as revision"""

# The same parameters as INSERT. A higher `seq` replaces the answers; what it adds to properties,
# customer and references is kept, what it leaves out stays. A row that was made by an idempotency
# key is never updated.
UPDATE = f"""
with {CONFIG_LOCK},
{_GIVEN},
{LOCK_OLD.format(ids="array(select id from given)", extra_columns=_AS_IT_WAS)},
updated as (
  update response r set
    survey_version = n.survey_version, seq = n.seq, complete = n.complete, answers = n.answers,
    state = {_NEXT_STATE}, told = o.told or {_NEXT_STATE} = 'counted',
    settled = o.settled or ({_NEXT_STATE} = 'counted' and n.complete),
    scores = n.scores, score = n.score, band = n.band, comment = n.comment,
    properties = o.properties || n.properties,
    gesture = greatest(o.gesture, n.gesture),
    customer_id = coalesce(o.customer_id, n.customer_id),
    claimed = coalesce(n.claimed, o.claimed),
    order_ref = coalesce(n.order_ref, o.order_ref),
    ticket_ref = coalesce(n.ticket_ref, o.ticket_ref),
    interaction_ref = coalesce(n.interaction_ref, o.interaction_ref),
    follow_up = case when o.untouched then n.follow_up else o.follow_up end,
    follow_up_opened_at = case
      when o.untouched and n.follow_up = 'open'
        then coalesce(o.follow_up_opened_at, $2::timestamptz)
      when not o.untouched then o.follow_up_opened_at end,
    revisions = case when o.score is distinct from n.score and o.state in ('counted', 'test')
        and jsonb_array_length(o.revisions) < 50
      then o.revisions || o.revision
      else o.revisions end,
    counted_as = gate.config, updated_at = $2::timestamptz
  from given n
  join old o on o.id = n.id
  cross join gate
  where r.workspace_id = $1 and r.id = n.id
    and n.seq > o.seq and o.state <> 'deleted'
    and n.survey_id = o.survey_id and n.channel = o.channel
    and (n.editable_from is null or (o.public and o.created_at >= n.editable_from))
    and n.request_hash is null
    and {_MAY_REPLACE}
    and {_MAY_OVERWRITE}
  returning r.*
),
moved as (
  {signed_rows_sql("old r join updated u using (id)", -1, "r.state = 'counted'")}
  union all {signed_rows_sql("updated r", 1, "r.state = 'counted'")}
),
{rollups_sql("$3::int2")},
{events_sql("updated", CREATED_OR_UPDATED, "$4::bool", data=event_data_sql(COMPLETES, "n.about"))}
select o.seq as seq_before, {", ".join(map(_stored_column_sql, StoredResponse.__struct_fields__))}
from old o left join updated u on u.id = o.id
"""


# Finds which former ids are in use: $1 workspace, $2 ids, $3 the time before which ids could be
# guessed.
FIND_FORMER = """
select id from response
where workspace_id = $1 and id = any($2::uuid[]) and (created_at < $3 or not public)
"""

# What the rollups should say, from the rows alone. $1 workspace.
FROM_ROWS = f"""
with moved as ({signed_rows_sql("response r", 1, "r.workspace_id = $1 and r.state = 'counted'")})
{
    contributions_sql(
        "moved r cross join (select configs from workspace_config where workspace_id = $1) c",
        "c.configs",
    )
}
"""
