# SPDX-License-Identifier: Apache-2.0
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
    """Tell whether the schema is the one this program needs, or a newer one.

    Migrations only add, so the older program serves on while machines are upgraded one by one.
    """
    connection = await database.connect()
    try:
        revision = await connection.fetchval("select version_num from alembic_version")
        if await connection.fetchval("select to_regclass('pg_dist_partition')"):
            # A database that became a cluster has its tables spread by the next migration.
            spread = "select 1 from pg_dist_partition where logicalrelid = 'response'::regclass"
            if not await connection.fetchval(spread):
                return False
    except asyncpg.UndefinedTableError:
        return False
    finally:
        await connection.close()
    return bool(revision and revision >= newest_revision())
