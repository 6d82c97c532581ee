# SPDX-License-Identifier: Apache-2.0
"""Questions hold what their type says of scores, so that no view of `bi` lists the types."""

from alembic import op

revision = "0036"
down_revision = "0035"
branch_labels = None
depends_on = None

_COLUMNS = ("metric text", "low smallint", "favourable_from smallint", "unfavourable_to smallint")
_ALL = " + ".join(f"r.n{score}" for score in range(11))
_SUM = " + ".join(f"{score} * r.n{score}" for score in range(1, 11))
_FAVOURABLE, _UNFAVOURABLE = (
    "(" + " + ".join(f"case when {score} {side} then r.n{score} else 0 end" for score in range(11))
    + ")"
    for side in (">= q.favourable_from", "<= q.unfavourable_to")
)  # fmt: skip
_VALENCE = """(jsonb_path_query_first(q.options, '$[*] ? (@.key == $o)',
        jsonb_build_object('o', r.option)) ->> 'valence')::int"""


def _of_options(side: str) -> str:
    """Return the SQL of the counts of options with a valence; null where none has one."""
    return f"""when jsonb_path_exists(q.options, '$[*].valence') then
            case when {_VALENCE} {side} 0 then r.n1 else 0 end"""


_READ = ", ".join(
    f"c.{name}" for name in (
        "workspace_id", "survey_id", "local_date", "touchpoint", "channel", "locale",
        *(f"n{score}" for score in range(11)), "n_missing", "n_na",
    )
)  # fmt: skip
_FIGURES = f"""
    select f.date, f.survey, f.question, f.metric, f.scale, f.touchpoint, f.channel, f.locale,
      f.responses, f.favourable, f.unfavourable, f.score_sum, f.n_missing, f.n_na,
      f.scale = first_value(f.scale) over (
        partition by f.workspace_id, f.metric order by f.of_scale desc, f.scale) as main_scale,
      f.workspace_id
    from (
      select d.*, sum(d.responses) over (
        partition by d.workspace_id, d.metric, d.scale) as of_scale
      from (
        select r.workspace_id, r.local_date as date, s.key as survey, q.key as question,
          q.metric, q.scale,
          coalesce(nullif(q.touchpoint, ''), nullif(r.touchpoint, '')) as touchpoint,
          nullif(r.channel, '') as channel, nullif(r.locale, '') as locale,
          coalesce(sum({_ALL}) filter (where r.option = ''), 0)::bigint as responses,
          sum(case when q.favourable_from is not null then {_FAVOURABLE}
            {_of_options(">")} end)::bigint as favourable,
          sum(case when q.unfavourable_to is not null then {_UNFAVOURABLE}
            {_of_options("<")} end)::bigint as unfavourable,
          coalesce(sum({_SUM}) filter (where r.option = ''), 0)::bigint as score_sum,
          coalesce(sum(r.n_missing) filter (where r.option = ''), 0)::bigint as n_missing,
          coalesce(sum(r.n_na) filter (where r.option = ''), 0)::bigint as n_na
        from (
          select {_READ}, split_part(c.question, '=', 1) as base,
            split_part(c.question, '=', 2) as option
          from rollup c where c.segment = '') r
        join survey s on s.workspace_id = r.workspace_id and s.id = r.survey_id
        join question q on q.workspace_id = r.workspace_id and q.survey_id = r.survey_id
          and q.key = r.base
        group by 1, 2, 3, 4, 5, 6, 7, 8, 9
      ) d where d.responses <> 0 or d.n_missing <> 0 or d.n_na <> 0
    ) f"""


def _of_metric(metric: str, counted: str) -> str:
    return f"sum(case when q.metric = '{metric}' then {counted} end)"


