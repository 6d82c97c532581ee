# SPDX-License-Identifier: Apache-2.0
"""Questions hold the versions that ask them: a pillar's half is of the questions asked."""

from alembic import op

revision = "0038"
down_revision = "0037"
branch_labels = None
depends_on = None

# If an older program publishes a version, `versions` stays empty until the next start. Until then
# the question counts as asked.
_IS_ASKED = "(q.versions = '{}' or r.survey_version = any(q.versions))"


def _means(tag: str) -> str:
    """Return the SQL of the mean on 0 to 100 of the scores of each tag.

    At least half of a pillar's or module's questions that the response's version asks must be
    answered. The drivers `told` and `heard` are left out: word of mouth drives no score.
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
      and q.favourable_from is not null and {_IS_ASKED} {apart}
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


def upgrade() -> None:
    """Add the column, which every start fills, and replace the view of whole answers."""
    op.execute(
        "alter table question add column if not exists versions smallint[] not null default '{}'"
    )
    op.execute("grant select (versions) on question to public")
    op.execute(f"create or replace view bi.answers_wide with (security_invoker = true) as {_WIDE}")


def downgrade() -> None:
    """Keep the view: an older program can read it, but not the versions that it publishes later."""
