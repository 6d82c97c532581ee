# SPDX-License-Identifier: Apache-2.0
"""What figures need to know of questions."""

from uuid import UUID

from sqlalchemy import text
from sqlmodel.ext.asyncio.session import AsyncSession

from app.core.database import run_sql
from app.metrics.registry import METRICS
from app.metrics.scores import ScoreCounter
from app.surveys.question_types import QuestionType, spec_of


async def metrics_with_questions(session: AsyncSession, workspace_id: UUID) -> set[str]:
    """Return the metrics that published questions feed; any question adds `follow_up`."""
    rows = await run_sql(
        session,
        text("select distinct type, recommends from question where workspace_id = :id").bindparams(
            id=workspace_id
        ),
    )
    names: set[str] = set()
    for row in rows:
        metric = "nps" if row.recommends else spec_of(QuestionType(row.type)).metric
        names |= {"follow_up"} | {name for name, read in _read_metrics().items() if read == metric}
    return names


def _read_metrics() -> dict[str, str]:
    """Return for each metric of scores the metric whose questions it reads."""
    return {
        name: metric.counter.questions.metric
        for name, metric in METRICS.items()
        if isinstance(metric.counter, ScoreCounter)
    }
