# SPDX-License-Identifier: Apache-2.0
"""Time zones: those that both we and the database know."""

from sqlalchemy import text
from sqlmodel.ext.asyncio.session import AsyncSession

from app.core.database import run_sql
from app.core.zone_names import zone_names

_known_to_database: dict[str, bool] = {}


def is_zone(name: str) -> bool:
    """Tell whether this is an IANA zone; PostgreSQL would read `UTC+2` as two hours west."""
    return name in zone_names()


async def is_known_to_database(session: AsyncSession, name: str) -> bool:
    """Tell whether the database's own list has the zone; asked once a process."""
    if name not in _known_to_database:
        rows = await run_sql(
            session,
            text("select 1 from pg_timezone_names where name = :name").bindparams(name=name),
        )
        _known_to_database[name] = rows.first() is not None
    return _known_to_database[name]
