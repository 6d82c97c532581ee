# SPDX-License-Identifier: Apache-2.0
"""Delete a survey that has no answers."""

from uuid import UUID

from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from sqlmodel.ext.asyncio.session import AsyncSession

from app.core.database import is_cluster, run_sql
from app.core.errors import Conflict
from app.core.notices import notify
from app.surveys.catalogue import SURVEY_NOTICES
from app.surveys.service import find
from app.workspaces.service import lock_config

_HAS_RESPONSES = "This survey has responses; close it instead, so that its figures stay."


async def delete(session: AsyncSession, workspace_id: UUID, reference: str) -> None:
    """Delete a survey that nobody has answered.

    Answers have no foreign key, because each would cost a look-up. A statement that writes
    answers locks the survey's row as shared, or on a cluster the configuration.
    """
    if await is_cluster(session):
        await lock_config(session, workspace_id)
    survey = await find(session, workspace_id, reference, lock=True)
    answered = await run_sql(
        session,
        text(
            "select exists(select from response where workspace_id = :workspace "
            "and survey_id = :id) "
            "or exists(select from rollup where workspace_id = :workspace and survey_id = :id)"
        ).bindparams(workspace=workspace_id, id=survey.id),
    )
    if answered.one()[0]:
        raise Conflict(_HAS_RESPONSES)
    await run_sql(
        session,
        text("delete from survey_link where public_id = :id").bindparams(id=survey.public_id),
    )
    try:
        await session.delete(survey)
        await session.flush()
    except IntegrityError:
        raise Conflict(_HAS_RESPONSES) from None
    await notify(session, SURVEY_NOTICES, str(workspace_id))
