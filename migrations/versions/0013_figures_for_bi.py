# SPDX-License-Identifier: Apache-2.0
"""Figures for BI tools: one view that every guide's formula stands on, and whole descriptions."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def _sum(low: int, high: int) -> str:
    return " + ".join(f"r.n{score}" for score in range(low, high + 1))


# The top boxes of each length and the bands are those of the formulas of the product.
_TOP = f"""case q.high when 2 then {_sum(2, 10)} when 3 then {_sum(3, 10)}
        when 5 then {_sum(4, 10)} when 7 then {_sum(6, 10)} else {_sum(9, 10)} end"""
_BOTTOM = f"""case q.high when 2 then {_sum(1, 1)} when 3 then {_sum(1, 1)}
        else {_sum(1, 2)} end"""
_EASY = f"case q.high when 7 then {_sum(5, 10)} else {_sum(4, 10)} end"
_HARD = f"case q.high when 7 then {_sum(1, 3)} else {_sum(1, 2)} end"
_SCORES = " + ".join(f"{score} * r.n{score}" for score in range(1, 11))
_VALENCE = """(jsonb_path_query_first(q.options, '$[*] ? (@.key == $o)',
        jsonb_build_object('o', r.option)) ->> 'valence')::int"""
_READ = ", ".join(
    f"c.{name}" for name in (
        "workspace_id", "survey_id", "local_date", "touchpoint", "channel", "locale",
        *(f"n{score}" for score in range(11)), "n_missing", "n_na",
    )
)  # fmt: skip

FIGURES = f"""
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
          case when q.recommends then 'nps' else q.type end as metric, q.scale,
          coalesce(nullif(q.touchpoint, ''), nullif(r.touchpoint, '')) as touchpoint,
          nullif(r.channel, '') as channel, nullif(r.locale, '') as locale,
          coalesce(sum({_sum(0, 10)}) filter (where r.option = ''), 0)::bigint as responses,
          sum(case
            when q.recommends and q.type <> 'nps' then r.n1
            when q.type = 'nps' then {_sum(9, 10)}
            when q.type = 'ces' then {_EASY}
            when q.type = 'yes_no' then r.n1
            when q.type = 'expectation' then r.n2
            when q.type = 'emotion' and r.option <> '' then
              case when {_VALENCE} > 0 then r.n1 else 0 end
            when q.type = 'emotion' then 0
            when q.type in ('choice', 'choices') then null
            else {_TOP} end)::bigint as favourable,
          sum(case
            when q.recommends and q.type <> 'nps' then r.n0
            when q.type = 'nps' then {_sum(0, 6)}
            when q.type = 'ces' then {_HARD}
            when q.type = 'yes_no' then r.n0
            when q.type = 'expectation' then r.n0
            when q.type = 'emotion' and r.option <> '' then
              case when {_VALENCE} < 0 then r.n1 else 0 end
            when q.type = 'emotion' then 0
            when q.type in ('choice', 'choices') then null
            else {_BOTTOM} end)::bigint as unfavourable,
          coalesce(sum({_SCORES}) filter (where r.option = ''), 0)::bigint as score_sum,
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

MEANINGS = {
    "figures_daily": "Counts a day, survey, question, metric, scale, touchpoint, channel and "
    "locale, from which every figure comes. All counters add up; a ratio does not: compute it "
    "from the sums. NPS, expectation and emotion: 100 * (favourable - unfavourable) / responses. "
    "CSAT and shares: 100 * favourable / responses. CES and ratings: score_sum / responses.",
    "figures_daily.date": "Day in the workspace''s time zone.",
    "figures_daily.survey": "Key of the survey.",
    "figures_daily.question": "Key of the question.",
    "figures_daily.metric": "nps, csat, ces, yes_no, rating, expectation, emotion or choice.",
    "figures_daily.scale": "0-10, the number of points, or yes_no; never add up two scales.",
    "figures_daily.touchpoint": "Kind of moment; null where none was named.",
    "figures_daily.channel": "How it was answered.",
    "figures_daily.locale": "Language of the answer.",
    "figures_daily.responses": "Valid answers, the n of every figure.",
    "figures_daily.favourable": "Promoters or yes, satisfied, easy, better, top box, positive.",
    "figures_daily.unfavourable": "Detractors or no, dissatisfied, hard, worse, negative.",
    "figures_daily.score_sum": "The sum of the scores.",
    "figures_daily.n_missing": "Shown and skipped; in no denominator.",
    "figures_daily.n_na": "Not applicable; in no denominator.",
    "figures_daily.main_scale": "Whether it is the scale with most answers of that metric, in the "
    "whole history: filter by it, or by `scale`.",
    "figures_daily.workspace_id": "The workspace, the same in every row.",
}


