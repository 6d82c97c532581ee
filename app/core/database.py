# SPDX-License-Identifier: Apache-2.0
"""The database: its connections and sessions, and which of its errors may be retried."""

import logging
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Self, TypeAlias, cast
from uuid import UUID

import asyncpg
from pydantic_core import from_json
from sqlalchemy import CursorResult, TextClause, TextualSelect, event, text
from sqlalchemy.exc import DBAPIError, InvalidatePoolError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncEngine, async_sessionmaker, create_async_engine
from sqlmodel.ext.asyncio.session import AsyncSession

if TYPE_CHECKING:
    RawConnection: TypeAlias = asyncpg.Connection[asyncpg.Record]
else:
    RawConnection = asyncpg.Connection

logger = logging.getLogger(__name__)


class DatabaseUnreachableError(ConnectionError):
    """No connection to the database could be opened."""


# Errors after which the same statement may be sent again on a new connection.
CONNECTION_LOST = (
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    asyncpg.CannotConnectNowError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.TooManyConnectionsError,
    ConnectionError,
)


# Errors of rows that cannot be stored, however often they are sent.
BAD_DATA = (
    asyncpg.DataError,
    asyncpg.IntegrityConstraintViolationError,
    asyncpg.ProgramLimitExceededError,
)


# What a cluster's coordinator says, as an internal error, when it loses one of its nodes.
_NODE_LOST = re.compile(
    "server closed the connection|SSL SYSCALL error|connection to the remote node|"
    "could not receive data|connection not open"
)

# Errors that roll back a transaction which may succeed if it is tried again.
_TRY_AGAIN = (
    asyncpg.LockNotAvailableError,
    PoolTimeoutError,
    asyncpg.QueryCanceledError,
    asyncpg.DeadlockDetectedError,
    asyncpg.SerializationError,
    # The schema changed since the statement was prepared.
    asyncpg.InvalidCachedStatementError,
    # The disk is full; space may be freed soon.
    asyncpg.DiskFullError,
)


_CITUS_INSTALLED = "select 1 from pg_extension where extname = 'citus'"
# The pool for writes on the hot path: interactions, uploads, webhooks and customers.
_RECORDING_CONNECTIONS = 8
# How long a request waits for a connection of the pool before it is 503.
MAX_WAIT_SECONDS = 5.0


# A cached plan from a time when a table was small would scan it whole once it is large.
_PLANNING_ALWAYS = {"statement_timeout": "60s", "plan_cache_mode": "force_custom_plan"}
_KEEPING_PLANS = {"statement_timeout": "60s", "jit": "off"}
# Cached plans are discarded after this time, because tables grow.
_PLANS_KEPT_SECONDS = 2.0


