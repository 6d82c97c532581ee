# SPDX-License-Identifier: Apache-2.0
"""Tags of questions have a time of change; emotions bring their valence to the BI views."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

_VALENCE = """(jsonb_path_query_first(q.options, '$[*] ? (@.key == $o)',
    jsonb_build_object('o', {option})) ->> 'valence')::int"""

_CHOICES = f"""
    select d.* from (
      select r.local_date as date, s.key as survey, q.key as question,
        split_part(r.question, '=', 2) as option, nullif(r.touchpoint, '') as touchpoint,
        nullif(r.channel, '') as channel, nullif(r.locale, '') as locale,
        sum(r.n1)::bigint as chosen,
        {_VALENCE.format(option="split_part(r.question, '=', 2)")} as valence, r.workspace_id
      from rollup r
      join survey s on s.workspace_id = r.workspace_id and s.id = r.survey_id
      join question q on q.workspace_id = r.workspace_id and q.survey_id = r.survey_id
        and q.key = split_part(r.question, '=', 1)
      where r.segment = '' and r.question like '%=%'
      group by 1, 2, 3, 4, 5, 6, 7, 9, 10
    ) d where d.chosen <> 0"""

_COMMENTS = {
    "choices_daily.workspace_id": "The workspace, the same in every row.",
    "answers.updated_at": "When the row last changed, by a new answer or by new tags.",
    "answers.valence": "Of an emotion: 1 positive, 0 neutral, -1 negative.",
    "choices_daily.valence": "Of an emotion: 1 positive, 0 neutral, -1 negative.",
}


def _definition(view: str) -> str:
    query = sa.text("select pg_get_viewdef(cast(:name as regclass))").bindparams(name=f"bi.{view}")
    definition: str = op.get_bind().execute(query).scalar_one()
    return definition.rstrip().rstrip(";")


def _replace(view: str, query: str) -> None:
    op.execute(f"create or replace view bi.{view} with (security_invoker = true) as {query}")


def upgrade() -> None:
    """Add the time of change, and what the views were missing, at the end of their columns."""
    op.execute("alter table survey add column if not exists tags_changed_at timestamptz")
    op.execute("grant select (tags_changed_at) on survey to public")
    answers = _definition("answers")
    # A downgrade leaves the views as they are.
    if "valence" not in answers:
        before, separator, after = answers.partition("AS local_date")
        assert separator  # noqa: S101 - the view is one of an earlier migration
        valence = _VALENCE.format(option="a.value #>> '{}'")
        changed = "greatest(r.updated_at, s.tags_changed_at)"
        _replace(
            "answers", f"{before}{separator}, {changed} as updated_at, {valence} as valence{after}"
        )
    _replace("choices_daily", _CHOICES)
    for column, meaning in _COMMENTS.items():
        op.execute(f"comment on column bi.{column} is '{meaning}'")


def downgrade() -> None:
    """Change nothing: the older program ignores the column and the added columns of views."""
