# SPDX-License-Identifier: Apache-2.0
"""The embedded PostgreSQL: one supervisor a folder, survivors stopped, nothing lost."""

import asyncio
import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from app.core.postgres import EmbeddedPostgres, attached_database, superuser_url
from app.core.postgres_programs import PostgresUnavailableError, require_account_name
from app.core.postgres_server import AlreadyRunningError
from app.core.settings import Settings


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder whose parent other accounts cannot enter, as temporary folders often are."""
    parent = Path(tempfile.mkdtemp(prefix="afterword-postgres-"))
    yield parent / "data"
    shutil.rmtree(parent)


def ask(url: str, query: str) -> object:
    async def connect_once() -> object:
        connection = await asyncpg.connect(url)
        try:
            return await connection.fetchval(query)
        finally:
            await connection.close()

    return asyncio.run(connect_once())


def test_the_service_logs_in_as_owner_and_nothing_more(folder: Path) -> None:
    with attached_database(Settings(data_dir=folder)) as url:
        role = "from pg_roles where rolname = current_user"
        assert ask(url, f"select rolsuper or rolcreaterole or rolcreatedb {role}") is False
        assert ask(url, "show data_checksums") == "on"
        assert ask(url, "show synchronous_commit") == "on"
        assert ask(url, "select lower('ŻÓŁĆ')") == "żółć"
        with pytest.raises(asyncpg.InvalidPasswordError):
            ask(url.replace("afterword:", "afterword:x"), "select 1")
    assert (folder / "postgres.json").stat().st_mode & 0o077 == 0


def test_a_full_server_still_lets_the_service_in(folder: Path) -> None:
    settings = Settings(data_dir=folder)

    async def fill(url: str) -> tuple[int, object]:
        """Open connections as another login until the server refuses; then as the service."""
        admin = await asyncpg.connect(superuser_url(folder))
        if int(await admin.fetchval("show server_version_num")) < 160_000:
            await admin.close()
            pytest.skip("PostgreSQL below 16 knows no reserved connections")
        await admin.execute("create role guest login password 'guest'")
        await admin.close()
        guest = url.replace(url.partition("://")[2].partition("@")[0], "guest:guest")
        guests: list[Any] = []
        try:
            while len(guests) < 250:
                guests.append(await asyncpg.connect(guest))
        except asyncpg.TooManyConnectionsError:
            pass
        own = await asyncpg.connect(url)
        result = await own.fetchval("select 1")
        for connection in [*guests, own]:
            await connection.close()
        return len(guests), result

    with attached_database(settings) as url:
        guests, result = asyncio.run(fill(url))
    assert 100 < guests < 150
    assert result == 1


def test_a_second_supervisor_is_refused_and_a_command_attaches(folder: Path) -> None:
    settings = Settings(data_dir=folder)
    server = EmbeddedPostgres(settings)
    server.start()
    try:
        with pytest.raises(AlreadyRunningError, match="already runs"):
            EmbeddedPostgres(settings).start()
        with attached_database(settings) as url:
            assert ask(url, "select 1") == 1
        assert server.restart_if_dead() is False
    finally:
        server.stop()


def test_a_server_that_outlived_its_supervisor_is_stopped_first(folder: Path) -> None:
    settings = Settings(data_dir=folder)
    lost = EmbeddedPostgres(settings)
    url = lost.start()
    ask(url, "create table kept ()")
    assert lost._lock
    lost._lock.close()
    with attached_database(settings) as again:
        assert ask(again, "select count(*) from kept") == 0
    assert lost._process
    lost._process.wait(10)


READY = "{pid}\n{data}\n1764000000\n5433\nrun\n127.0.0.1\n  5433001  0\nready   \n"


@pytest.mark.parametrize("kind", ["zombie", "other", "ours", "gone", "first", "garbage", "empty"])
def test_a_stale_lock_file_never_stops_a_start(folder: Path, kind: str) -> None:
    settings = Settings(data_dir=folder)
    with attached_database(settings) as url:
        ask(url, "create table kept ()")
    ended = os.fork()
    if ended == 0:
        os._exit(0)
    pids = {"zombie": ended, "other": os.getppid(), "ours": os.getpid(), "gone": 4_000_000,
            "first": 1}  # fmt: skip
    text = {"garbage": "\x00 not a number", "empty": ""}.get(kind)
    if text is None:
        text = READY.format(pid=pids[kind], data=folder / "postgres")
    (folder / "postgres" / "postmaster.pid").write_text(text)
    try:
        with attached_database(settings) as again:
            assert ask(again, "select count(*) from kept") == 0
    finally:
        os.waitpid(ended, 0)


def test_a_server_whose_first_process_was_killed_starts_again(folder: Path) -> None:
    settings = Settings(data_dir=folder)
    lost = EmbeddedPostgres(settings)
    ask(lost.start(), "create table kept ()")
    assert lost._process
    assert lost._lock
    # All at once, and nobody has taken note of the death yet.
    os.killpg(lost._process.pid, signal.SIGKILL)
    lost._lock.close()
    with attached_database(settings) as again:
        assert ask(again, "select count(*) from kept") == 0
    lost._process.wait(10)


def test_an_account_without_a_name_is_told_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 12345)
    with pytest.raises(PostgresUnavailableError, match="12345 has no line in /etc/passwd"):
        require_account_name()


def test_a_server_that_dies_is_started_again_on_its_port(folder: Path) -> None:
    server = EmbeddedPostgres(Settings(data_dir=folder))
    url = server.start()
    try:
        assert server._process
        os.kill(server._process.pid, 9)
        server._process.wait()
        assert server.restart_if_dead()
        assert ask(url, "select 1") == 1
    finally:
        server.stop()


def test_a_first_start_that_was_cut_off_is_completed(folder: Path) -> None:
    (folder / "postgres.new").mkdir(parents=True)
    (folder / "postgres.new" / "half").write_text("made")
    with attached_database(Settings(data_dir=folder)) as url:
        assert ask(url, "select 1") == 1


def test_a_folder_of_another_major_version_is_refused_with_the_command(folder: Path) -> None:
    (folder / "postgres").mkdir(parents=True)
    (folder / "postgres" / "PG_VERSION").write_text("9\n")
    with pytest.raises(PostgresUnavailableError, match="pg_upgrade"):
        EmbeddedPostgres(Settings(data_dir=folder)).start()


def test_without_programs_the_ways_out_are_named(folder: Path) -> None:
    settings = Settings(data_dir=folder, postgres_bin=folder)
    with pytest.raises(PostgresUnavailableError, match="AFTERWORD_DATABASE_URL"):
        EmbeddedPostgres(settings).start()
