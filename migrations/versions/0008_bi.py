# SPDX-License-Identifier: Apache-2.0
"""Views for BI tools in the schema `bi`; row-level security shows a role its own workspace only.

The views run with the rights of the role that reads them, so the policies of their tables apply: a
role sees the rows of its workspace in `bi_access`; any other role sees none. Names of customers
need `bi_access.personal`. Grants go to `public`, so a copied database needs no new grants.
"""

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

_ACCESS = (
    """
    create table bi_access (
      role varchar not null,
      workspace_id uuid not null,
      personal boolean not null,
      created_at timestamptz not null,
      constraint pk_bi_access primary key (role),
      constraint fk_bi_access_workspace_id foreign key (workspace_id) references workspace (id)
    )
    """,
    """alter table bi_access enable row level security""",
    """create policy bi_own on bi_access for select using (role = current_user)""",
    """grant select (role, workspace_id, personal) on bi_access to public""",
)

# What BI roles may read of the tables below the views.
_COLUMNS = {
    "survey": "workspace_id, id, key, name",
    "question": "workspace_id, survey_id, key, type, scale, high, main, recommends, reverse, "
    "driver, pillar, module, touchpoint",
    "touchpoint": "workspace_id, key, stage, area, online",
    "rollup": "workspace_id, survey_id, question, local_date, touchpoint, channel, locale, "
    "segment, value, n0, n1, n2, n3, n4, n5, n6, n7, n8, n9, n10, n_missing, n_na",
    "response": "workspace_id, id, survey_id, survey_version, channel, touchpoint, locale, "
    "complete, test, state, score, band, answers, scores, comment, properties, customer_id, "
    "order_ref, ticket_ref, external_id, tags, imported, follow_up, responded_at, created_at, "
    "updated_at",
    "interaction": "workspace_id, id, type, source, external_id, ticket, order_ref, touchpoint, "
    "customer_id, locale, amount, currency, properties, test, occurred_at, created_at",
    "ticket": "workspace_id, id, source, ticket, status, customer_id, touchpoint, properties, "
    "opened_at, first_reply_at, first_solved_at, last_solved_at, reopened, invalid, "
    "first_seconds, full_seconds, reply_seconds, first_business, full_business, reply_business, "
    "updated_at",
    "ticket_count": "workspace_id, measure, clock, segment, local_date, source, touchpoint, value, "
    "bucket, n, seconds",
    "invitation": "workspace_id, id, survey_id, customer_id, channel, status, reason, trigger_id, "
    "ticket, order_ref, touchpoint, test, send_at, sent_at, opened_at, answered_at, created_at, "
    "updated_at",
    "customer": "workspace_id, id, email, name, locale, merged_into, created_at",
}
# Names and addresses are for the roles that were made for them.
_PERSONAL = "customer"

_N = ", ".join(f"sum(r.n{score})::bigint as n{score}" for score in range(11))


def _sum(scores: str) -> str:
    return " + ".join(f"r.n{score}" for score in scores.split())


_TOTAL = _sum("0 1 2 3 4 5 6 7 8 9 10")
_SCORES = " + ".join(f"{score} * r.n{score}" for score in range(1, 11))


def _from(low: int) -> str:
    return " + ".join(f"r.n{score}" for score in range(low, 11))


# The top boxes of each length and the bands are those of the formulas of the product.
_SATISFIED = f"""case when q.type = 'csat' then case q.high
      when 2 then {_from(2)} when 3 then {_from(3)} when 5 then {_from(4)}
      when 7 then {_from(6)} else {_from(9)} end end"""
_DISSATISFIED = f"""case when q.type = 'csat' then case q.high
      when 2 then {_sum("1")} when 3 then {_sum("1")} when 5 then {_sum("1 2")}
      when 7 then {_sum("1 2")} else {_sum("1 2")} end end"""
_EASY = f"""case when q.type = 'ces' then case q.high
      when 7 then {_from(5)} else {_from(4)} end end"""
_PROMOTERS = f"""case when q.type = 'nps' then {_from(9)} when q.recommends then r.n1 end"""
_PASSIVES = f"""case when q.type = 'nps' then {_sum("7 8")} when q.recommends then 0 end"""
_DETRACTORS = f"""case when q.type = 'nps' then {_sum("0 1 2 3 4 5 6")}
      when q.recommends then r.n0 end"""


