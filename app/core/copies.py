"""Copies of the whole database: dumped and loaded by PostgreSQL's own programs."""

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import IO
from urllib.parse import unquote, urlsplit

from app.core.postgres_programs import PostgresUnavailableError, Programs, newest_programs
from app.core.settings import Settings

# What a newer dump sets and an older server does not know; it is about the loading session only.
_UNKNOWN_TO_OLD = (b"SET transaction_timeout",)
_PREAMBLE = 200


class CopyError(PostgresUnavailableError):
    """A copy could not be made or loaded; the message says why."""


def _login(url: str) -> dict[str, str]:
    """Return how PostgreSQL's programs log in; the password stands in no command line."""
    parts = urlsplit(url)
    return os.environ | {
        "PGHOST": parts.hostname or "",
        "PGPORT": str(parts.port or 5432),
        "PGUSER": unquote(parts.username or ""),
        "PGPASSWORD": unquote(parts.password or ""),
        "PGDATABASE": parts.path.removeprefix("/"),
    }


def dump(settings: Settings, url: str, path: Path) -> None:
    """Write the database of one moment into a file, while others go on writing."""
    programs = newest_programs(settings)
    command = [programs.path("pg_dump"), "--format=custom", "--no-owner", f"--file={path}"]
    done = subprocess.run(command, env=_login(url), capture_output=True, text=True, check=False)
    if done.returncode:
        path.unlink(missing_ok=True)
        msg = f"pg_dump failed: {done.stderr.strip()}"
        raise CopyError(msg)
    path.chmod(0o600)


def load(settings: Settings, path: Path, url: str) -> None:
    """Load a dump into an empty database, whole or not at all."""
    programs = newest_programs(settings)
    with _script(programs, path) as script:
        loading = subprocess.Popen(
            [programs.path("psql"), "--quiet", "--no-psqlrc", "--set=ON_ERROR_STOP=1",
             "--single-transaction", "--output=/dev/null"],
            env=_login(url), stdin=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        assert loading.stdin is not None  # noqa: S101 - a pipe was asked for
        with contextlib.suppress(BrokenPipeError):
            _pass_on(script, loading.stdin)
        _, said = loading.communicate()
    if loading.returncode:
        msg = f"the copy could not be loaded: {said.decode(errors='replace').strip()[:2000]}"
        raise CopyError(msg)


@contextlib.contextmanager
def _script(programs: Programs, path: Path) -> Iterator[IO[bytes]]:
    """Read a dump as the SQL that makes it again."""
    command = [programs.path("pg_restore"), "--no-owner", "--file=-", str(path)]
    reading = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert reading.stdout is not None  # noqa: S101 - a pipe was asked for
    yield reading.stdout
    _, said = reading.communicate()
    if reading.returncode:
        msg = f"the file is no backup that can be read: {said.decode(errors='replace').strip()}"
        raise CopyError(msg)


def _pass_on(script: IO[bytes], into: IO[bytes]) -> None:
    for _ in range(_PREAMBLE):
        line = script.readline()
        if not line.startswith(_UNKNOWN_TO_OLD):
            into.write(line)
    while block := script.read(1 << 20):
        into.write(block)
