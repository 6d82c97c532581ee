# SPDX-License-Identifier: Apache-2.0
"""Touchpoints that a filter may name: an unknown one is refused, so that a typo is seen."""

from collections.abc import Iterable
from uuid import UUID

from sqlalchemy import text
from sqlmodel.ext.asyncio.session import AsyncSession

from app.core.database import run_sql
from app.core.errors import InvalidInput
from app.core.text_types import did_you_mean

# Touchpoints that are declared or have occurred, and those that surveys name.
_TOUCHPOINTS = """
select key from touchpoint where workspace_id = :id
union select touchpoint from question where workspace_id = :id and touchpoint is not null
union select definition ->> 'touchpoint' from survey_version where workspace_id = :id
and definition ->> 'touchpoint' is not null"""


async def require_touchpoints(
    session: AsyncSession, workspace_id: UUID, values: Iterable[str]
) -> None:
    """Raise InvalidInput for unknown values of the filter `touchpoint`."""
    rows = await run_sql(session, text(_TOUCHPOINTS).bindparams(id=workspace_id))
    require_among("touchpoint", values, [row[0] for row in rows])


def require_among(name: str, values: Iterable[str], known: Iterable[str]) -> None:
    """Refuse a value of a filter that is not among the known ones, naming the nearest."""
    known = list(known)
    for value in values:
        if value not in known:
            msg = f"`{value[:64]}` is not known here{did_you_mean(value, known)}"
            raise InvalidInput.at("query", name, msg=msg)