class Database:
    """One PostgreSQL: pools of sessions, and bare connections for ingest."""

    def __init__(self, url: str, *, pool_size: int = 10) -> None:
        """Prepare; nothing connects before the first use."""
        self.url = url
        self.engine = self._pool(lambda: self.connect(**_PLANNING_ALWAYS), pool_size)
        self._recording_engine = self._recording_pool()
        # The monotonic time of the last write that failed because the disk was full.
        self.full_at = float("-inf")
        # Whether it is a Citus cluster; None until the first check.
        self.known_as_cluster: bool | None = None
        self._sessions = self._sessions_on(self.engine)
        self._recording_sessions = self._sessions_on(self._recording_engine)

    def _recording_pool(self) -> AsyncEngine:
        pool = self._pool(
            lambda: self.connect_keeping_plans(**_KEEPING_PLANS), _RECORDING_CONNECTIONS
        )
        return pool.execution_options(isolation_level="AUTOCOMMIT")

    def _pool(self, connect: Callable[[], Awaitable[RawConnection]], size: int) -> AsyncEngine:
        pool = create_async_engine(
            "postgresql+asyncpg://",
            async_creator=connect,
            pool_size=size,
            max_overflow=5,
            pool_timeout=MAX_WAIT_SECONDS,
            json_deserializer=from_json,
            # Addresses and payloads must not stand in a log because a statement failed.
            hide_parameters=True,
        )
        # Cheaper than SQLAlchemy's ping, which costs three round trips: asyncpg knows at once
        # when the server has closed a connection.
        event.listen(pool.sync_engine, "checkout", _require_open)
        return pool

    def _sessions_on(self, engine: AsyncEngine) -> async_sessionmaker[AsyncSession]:
        return async_sessionmaker(
            engine, class_=AsyncSession, expire_on_commit=False, info={"database": self}
        )

    async def __aenter__(self) -> Self:
        """Use it for a while; the pools are closed at the end."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close the pools."""
        await self.close()

    async def connect(self, **server_settings: str) -> RawConnection:
        """Open a connection of its own, outside the pool, with the server settings given."""
        return await open_connection(
            self.url,
            application_name="afterword",
            timezone="UTC",
            # A cluster hides its shards by a function for each row of the catalogue: asking for
            # a type costs a second then. Elsewhere the setting means nothing.
            **{"citus.override_table_visibility": "off"} | server_settings,
        )

    async def connect_keeping_plans(self, **server_settings: str) -> RawConnection:
        """Open a connection whose plans last; on a cluster each plan needs its parameters."""
        connection = await self.connect(plan_cache_mode="force_generic_plan", **server_settings)
        try:
            extension = await connection.fetchval(_CITUS_INSTALLED)
            self.known_as_cluster = extension is not None
            if self.known_as_cluster:
                # A generic plan cannot know on which node a workspace lies.
                await connection.execute("set plan_cache_mode = force_custom_plan")
        except BaseException:
            connection.terminate()
            raise
        return connection

    @asynccontextmanager
    async def session(self) -> AsyncIterator[AsyncSession]:
        """Open a session whose transaction the caller ends; what is not committed is undone."""
        async with self._sessions() as session:
            yield session

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncSession]:
        """Open a session and commit it at the end, or undo it where an error is raised."""
        async with self._sessions() as session, session.begin():
            yield session

    @asynccontextmanager
    async def recording_transaction(self) -> AsyncIterator[AsyncSession]:
        """Open a transaction for frequent writes; it caches query plans for two seconds."""
        async with self._recording_sessions() as session:
            pooled = await (await session.connection()).get_raw_connection()
            connection = cast("RawConnection", pooled.driver_connection)
            known, now = pooled.info, time.monotonic()
            if now - known.setdefault("planned_at", now) > _PLANS_KEPT_SECONDS:
                known["planned_at"] = now
                await connection.execute("discard plans")
            # SQLAlchemy leaves the transaction to us: it would take a statement of its own.
            async with connection.transaction():
                yield session
                await session.flush()

    async def ping(self) -> None:
        """Ask the database for nothing, or raise the error of a connection."""
        async with self.session() as session:
            await run_sql(session, text("select 1"))

    async def close(self) -> None:
        """Close the pools."""
        await self.engine.dispose()
        await self._recording_engine.dispose()


async def open_connection(url: str, **server_settings: str) -> RawConnection:
    """Open a connection with the server settings given, or raise DatabaseUnreachableError."""
    try:
        return await asyncpg.connect(url, timeout=10, server_settings=server_settings)
    except OSError as error:
        # An unknown host, no route to it, no answer in time, or no socket in its folder.
        raise DatabaseUnreachableError(str(error) or "the database did not answer") from error


def _require_open(adapted: Any, _record: object, _pooled: object) -> None:
    """Make the pool reconnect if an idle connection was closed."""
    if adapted.driver_connection.is_closed():
        raise InvalidatePoolError


async def run_sql(
    session: AsyncSession, statement: TextClause | TextualSelect
) -> CursorResult[Any]:
    """Flush the session, then run one SQL statement in its transaction."""
    await session.flush()
    return await (await session.connection()).execute(statement)


async def is_cluster(session: AsyncSession) -> bool:
    """Tell whether the database is spread over the nodes of a cluster (Citus)."""
    database: Database = session.info["database"]
    if database.known_as_cluster is None:
        rows = await run_sql(session, text(_CITUS_INSTALLED))
        database.known_as_cluster = rows.first() is not None
    return database.known_as_cluster


async def select_workspace_ids(session: AsyncSession, statement: str, **bound: Any) -> list[UUID]:
    """Return the workspaces that a statement selects, for work that is done for each alone.

    A cluster can lock and change rows of one workspace at a time only.
    """
    return [row[0] for row in await run_sql(session, text(statement).bindparams(**bound))]


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """Return the error, what caused it, and so on."""
    while error is not None:
        yield error
        error = error.__cause__ or getattr(error, "orig", None)


def is_bad_data(error: BaseException) -> bool:
    """Tell whether the error, or what caused it, is a row that can never be stored."""
    return any(isinstance(cause, BAD_DATA) for cause in _causes(error))


def is_node_lost(error: BaseException) -> bool:
    """Tell whether a cluster reports that it lost one of its nodes."""
    return isinstance(error, asyncpg.InternalServerError) and bool(_NODE_LOST.search(str(error)))


def is_connection_lost(error: BaseException | None) -> bool:
    """Tell whether the error, or what caused it, is a database that went away or is too busy."""
    return any(
        isinstance(cause, (*CONNECTION_LOST, *_TRY_AGAIN))
        or is_node_lost(cause)
        or (isinstance(cause, DBAPIError) and cause.connection_invalidated)
        for cause in _causes(error)
    )
