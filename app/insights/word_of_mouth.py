# SPDX-License-Identifier: Apache-2.0
"""How many people customers tell about the brand: by assumed rates, and by their answers."""

from collections import Counter
from collections.abc import Container, Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import text
from sqlmodel.ext.asyncio.session import AsyncSession

from app.core.database import run_sql
from app.insights.questions import (
    ScoredQuestion,
    SurveyQuestions,
    only_survey,
    outcome_of,
    select_comparable,
    surveys_of,
)
from app.insights.request import (
    TOO_FEW,
    InsightRefusal,
    InsightReply,
    InsightRequest,
    InsightRow,
    ResponseQuery,
)
from app.surveys.question_types import HEARD_DRIVER_TYPES, TOLD_DRIVER_TYPES, QuestionType
from app.surveys.scales import HIGH_BANDS, LOW_BANDS, MIDDLE_BANDS

TOLD_BY_SATISFIED, TOLD_BY_DISSATISFIED = 1.0, 10.0
_GROUPS = {
    "satisfied": HIGH_BANDS,
    "neutral": MIDDLE_BANDS,
    "dissatisfied": LOW_BANDS,
}
_TRIMMED = 0.1


def compute_reach(
    satisfied: int, dissatisfied: int, told_by_satisfied: float, told_by_dissatisfied: float
) -> InsightReply:
    """Return how many people hear good and bad things about the brand, and the index of both.

    With the two rates a and b, index = 100·(a·S − b·D)/(a·S + b·D); `break_even` is the ratio D/S
    at which it is 0.
    """
    positive, negative = told_by_satisfied * satisfied, told_by_dissatisfied * dissatisfied
    total = positive + negative
    return {
        "reach_positive": positive,
        "reach_negative": negative,
        "net_reach": positive - negative,
        "index": 100 * (positive - negative) / total if total else None,
        "break_even": told_by_satisfied / told_by_dissatisfied if told_by_dissatisfied else None,
    }


async def find_word_of_mouth(session: AsyncSession, request: InsightRequest) -> InsightReply:
    """Return the reach by the assumed rates, and how many people customers really told."""
    workspace = request.metric_request.workspace
    own = workspace.word_of_mouth or {}
    rates = _rates(request, own)
    surveys, warnings = select_comparable(await surveys_of(session, request))
    counts = await _count_groups(session, request, surveys)
    left_out = _surveys_to_hide(counts, workspace.min_group_size)
    if left_out:
        warnings.append(
            f"Surveys of fewer than {workspace.min_group_size} answers stay hidden and are left "
            f"out of the whole: {', '.join(sorted(left_out))}."
        )
    in_total = [count for survey, count in counts.items() if survey not in left_out]
    total = {name: sum(count[name] for count in in_total) for name in _GROUPS}
    n = sum(total.values())
    if not n:
        detail = "No answer here says whether the customer is satisfied; ask NPS, CSAT or CES."
        raise InsightRefusal(TOO_FEW, detail, n=0, needed_n=1)
    return {
        "survey": only_survey(surveys),
        "outcome": outcome_of(surveys),
        "n": n,
        **total,
        **compute_reach(total["satisfied"], total["dissatisfied"], *rates[:2]),
        "rows": [
            {
                "survey": survey,
                "n": sum(sizes.values()),
                **sizes,
                **compute_reach(sizes["satisfied"], sizes["dissatisfied"], *rates[:2]),
            }
            for survey, sizes in sorted(counts.items())
        ],
        "measured": await _measure_told(session, request, surveys),
        "heard": await _measure_heard(session, request, surveys),
        "assumptions": rates._asdict(),
        "warnings": warnings,
    }


async def _count_groups(
    session: AsyncSession, request: InsightRequest, surveys: Sequence[SurveyQuestions]
) -> dict[str, dict[str, int]]:
    """Return the satisfied, neutral and dissatisfied answers of each survey by its key."""
    query = ResponseQuery(request)
    of_surveys = f"r.survey_id = any(cast({query.bind([s.id for s in surveys])} as uuid[]))"
    rows = await run_sql(
        session,
        text(
            "select s.key as survey, r.band, count(*) as n from (select r.* "
            f"{query.source('r.band is not null', of_surveys)}) r join survey s "
            "on s.workspace_id = r.workspace_id and s.id = r.survey_id group by 1, 2"
        ).bindparams(**query.bound),
    )
    counts: dict[str, dict[str, int]] = {}
    for row in rows:
        group = next(name for name, bands in _GROUPS.items() if row.band in bands)
        counts.setdefault(row.survey, dict.fromkeys(_GROUPS, 0))[group] += row.n
    return counts


def _surveys_to_hide(counts: Mapping[str, Mapping[str, int]], least: int) -> set[str]:
    """Return the surveys to leave out of the total, so that it shows no small survey's answers.

    Small groups that are together large enough stay in it.
    """
    sizes = {survey: sum(count.values()) for survey, count in counts.items()}
    small = {survey for survey, n in sizes.items() if 0 < n < least}
    would_reveal = len(small) < len(sizes) and sum(sizes[survey] for survey in small) < least
    return small if would_reveal else set()


