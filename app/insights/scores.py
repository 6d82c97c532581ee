# SPDX-License-Identifier: Apache-2.0
"""Read the scores of many responses at once: one letter per answer, one text per survey."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from sqlalchemy import text
from sqlmodel.ext.asyncio.session import AsyncSession

from app.core.database import run_sql
from app.insights.linear import Floats
from app.insights.questions import ScoredQuestion, SurveyItems
from app.insights.request import InsightRequest, ResponseQuery
from app.metrics.statistics import mean_interval

# A score of -2 is the letter A, 10 the letter M; a missing answer is read as -1.
_ORIGIN = 67


async def read_scores(
    session: AsyncSession,
    request: InsightRequest,
    survey: SurveyItems,
    items: Sequence[ScoredQuestion],
) -> Floats:
    """Return the scores of a survey's items: a row a response, nan where there is no number."""
    query = ResponseQuery(request.metric_request)
    letters = " || ".join(
        f"chr(coalesce((r.scores ->> {query.bind(item.key)})::int, -1) + {_ORIGIN})"
        for item in items
    )
    rows = await run_sql(
        session,
        text(
            f"select string_agg({letters}, '' order by r.id) "
            f"{query.source(f'r.survey_id = {query.bind(survey.id)}')}"
        ).bindparams(**query.bound),
    )
    encoded: str | None = rows.one()[0]
    if not encoded:
        return np.empty((0, len(items)))
    raw = np.frombuffer(encoded.encode(), dtype=np.uint8).reshape(-1, len(items))
    scores: Floats = raw.astype(np.float64)
    scores -= _ORIGIN
    return np.where(scores >= 0, scores, np.nan)


def rescale(scores: Floats, items: Sequence[ScoredQuestion]) -> Floats:
    """Return scores on 0-100, those of reverse items flipped."""
    low = np.array([item.low for item in items], dtype=float)
    high = np.array([item.high for item in items], dtype=float)
    on_scale: Floats = 100 * (scores - low) / (high - low)
    reverse = np.array([item.reverse for item in items], dtype=bool)
    on_scale[:, reverse] = 100 - on_scale[:, reverse]
    return on_scale


def mean_of_rows(values: Floats, *, least_share: float = 0.0) -> Floats:
    """Return the mean of each row's known values; nan where too few of them are known."""
    known = ~np.isnan(values)
    counts = known.sum(axis=1)
    enough = (counts > 0) & (counts >= least_share * values.shape[1])
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


def interval_of_mean(values: Floats, low: float = 0.0, high: float = 100.0) -> Any:
    """Return n, mean and t interval of the known values, within the ends of their scale."""
    known = values[~np.isnan(values)]
    n = len(known)
    if n == 0:
        return 0, None, None
    mean = float(known.mean())
    variance = float(known.var(ddof=1)) if n > 1 else 0.0
    interval = mean_interval(mean, variance, n)
    if interval is None:
        return n, mean, None
    return n, mean, [max(low, interval[0]), min(high, interval[1])]
