# SPDX-License-Identifier: Apache-2.0
"""What SQL needs to know of published questions: the rows of the table `question`.

Their scale, metric and boxes are derived from the question types. So figures and the views of
`bi` read them from the row, and a new type needs no new view.
"""

from typing import Any

from sqlalchemy import text
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import select
from sqlmodel.ext.asyncio.session import AsyncSession

from app.core.database import run_sql
from app.surveys.models import QuestionEntry, Survey
from app.surveys.question_types import QuestionType, spec_of
from app.surveys.scales import Scale, boxes_of, scale_of
from app.surveys.schemas import Definition, Question, SurveyMetric

_FIXED_WHEN_PUBLISHED = {"key", "type", "scale", "high"}
_DERIVED = text("""
select distinct type, high, recommends, metric, low, favourable_from, unfavourable_to from question
""")
_COMPLETE_VERSIONS = text("""
update question q set versions = v.versions
from (
  select v.workspace_id, v.survey_id, asked.question ->> 'key' as key,
    array_agg(v.version order by v.version) as versions
  from survey_version v
  cross join lateral jsonb_array_elements(v.definition -> 'questions') asked(question)
  where v.published_at is not null group by 1, 2, 3) v
where v.workspace_id = q.workspace_id and v.survey_id = q.survey_id and v.key = q.key
  and q.versions <> v.versions
""")
_UPDATE = text("""
update question set metric = :metric, low = :low, favourable_from = :favourable_from,
  unfavourable_to = :unfavourable_to
where type = :type and high = :high and recommends = :recommends
""")


def entry_of(question: Question, *, main: Question | None, metric: SurveyMetric) -> dict[str, Any]:
    """Return the row of a question, without its survey."""
    scale = scale_of(question.type, question.points)
    is_main = main is not None and main.key == question.key
    recommends = is_main and metric is SurveyMetric.NPS and question.type is QuestionType.YES_NO
    return {
        "key": question.key,
        "type": str(question.type),
        "scale": scale.name,
        "high": scale.high,
        "main": is_main,
        "recommends": recommends,
        "reverse": question.reverse,
        "driver": question.driver,
        "pillar": question.pillar,
        "module": question.module,
        "touchpoint": question.touchpoint,
        "options": [option.model_dump(exclude_none=True) for option in question.options],
    } | _derive_from_type(scale, recommends=recommends)


def _derive_from_type(scale: Scale, *, recommends: bool) -> dict[str, Any]:
    """Return what the question's type says of its scale."""
    boxes = boxes_of(scale)
    return {
        "metric": str(SurveyMetric.NPS) if recommends else spec_of(scale.type).metric,
        "low": scale.low,
        "favourable_from": boxes.favourable_from if boxes else None,
        "unfavourable_to": boxes.unfavourable_to if boxes else None,
    }


def metrics_of(definition: Definition) -> set[str]:
    """Return the metrics that read a survey's questions."""
    main = definition.main_question
    entries = [
        entry_of(question, main=main, metric=definition.metric) for question in definition.questions
    ]
    return {entry["metric"] for entry in entries if entry["metric"] is not None}


async def published_entries(session: AsyncSession, survey: Survey) -> dict[str, QuestionEntry]:
    """Return every question that was ever published, by its key."""
    entries = await session.exec(
        select(QuestionEntry).where(
            QuestionEntry.workspace_id == survey.workspace_id,
            QuestionEntry.survey_id == survey.id,
        )
    )
    return {entry.key: entry for entry in entries}


async def write_entries(session: AsyncSession, survey: Survey, definition: Definition) -> bool:
    """Write the questions with their latest tags; those no longer asked keep theirs.

    Return whether a question that was published before has other tags now.
    """
    main = definition.main_question
    published = await published_entries(session, survey)
    changed = False
    for question in definition.questions:
        entry = entry_of(question, main=main, metric=definition.metric)
        before = published.get(question.key)
        if before is not None:
            changed |= any(getattr(before, name) != value for name, value in entry.items())
        entry["versions"] = [*(before.versions if before else ()), survey.latest_version]
        values = {"workspace_id": survey.workspace_id, "survey_id": survey.id} | entry
        upsert = insert(QuestionEntry).values(**values)
        await session.exec(
            upsert.on_conflict_do_update(
                index_elements=["workspace_id", "survey_id", "key"],
                set_={
                    name: value
                    for name, value in entry.items()
                    if name not in _FIXED_WHEN_PUBLISHED
                },
            )
        )
    return changed


async def complete_entries(session: AsyncSession) -> None:
    """Derive anew what the types and the versions say of all questions, and write what differs.

    An older program, which may still run during an upgrade, does not write these columns.
    """
    await run_sql(session, _COMPLETE_VERSIONS)
    for row in (await run_sql(session, _DERIVED)).mappings():
        scale = scale_of(QuestionType(row["type"]), row["high"])
        derived = _derive_from_type(scale, recommends=row["recommends"])
        if any(row[name] != value for name, value in derived.items()):
            row_key = {name: row[name] for name in ("type", "high", "recommends")}
            await run_sql(session, _UPDATE.bindparams(**row_key, **derived))
