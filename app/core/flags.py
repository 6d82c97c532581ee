# SPDX-License-Identifier: Apache-2.0
"""Service flags: a few named values about the service itself, kept in the database."""

import datetime as dt
import logging

from sqlalchemy import text
from sqlmodel import Field, SQLModel
from sqlmodel.ext.asyncio.session import AsyncSession

from app.core.clock import utc_now
from app.core.database import Database, is_connection_lost, run_sql
from app.core.schema import REFERENCE, Instant
from app.core.settings import Settings

logger = logging.getLogger(__name__)

# Set on a copy of the data: mails and webhooks wait until `afterword resume`.
PAUSED = "sending_paused"
# The address of a proxy that is not trusted and sends X-Forwarded-For.
UNTRUSTED_PROXY = "untrusted_proxy"
# The id of the outbox's numbering; a restored copy gets another one.
FEED_FLAG = "feed"


class ServiceFlag(SQLModel, table=True):
    """One named value about the service."""

    __tablename__ = "service_flag"
    __table_args__ = (REFERENCE,)

    name: str = Field(primary_key=True)
    value: str
    set_at: dt.datetime = Field(sa_type=Instant)


async def read(session: AsyncSession, name: str) -> str | None:
    """Return a flag's value, or None."""
    query = text("select value from service_flag where name = :name").bindparams(name=name)
    row = (await run_sql(session, query)).first()
    return row.value if row else None


async def write(session: AsyncSession, name: str, value: str | None) -> None:
    """Set a flag, or take it away."""
    if value is None:
        query = text("delete from service_flag where name = :name").bindparams(name=name)
    else:
        query = text(
            "insert into service_flag (name, value, set_at) values (:name, :value, :now) "
            "on conflict (name) do update set value = excluded.value, set_at = excluded.set_at"
        ).bindparams(name=name, value=value, now=utc_now())
    await run_sql(session, query)


async def write_and_commit(database: Database, name: str, value: str) -> None:
    """Set a flag in its own transaction; a lost connection to the database is only logged."""
    try:
        async with database.transaction() as session:
            await write(session, name, value)
    except Exception as error:
        if not is_connection_lost(error):
            raise
        logger.warning("a flag could not be set", extra={"flag": name})


async def effective_settings(settings: Settings, database: Database) -> Settings:
    """Return the settings; sending is paused in a copy until `afterword resume`."""
    async with database.session() as session:
        paused = await read(session, PAUSED)
    return settings.model_copy(update={"sending": "paused"}) if paused else settings
