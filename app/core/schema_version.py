"""Which version of the schema this program needs, and whether the database has it."""

from functools import cache
from pathlib import Path

import asyncpg

from app.core.database import Database

MIGRATIONS = Path(__file__).parents[2] / "migrations"


@cache
def newest_revision() -> str:
    """Return the newest migration; their files begin with their numbers."""
    return max(path.name.partition("_")[0] for path in (MIGRATIONS / "versions").glob("[0-9]*.py"))


async def is_current(database: Database) -> bool:
    """Tell whether the schema is the one this program needs."""
    connection = await database.connect()
    try:
        found = await connection.fetchval("select version_num from alembic_version")
    except asyncpg.UndefinedTableError:
        return False
    finally:
        await connection.close()
    return bool(found == newest_revision())
