# SPDX-License-Identifier: Apache-2.0
"""Whether a bad experience was followed by a good one, always beside its control.

Bad ratings tend to be followed by better ones by chance alone (regression to the mean), and
unhappy customers rate again less often; so P(good | bad) stands beside P(good | good) and the
share of good ratings overall.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import text
from sqlmodel.ext.asyncio.session import AsyncSession

from app.core.database import run_sql
from app.insights.request import (
    NO_CUSTOMERS,
    TOO_FEW,
    InsightRefusal,
    InsightReply,
    InsightRequest,
    InsightRow,
    ResponseQuery,
)
from app.interactions.known_types import KnownType
from app.metrics.statistics import share_change, wilson
from app.surveys.bands import bands_sql
from app.surveys.question_types import QuestionType
from app.surveys.scales import BANDS, HIGH_BANDS, LOW_BANDS

_MIN_FAILURES = 20
_ONLY_LATEST = (
    "Only each customer's latest answer is looked at, since `count` is `latest_per_customer`: few "
    "of them can have a next rating."
)


def _position_sql(type_: str) -> str:
    """Return the SQL of a question type's position among all of them, from 1."""
    return f"{list(QuestionType).index(QuestionType(type_)) + 1}::int2"


def _metric_of_own_bands() -> str:
    """Return the SQL that tells the metric by the bands that only one metric has."""
    # Asked as yes or no, NPS has the same bands.
    by_metric = {type_: bands for type_, bands in BANDS.items() if type_ != QuestionType.YES_NO}
    shared = Counter(band for bands in by_metric.values() for band in bands)
    return " ".join(
        f"when r.band in ({bands_sql(band for band in bands if shared[band] == 1)}) "
        f"then {_position_sql(type_)}"
        for type_, bands in by_metric.items()
    )


# Numbers sort and group faster than words: 0 bad, 1 middle, 2 good.
_QUALITY = f"""case when r.band in ({bands_sql(HIGH_BANDS)}) then 2::int2
  when r.band in ({bands_sql(LOW_BANDS)}) then 0::int2 else 1::int2 end"""
_WORD = "(array['bad', 'middle', 'good'])[{} + 1]"
# A metric is its position among the question types, from 1; 0 is none.
_TYPES = "array[{}]".format(", ".join(f"'{type_}'" for type_ in QuestionType))
_METRIC = f"""case {_metric_of_own_bands()} else coalesce(main.position, 0::int2) end"""
# The main questions, which tell what a neutral answer is about.
_MAIN = f"""(select distinct on (q.survey_id) q.survey_id,
    array_position({_TYPES}, q.type)::int2 as position from question q
  where q.workspace_id = :workspace and q.main order by q.survey_id)"""


# When a rating was given and how good it was, in one number: microseconds times 4, plus the
# quality. They are counted from before all answers, so that no number is negative.
_START = "timestamptz '1850-01-01 00:00:00+00'"
_STAMP = f"(extract(epoch from r.responded_at - {_START}) * 1000000)::int8 * 4 + {_QUALITY}"
_MOMENT = f"({_START} + {{}} / 4 * interval '1 microsecond')"
_DAY_STAMPS = 86_400 * 1_000_000


def _ratings(chosen: str) -> str:
    """Return every rating of known customers with the one that came next, of the same metric.

    Ratings of the same moment do not follow each other. A later one follows both; of two later
    ones of one moment the worse is taken.

    `chosen` is the condition of those that are asked about; the next one may be any.
    """
    return f"""
select x.*, min(x.stamp) over w as next_stamp
from (
  select r.customer_id, {chosen} as chosen,
    case when r.follow_up = 'resolved' then r.follow_up_closed_at end as resolved_at,
    {_METRIC} as metric, {_STAMP} as stamp
  from response r left join {_MAIN} main on main.survey_id = r.survey_id
  where r.workspace_id = :workspace and r.state = 'counted'
  and r.customer_id is not null and r.band is not null) x
window w as (partition by x.customer_id, x.metric order by x.stamp / 4
  range between 1 following and unbounded following)"""


async def find_recovery(session: AsyncSession, request: InsightRequest) -> InsightReply:
    """Return failures, what followed them, the control, and whether calling back helped."""
    counted = await _count_pairs(session, request)
    if not any(row["metric"] for row in counted):
        await _refuse(session, request)
    rows_of = {
        metric: [row for row in counted if row["metric"] == metric]
        for metric in sorted({row["metric"] for row in counted if row["metric"]})
    }
    summaries = {metric: _summary(rows) for metric, rows in rows_of.items()}
    tickets = await _tickets(session, request)
    # Metrics recover at different rates; pooling them could show an effect that is none.
    chosen = max(summaries, key=lambda metric: (summaries[metric]["failures"], metric))
    figures = summaries[chosen]
    if figures["failures"] < _MIN_FAILURES:
        summary = f"{figures['failures']} bad ratings of known customers ({chosen})"
        detail = f"{summary}; {_MIN_FAILURES} are needed. Choose a longer period or fewer filters."
        raise InsightRefusal(TOO_FEW, detail, n=figures["failures"], needed_n=_MIN_FAILURES)
    return {
        "outcome": {"question": None, "metric": chosen},
        "n": sum(row["n"] for row in rows_of[chosen]),
        **figures,
        "rows": [
            *(
                {"by": "metric", "metric": metric} | summary
                for metric, summary in summaries.items()
            ),
            *tickets,
        ],
        "assumptions": {"within_days": request.options["within"].total_seconds() / 86400},
        "warnings": [
            *_warnings(chosen, [metric for metric in summaries if metric != chosen]),
            *([_ONLY_LATEST] if request.metric_request.latest else []),
        ],
    }


