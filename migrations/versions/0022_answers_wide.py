# SPDX-License-Identifier: Apache-2.0
"""A view with one row for each response, for analyses of one's own: its scores and their tags."""

from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None

_SCORES = """(select jsonb_object_agg(k.key, k.value) from jsonb_each(r.scores) k
    where k.value::int >= 0 and position('=' in k.key) = 0)"""


def _means(tag: str) -> str:
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


_VIEW = f"""
select r.id, s.key as survey, r.responded_at,
  (r.responded_at at time zone (w.configs -> r.counted_as::text ->> 'timezone'))::date
    as local_date,
  nullif(r.touchpoint, '') as touchpoint, r.channel, r.locale, r.score, r.band,
  {_SCORES} as scores, {_means("driver")} as drivers, {_means("pillar")} as pillars,
  {_means("module")} as modules, r.properties, r.customer_id, r.complete, r.updated_at,
  r.workspace_id
from response r
join survey s on s.workspace_id = r.workspace_id and s.id = r.survey_id
join workspace w on w.id = r.workspace_id
where r.state = 'counted' and not r.test"""

_MEANINGS = {
    "answers_wide": "One row a counted response, with its scores and their tags as documents.",
    "answers_wide.id": "Id of the response.",
    "answers_wide.survey": "Key of the survey.",
    "answers_wide.responded_at": "When it was answered, in UTC.",
    "answers_wide.local_date": "The day in the workspace's time zone.",
    "answers_wide.touchpoint": "Kind of moment.",
    "answers_wide.channel": "How it was answered.",
    "answers_wide.locale": "Language of the answer.",
    "answers_wide.score": "Answer to the main question.",
    "answers_wide.band": "What the score says, such as promoter.",
    "answers_wide.scores": "Scores by question; what was skipped or not applicable is left out.",
    "answers_wide.drivers": "Mean of each driver, 0 to 100, reversed questions flipped.",
    "answers_wide.pillars": "Mean of each pillar, 0 to 100.",
    "answers_wide.modules": "Mean of each experience module, 0 to 100.",
    "answers_wide.properties": "Properties of the response and its case.",
    "answers_wide.customer_id": "The customer; no name, no address.",
    "answers_wide.complete": "Whether all was asked.",
    "answers_wide.updated_at": "When the row last changed.",
    "answers_wide.workspace_id": "The workspace, the same in every row.",
}


def upgrade() -> None:
    """Make the view with its comments."""
    op.execute("grant select (reverse) on question to public")
    op.execute(f"create view bi.answers_wide with (security_invoker = true) as {_VIEW}")
    op.execute("grant select on bi.answers_wide to public")
    for name, meaning in _MEANINGS.items():
        kind = "column" if "." in name else "view"
        comment = meaning.replace("'", "''")
        op.execute(f"comment on {kind} bi.{name} is '{comment}'")


def downgrade() -> None:
    """Drop the view."""
    op.execute("drop view bi.answers_wide")