def _daily(keys: str, condition: str) -> str:
    """Return the counts of the questions a day, by these keys of the rollups."""
    scores = ", ".join(f"sum(r.n{score}) as n{score}" for score in range(11))
    tags = "q.metric, q.scale, q.driver, q.pillar, q.module"
    by = ", ".join(key.rpartition(" as ")[0] or key for key in keys.split(" | "))
    touchpoint = "coalesce(nullif(q.touchpoint, ''), nullif(r.touchpoint, ''))"
    return f"""
    select * from (
      select r.local_date as date, s.key as survey, r.question, {touchpoint} as touchpoint,
        {keys.replace(" | ", ", ")}, {tags}, sum({_ALL}) as responses,
        {_of_metric("nps", _FAVOURABLE)} as promoters,
        {_of_metric("nps", f"{_ALL} - {_FAVOURABLE} - {_UNFAVOURABLE}")} as passives,
        {_of_metric("nps", _UNFAVOURABLE)} as detractors,
        {_of_metric("csat", _FAVOURABLE)} as satisfied,
        {_of_metric("csat", _UNFAVOURABLE)} as dissatisfied,
        {_of_metric("ces", _FAVOURABLE)} as easy,
        sum({_SUM}) as score_sum, {scores}, sum(r.n_missing) as n_missing, sum(r.n_na) as n_na,
        r.workspace_id
      from rollup r
      join survey s on s.workspace_id = r.workspace_id and s.id = r.survey_id
      join question q on q.workspace_id = r.workspace_id and q.survey_id = r.survey_id
        and q.key = r.question
      where {condition}
      group by r.local_date, s.key, r.question, {touchpoint}, {by}, {tags}, r.workspace_id
    ) d where not (responses = 0 and n_missing = 0 and n_na = 0)"""


def _means(tag: str) -> str:
    """Return the SQL of the mean on 0 to 100 of the scores of each tag.

    At least half of the questions of a pillar or module must be answered; what customers told or
    heard drives no score.
    """
    least = "1" if tag == "driver" else "count(*)"
    apart = "and q.driver not in ('told', 'heard')" if tag == "driver" else ""
    return f"""(select jsonb_object_agg(t.tag, t.mean) from (
    select q.{tag} as tag, round(avg(case when q.reverse then 100 - v.mean else v.mean end), 4)
      as mean
    from question q cross join lateral (select 100.0
      * (case when (r.scores ->> q.key)::int >= 0 then (r.scores ->> q.key)::int end - q.low)
      / nullif(q.high - q.low, 0) as mean) v
    where q.workspace_id = r.workspace_id and q.survey_id = r.survey_id and q.{tag} is not null
      and q.favourable_from is not null {apart}
    group by 1 having 2 * count(v.mean) >= {least} and count(v.mean) > 0) t)"""


_WIDE = f"""
select r.id, s.key as survey, r.responded_at,
  (r.responded_at at time zone (w.configs -> r.counted_as::text ->> 'timezone'))::date
    as local_date,
  nullif(r.touchpoint, '') as touchpoint, r.channel, r.locale, r.score, r.band,
  (select jsonb_object_agg(k.key, k.value) from jsonb_each(r.scores) k
    where k.value::int >= 0 and position('=' in k.key) = 0) as scores,
  {_means("driver")} as drivers, {_means("pillar")} as pillars,
  {_means("module")} as modules, r.properties, r.customer_id, r.complete, r.updated_at,
  r.workspace_id
from response r
join survey s on s.workspace_id = r.workspace_id and s.id = r.survey_id
join workspace w on w.id = r.workspace_id
where r.state = 'counted' and not r.test"""

_VIEWS = {
    "figures_daily": _FIGURES,
    "metric_daily": _daily(
        "nullif(r.channel, '') as channel | nullif(r.locale, '') as locale", "r.segment = ''"
    ),
    "metric_daily_by_segment": _daily("r.segment | r.value", "r.segment <> ''"),
    "answers_wide": _WIDE,
}


def upgrade() -> None:
    """Add the columns, which every start fills, and replace the views that listed the types."""
    for column in _COLUMNS:
        op.execute(f"alter table question add column if not exists {column}")
    names = ", ".join(column.partition(" ")[0] for column in _COLUMNS)
    op.execute(f"grant select ({names}) on question to public")
    for view, query in _VIEWS.items():
        op.execute(f"create or replace view bi.{view} with (security_invoker = true) as {query}")


def downgrade() -> None:
    """Keep the views: an older program can read them, but not the questions that it publishes later."""
