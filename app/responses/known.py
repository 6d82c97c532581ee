"""Names that a filter may use: an unknown one is refused, so that a typo is seen."""

from collections.abc import Iterable
from uuid import UUID

from sqlalchemy import text
from sqlmodel.ext.asyncio.session import AsyncSession

from app.core.database import run_sql
from app.core.errors import InvalidInput
from app.core.text import did_you_mean

_KNOWN = {
    "survey": "select key from survey where workspace_id = :id "
    "union all select id::text from survey where workspace_id = :id",
    "touchpoint": "select key from touchpoint where workspace_id = :id "
    "union select touchpoint from question where workspace_id = :id and touchpoint is not null "
    "union select definition ->> 'touchpoint' from survey_version where workspace_id = :id "
    "and definition ->> 'touchpoint' is not null",
    "question": "select distinct key from question where workspace_id = :id",
}


async def require_known(
    session: AsyncSession, workspace_id: UUID, name: str, values: Iterable[str]
) -> None:
    """Refuse values of the filter `survey`, `touchpoint` or `question` that nobody knows."""
    rows = await run_sql(session, text(_KNOWN[name]).bindparams(id=workspace_id))
    require_among(name, values, [row[0] for row in rows])


def require_among(name: str, values: Iterable[str], known: Iterable[str]) -> None:
    """Refuse a value that is not among the known ones, naming the nearest."""
    known = list(known)
    for value in values:
        if value not in known:
            msg = f"`{value[:64]}` is not known here{did_you_mean(value, known)}"
            raise InvalidInput.at("query", name, msg=msg)
