# SPDX-License-Identifier: Apache-2.0
"""Names that a filter may use: an unknown one is refused, so that a typo is seen."""

from collections.abc import Iterable
from uuid import UUID

from sqlalchemy import text
from sqlmodel.ext.asyncio.session import AsyncSession

from app.core.database import run_sql
from app.core.lookup import plain_reference
from app.interactions.filter_values import require_among, require_touchpoints

_SURVEYS = text("select id, key from survey where workspace_id = :id")
_QUESTIONS = text("select distinct key from question where workspace_id = :id")


async def require_known(
    session: AsyncSession, workspace_id: UUID, name: str, values: Iterable[str]
) -> None:
    """Refuse values of the filter `survey`, `touchpoint` or `question` that nobody knows."""
    if name == "touchpoint":
        await require_touchpoints(session, workspace_id, values)
        return
    if name == "survey":
        await find_surveys(session, workspace_id, values)
        return
    rows = await run_sql(session, _QUESTIONS.bindparams(id=workspace_id))
    require_among(name, values, [row[0] for row in rows])


async def find_surveys(
    session: AsyncSession, workspace_id: UUID, references: Iterable[str]
) -> list[UUID]:
    """Return the ids of the surveys that a filter names by key or id; refuse an unknown one."""
    rows = (await run_sql(session, _SURVEYS.bindparams(id=workspace_id))).all()
    by_reference = {row.key: row.id for row in rows} | {str(row.id): row.id for row in rows}
    references = [plain_reference(reference) for reference in references]
    require_among("survey", references, by_reference)
    return [by_reference[reference] for reference in references]
