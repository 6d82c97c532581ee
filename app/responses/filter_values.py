# SPDX-License-Identifier: Apache-2.0
"""Names that a filter may use: an unknown one is refused, so that a typo is seen."""

from collections.abc import Iterable
from uuid import UUID

from sqlalchemy import text
from sqlmodel.ext.asyncio.session import AsyncSession

from app.core.database import run_sql
from app.interactions.filter_values import require_among, require_touchpoints

_KNOWN = {
    "survey": "select key from survey where workspace_id = :id "
    "union all select id::text from survey where workspace_id = :id",
    "question": "select distinct key from question where workspace_id = :id",
}


async def require_known(
    session: AsyncSession, workspace_id: UUID, name: str, values: Iterable[str]
) -> None:
    """Refuse values of the filter `survey`, `touchpoint` or `question` that nobody knows."""
    if name == "touchpoint":
        await require_touchpoints(session, workspace_id, values)
        return
    rows = await run_sql(session, text(_KNOWN[name]).bindparams(id=workspace_id))
    require_among(name, values, [row[0] for row in rows])