def _daily(columns: str, segment: str) -> str:
    return f"""
    select r.local_date as date, s.key as survey, r.question,
      coalesce(nullif(q.touchpoint, ''), nullif(r.touchpoint, '')) as touchpoint, {columns},
      case when q.recommends then 'nps' else q.type end as metric, q.scale,
      q.driver, q.pillar, q.module,
      sum({_TOTAL})::bigint as responses,
      sum({_PROMOTERS})::bigint as promoters,
      sum({_PASSIVES})::bigint as passives,
      sum({_DETRACTORS})::bigint as detractors,
      sum({_SATISFIED})::bigint as satisfied,
      sum({_DISSATISFIED})::bigint as dissatisfied,
      sum({_EASY})::bigint as easy,
      sum({_SCORES})::bigint as score_sum, {_N},
      sum(r.n_missing)::bigint as n_missing, sum(r.n_na)::bigint as n_na, r.workspace_id
    from rollup r
    join survey s on s.workspace_id = r.workspace_id and s.id = r.survey_id
    join question q on q.workspace_id = r.workspace_id and q.survey_id = r.survey_id
      and q.key = r.question
    where {segment}
    group by 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, r.workspace_id"""


def _sum_sql(measure: str, clock: str, column: str) -> str:
    return (
        f"coalesce(sum(c.{column}) filter (where c.measure = '{measure}' "
        f"and c.clock = '{clock}'), 0)::bigint"
    )


_VIEWS = {
    "metric_daily": _daily(
        "nullif(r.channel, '') as channel, nullif(r.locale, '') as locale", "r.segment = ''"
    ),
    "metric_daily_by_segment": _daily("r.segment, r.value", "r.segment <> ''"),
    "choices_daily": """
    select r.local_date as date, s.key as survey, q.key as question,
      split_part(r.question, '=', 2) as option, nullif(r.touchpoint, '') as touchpoint,
      nullif(r.channel, '') as channel, nullif(r.locale, '') as locale,
      sum(r.n1)::bigint as chosen
    from rollup r
    join survey s on s.workspace_id = r.workspace_id and s.id = r.survey_id
    join question q on q.workspace_id = r.workspace_id and q.survey_id = r.survey_id
      and q.key = split_part(r.question, '=', 1)
    where r.segment = '' and r.question like '%=%'
    group by 1, 2, 3, 4, 5, 6, 7""",
    "tickets_daily": f"""
    select c.local_date as date, c.source, nullif(c.touchpoint, '') as touchpoint,
      {_sum_sql("first", "calendar", "n")} as resolved,
      {_sum_sql("first", "calendar", "seconds")} as first_seconds_sum,
      {_sum_sql("full", "calendar", "n")} as resolved_fully,
      {_sum_sql("full", "calendar", "seconds")} as full_seconds_sum,
      {_sum_sql("reply", "calendar", "n")} as replied,
      {_sum_sql("reply", "calendar", "seconds")} as reply_seconds_sum,
      {_sum_sql("unresolved", "", "n")} as unresolved, {_sum_sql("reopened", "", "n")} as reopened,
      {_sum_sql("invalid", "", "n")} as invalid, c.workspace_id
    from ticket_count c where c.segment = ''
    group by 1, 2, 3, c.workspace_id""",
    "responses": """
    select r.id, s.key as survey, r.survey_version, r.channel,
      nullif(r.touchpoint, '') as touchpoint, r.locale, r.score, r.band, r.complete,
      case when r.state = 'counted' then 'ok' else r.state end as integrity, r.comment,
      r.answers, r.properties, r.customer_id, r.order_ref as order_number,
      r.ticket_ref as ticket, r.external_id, r.tags, r.imported, r.follow_up, r.responded_at,
      r.created_at, r.updated_at
    from response r
    join survey s on s.workspace_id = r.workspace_id and s.id = r.survey_id
    where not r.test and r.state <> 'deleted'""",
    "answers": """
    select r.id as response_id, s.key as survey, a.key as question, q.type, q.scale, q.driver,
      q.pillar, q.module,
      case when (r.scores ->> a.key)::int >= 0 then (r.scores ->> a.key)::int end as score,
      a.value, case when r.state = 'counted' then 'ok' else r.state end as integrity,
      coalesce(nullif(q.touchpoint, ''), nullif(r.touchpoint, '')) as touchpoint, r.channel,
      r.responded_at
    from response r
    join survey s on s.workspace_id = r.workspace_id and s.id = r.survey_id
    cross join lateral jsonb_each(r.answers) a
    left join question q on q.workspace_id = r.workspace_id and q.survey_id = r.survey_id
      and q.key = a.key
    where not r.test and r.state <> 'deleted'""",
    "interactions": """
    select i.id, i.type, i.source, i.external_id, i.ticket, i.order_ref as order_number,
      nullif(i.touchpoint, '') as touchpoint, i.customer_id, i.locale, i.amount, i.currency,
      i.properties, i.occurred_at, i.created_at
    from interaction i where not i.test""",
    "tickets": """
    select t.id, t.source, t.ticket, t.status, t.customer_id,
      nullif(t.touchpoint, '') as touchpoint, t.properties, t.opened_at, t.first_reply_at,
      t.first_solved_at, t.last_solved_at, t.reopened, t.invalid, t.first_seconds,
      t.full_seconds, t.reply_seconds, t.first_business, t.full_business, t.reply_business,
      t.updated_at
    from ticket t""",
    "invitations": """
    select v.id, s.key as survey, v.customer_id, v.channel, v.status, v.reason, v.trigger_id,
      v.ticket, v.order_ref as order_number, nullif(v.touchpoint, '') as touchpoint, v.send_at,
      v.sent_at, v.opened_at, v.answered_at, v.created_at, v.updated_at
    from invitation v
    join survey s on s.workspace_id = v.workspace_id and s.id = v.survey_id
    where not v.test""",
    "customers": """
    select c.id, c.email, c.name, c.locale, c.created_at from customer c
    where c.merged_into is null""",
}

