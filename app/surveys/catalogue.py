# SPDX-License-Identifier: Apache-2.0
"""The surveys that are being answered, compiled once per version and kept in memory."""

from uuid import UUID

from cachetools import LRUCache
from sqlalchemy import text
from sqlmodel.ext.asyncio.session import AsyncSession

from app.core.database import Database, run_sql
from app.core.errors import NotFound
from app.core.lookup import plain_reference
from app.core.notices import EVERYTHING
from app.core.schema import Json
from app.surveys.compiled import CompiledSurvey, IdDerivation
from app.surveys.schemas import Definition, SurveyStatus

SURVEY_NOTICES = "afterword_surveys"
_REMEMBERED = 10_000

_FIND_SURVEY = text("""
select s.workspace_id, s.id as survey_id, s.key, s.public_id, s.status, v.version, v.definition,
  w.derivation_key, w.derived_since
from survey s
join workspace w on w.id = s.workspace_id
left join survey_version v on v.workspace_id = s.workspace_id and v.survey_id = s.id
  and v.version = s.published_version
where s.workspace_id = :workspace_id
  and (s.key = :reference or s.id::text = :reference or s.public_id = :public)
""").columns(definition=Json)


async def find_published(
    session: AsyncSession, workspace_id: UUID, reference: str
) -> CompiledSurvey | None:
    """Return a survey's published version, None for a draft; raise NotFound for an unknown one."""
    rows = await run_sql(
        session,
        _FIND_SURVEY.bindparams(
            workspace_id=workspace_id, reference=plain_reference(reference), public=reference
        ),
    )
    row = rows.first()
    if row is None:
        raise NotFound.in_workspace("survey", reference)
    if row.version is None:
        return None
    return CompiledSurvey(
        workspace_id=row.workspace_id,
        survey_id=row.survey_id,
        key=row.key,
        public_id=row.public_id,
        status=SurveyStatus(row.status),
        version=row.version,
        definition=Definition.model_validate(row.definition),
        derivation=IdDerivation(row.derivation_key, row.derived_since),
    )


async def find_link(session: AsyncSession, public_id: str) -> tuple[UUID, UUID] | None:
    """Return the workspace and the survey behind the public part of an address, or None."""
    if not public_id.isprintable():
        return None
    rows = await run_sql(
        session,
        text("select workspace_id, survey_id from survey_link where public_id = :id").bindparams(
            id=public_id
        ),
    )
    row = rows.first()
    return (row.workspace_id, row.survey_id) if row else None


class Catalogue:
    """Finds published surveys by id, key or public id, and remembers them until they change."""

    def __init__(self, database: Database) -> None:
        """Start with an empty memory."""
        self._database = database
        self._surveys: LRUCache[tuple[UUID, str], CompiledSurvey] = LRUCache(_REMEMBERED)
        self._generation = 0

    async def get(self, workspace_id: UUID, reference: str) -> CompiledSurvey | None:
        """Return the published survey, None for a draft; raise NotFound for an unknown one.

        Only live surveys are remembered, so that publishing shows at once.
        """
        cached = self._surveys.get((workspace_id, reference))
        if cached is not None:
            return cached
        generation = self._generation
        async with self._database.session() as session:
            survey = await find_published(session, workspace_id, reference)
        if survey is None:
            return None
        if survey.live and generation == self._generation:
            self._surveys[workspace_id, reference] = survey
        return survey

    def forget(self, payload: str = EVERYTHING) -> None:
        """Forget the surveys of one workspace, or all; what is being read is not remembered."""
        self._generation += 1
        if payload == EVERYTHING:
            self._surveys.clear()
            return
        for key in [survey for survey in self._surveys if str(survey[0]) == payload]:
            del self._surveys[key]
