# SPDX-License-Identifier: Apache-2.0
"""BI roles: what they may see, how many connections they get, and that they delay no events."""

import asyncio
import contextlib
import datetime as dt
import json
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import adbc_driver_postgresql.dbapi
import asyncpg
import pytest

from app.core.clock import utc_now
from app.core.database import Database
from app.core.postgres import superuser_url
from app.core.postgres_server import url_of
from app.exports import bi_roles
from tests.bi.conftest import BiCompany
from tests.bi.test_sql import read_row
from tests.service import Service


@pytest.fixture(scope="module")
def company(service: Service) -> BiCompany:
    """A company of these tests alone: they give answers and leave roles behind."""
    company = BiCompany(service, "bounded")
    company.furnish()
    company.sql = company.role()
    return company


async def test_a_pool_of_fifteen_fits_and_no_role_takes_all(company: BiCompany) -> None:
    process = company.service.command("bi-role", "--workspace", company.name)
    assert process.returncode == 0, process.stderr
    url, connections = process.stdout.strip(), []
    try:
        connections += [await asyncpg.connect(url) for _ in range(20)]
        assert await connections[14].fetchval("select count(*) from bi.responses") is not None
        with pytest.raises(adbc_driver_postgresql.dbapi.Error, match="too many connections"):
            await asyncio.to_thread(adbc_driver_postgresql.dbapi.connect, url)
        with company.client as client:
            assert client.get("/v1/surveys").status_code == 200
    finally:
        for connection in connections:
            await connection.close()


# Statements by which a role may try to see another workspace.
TRICKS = [
    "set role {neighbour}",
    "set role afterword",
    "set session authorization {neighbour}",
    "set row_security = off",
    "select set_config('role', '{neighbour}', false)",
    "select set_config('app.workspace_id', (select max(workspace_id::text) from bi_access), false)",
    "set search_path = public",
    "create view public.mine as select * from public.response",
    "create temp view mine as select id from public.response",
    "alter role current_user superuser",
    "update public.bi_access set workspace_id = gen_random_uuid()",
    "insert into public.bi_access select '{role}', gen_random_uuid(), true, now()",
    "alter table public.response disable row level security",
    "drop policy bi_workspace on public.response",
    "select * from public.event",
    "select * from public.api_key",
    "select * from public.workspace",
    "select * from public.webhook_endpoint",
    "select * from public.job",
    "select name from public.customer",
    "select claimed from public.response",
    "select * from bi.customers",
    "select lo_import('/etc/passwd')",
    "select lo_create(0)",
    "select lo_from_bytea(0, 'theirs')",
    "create temp table mine as select 1",
    "copy (select 1) to program 'id'",
    "select pg_read_file('/etc/passwd')",
    "select most_common_vals::text from pg_stats where tablename = 'response'",
    "table public.bi_access",
]


@pytest.mark.parametrize("trick", TRICKS)
async def test_no_trick_shows_a_role_another_workspace(
    company: BiCompany, neighbour: BiCompany, trick: str
) -> None:
    other = urlsplit(neighbour.sql).username or ""
    role = urlsplit(company.sql).username or ""
    connection = await asyncpg.connect(company.sql)
    try:
        mine = await connection.fetchval("select count(*) from bi.responses")
        rows: list[Any] = []
        refused = False
        try:
            await connection.execute("set default_transaction_read_only = off")
            statement = trick.format(neighbour=other, role=role)
            rows = await connection.fetch(statement)
        except asyncpg.PostgresError:
            refused = True
        assert refused or not trick.startswith(("create temp", "select lo_", "insert", "drop"))
        assert "theirs" not in str(rows)
        for query in ("bi.responses", "public.response"):
            with contextlib.suppress(asyncpg.InsufficientPrivilegeError):
                # With `row_security` off, PostgreSQL refuses the query.
                assert await connection.fetchval(f"select count(*) from {query}") == mine == 6
        who = await connection.fetchval("select current_user")
        assert who == role
    finally:
        await connection.close()


async def test_a_foreign_name_opens_nothing(company: BiCompany, neighbour: BiCompany) -> None:
    """A role that somebody else made, even one named like a workspace, reads no row."""
    rows = await read_row(neighbour.sql, "select array_agg(distinct role) from public.bi_access")
    assert rows[0] == [urlsplit(neighbour.sql).username]
    state = json.loads((company.service.folder / "data" / "postgres.json").read_text())
    maker = await asyncpg.connect(superuser_url(company.service.folder / "data"))
    await maker.execute("""create role "theirs" login password 'x'""")
    await maker.close()
    url = f"postgresql://theirs:x@127.0.0.1:{state['port']}/afterword"
    assert (await read_row(url, "select count(*) from bi.responses"))[0] == 0


