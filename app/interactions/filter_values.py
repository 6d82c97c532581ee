# SPDX-License-Identifier: Apache-2.0
"""The values of filters: refuse unknown touchpoints, and find the customer that a filter names."""

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


def is_customer_sql(column: str, *, workspace: str, name: str) -> str:
    """Return the SQL that a column holds the id of the customer whom a filter names.

    `name` is the SQL of an id, an external id, an e-mail address or a phone number.
    """
    is_id = (
        f"{name} like '________-____-____-____-____________' "
        f"and translate({name}, '0123456789abcdefABCDEF', '') = '----'"
    )
    return f"""{column} in (
  select i.customer_id from customer_identity i where i.workspace_id = {workspace}
  and (i.value = {name} or (i.kind = 'email' and i.value = lower({name})))
  union select c.id from customer c where c.workspace_id = {workspace}
  and c.id = case when {is_id} then cast({name} as uuid) end)"""