_LOCAL = "(r.responded_at at time zone (w.configs -> r.counted_as::text ->> 'timezone'))::date"
# A column of either view, at the end: BI tools know columns by their place, too.
_WITH_DATE = {"responses": "r.updated_at", "answers": "r.responded_at"}
_EMPTY = {
    "metric_daily": "responses = 0 and n_missing = 0 and n_na = 0",
    "metric_daily_by_segment": "responses = 0 and n_missing = 0 and n_na = 0",
    "choices_daily": "chosen = 0",
    "tickets_daily": "resolved = 0 and resolved_fully = 0 and replied = 0 and unresolved = 0 "
    "and reopened = 0 and invalid = 0",
}

# Descriptions of columns that the views share.
COLUMNS = {
    "id": "The row's id.",
    "date": "Day in the workspace's time zone.",
    "local_date": "Day of the answer in the workspace's time zone.",
    "survey": "Key of the survey.",
    "survey_version": "Version answered.",
    "question": "Key of the question.",
    "type": "Type of the question or of the moment.",
    "metric": "The figure it counts in.",
    "scale": "Scale, such as 0-10 or 5.",
    "driver": "Driver that it rates.",
    "pillar": "Pillar that it rates.",
    "module": "Experience module.",
    "touchpoint": "Kind of moment.",
    "channel": "How it was answered, or how the customer was asked.",
    "locale": "Language.",
    "segment": "Name of the property.",
    "value": "The value.",
    "option": "Key of the option.",
    "chosen": "How often it was chosen.",
    "score": "Answer to the question, as a number.",
    "band": "What the score says, such as promoter.",
    "complete": "Whether all was asked.",
    "integrity": "ok where it counts, else why not.",
    "comment": "The free texts.",
    "answers": "Every answer, by question.",
    "properties": "What else was said.",
    "customer_id": "The customer; no name, no address.",
    "order_number": "Number of the order.",
    "ticket": "Number of the ticket.",
    "external_id": "The sender's own id.",
    "tags": "Tags, a list.",
    "imported": "Whether it was read from a file.",
    "follow_up": "How far the follow-up is.",
    "responded_at": "When it was answered.",
    "created_at": "When it arrived.",
    "updated_at": "When it last changed.",
    "response_id": "Id of the response.",
    "source": "Who told of it.",
    "amount": "Value of the order.",
    "currency": "Currency of the value.",
    "occurred_at": "When it happened.",
    "status": "How far it is.",
    "reason": "Why it ended without an answer.",
    "trigger_id": "The trigger that asked.",
    "send_at": "When it was to be sent.",
    "sent_at": "When it was sent.",
    "opened_at": "When it was opened.",
    "answered_at": "When it was answered.",
    "first_reply_at": "First reply.",
    "first_solved_at": "First solved.",
    "last_solved_at": "Last solved.",
    "reopened": "Whether, or how many were, reopened.",
    "invalid": "Whether, or how many, have times that cannot be.",
    "first_seconds": "Opened to first solved.",
    "full_seconds": "Opened to last solved.",
    "reply_seconds": "Opened to first reply.",
    "first_business": "By opening hours.",
    "full_business": "By opening hours.",
    "reply_business": "By opening hours.",
    "resolved": "Tickets solved for the first time.",
    "resolved_fully": "Tickets solved for good.",
    "replied": "Tickets with a first reply.",
    "unresolved": "Tickets still open.",
    "first_seconds_sum": "Sum of the times to first solved.",
    "full_seconds_sum": "Sum of the times to last solved.",
    "reply_seconds_sum": "Sum of the times to first reply.",
    "responses": "Valid answers.",
    "promoters": "NPS 9 and 10.",
    "passives": "NPS 7 and 8.",
    "detractors": "NPS 0 to 6.",
    "satisfied": "The top boxes of CSAT.",
    "dissatisfied": "The low band of CSAT.",
    "easy": "The easy band of CES.",
    "score_sum": "The sum of the scores.",
    "n_missing": "Shown and skipped.",
    "n_na": "Not applicable.",
    "workspace_id": "The workspace, the same in every row.",
    "email": "The address.",
    "name": "The name.",
    **{f"n{score}": f"Answers with the score {score}." for score in range(11)},
}


