# SPDX-License-Identifier: Apache-2.0
"""Read the scores of many responses at once: one letter per answer, one text per survey."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import text
from sqlmodel.ext.asyncio.session import AsyncSession

from app.core.database import run_sql
from app.insights.linear import ROUNDING, Floats, PairSums
from app.insights.questions import ScoredQuestion, SurveyQuestions
from app.insights.request import RESPONSE_TOUCHPOINT, InsightRequest, ResponseQuery
from app.metrics.statistics import mean_interval

# A score of -2 is the letter A, 10 the letter M; a missing answer is read as -1, and one to a
# question that the response's version does not ask as -3.
_ORIGIN = 67
_NOT_ASKED = _ORIGIN - 3
# Computes with scores (nan where there is none) and with whether each question was asked.
Values = Callable[[Floats, NDArray[np.bool_]], Floats]
_CHUNK = 50_000


@dataclass(frozen=True, slots=True)
class ScoreTable:
    """The scores of a survey's items: a row a response, a byte a score.

    `values` turns scores into what an insight computes with; it is applied to some rows at a
    time, so that a million responses take a few bytes each.
    """

    raw: NDArray[np.uint8]
    values: Values

    def __len__(self) -> int:
        return len(self.raw)

    def __iter__(self) -> Iterator[Floats]:
        for start in range(0, len(self.raw), _CHUNK):
            raw = self.raw[start : start + _CHUNK]
            yield self.values(_decode_scores(raw), raw != _NOT_ASKED)

    def take(self, positions: Any) -> Floats:
        """Return the rows at some positions."""
        raw = self.raw[positions]
        return self.values(_decode_scores(raw), raw != _NOT_ASKED)


def _decode_scores(raw: NDArray[np.uint8]) -> Floats:
    """Return scores as numbers, nan where there is none."""
    scores: Floats = raw.astype(np.float64)
    scores -= _ORIGIN
    return np.where(scores >= 0, scores, np.nan)


@dataclass(frozen=True, slots=True)
class JoinedTables:
    """The tables of several surveys as one, whose columns are the same."""

    tables: Sequence[ScoreTable]

    def __len__(self) -> int:
        return sum(map(len, self.tables))

    def __iter__(self) -> Iterator[Floats]:
        for table in self.tables:
            yield from table

    def take(self, positions: Any) -> Floats:
        """Return the rows at some sorted positions."""
        parts, start = [], 0
        for table in self.tables:
            inside = positions[(positions >= start) & (positions < start + len(table))]
            parts.append(table.take(inside - start))
            start += len(table)
        return np.concatenate(parts)

    def where(self, holds: Callable[[Floats], Any]) -> Any:
        """Return the positions of the rows for which a condition holds."""
        return np.flatnonzero(np.concatenate([holds(chunk) for chunk in self]))


@dataclass(frozen=True, slots=True)
class ChosenColumns:
    """Some columns of a table."""

    table: JoinedTables
    columns: Sequence[int]

    def __iter__(self) -> Iterator[Floats]:
        for chunk in self.table:
            yield chunk[:, self.columns]


async def read_scores(
    session: AsyncSession,
    request: InsightRequest,
    survey: SurveyQuestions,
    items: Sequence[ScoredQuestion],
    values: Values,
) -> ScoreTable:
    """Return the scores of a survey's items and of its outcome, if it has one, in the last column.

    `values` turns them into what is computed with. The filter `touchpoint` is of the items.
    """
    query = ResponseQuery(request)
    columns = [*items, *([survey.outcome] if survey.outcome else [])]
    scores = [f"(r.scores ->> {query.bind(column.key)})::int" for column in columns]
    for position, item in enumerate(items):
        if item.touchpoint is None and (
            touchpoint_sql := query.touchpoint_sql(RESPONSE_TOUCHPOINT)
        ):
            scores[position] = f"case when {touchpoint_sql} then {scores[position]} end"
    characters = " || ".join(
        f"chr(coalesce({score}, {_score_of_none(query, survey, column)}) + {_ORIGIN})"
        for score, column in zip(scores, columns, strict=True)
    )
    rows = await run_sql(
        session,
        text(
            f"select string_agg({characters}, '' order by r.id) "
            f"{query.source(f'r.survey_id = {query.bind(survey.id)}')}"
        ).bindparams(**query.bound),
    )
    encoded: str = rows.one()[0] or ""
    raw = np.frombuffer(encoded.encode(), dtype=np.uint8).reshape(-1, len(columns))
    return ScoreTable(raw, values)


def _score_of_none(query: ResponseQuery, survey: SurveyQuestions, item: ScoredQuestion) -> str:
    """Return the SQL of what a missing score is read as: skipped, or not asked."""
    own_versions = [version for version in survey.versions if item.is_asked_in(version)]
    if len(own_versions) == len(survey.versions):
        return "-1"
    versions = f"cast({query.bind(own_versions)} as int[])"
    return f"case when r.survey_version = any({versions}) then -1 else -3 end"


def rescale(scores: Floats, items: Sequence[ScoredQuestion]) -> Floats:
    """Return scores on 0-100, those of reverse items flipped."""
    low = np.array([item.low for item in items], dtype=float)
    high = np.array([item.high for item in items], dtype=float)
    on_scale: Floats = 100 * (scores - low) / (high - low)
    reverse = np.array([item.reverse for item in items], dtype=bool)
    on_scale[:, reverse] = 100 - on_scale[:, reverse]
    return on_scale


def mean_of_rows(values: Floats, least: Any = 1) -> Floats:
    """Return the mean of each row's known values; nan where fewer than `least` are known, or 0."""
    known = ~np.isnan(values)
    counts = known.sum(axis=1)
    enough = (counts > 0) & (counts >= least)
    sums = np.where(known, values, 0.0).sum(axis=1)
    return np.where(enough, sums / np.maximum(counts, 1), np.nan)


def positions_by_tag(items: Sequence[ScoredQuestion], tag: str) -> dict[str, list[int]]:
    """Return the positions of the items by the value of a tag, sorted by that value."""
    positions: dict[str, list[int]] = {}
    for position, item in enumerate(items):
        value = getattr(item, tag)
        if value:
            positions.setdefault(value, []).append(position)
    return dict(sorted(positions.items()))


def interval_of_mean(
    n: int, total: float, squares: float, low: float = 0.0, high: float = 100.0
) -> Any:
    """Return n, mean and t interval of `n` values with these sums, within the ends of a scale."""
    if n == 0:
        return 0, None, None
    mean = total / n
    spread = squares - total * mean
    # What is left of values that are all the same is rounding.
    variance = spread / (n - 1) if n > 1 and spread > ROUNDING * squares else 0.0
    interval = mean_interval(mean, variance, n)
    if interval is None:
        return n, mean, None
    return n, mean, [max(low, interval[0]), min(high, interval[1])]


def interval_of_column(pairs: PairSums, column: int) -> Any:
    """Return n, mean and t interval of one column on 0-100."""
    at = column, column
    return interval_of_mean(int(pairs.n[at]), float(pairs.total[at]), float(pairs.square[at]))
