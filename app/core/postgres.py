# SPDX-License-Identifier: Apache-2.0
"""The embedded PostgreSQL for those who use it: its login, its database and their URLs."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import asyncpg

from app.core.postgres_server import (
    AlreadyRunningError,
    PostgresServer,
    read_state,
    url_of,
    write_state,
)
from app.core.settings import Settings

# The version of the owner's role; from 2 on it may use the reserved connections.
_OWNER_ROLE_VERSION = 2


class EmbeddedPostgres(PostgresServer):
    """The server of the settings' data folder, ready with the service's login and database."""

    def __init__(self, settings: Settings) -> None:
        """Only remember where things are; `start` does the work."""
        super().__init__(settings.data_dir, programs_folder=settings.postgres_bin)

    def start(self) -> str:
        """Start the server and return the service's URL; see `PostgresServer.start`."""
        url = super().start()
        try:
            complete_owner(self._data_dir)
        except BaseException:
            self.stop()
            raise
        return url


def complete_owner(data_dir: Path) -> None:
    """Make what is missing of the service's login and database on a running server."""
    state = read_state(data_dir)
    if state.get("ready") != _OWNER_ROLE_VERSION:
        asyncio.run(_make_owner(state))
        write_state(data_dir, read_state(data_dir) | {"ready": _OWNER_ROLE_VERSION})


def superuser_url(data_dir: Path) -> str:
    """Return the URL of the superuser, for the supervisor's own work on the cluster."""
    state = read_state(data_dir)
    return f"postgresql://postgres:{state['superuser_password']}@127.0.0.1:{state['port']}/postgres"


def role_maker_url(settings: Settings, database_url: str) -> str:
    """Return the URL of the login that makes roles: the embedded server's superuser, or our own.

    A process that the supervisor started has the embedded database as its `database_url`.
    """
    state = read_state(settings.data_dir)
    is_embedded = bool(state) and database_url == url_of(state)
    return superuser_url(settings.data_dir) if is_embedded else database_url


@contextmanager
def attached_database(settings: Settings) -> Iterator[str]:
    """Yield the database's URL to a command; if no server runs, run one for this time."""
    if settings.database_url:
        yield settings.database_url
        return
    server = EmbeddedPostgres(settings)
    try:
        url = server.start()
    except AlreadyRunningError:
        yield url_of(read_state(settings.data_dir))
        return
    try:
        yield url
    finally:
        server.stop()


async def _make_owner(state: dict[str, Any]) -> None:
    """Make the service's role and database; a first try that was killed is completed."""
    connection = await asyncpg.connect(
        host="127.0.0.1",
        port=state["port"],
        user="postgres",
        password=state["superuser_password"],
        database="postgres",
    )
    try:
        if not await connection.fetchval("select 1 from pg_roles where rolname = 'afterword'"):
            await connection.execute("create role afterword login")
        await connection.execute(f"alter role afterword password '{state['password']}'")
        if await connection.fetchval(
            "select 1 from pg_roles where rolname = 'pg_use_reserved_connections'"
        ):
            await connection.execute("grant pg_use_reserved_connections to afterword")
        if not await connection.fetchval("select 1 from pg_database where datname = 'afterword'"):
            await connection.execute("create database afterword owner afterword")
    finally:
        await connection.close()