async def _count_pairs(session: AsyncSession, request: InsightRequest) -> list[dict[str, Any]]:
    """Count the pairs of a rating and the customer's next one, by metric and kind."""
    query = ResponseQuery(request)
    within = f"cast({query.bind(request.options['within'].total_seconds())} as float8)"
    rows = await run_sql(
        session,
        text(f"""
with rated as ({_ratings(query.condition())}),
-- When customers were called back.
calls as (
  select customer_id, array_agg(occurred_at) as at from interaction
  where workspace_id = :workspace and customer_id is not null and type like 'recovery.%'
  and not test
  group by 1),
followed as (
  select f.metric, f.stamp % 4 as quality,
    (f.next_stamp / 4 - f.stamp / 4)::float8 / {_DAY_STAMPS} as days,
    case when f.next_stamp / 4 - f.stamp / 4 <= {within} * 1000000
      then f.next_stamp % 4 else 3 end as next_quality,
    -- Calling back is asked of bad ratings alone.
    f.stamp % 4 = 0 and f.next_stamp is not null
      and (coalesce(f.resolved_at < {_MOMENT.format("f.next_stamp")}, false)
        or exists (select 1 from unnest(calls.at) call
          where call > {_MOMENT.format("f.stamp")} and call < {_MOMENT.format("f.next_stamp")})
      ) as contacted
  from rated f left join calls on calls.customer_id = f.customer_id where f.chosen),
-- One number for each kind of pair, so that pairs are counted without being sorted; with
-- `offset 0` the planner does not look where the number comes from.
pairs as (
  select metric * 32 + quality * 8 + next_quality * 2 + contacted::int as kind,
    days, quality = 0 and next_quality = 2 as recovered
  from followed offset 0),
counted as (
  select kind, count(*) as n, array_agg(days) filter (where recovered) as days
  from pairs group by 1)
select n, days, ({_TYPES})[kind / 32] as metric, {_WORD.format("kind / 8 % 4")} as quality,
  {_WORD.format("kind / 2 % 4")} as next_quality, kind % 2 = 1 as contacted
from counted""").bindparams(**query.bound),
    )
    return [dict(row._mapping) for row in rows]


def _warnings(chosen: str, others: Sequence[str]) -> list[str]:
    if not others:
        return []
    return [
        f"The figures at the top are of {chosen}; those of {', '.join(others)} stand in `rows`.",
        "Metrics are not summed up, because they recover differently.",
    ]


