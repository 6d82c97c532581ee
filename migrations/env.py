# SPDX-License-Identifier: Apache-2.0
"""Alembic's environment: runs on the connection it is given, or on `AFTERWORD_DATABASE_URL`."""

import asyncio
import os

from alembic import context
from sqlalchemy import Connection, text

from app.core.database import Database
from app.tables import metadata
from migrations.citus import make_functions, spread
from migrations.types import type_differs

# An arbitrary number for the advisory lock on which migrations that start together wait.
_LOCK = 7_240_518


def run(connection: Connection) -> None:
    """Migrate in one transaction, and give up rather than wait long for a lock."""
    connection.execute(text("set local lock_timeout = '10s'"))
    connection.execute(text(f"select pg_advisory_xact_lock({_LOCK})"))
    context.configure(
        connection=connection,
        target_metadata=metadata,
        compare_type=type_differs,
        transaction_per_migration=False,
    )
    with context.begin_transaction():
        context.run_migrations()
        spread(connection)
        make_functions(connection)


async def connect_and_run() -> None:
    """Open the database named in the environment, for Alembic's own commands."""
    database = Database(os.environ["AFTERWORD_DATABASE_URL"])
    async with database.engine.begin() as connection:
        await connection.run_sync(run)
    await database.close()


shared_connection = context.config.attributes.get("connection")
if shared_connection is not None:
    run(shared_connection)
else:
    asyncio.run(connect_and_run())
