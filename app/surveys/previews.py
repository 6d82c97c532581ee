# SPDX-License-Identifier: Apache-2.0
"""Drafts as they stood in the editor, kept for an hour so that they can be looked at."""

import datetime as dt
from uuid import UUID

from sqlalchemy import text
from sqlmodel.ext.asyncio.session import AsyncSession

from app.core.clock import utc_now
from app.core.database import run_sql
from app.core.ids import uuid7
from app.surveys.models import Survey, SurveyPreview
from app.surveys.schemas import Definition

_KEPT_FOR = dt.timedelta(hours=1)


def keep(session: AsyncSession, survey: Survey, definition: Definition, locale: str) -> UUID:
    """Keep a draft that is shown in one language, and return the id of its preview."""
    preview = SurveyPreview(
        workspace_id=survey.workspace_id, id=uuid7(), survey_id=survey.id, locale=locale,
        definition=definition.model_dump(mode="json"), created_at=utc_now(),
    )  # fmt: skip
    session.add(preview)
    return preview.id


async def find(
    session: AsyncSession, survey: Survey, preview_id: UUID
) -> tuple[Definition, str] | None:
    """Return a draft that was kept for this survey and its language, or None."""
    survey_preview = await session.get(SurveyPreview, (survey.workspace_id, preview_id))
    if survey_preview is None or survey_preview.survey_id != survey.id:
        return None
    return Definition.model_validate(survey_preview.definition), survey_preview.locale


async def delete_expired(session: AsyncSession, now: dt.datetime) -> None:
    """Delete the previews whose hour is over."""
    await run_sql(
        session,
        text("delete from survey_preview where created_at < :oldest").bindparams(
            oldest=now - _KEPT_FOR
        ),
    )