class AssumedRates(NamedTuple):
    """How many people a satisfied and a dissatisfied customer tell, and who says so."""

    told_by_satisfied: float
    told_by_dissatisfied: float
    source: str


def _rates(request: InsightRequest, own: Mapping[str, float]) -> AssumedRates:
    """Return the rates of the query, else of the workspace's settings, else the usual ones."""
    requested = request.options.get("a"), request.options.get("b")
    settings = own.get("told_by_satisfied"), own.get("told_by_dissatisfied")
    usual = TOLD_BY_SATISFIED, TOLD_BY_DISSATISFIED
    satisfied, dissatisfied = (
        next(value for value in values if value is not None)
        for values in zip(requested, settings, usual, strict=True)
    )
    if requested != (None, None):
        return AssumedRates(satisfied, dissatisfied, "the query")
    source = "the workspace's settings" if own else "the usual assumption: one and ten"
    return AssumedRates(satisfied, dissatisfied, source)


def _questions_with_driver(
    surveys: Sequence[SurveyQuestions], driver: str, types: Container[QuestionType]
) -> list[tuple[SurveyQuestions, ScoredQuestion]]:
    """Return the questions with a tag; of other types, such as texts, nothing is shown."""
    return [
        (survey, item)
        for survey in surveys
        for item in survey.items
        if item.driver == driver and item.type in types
    ]


async def _measure_told(
    session: AsyncSession, request: InsightRequest, surveys: Sequence[SurveyQuestions]
) -> InsightReply | None:
    """Return how many people customers say that they have told, if that was asked."""
    counts: Counter[float] = Counter()
    by_band: dict[str, Counter[float]] = {}
    for survey, item in _questions_with_driver(surveys, "told", TOLD_DRIVER_TYPES):
        for band, number, n in await _numbers(session, request, survey, item):
            counts[number] += n
            group = next((name for name, bands in _GROUPS.items() if band in bands), None)
            if group:
                by_band.setdefault(group, Counter())[number] += n
    if not counts:
        return None
    return {
        "n": counts.total(),
        "median": _at(counts, (counts.total() - 1) // 2),
        "trimmed_mean": _trimmed_mean(counts),
        "by_band": {
            name: {"n": counter.total(), "mean": _total(counter) / counter.total()}
            for name, counter in sorted(by_band.items())
        },
    }


def _total(counts: Counter[float]) -> float:
    return sum(number * n for number, n in counts.items())


def _at(counts: Counter[float], position: int) -> float:
    """Return the number at a position of all numbers in order, from 0."""
    for number in sorted(counts):
        position -= counts[number]
        if position < 0:
            return number
    raise IndexError(position)


def _trimmed_mean(counts: Counter[float]) -> float:
    """Return the mean without a tenth of the numbers at either end."""
    n = counts.total()
    cut = int(n * _TRIMMED)
    middle: Counter[float] = Counter()
    begins = 0
    for number in sorted(counts):
        ends = begins + counts[number]
        middle[number] = max(0, min(ends, n - cut) - max(begins, cut))
        begins = ends
    return _total(middle) / middle.total()


async def _numbers(
    session: AsyncSession, request: InsightRequest, survey: SurveyQuestions, item: ScoredQuestion
) -> list[tuple[str | None, float, int]]:
    """Return each number that was answered, with the band of the response, and how often."""
    query = ResponseQuery(request)
    key = query.bind(item.key)
    is_choice = item.type is QuestionType.CHOICE
    value = f"r.answers ->> {key}" if is_choice else f"r.scores ->> {key}"
    rows = await run_sql(
        session,
        text(
            f"select r.band, ({value})::int as number, count(*) as n "
            f"{query.source(f'r.survey_id = {query.bind(survey.id)}')} "
            f"and {value} ~ '^[0-9]{{1,6}}$' group by 1, 2"
        ).bindparams(**query.bound),
    )
    return [(row.band, float(row.number), int(row.n)) for row in rows]


async def _measure_heard(
    session: AsyncSession, request: InsightRequest, surveys: Sequence[SurveyQuestions]
) -> list[InsightRow] | None:
    """Return the mean score by what customers had heard of the brand before."""
    scores_by_answer: dict[str, list[Any]] = {}
    for survey, item in _questions_with_driver(surveys, "heard", HEARD_DRIVER_TYPES):
        query = ResponseQuery(request)
        rows = await run_sql(
            session,
            text(
                f"select r.answers ->> {query.bind(item.key)} as heard, r.score, count(*) as n "
                f"{query.source(f'r.survey_id = {query.bind(survey.id)}', 'r.score is not null')} "
                "group by 1, 2"
            ).bindparams(**query.bound),
        )
        options = {option["key"] for option in item.options}
        for row in rows:
            if row.heard in options:
                scores_by_answer.setdefault(row.heard, []).append((row.score, row.n))
    if not scores_by_answer:
        return None
    return [
        {"heard": answer, "n": sum(count for _, count in scores),
         "mean_score": sum(score * count for score, count in scores)
         / sum(count for _, count in scores)}
        for answer, scores in sorted(scores_by_answer.items())
    ]  # fmt: skip
