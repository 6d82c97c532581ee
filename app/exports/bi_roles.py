# SPDX-License-Identifier: Apache-2.0
"""Login roles for BI tools: each reads the `bi` views of one workspace, and nothing else.

What a role sees is decided by row-level security on its own name (`current_user`), which no
setting can forge. Its name says nothing of the workspace, because every role of a server can
read the names of all.
"""

import contextlib
import datetime as dt
import logging
import re
import secrets
from typing import NamedTuple
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit
from uuid import UUID

import asyncpg
from sqlalchemy import text
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from app.core.clock import utc_now
from app.core.cursors import newest_first
from app.core.database import Database, open_connection, run_sql
from app.core.errors import Conflict, InvalidInput, NotFound
from app.exports.models import BiAccess
from app.workspaces.service import find_workspace

logger = logging.getLogger(__name__)

_PREFIX = "bi_"
# Parameters by which a URL may name our own login.
_OUR_LOGIN = frozenset({"user", "password", "passfile"})
_MAX_CONNECTIONS = 20
_TIMEOUT = "60s"
# Functions that give a transaction an id; events wait while such a transaction is open.
_XACT_ID_FUNCTIONS = ("pg_current_xact_id", "txid_current", "pg_logical_emit_message")
_SCHEMA = re.compile(r"[a-z_][a-z0-9_]{0,39}")
_OURS = frozenset({"bi", "public", "information_schema", "pg_catalog", "pg_toast"})
_MAX_IDLE_TIME = dt.timedelta(seconds=60)


class NewRole(NamedTuple):
    """A role that was just made, with the only URL that has its password."""

    access: BiAccess
    url: str


async def create_role(
    database: Database,
    *,
    maker_url: str,
    workspace_key: str,
    personal: bool = False,
    schema: str | None = None,
) -> NewRole:
    """Make a role and return it with the `postgresql://` URL by which it logs in.

    `maker_url` logs in as somebody who may make roles; Conflict where it may not. With `schema`
    the role owns a schema of that name, in which a tool such as dbt keeps what it builds; without
    it, the role only reads.
    """
    if schema is not None and (not _SCHEMA.fullmatch(schema) or schema in _OURS):
        detail = (
            f"`{schema[:64]}` cannot be its schema: lower-case letters, digits and _, at most 40, "
            f"and none of {', '.join(sorted(_OURS))}."
        )
        raise InvalidInput.at("body", "schema", msg=detail)
    async with database.session() as session:
        workspace = await find_workspace(session, workspace_key)
    role = _PREFIX + secrets.token_hex(6)
    password = secrets.token_urlsafe(24)
    await _run_as_maker(
        maker_url,
        f"create role {role} login noinherit connection limit {_MAX_CONNECTIONS} "
        f"password '{password}'",
        f"alter role {role} set statement_timeout = '{_TIMEOUT}'",
        f"alter role {role} set idle_in_transaction_session_timeout = '{_TIMEOUT}'",
        f"alter role {role} set default_transaction_read_only = {'off' if schema else 'on'}",
        f"alter role {role} set search_path = {f'{schema}, bi' if schema else 'bi'}",
    )
    await _revoke_public_rights(database, maker_url)
    # As a member of the role our login may see what its sessions do, and end them.
    with contextlib.suppress(Conflict):
        await _run_as_maker(maker_url, f'grant {role} to "{login_of(database)}"')
    if schema is not None:
        await _create_schema(_in_our_database(database, maker_url), schema, role)
    async with database.transaction() as session:
        access = BiAccess(
            role=role, workspace_id=workspace.id, personal=personal, created_at=utc_now()
        )
        session.add(access)
        await session.flush()
        await _write_role_functions(session)
    return NewRole(access, f"postgresql://{role}:{password}@{address_of(database)}")


async def _create_schema(maker: str, schema: str, role: str) -> None:
    """Make a role's schema; drop the role again and raise Conflict if it cannot be made."""
    try:
        await _run_as_maker(maker, f"create schema {schema} authorization {role}")
    except (Conflict, asyncpg.DuplicateSchemaError) as error:
        await _run_as_maker(maker, f"drop owned by {role}", f"drop role {role}")
        if isinstance(error, Conflict):
            raise
        msg = f"There is a schema `{schema}` already; choose another name."
        raise Conflict(msg) from None


def address_of(database: Database) -> str:
    """Return where roles log in: what follows the `@` of a `postgresql://` URL, without secrets."""
    parts = urlsplit(database.url)
    host = parts.netloc.rpartition("@")[2]
    query = urlencode([pair for pair in parse_qsl(parts.query) if pair[0] not in _OUR_LOGIN])
    return urlunsplit(parts._replace(scheme="", netloc=host, query=query)).removeprefix("//")


async def list_roles(database: Database, workspace_key: str) -> list[BiAccess]:
    """Return the roles of a workspace, the oldest first."""
    async with database.session() as session:
        workspace = await find_workspace(session, workspace_key)
        rows = await session.exec(
            select(BiAccess)
            .where(BiAccess.workspace_id == workspace.id)
            .order_by(col(BiAccess.created_at))
        )
        return list(rows)


async def find_page(
    session: AsyncSession, workspace_id: UUID, *, limit: int, cursor: str | None
) -> list[BiAccess]:
    """Return up to `limit + 1` roles of a workspace, newest first."""
    query = select(BiAccess).where(BiAccess.workspace_id == workspace_id)
    query = newest_first(query, BiAccess, limit=limit, cursor=cursor, key="role")
    return list(await session.exec(query))