def _summary(rows: Sequence[Mapping[str, Any]]) -> InsightReply:
    """Return the figures of some counted pairs of ratings."""

    def count(quality: str, following: str | None = None, *, contacted: bool | None = None) -> int:
        return sum(
            row["n"]
            for row in rows
            if row["quality"] == quality
            and (following is None or row["next_quality"] == following
                 or (following == "any" and row["next_quality"] is not None))
            and (contacted is None or row["contacted"] is contacted)
        )  # fmt: skip

    failures, followed = count("bad"), count("bad", "any")
    recovered = count("bad", "good")
    good, total = count("good"), sum(row["n"] for row in rows)
    good_followed, good_then_good = count("good", "any"), count("good", "good")
    days = sorted(float(day) for row in rows for day in row["days"] or () if day is not None)
    pairs = {
        name: (count("bad", "good", contacted=flag), count("bad", "any", contacted=flag))
        for name, flag in (("contacted", True), ("not_contacted", False))
    }
    return {
        "failures": failures,
        "followed": followed,
        "recovered": recovered,
        "partial": count("bad", "middle"),
        "failed_again": count("bad", "bad"),
        **_rate("rate_of_followed", recovered, followed),
        **_rate("rate_of_all", recovered, failures),
        "median_days": days[(len(days) - 1) // 2] if days else None,
        "control": {
            "good": good,
            "good_followed": good_followed,
            "good_then_good": good_then_good,
            "p_good_after_good": _percent(good_then_good, good_followed),
            "p_good_after_bad": _percent(recovered, followed),
            "base_rate": _percent(good, total),
        },
        **{
            name: {"followed": n, "recovered": k, **_rate("rate", k, n, short=True)}
            for name, (k, n) in pairs.items()
        },
        "difference": _difference(pairs["not_contacted"], pairs["contacted"]),
    }


def _percent(part: int, total: int) -> float | None:
    return 100 * part / total if total else None


def _rate(name: str, part: int, total: int, *, short: bool = False) -> InsightReply:
    interval = wilson(part, total)
    ci = [100 * interval[0], 100 * interval[1]] if interval else None
    return {name: _percent(part, total), "ci" if short else f"{name}_ci": ci}


def _difference(without: tuple[int, int], contacted: tuple[int, int]) -> InsightReply:
    """Return the difference of the recovery rates with and without a call, with its test."""
    if not without[1] or not contacted[1]:
        return {"delta": None, "ci": None, "p_value": None}
    change = share_change(without, contacted)
    ci = [100 * change.ci[0], 100 * change.ci[1]] if change.ci else None
    return {"delta": 100 * change.delta, "ci": ci, "p_value": change.p_value}


async def _refuse(session: AsyncSession, request: InsightRequest) -> None:
    """Refuse: nothing was rated here, or no rating is of a known customer."""
    query = ResponseQuery(request)
    rows = await run_sql(
        session,
        text(f"select exists (select 1 {query.source('r.band is not null')})").bindparams(
            **query.bound
        ),
    )
    if not rows.one()[0]:
        detail = "There is no rating here; choose a longer period or fewer filters."
        raise InsightRefusal(TOO_FEW, detail, n=0, needed_n=_MIN_FAILURES)
    detail = (
        "No rating here is of a known customer; send `customer` with answers, or ask by invitation."
    )
    raise InsightRefusal(NO_CUSTOMERS, detail)


async def _tickets(session: AsyncSession, request: InsightRequest) -> list[InsightRow]:
    """Return the next ratings after reopened tickets were solved again.

    There are no such rows if answers are filtered, because filters cannot be applied to tickets
    without an answer.
    """
    metric_request = request.metric_request
    if metric_request.filters or metric_request.properties or metric_request.latest:
        return []
    rows = await _count_solved_again(session, request)
    failures = sum(row["n"] for row in rows)
    if not failures:
        return []
    followed = sum(row["n"] for row in rows if row["quality"])
    count = {
        quality: sum(row["n"] for row in rows if row["quality"] == quality)
        for quality in ("good", "middle", "bad")
    }
    days = sorted(float(day) for row in rows for day in row["days"] or ())
    return [{
        "by": "ticket", "failures": failures, "followed": followed, "recovered": count["good"],
        "partial": count["middle"], "failed_again": count["bad"],
        **_rate("rate_of_followed", count["good"], followed),
        **_rate("rate_of_all", count["good"], failures),
        "median_days": days[(len(days) - 1) // 2] if days else None,
    }]  # fmt: skip


async def _count_solved_again(session: AsyncSession, request: InsightRequest) -> list[InsightRow]:
    """Return the reopened tickets of the period by the quality of the rating that came next.

    `n` counts the tickets; `days` has the days until each good rating. The quality is null where
    none came, or where the ticket was not solved again.
    """
    query = ResponseQuery(request)
    start, end = (query.moment(b) for b in (
        request.metric_request.span.start, request.metric_request.span.end
    ))  # fmt: skip
    within = f"cast({query.bind(request.options['within'].total_seconds())} as float8)"
    bound = dict(query.bound)
    # When each was solved for the second time; null if it was not. A ticket of a file may have
    # only its last solving.
    again = f"""select t.workspace_id, t.ticket, t.source, coalesce(
    (select min(i.occurred_at) from interaction i where i.workspace_id = t.workspace_id
      and i.ticket = t.ticket and i.source = t.source and i.type = '{KnownType.TICKET_SOLVED}'
      and not i.test and i.occurred_at > t.first_solved_at),
    case when t.last_solved_at > t.first_solved_at then t.last_solved_at end) as solved_again_at
  from ticket t where t.workspace_id = :workspace and t.reopened
  and t.first_solved_at >= {start} and t.first_solved_at < {end}"""
    statement = f"""
select n.quality, count(*) as n,
  case when n.quality = 'good' then array_agg(n.days) end as days
from ({again}) t left join lateral (
  select {_WORD.format(_QUALITY)} as quality,
    extract(epoch from r.responded_at - t.solved_again_at) / 86400 as days
  from response r
  where r.workspace_id = t.workspace_id and r.ticket_ref = t.ticket
  and coalesce(r.interaction_ref ->> 'source', t.source) = t.source
  and r.state = 'counted' and r.band in
    ({bands_sql({*BANDS[QuestionType.CSAT], *BANDS[QuestionType.CES]})})
  and r.responded_at >= t.solved_again_at
  and r.responded_at <= t.solved_again_at + make_interval(secs => {within})
  order by r.responded_at limit 1) n on true
group by 1"""
    used = {name: value for name, value in bound.items() if f":{name}" in statement}
    rows = await run_sql(session, text(statement).bindparams(**used))
    return [dict(row._mapping) for row in rows]
