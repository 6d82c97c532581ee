# SPDX-License-Identifier: Apache-2.0
"""Pillars and modules: how each is rated, and an index of all."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from sqlalchemy import text
from sqlmodel.ext.asyncio.session import AsyncSession

from app.core.database import run_sql
from app.insights.labels import label_of
from app.insights.linear import (
    Floats,
    complete_rows,
    cronbach_alpha,
    importance_of,
    pair_sums_of,
)
from app.insights.questions import (
    ScoredQuestion,
    SurveyQuestions,
    outcome_of,
    select_comparable,
    surveys_of,
)
from app.insights.request import (
    NO_OUTCOME,
    NOTHING_TAGGED,
    TOO_FEW,
    InsightRefusal,
    InsightReply,
    InsightRequest,
    ResponseQuery,
)
from app.insights.scores import (
    ChosenColumns,
    JoinedTables,
    ScoreTable,
    Values,
    interval_of_column,
    interval_of_mean,
    mean_of_rows,
    positions_by_tag,
    read_scores,
    rescale,
)
from app.metrics.statistics import wilson
from app.surveys.question_types import QuestionType

_MIN_ANSWERS = 10
# The least number of complete answers for which weights are computed.
_MIN_WEIGHTED = 200
_HALF = 0.5
# The modules whose mean is the brand-experience score.
_MODULES = ("sensory", "emotional", "intellectual", "behavioural")
# This module is not part of the brand-experience score.
_MODULE_OUTSIDE_INDEX = "relational"


async def find_pillars(session: AsyncSession, request: InsightRequest) -> InsightReply:
    """Return the pillars with their index, weighted once there are enough answers."""
    return await _find(session, request, "pillar")


async def find_modules(session: AsyncSession, request: InsightRequest) -> InsightReply:
    """Return the experience modules; the brand-experience score is the mean of four of them."""
    reply = await _find(session, request, "module")
    rated = {row["module"] for row in reply["rows"]}
    if missing := [name for name in _MODULES if name not in rated]:
        reply["warnings"].append(
            f"The index lacks {', '.join(missing)}, which no question here rates."
        )
    return reply | {"wow": await _wow(session, request)}


async def _find(session: AsyncSession, request: InsightRequest, tag: str) -> InsightReply:
    surveys = await surveys_of(session, request)
    if not surveys:
        detail = "There is no answer here; choose a longer period or fewer filters."
        raise InsightRefusal(TOO_FEW, detail, n=0, needed_n=_MIN_ANSWERS)
    tagged = [s for s in surveys if _rating_items(s, tag)]
    if not tagged:
        detail = f"No question with answers here is tagged with a `{tag}`; tag those that rate one."
        raise InsightRefusal(NOTHING_TAGGED, detail)
    warnings: list[str] = []
    if tag == "pillar" and any(survey.outcome for survey in tagged):
        tagged, warnings = select_comparable(tagged)
    names = sorted({getattr(item, tag) for s in tagged for item in _rating_items(s, tag)})
    table, alphas = await _read(session, request, tagged, tag, names)
    counted = sum(int((~np.isnan(chunk[:, :-1])).any(axis=1).sum()) for chunk in table)
    if counted < _MIN_ANSWERS:
        detail = (
            f"{counted} answers rate at least half of a {tag}; {_MIN_ANSWERS} are needed. Choose a "
            "longer period or fewer filters."
        )
        raise InsightRefusal(TOO_FEW, detail, n=counted, needed_n=_MIN_ANSWERS)
    holds_outcome = any(
        survey.outcome is not None and getattr(survey.outcome, tag) for survey in tagged
    )
    indexed = _tags_in_index(tagged, tag, names, table)
    if retired := [name for name in names if name not in indexed and name != _MODULE_OUTSIDE_INDEX]:
        warnings.append(f"Not in the index because they are no longer asked: {', '.join(retired)}.")
    positions = [names.index(name) for name in indexed]
    columns = ChosenColumns(table, [*positions, len(names)])
    shares, kind = _weights(request, tag, columns, may_weigh=not holds_outcome)
    weights = np.zeros(len(names))
    weights[positions] = shares
    pairs = pair_sums_of(table)
    rows = []
    for position, name in enumerate(names):
        n, mean, interval = interval_of_column(pairs, position)
        alpha, items = alphas[name]
        rows.append({
            tag: name, "label": label_of(request, tag, name), "n": n, "score": mean,
            "ci": interval, "items": items, "alpha": alpha, "weight": float(weights[position]),
        })  # fmt: skip
    return {
        "survey": tagged[0].key if len(tagged) == 1 else None,
        "outcome": outcome_of(tagged) if tag == "pillar" else None,
        "n": counted,
        "rows": rows,
        "index": _index(table, weights, kind),
        "warnings": warnings,
        "assumptions": {"weights": kind, "scale": "0-100"},
    }


def _rating_items(survey: SurveyQuestions, tag: str) -> list[ScoredQuestion]:
    """Return the tagged questions whose score lies on a scale; others rate nothing."""
    return [
        item for item in survey.items if getattr(item, tag) and item.is_number and item.is_wanted
    ]


async def _read(
    session: AsyncSession,
    request: InsightRequest,
    surveys: Sequence[SurveyQuestions],
    tag: str,
    names: Sequence[str],
) -> tuple[JoinedTables, dict[str, tuple[float | None, int]]]:
    """Return a column for each tag and the outcome last, and the alpha of each tag."""
    tables = []
    alphas: dict[str, tuple[float | None, int]] = {}
    for survey in surveys:
        items = _rating_items(survey, tag)
        if not items:
            continue
        positions_by_name = positions_by_tag(items, tag)
        values_of = _values_of(items, positions_by_name, names, has_outcome=bool(survey.outcome))
        table = await read_scores(session, request, survey, items, values_of)
        tables.append(table)
        for name, positions in positions_by_name.items():
            together = _asked_together(survey, items, positions)
            known = alphas.get(name)
            if known is None or len(together) > known[1]:
                # If several surveys rate it, alpha comes from the one with most questions.
                alphas[name] = (_alpha(table, items, together), len(together))
    return JoinedTables(tables), alphas


def _asked_together(
    survey: SurveyQuestions, items: Sequence[ScoredQuestion], positions: list[int]
) -> list[int]:
    """Return the positions of the items that the version with most answers asks, else of all."""
    by_answers = sorted(survey.versions, key=lambda version: (-survey.versions[version], version))
    asked_by_version = (
        [position for position in positions if items[position].is_asked_in(version)]
        for version in by_answers
    )
    return next(filter(None, asked_by_version), positions)


def _values_of(
    items: Sequence[ScoredQuestion],
    positions_by_name: Mapping[str, list[int]],
    names: Sequence[str],
    *,
    has_outcome: bool,
) -> Values:
    """Return the function from the scores of a survey to a column for each tag, outcome last."""

    def values_of(scores: Floats, mask: Any) -> Floats:
        values = rescale(scores[:, : len(items)], items)
        columns = np.full((len(scores), len(names) + 1), np.nan)
        for name, positions in positions_by_name.items():
            half = _HALF * mask[:, positions].sum(axis=1)
            columns[:, names.index(name)] = mean_of_rows(values[:, positions], half)
        if has_outcome:
            columns[:, -1] = scores[:, -1]
        return columns

    return values_of


def _alpha(
    table: ScoreTable, items: Sequence[ScoredQuestion], positions: list[int]
) -> float | None:
    if not len(table):
        return None
    of_items = ScoreTable(
        table.raw, lambda scores, _: rescale(scores[:, : len(items)], items)[:, positions]
    )
    return cronbach_alpha(of_items)


def _tags_in_index(
    surveys: Sequence[SurveyQuestions], tag: str, names: Sequence[str], table: JoinedTables
) -> list[str]:
    """Return the tags that are in the index.

    If no response rates all of them, those that are asked no more are left out.
    """
    indexed = [name for name in names if name != _MODULE_OUTSIDE_INDEX or tag != "module"]
    columns = ChosenColumns(table, [names.index(name) for name in indexed])
    if any(len(chunk) for chunk in complete_rows(columns)):
        return indexed
    current = {
        getattr(item, tag)
        for survey in surveys
        for item in _rating_items(survey, tag)
        if survey.is_current(item)
    }
    return [name for name in indexed if name in current] or indexed


def _weights(
    request: InsightRequest, tag: str, table: ChosenColumns, *, may_weigh: bool
) -> tuple[Floats, str]:
    """Return the weight of each tag in the index, and how it was found.

    `table` has the columns of these tags, and the outcome last. A pillar that holds the outcome
    would explain itself, so then the weights are equal.
    """
    n = len(table.columns) - 1
    equal = np.full(n, 1 / max(n, 1))
    if tag == "module":
        return equal, "equal"
    complete = sum(len(chunk) for chunk in complete_rows(table))
    requested = request.options.get("weights")
    if requested == "johnson" and not may_weigh:
        detail = "The main question is tagged with a pillar itself; leave `weights` out."
        raise InsightRefusal(NO_OUTCOME, detail, n=complete)
    if requested == "johnson" and complete < _MIN_WEIGHTED:
        detail = (
            f"{complete} answers rate every pillar and say the outcome; Johnson's weights need "
            f"{_MIN_WEIGHTED}. Leave `weights` out for equal ones."
        )
        raise InsightRefusal(TOO_FEW, detail, n=complete, needed_n=_MIN_WEIGHTED)
    if requested == "equal" or complete < _MIN_WEIGHTED or not may_weigh:
        return equal, "equal"
    shares = importance_of(table).shares
    return (shares / 100, "johnson") if shares.sum() > 0 else (equal, "equal")


def _index(table: JoinedTables, weights: Floats, kind: str) -> InsightReply:
    """Return the index over the responses that have every weighted tag."""
    weighted = np.flatnonzero(weights > 0)
    n, total, squares = 0, 0.0, 0.0
    for chunk in complete_rows(chunk[:, weighted] for chunk in table):
        values = chunk @ weights[weighted]
        n, total, squares = n + len(values), total + values.sum(), squares + (values**2).sum()
    n, mean, interval = interval_of_mean(n if len(weighted) else 0, float(total), float(squares))
    return {"value": mean, "ci": interval, "n": n, "weights": kind}


async def _wow(session: AsyncSession, request: InsightRequest) -> InsightReply | None:
    """Return the share of `better` of the expectation questions; None where none is asked."""
    query = ResponseQuery(request)
    kind = query.bind(str(QuestionType.EXPECTATION))
    conditions = [
        f"q.type = {kind}", query.question_sql("q.key"),
        query.touchpoint_sql("nullif(coalesce(q.touchpoint, r.touchpoint), '')"),
    ]  # fmt: skip
    rows = await run_sql(
        session,
        text(
            "select count(*) filter (where (a.value)::int = 2) as better, "
            "count(*) filter (where (a.value)::int >= 0) as n from "
            f"(select r.workspace_id, r.survey_id, r.touchpoint, r.scores {query.source()}) r "
            "cross join lateral jsonb_each_text(r.scores) a join question q "
            "on q.workspace_id = r.workspace_id and q.survey_id = r.survey_id and q.key = a.key "
            f"and {' and '.join(filter(None, conditions))}"
        ).bindparams(**query.bound),
    )
    row: Any = rows.one()
    if not row.n:
        return None
    interval = wilson(row.better, row.n)
    share = 100 * row.better / row.n
    ci = [100 * interval[0], 100 * interval[1]] if interval else None
    return {"share": share, "ci": ci, "n": row.n}