_MEANINGS = {
    "metric_daily": "Counts a day, survey, question, touchpoint, channel and locale. Every counter "
    "can be added up; a ratio cannot: compute it from the sums.",
    "metric_daily_by_segment": "The same counts by each declared segment and its value; add up one "
    "segment at a time.",
    "tickets_daily": "Tickets a day, source and touchpoint; mean time to resolution in seconds: "
    "sum(first_seconds_sum) / sum(resolved). Medians do not add up: read them from the API.",
    "choices_daily": "How often each option of a choice was chosen.",
    "responses": "One row a response; only those with integrity `ok` count.",
    "answers": "One row an answered question.",
    "interactions": "One row a moment that happened.",
    "tickets": "One row a ticket, with its times to resolution in seconds.",
    "invitations": "One row a request to a customer.",
    "customers": "Names and addresses; for roles made with --personal alone.",
    "metric_daily.date": "Day in the workspace's time zone.",
    "metric_daily.survey": "Key of the survey.",
    "metric_daily.question": "Key of the question.",
    "metric_daily.metric": "nps, csat, ces, yes_no, rating, expectation, emotion or choice.",
    "metric_daily.scale": "0-10, the number of points, or yes_no; never add up two scales.",
    "metric_daily.responses": "Valid answers, the n of every figure.",
    "metric_daily.promoters": "NPS: 100 * (sum(promoters) - sum(detractors)) / sum(responses).",
    "metric_daily.passives": "NPS 7 and 8.",
    "metric_daily.detractors": "NPS 0 to 6.",
    "metric_daily.satisfied": "CSAT: 100 * sum(satisfied) / sum(responses).",
    "metric_daily.dissatisfied": "The low band of CSAT.",
    "metric_daily.easy": "Easy share of CES: 100 * sum(easy) / sum(responses).",
    "metric_daily.score_sum": "Mean, and CES: sum(score_sum) / sum(responses), as a decimal.",
    "metric_daily.workspace_id": "The workspace, the same in every row.",
    "metric_daily.n_missing": "Shown and skipped; in no denominator.",
    "metric_daily.n_na": "Not applicable; in no denominator.",
    "metric_daily_by_segment.segment": "Name of the property.",
    "metric_daily_by_segment.value": "Its value.",
    "responses.integrity": "`ok` where it counts, else why not.",
    "responses.customer_id": "The customer; names stand in bi.customers.",
    "answers.score": "The number counted; null where skipped or not applicable.",
    "tickets.first_seconds": "Opened to first solved.",
    "tickets.full_seconds": "Opened to last solved; null while it is open.",
    "tickets.reply_seconds": "Opened to first reply.",
    "tickets.first_business": "The same by opening hours.",
}

_MINE = "(select a.workspace_id from bi_access a where a.role = current_user)"


def upgrade() -> None:
    """Make the roles' table, the policies, and the views with their comments."""
    for statement in _ACCESS:
        op.execute(statement)
    for table, columns in _COLUMNS.items():
        op.execute(f"alter table {table} enable row level security")
        mine = f"{_MINE[:-1]} and a.personal)" if table == _PERSONAL else _MINE
        op.execute(
            f"create policy bi_workspace on {table} for select using (workspace_id = {mine})"
        )
        op.execute(f"grant select ({columns}) on {table} to public")
    op.execute("create schema bi")
    op.execute("grant usage on schema bi to public")
    for name, query in _VIEWS.items():
        op.execute(f"create view bi.{name} with (security_invoker = true) as {query}")
        op.execute(f"grant select on bi.{name} to public")
    for name, meaning in _MEANINGS.items():
        kind = "column" if "." in name else "view"
        comment = meaning.replace("'", "''")
        op.execute(f"comment on {kind} bi.{name} is '{comment}'")


def downgrade() -> None:
    """Drop them."""
    op.execute("drop schema bi cascade")
    for table, columns in _COLUMNS.items():
        op.execute(f"revoke select ({columns}) on {table} from public")
        op.execute(f"drop policy bi_workspace on {table}")
        op.execute(f"alter table {table} disable row level security")
    op.execute("drop table bi_access")
