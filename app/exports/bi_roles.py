"""Login roles for BI tools: each reads the `bi` views of one workspace, and nothing else.

What a role sees is decided by row-level security on its own name (`current_user`), which no
setting can forge. Its name says nothing of the workspace, because every role of a server can
read the names of all.
"""

import contextlib
import secrets
from urllib.parse import urlsplit, urlunsplit

import asyncpg
from sqlmodel import col, select

from app.core.clock import utc_now
from app.core.database import Database
from app.core.errors import Conflict, NotFound
from app.exports.models import BiAccess
from app.workspaces.service import find_workspace

_PREFIX = "bi_"
_MOST_CONNECTIONS = 20
_TIMEOUT = "60s"


async def create_role(
    database: Database, *, maker_url: str, workspace_key: str, personal: bool
) -> str:
    """Make a role and return the `postgresql://` URL by which it logs in.

    `maker_url` logs in as somebody who may make roles; Conflict where it may not.
    """
    async with database.session() as session:
        workspace = await find_workspace(session, workspace_key)
    role = _PREFIX + secrets.token_hex(6)
    password = secrets.token_urlsafe(24)
    await _as_maker(
        maker_url,
        f"create role {role} login noinherit connection limit {_MOST_CONNECTIONS} "
        f"password '{password}'",
        f"alter role {role} set statement_timeout = '{_TIMEOUT}'",
        f"alter role {role} set idle_in_transaction_session_timeout = '{_TIMEOUT}'",
        f"alter role {role} set default_transaction_read_only = on",
        f"alter role {role} set search_path = bi",
    )
    await _close_side_doors(database, maker_url)
    async with database.transaction() as session:
        access = BiAccess(
            role=role, workspace_id=workspace.id, personal=personal, created_at=utc_now()
        )
        session.add(access)
    parts = urlsplit(database.url)
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=f"{role}:{password}@{host}"))


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


async def drop_role(database: Database, *, maker_url: str, role: str) -> None:
    """Drop a role; NotFound for one that is none of ours."""
    async with database.transaction() as session:
        found = await session.get(BiAccess, role)
        if found is None:
            raise NotFound(f"There is no BI role `{role[:64]}`; `afterword bi-role --list` says.")
        await session.delete(found)
    await _as_maker(maker_url, f"drop role {role}")


# By these, everybody may write without owning anything.
_WRITERS = (
    "lo_create(oid)", "lo_creat(integer)", "lo_from_bytea(oid, bytea)",
    "lo_put(oid, bigint, bytea)", "lowrite(integer, bytea)", "lo_import(text)",
    "lo_import(text, oid)", "lo_open(oid, integer)", "lo_unlink(oid)",
    "lo_truncate(integer, integer)", "lo_truncate64(integer, bigint)",
)  # fmt: skip


async def _close_side_doors(database: Database, maker_url: str) -> None:
    """Take from everybody what the server gives to all: large objects and temporary tables.

    On a server that is not ours the login may not be allowed to; then its owner decides.
    """
    name = urlsplit(database.url).path.removeprefix("/")
    maker = urlunsplit(urlsplit(maker_url)._replace(path=f"/{name}"))
    for statement in (
        f'revoke temporary on database "{name}" from public',
        f"revoke execute on function {', '.join(_WRITERS)} from public",
    ):
        with contextlib.suppress(Conflict):
            await _as_maker(maker, statement)


async def _as_maker(url: str, *statements: str) -> None:
    connection = await asyncpg.connect(url, timeout=10)
    try:
        async with connection.transaction():
            for statement in statements:
                await connection.execute(statement)
    except asyncpg.InsufficientPrivilegeError as error:
        msg = (
            f"The database's login may not make roles ({error}). Give it CREATEROLE for this "
            "command, or set AFTERWORD_DATABASE_URL to one that has it."
        )
        raise Conflict(msg) from None
    finally:
        await connection.close()
