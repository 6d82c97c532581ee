# SPDX-License-Identifier: Apache-2.0
"""Copies of the whole database: dumped and loaded by PostgreSQL's own programs."""

import os
import subprocess
import tempfile
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit

from app.core.postgres_programs import PostgresUnavailableError, newest_clients
from app.core.settings import Settings

# Settings in a newer dump that an older server does not know; they can be left out.
_UNKNOWN_TO_OLD = (b"SET transaction_timeout",)
_PREAMBLE_LINES = 200
_LOCAL = {None, "", "localhost", "127.0.0.1", "::1"}


class CopyError(PostgresUnavailableError):
    """A copy could not be made or loaded; the message says why."""


def _login(url: str) -> dict[str, str]:
    """Return how PostgreSQL's programs log in; the password stands in no command line."""
    parts = urlsplit(url)
    # Such as `?sslmode=require`.
    connection_options = {f"PG{name.upper()}": value for name, value in parse_qsl(parts.query)}
    return (
        os.environ
        | connection_options
        | {
            "PGHOST": parts.hostname or "",
            "PGPORT": str(parts.port or 5432),
            "PGUSER": unquote(parts.username or ""),
            "PGPASSWORD": unquote(parts.password or ""),
            "PGDATABASE": parts.path.removeprefix("/"),
        }
    )


def _program(settings: Settings, name: str, url: str) -> str:
    """Choose a program: for a remote server the system's, because the wheel's lack TLS."""
    local = urlsplit(url).hostname in _LOCAL
    return newest_clients(settings.postgres_bin, system_first=not local).path(name)


def dump(settings: Settings, url: str, path: Path) -> None:
    """Write the database of one moment into a file, while others go on writing."""
    program = _program(settings, "pg_dump", url)
    command = [program, "--format=custom", "--no-owner", "--no-blobs", f"--file={path}"]
    done = subprocess.run(command, env=_login(url), capture_output=True, text=True, check=False)
    if done.returncode:
        path.unlink(missing_ok=True)
        msg = f"pg_dump failed: {done.stderr.strip()}"
        raise CopyError(msg)
    path.chmod(0o600)


def load(settings: Settings, path: Path, url: str) -> None:
    """Load a dump into an empty database, whole or not at all."""
    reader = newest_clients(settings.postgres_bin, system_first=False).path("pg_restore")
    with (
        tempfile.TemporaryFile() as reader_errors,
        tempfile.NamedTemporaryFile("w", suffix=".list") as contents,
    ):
        contents.write(_contents_of(reader, path))
        contents.flush()
        reading_command = [reader, "--no-owner", f"--use-list={contents.name}", "--file=-"]
        with (
            subprocess.Popen(
                [*reading_command, str(path)], stdout=subprocess.PIPE, stderr=reader_errors
            ) as reading,
            subprocess.Popen(
                [_program(settings, "psql", url), "--quiet", "--no-psqlrc",
                 "--set=ON_ERROR_STOP=1", "--output=/dev/null"],
                env=_login(url), stdin=subprocess.PIPE, stderr=subprocess.PIPE,
            ) as loading,
        ):  # fmt: skip
            is_complete = _pass_on(reading, loading)
            reading.kill()
            _, error_output = loading.communicate()
        reader_errors.seek(0)
        if not is_complete and not loading.returncode:
            raise _unreadable(reader_errors.read())
    if loading.returncode:
        msg = (
            f"the copy could not be loaded: {error_output.decode(errors='replace').strip()[:2000]}"
        )
        raise CopyError(msg)


def _contents_of(reader: str, path: Path) -> str:
    """Return the list of what a dump holds, without the extensions of the server it came from.

    The service needs none; a cluster's are made where the cluster is made.
    """
    listed = subprocess.run([reader, "--list", str(path)], capture_output=True, check=False)
    if listed.returncode:
        raise _unreadable(listed.stderr)
    lines = listed.stdout.decode().splitlines(keepends=True)
    return "".join(line for line in lines if " EXTENSION " not in line)


def _unreadable(error_output: bytes) -> CopyError:
    why = error_output.decode(errors="replace").strip()
    return CopyError(f"the file is not a backup that can be read: {why[:2000]}")


def _pass_on(reading: "subprocess.Popen[bytes]", loading: "subprocess.Popen[bytes]") -> bool:
    """Pass the script on as one transaction; it is committed only if it was read to its end."""
    script, into = reading.stdout, loading.stdin
    assert script is not None  # noqa: S101 - a pipe was asked for
    assert into is not None  # noqa: S101 - a pipe was asked for
    try:
        into.write(b"begin;\n")
        for _ in range(_PREAMBLE_LINES):
            line = script.readline()
            if not line.startswith(_UNKNOWN_TO_OLD):
                into.write(line)
        while block := script.read(1 << 20):
            into.write(block)
        if reading.wait():
            return False
        into.write(b"\ncommit;\n")
        into.flush()
    except BrokenPipeError:
        return False
    return True