def _describe() -> None:
    """Give every column of every view a comment that has none."""
    rows = op.get_bind().execute(sa.text(
        "select c.relname, a.attname from pg_class c join pg_namespace n on n.oid = c.relnamespace "
        "join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 where n.nspname = 'bi' "
        "and col_description(c.oid, a.attnum) is null order by 1, 2"
    )).all()  # fmt: skip
    for view, column in rows:
        comment = COLUMNS[column].replace("'", "''")
        op.execute(f"comment on column bi.{view}.{column} is '{comment}'")


def _definition(view: str) -> str:
    query = sa.text("select pg_get_viewdef(cast(:name as regclass))").bindparams(name=f"bi.{view}")
    definition: str = op.get_bind().execute(query).scalar_one()
    return definition.rstrip().rstrip(";")


def _replace_views() -> None:
    """Add the local date to answers, and leave out days on which nothing is left."""
    for view, last in _WITH_DATE.items():
        if "local_date" in _definition(view):
            # What a downgrade has left.
            continue
        before, separator, after = _definition(view).rpartition(f"{last}\n   FROM")
        dated = f"{before}{last},\n {_LOCAL} as local_date\n   FROM{after}"
        where = dated.rindex("WHERE")
        query = (
            f"{dated[:where]}\n cross join workspace w {dated[where:]} and w.id = r.workspace_id"
        )
        assert separator, view  # noqa: S101 - the view is one of an earlier migration
        op.execute(f"create or replace view bi.{view} with (security_invoker = true) as {query}")
    for view, nothing in _EMPTY.items():
        query = f"select * from ({_definition(view)}) d where not ({nothing})"
        op.execute(f"create or replace view bi.{view} with (security_invoker = true) as {query}")


def upgrade() -> None:
    """Make the view with its comments, and complete the others."""
    op.execute("alter table workspace enable row level security")
    op.execute(
        "create policy bi_workspace on workspace for select using (id = "
        "(select a.workspace_id from bi_access a where a.role = current_user))"
    )
    op.execute("grant select (id, configs) on workspace to public")
    op.execute("grant select (counted_as) on response to public")
    _replace_views()
    op.execute("grant select (options) on question to public")
    op.execute(f"create view bi.figures_daily with (security_invoker = true) as {FIGURES}")
    op.execute("grant select on bi.figures_daily to public")
    for name, meaning in MEANINGS.items():
        kind = "column" if "." in name else "view"
        op.execute(f"comment on {kind} bi.{name} is '{meaning}'")
    _describe()


def downgrade() -> None:
    """Drop the view; what was added to the others stays, as they go with their schema."""
    op.execute("drop view bi.figures_daily")
    op.execute("revoke select (options) on question from public")
    op.execute("revoke select (counted_as) on response from public")
    op.execute("revoke select (id, configs) on workspace from public")
    op.execute("drop policy bi_workspace on workspace")
    op.execute("alter table workspace disable row level security")
