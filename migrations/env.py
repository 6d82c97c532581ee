"""Alembic's environment: runs on the connection it is given, or on `AFTERWORD_DATABASE_URL`."""

import asyncio
import os

from alembic import context
from sqlalchemy import TEXT, Connection, text
from sqlalchemy.dialects.postgresql.base import ischema_names
from sqlmodel.sql.sqltypes import AutoString

from app.core.database import Database
from app.core.outbox import TransactionId
from app.tables import metadata

# Any number: two migrations that start at once wait for each other on it.
_LOCK = 7_240_518


ischema_names["xid8"] = TransactionId


def type_differs(
    _context: object, _inspected: object, _column: object, found: object, wanted: object
) -> bool | None:
    """Take `text` for the models' unbounded strings; leave all else to Alembic."""
    return False if isinstance(found, TEXT) and isinstance(wanted, AutoString) else None


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


async def connect_and_run() -> None:
    """Open the database named in the environment, for Alembic's own commands."""
    database = Database(os.environ["AFTERWORD_DATABASE_URL"])
    async with database.engine.begin() as connection:
        await connection.run_sync(run)
    await database.close()


given = context.config.attributes.get("connection")
if given is not None:
    run(given)
else:
    asyncio.run(connect_and_run())
