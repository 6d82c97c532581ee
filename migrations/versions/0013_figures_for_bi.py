"""Figures for BI tools: one view that every guide's formula stands on, and whole descriptions."""

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


def upgrade() -> None:
    """Make the view with its comments."""
    op.execute("grant select (options) on question to public")
    op.execute(f"create view bi.figures_daily with (security_invoker = true) as {FIGURES}")
    op.execute("grant select on bi.figures_daily to public")
    for name, meaning in MEANINGS.items():
        kind = "column" if "." in name else "view"
        op.execute(f"comment on {kind} bi.{name} is '{meaning}'")


def downgrade() -> None:
    """Drop it."""
    op.execute("drop view bi.figures_daily")
    op.execute("revoke select (options) on question from public")
