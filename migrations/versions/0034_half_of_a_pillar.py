# SPDX-License-Identifier: Apache-2.0
"""The wide view counts a pillar if half of its questions are answered, as the API does."""

from alembic import op

revision = "0034"
down_revision = "0033"
branch_labels = None
depends_on = None

_SCORES = """(select jsonb_object_agg(k.key, k.value) from jsonb_each(r.scores) k
    where k.value::int >= 0 and position('=' in k.key) = 0)"""


def _means(tag: str) -> str:
    """Return the SQL of the mean on 0 to 100 of the scores of each tag.

    At least half of the questions of a pillar or module must be answered. The drivers `told` and
    `heard` are left out: they are word of mouth, which drives no score.
    """
    least = "1" if tag == "driver" else "count(*)"
    apart = "and q.driver not in ('told', 'heard')" if tag == "driver" else ""
    return f"""(select jsonb_object_agg(t.tag, t.mean) from (
    select q.{tag} as tag, round(avg(case when q.reverse then 100 - v.mean else v.mean end), 4)
      as mean
    from question q cross join lateral (select 100.0
      * (case when (r.scores ->> q.key)::int >= 0 then (r.scores ->> q.key)::int end - v0.low)
      / nullif(q.high - v0.low, 0) as mean from (select case when q.type in
      ('nps', 'yes_no', 'expectation') then 0 else 1 end as low) v0) v
    where q.workspace_id = r.workspace_id and q.survey_id = r.survey_id and q.{tag} is not null
      and q.type not in ('choice', 'choices', 'emotion', 'text') {apart}
    group by 1 having 2 * count(v.mean) >= {least} and count(v.mean) > 0) t)"""


def _means_before(tag: str) -> str:
    """Return the SQL of the mean on 0 to 100 of the scores of each tag."""
    return f"""(select jsonb_object_agg(t.tag, t.mean) from (
    select q.{tag} as tag, round(avg(case when q.reverse then 100 - v.mean else v.mean end), 4)
      as mean
    from question q cross join lateral (select 100.0 * ((r.scores ->> q.key)::int - v0.low)
      / nullif(q.high - v0.low, 0) as mean from (select case when q.type in
      ('nps', 'yes_no', 'expectation') then 0 else 1 end as low) v0) v
    where q.workspace_id = r.workspace_id and q.survey_id = r.survey_id and q.{tag} is not null
      and (r.scores ->> q.key)::int >= 0 and q.type not in ('choice', 'choices', 'emotion')
    group by 1) t)"""


def _view(drivers: str, pillars: str, modules: str) -> str:
    return f"""
select r.id, s.key as survey, r.responded_at,
  (r.responded_at at time zone (w.configs -> r.counted_as::text ->> 'timezone'))::date
    as local_date,
  nullif(r.touchpoint, '') as touchpoint, r.channel, r.locale, r.score, r.band,
  {_SCORES} as scores, {drivers} as drivers, {pillars} as pillars,
  {modules} as modules, r.properties, r.customer_id, r.complete, r.updated_at,
  r.workspace_id
from response r
join survey s on s.workspace_id = r.workspace_id and s.id = r.survey_id
join workspace w on w.id = r.workspace_id
where r.state = 'counted' and not r.test"""


def _replace(*means: str) -> None:
    op.execute(
        "create or replace view bi.answers_wide with (security_invoker = true) as " + _view(*means)
    )


def upgrade() -> None:
    """Make the view anew."""
    _replace(*map(_means, ("driver", "pillar", "module")))


def downgrade() -> None:
    """Make it as it was."""
    _replace(*map(_means_before, ("driver", "pillar", "module")))