async def test_a_function_in_a_query_never_sees_rows_of_another_workspace(
    company: BiCompany, neighbour: BiCompany
) -> None:
    theirs = await read_row(neighbour.sql, "select array_agg(id) from bi.responses")
    # The role itself can make no function; this one is somebody else's.
    able = superuser_url(company.service.folder / "data").rpartition("/")[0] + "/afterword"
    maker = await asyncpg.connect(able)
    await maker.execute(
        "create function public.peek(id uuid) returns bool language plpgsql "
        "cost 0.0000001 as $$ begin raise notice '%', id; return true; end $$"
    )
    await maker.close()
    messages: list[str] = []
    connection = await asyncpg.connect(company.sql)
    connection.add_log_listener(lambda _, message: messages.append(str(message)))
    try:
        await connection.execute("select count(*) from public.response where public.peek(id)")
        await connection.execute("select count(*) from bi.responses where public.peek(id)")
    finally:
        await connection.close()
    assert len(messages) == 12
    assert not any(str(id_) in message for message in messages for id_ in theirs[0])


async def test_names_are_for_personal_roles(company: BiCompany, neighbour: BiCompany) -> None:
    row = await read_row(neighbour.sql, "select email, name from bi.customers")
    assert tuple(row) == ("theirs@c.pl", "Mr theirs")
    assert await read_row(company.sql, "select email from bi.customers") is None
    assert await read_row(company.sql, "select email from public.customer") is None


async def test_a_role_is_bounded_and_can_be_dropped(company: BiCompany) -> None:
    row = await read_row(
        company.sql, "select current_setting('statement_timeout'), current_setting('search_path')"
    )
    assert tuple(row) == ("1min", "bi")
    for options in ((), ("--personal",)):
        url = company.role(*options)
        role = urlsplit(url).username or ""
        assert (
            role in company.service.command("bi-role", "--workspace", company.name, "--list").stdout
        )
        dropped = company.service.command("bi-role", "--drop", role)
        assert dropped.returncode == 0, dropped.stderr
        with pytest.raises(asyncpg.PostgresError):
            await read_row(url, "select 1")


def test_the_command_says_from_where_it_is_reached(company: BiCompany) -> None:
    process = company.service.command("bi-role", "--workspace", company.name)
    assert "from this machine alone" in process.stderr
    assert "OData" in process.stderr
    unknown = company.service.command("bi-role", "--workspace", "nobody")
    assert unknown.returncode == 1
    assert "nobody" in unknown.stderr


async def test_a_role_delays_nobodys_events(company: BiCompany) -> None:
    connection = await asyncpg.connect(company.sql)
    try:
        for call in ("pg_current_xact_id()", "txid_current()",
                     "pg_logical_emit_message(true, 'a', 'b')"):  # fmt: skip
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.fetchval(f"select {call}")
        # It may change its own patience; the worker's stays.
        await connection.execute("set idle_in_transaction_session_timeout = 0")
        await connection.execute("begin")
        await connection.fetchval("select count(*) from bi.responses")
        before = company.answer()
        assert await event_arrives(company, before)
    finally:
        await connection.close()


async def test_a_role_may_have_a_schema_to_build_in_and_still_holds_up_nobody(
    company: BiCompany,
) -> None:
    url = company.role("--schema", "analytics")
    connection = await asyncpg.connect(url)
    try:
        await connection.execute("create table nps as select * from bi.figures_daily")
        assert await connection.fetchval("select sum(responses) from analytics.nps") > 0
        for elsewhere in ("public", "bi"):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(f"create table {elsewhere}.mine (a int)")
        await connection.execute("begin")
        await connection.execute("create table left_open (a int)")
        assert await event_arrives(company, company.answer())
    finally:
        await connection.close()
    role = urlsplit(url).username or ""
    dropped = company.service.command("bi-role", "--drop", role)
    assert dropped.returncode == 0, dropped.stderr
    schemas = "select count(*) from pg_namespace where nspname = 'analytics'"
    assert (await read_row(company.sql, schemas))[0] == 0
    for odd in ("bi", "Public", "a; drop schema bi", ""):
        refused = company.service.command("bi-role", "--workspace", company.name, "--schema", odd)
        assert refused.returncode != 0
        assert "cannot be its schema" in refused.stderr


async def event_arrives(company: BiCompany, id_: str) -> bool:
    for _ in range(50):
        with company.client as client:
            reply = client.get("/v1/events", params={"limit": 500}).json()["data"]
        if any(event["data"].get("id") == id_ for event in reply):
            return True
        await asyncio.sleep(0.1)
    return False


async def test_a_session_that_idles_in_a_transaction_is_ended(
    company: BiCompany, service: Service
) -> None:
    connection = await asyncpg.connect(company.sql)
    await connection.execute("set idle_in_transaction_session_timeout = 0")
    await connection.execute("begin")
    await connection.fetchval("select 1")
    owner = Database(owner_url(service))
    try:
        async with owner.transaction() as session:
            await bi_roles.end_idle(session, utc_now() + dt.timedelta(seconds=61))
        ended = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)
        with pytest.raises(ended):
            await connection.fetchval("select 1")
    finally:
        await owner.close()
        connection.terminate()


def owner_url(service: Service) -> str:
    data = Path(service.environment["AFTERWORD_DATA_DIR"])
    return url_of(json.loads((data / "postgres.json").read_text()))