async def require_role(session: AsyncSession, workspace_id: UUID, role: str) -> None:
    """Raise NotFound if the workspace has no such role."""
    bi_access = await session.get(BiAccess, role)
    if bi_access is None or bi_access.workspace_id != workspace_id:
        raise NotFound.in_workspace("login")


async def drop_role(database: Database, *, maker_url: str, role: str) -> None:
    """Drop a BI role; raise NotFound if no workspace has it."""
    async with database.transaction() as session:
        bi_access = await session.get(BiAccess, role)
        if bi_access is None:
            detail = f"There is no BI role `{role[:64]}`; `afterword bi-role --list` lists them."
            raise NotFound(detail)
        await session.delete(bi_access)
        await session.flush()
        await _write_role_functions(session)
    maker = _in_our_database(database, maker_url)
    # Its schema, where it has one, goes with it.
    await _run_as_maker(maker, f"drop owned by {role} cascade", f"drop role {role}")


async def _write_role_functions(session: AsyncSession) -> None:
    """Write down, in the functions that the policies ask, which role reads which workspace.

    A policy on a table that is spread over a cluster can look nothing up; names and ids are hex.
    """
    rows = list(await session.exec(select(BiAccess)))
    for function, roles in (
        ("bi_workspace", rows),
        ("bi_personal_workspace", [row for row in rows if row.personal]),
    ):
        cases = " ".join(f"when '{row.role}' then '{row.workspace_id}'::uuid" for row in roles)
        case_sql = f"case current_user {cases} end" if cases else "null::uuid"
        statement = (
            f"create or replace function {function}() returns uuid "
            f"language sql stable as $$ select {case_sql} $$"
        )
        await run_sql(session, text(statement.replace(":", r"\:")))


# With these functions every role could write, although it owns no table.
_WRITERS = (
    "lo_create(oid)", "lo_creat(integer)", "lo_from_bytea(oid, bytea)",
    "lo_put(oid, bigint, bytea)", "lowrite(integer, bytea)", "lo_import(text)",
    "lo_import(text, oid)", "lo_open(oid, integer)", "lo_unlink(oid)",
    "lo_truncate(integer, integer)", "lo_truncate64(integer, bigint)",
)  # fmt: skip


async def _revoke_public_rights(database: Database, maker_url: str) -> None:
    """Revoke what PostgreSQL grants to every role: large objects and temporary tables.

    On a server that we do not own this may be forbidden; then nothing is revoked.
    """
    name = urlsplit(database.url).path.removeprefix("/")
    maker = _in_our_database(database, maker_url)
    for statement in (
        f'revoke temporary on database "{name}" from public',
        f"revoke execute on function {', '.join(_WRITERS)} from public",
    ):
        with contextlib.suppress(Conflict):
            await _run_as_maker(maker, statement)

    await _revoke_xact_id_functions(maker, login_of(database))


async def _revoke_xact_id_functions(maker: str, login: str) -> None:
    """Revoke the functions that give out transaction ids, if the maker's login may do that."""
    statements: list[str] = []
    connection = await open_connection(maker)
    try:
        functions = await connection.fetch(
            "select oid::regprocedure::text as name from pg_proc where proname = any($1::text[]) "
            "and pronamespace = 'pg_catalog'::regnamespace",
            list(_XACT_ID_FUNCTIONS),
        )
    finally:
        await connection.close()
    for row in functions:
        statements.append(f'grant execute on function {row["name"]} to "{login}"')
        statements.append(f"revoke execute on function {row['name']} from public")
    with contextlib.suppress(Conflict):
        await _run_as_maker(maker, *statements)


def _in_our_database(database: Database, maker_url: str) -> str:
    """Return the maker's URL with the service's own database."""
    return urlunsplit(urlsplit(maker_url)._replace(path=urlsplit(database.url).path))


def login_of(database: Database) -> str:
    """Return the name of the service's own login."""
    return urlsplit(database.url).username or ""


async def roles_we_cannot_end(session: AsyncSession) -> list[str]:
    """Return the BI roles whose sessions our login may not end."""
    roles = [row.role for row in await run_sql(session, text("select role from bi_access"))]
    rows = await run_sql(
        session,
        text(
            "select rolname from pg_roles where rolname = any(:roles) "
            "and not pg_has_role(current_user, oid, 'usage') order by 1"
        ).bindparams(roles=roles),
    )
    return [row.rolname for row in rows]


async def end_idle(session: AsyncSession, now: dt.datetime) -> None:
    """End the sessions of BI roles that have idled in a transaction for a minute."""
    rows = await run_sql(
        session,
        text(
            "select pid, usename, pg_terminate_backend(pid) from pg_stat_activity "
            "where usename in (select role from bi_access) and state like 'idle in transaction%' "
            "and state_change < :oldest and pg_has_role(current_user, usesysid, 'usage')"
        ).bindparams(oldest=now - _MAX_IDLE_TIME),
    )
    for row in rows:
        logger.warning("a BI session that idled in a transaction was ended",
                       extra={"role": row.usename})  # fmt: skip


async def _run_as_maker(url: str, *statements: str) -> None:
    connection = await open_connection(url)
    try:
        async with connection.transaction():
            for statement in statements:
                await connection.execute(statement)
    except asyncpg.InsufficientPrivilegeError as error:
        msg = (
            f"The database's login may not do this ({error}). Give it CREATEROLE, and CREATE on "
            "the database for a role with a schema, or set AFTERWORD_DATABASE_URL to one that has "
            "them."
        )
        raise Conflict(msg) from None
    finally:
        await connection.close()
