# SPDX-License-Identifier: Apache-2.0
"""The server of an embedded PostgreSQL: one supervisor per data folder, loopback only.

Only the standard library is loaded here: the supervisor's process stays small.
"""

import contextlib
import fcntl
import json
import logging
import os
import secrets
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Sequence
from io import TextIOWrapper
from pathlib import Path
from typing import Any

from app.core.data_folder import write_private
from app.core.postgres_options import server_options
from app.core.postgres_programs import (
    Account,
    PostgresUnavailableError,
    Programs,
    copy_if_unreachable,
    find_programs,
    open_data_dir,
    require_account_name,
    unprivileged_account,
)

logger = logging.getLogger(__name__)

_START_SECONDS = 60
_STOP_SECONDS = 60
_STALE_SECONDS = 10
_STATE = "postgres.json"


class AlreadyRunningError(PostgresUnavailableError):
    """Another Afterword already runs on this data folder."""


class PostgresServer:
    """Runs the server of one data folder as a direct child of this process."""

    def __init__(self, data_dir: Path, *, programs_folder: Path | None) -> None:
        """Only remember where things are; `start` does the work.

        Without a folder of programs, those of the wheel or of the system are taken.
        """
        self._data_dir = data_dir
        self._programs_folder = programs_folder
        self._data = data_dir / "postgres"
        self._process: subprocess.Popen[bytes] | None = None
        self._lock: TextIOWrapper | None = None
        self._account: Account | None = None
        self._is_path_open = True

    def start(self) -> str:
        """Start the server, making its files the first time, and return the service's own URL.

        The login and the database of that URL are made by `postgres.complete_owner`.
        Raises AlreadyRunningError where another supervisor holds the folder, and
        PostgresUnavailableError with the reason and the remedy for anything else.
        """
        self._take_lock()
        try:
            self._account = unprivileged_account()
            programs = self._find_programs()
            if self._account:
                self._is_path_open = open_data_dir(programs, data_dir=self._data_dir)
            state = read_state(self._data_dir) if self._data.exists() else {}
            state = state or self._initialise(programs)
            self._clear_folder()
            self._launch(programs, port=_free_port(state.get("port", 0)), state=state)
        except BaseException:
            self.stop()
            raise
        return url_of(read_state(self._data_dir))

    def _find_programs(self) -> Programs:
        programs = find_programs(self._programs_folder, data=self._data)
        return copy_if_unreachable(programs, data_dir=self._data_dir) if self._account else programs

    def restart_if_dead(self) -> bool:
        """Start the server again if it has died; return whether it had died."""
        if self._process is None or self._process.poll() is None:
            return False
        state = read_state(self._data_dir)
        logger.error("PostgreSQL died and is started again", extra={"code": self._process.poll()})
        programs = self._find_programs()
        self._clear_folder()
        self._launch(programs, port=state["port"], state=state)
        return True

    def stop(self) -> None:
        """Stop the server without waiting for its clients (no data is lost) and free the folder."""
        if self._process and self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
            try:
                self._process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.send_signal(signal.SIGQUIT)
                self._process.wait(_STOP_SECONDS)
        self._process = None
        if self._lock:
            self._lock.close()
            self._lock = None

    def _take_lock(self) -> None:
        self._data_dir.mkdir(parents=True, exist_ok=True)
        lock = (self._data_dir / "lock").open("a+")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            lock.seek(0)
            pid = lock.read().strip() or "unknown"
            lock.close()
            msg = (
                f"Afterword already runs on {self._data_dir} (process {pid}). "
                "Stop it first, or set AFTERWORD_DATA_DIR to another folder."
            )
            raise AlreadyRunningError(msg) from None
        lock.truncate(0)
        lock.write(f"{os.getpid()}\n")
        lock.flush()
        self._lock = lock

    def _initialise(self, programs: Programs) -> dict[str, Any]:
        """Make a fresh cluster; a first try that was killed half-way leaves only a draft."""
        require_account_name()
        draft = self._data_dir / "postgres.new"
        shutil.rmtree(draft, ignore_errors=True)
        if self._data.exists():
            file = self._data_dir / _STATE
            msg = f"{self._data} exists without {file}: restore that file, or move it."
            raise PostgresUnavailableError(msg)
        draft.mkdir(mode=0o700)
        password = secrets.token_urlsafe(24)
        password_file = self._data_dir / "initdb-password"
        write_private(password_file, password)
        if self._account:
            for path in (draft, password_file):
                os.chown(path, self._account.uid, self._account.gid)
        options = ["-U", "postgres", "-E", "UTF8", "-k", "--auth=scram-sha-256"]
        if programs.major >= 17:
            options += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"]
        else:
            options += ["--locale=C.UTF-8"]
        with password_file.open() as opened:
            pwfile = f"--pwfile=/dev/fd/{opened.fileno()}"
            completed = subprocess.run(
                [programs.path("initdb"), "-D", self._reachable_path(draft), *options, pwfile],
                pass_fds=[opened.fileno()],
                capture_output=True,
                text=True,
                check=False,
                **self._as_account(draft),
            )
        password_file.unlink()
        if completed.returncode:
            msg = f"initdb failed: {completed.stderr.strip()}"
            raise PostgresUnavailableError(msg)
        state: dict[str, Any] = {
            "superuser_password": password,
            "password": secrets.token_urlsafe(24),
        }
        write_state(self._data_dir, state)
        draft.rename(self._data)
        return state

    def _as_account(self, folder: Path) -> dict[str, Any]:
        if self._account is None:
            return {"cwd": folder}
        account = self._account
        return {"cwd": folder, "user": account.uid, "group": account.gid, "extra_groups": []}

    def _reachable_path(self, folder: Path) -> str:
        """Name the data folder as the server's account can reach it.

        The folders above may be closed to that account. So we enter the folder before we drop our
        rights, and the server reaches it as its working directory.
        """
        return str(folder) if self._is_path_open else "/proc/self/cwd"

    def _clear_folder(self) -> None:
        """Stop what outlived a killed service, and remove the lock files that it left.

        We hold the folder's lock, so every process that works in it is ours. The process number in
        a lock file is not used: it may be of a zombie, of another program, or our own.
        """
        deadline = time.monotonic() + _STOP_SECONDS
        announced = False
        while working := _processes_in(self._data):
            if not announced:
                logger.warning(
                    "stopping the database that a killed service left",
                    extra={"processes": len(working)},
                )
                announced = True
                _end(working, first=_postmaster_pid(self._data))
            if time.monotonic() > deadline:
                msg = f"The old database server ({working}) does not stop; end it by hand."
                raise PostgresUnavailableError(msg)
            time.sleep(0.02)
        for left in (self._data / "postmaster.pid", *self._data.glob("run/.s.PGSQL.*")):
            left.unlink(missing_ok=True)

    def _launch(self, programs: Programs, *, port: int, state: dict[str, Any]) -> None:
        """Start the server and wait until it accepts; retry while an old one's memory is freed."""
        write_state(self._data_dir, state | {"port": port})
        deadline = time.monotonic() + _STALE_SECONDS
        while reason := self._launch_once(programs, port):
            if time.monotonic() > deadline or "shared memory" not in reason:
                msg = f"PostgreSQL does not start: {reason}"
                raise PostgresUnavailableError(msg)
            time.sleep(0.3)

    def _launch_once(self, programs: Programs, port: int) -> str:
        options = server_options(int((self._data / "PG_VERSION").read_text()))
        options |= {"port": str(port), "unix_socket_directories": self._socket_dir()}
        settings = [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
        log_path = self._data_dir / "postgres.log"
        if log_path.exists() and log_path.stat().st_size > 10_000_000:
            log_path.replace(log_path.with_suffix(".log.1"))
        with log_path.open("ab") as log:
            began = log.tell()
            self._process = subprocess.Popen(
                [programs.path("postgres"), "-D", self._reachable_path(self._data), *settings],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                **self._as_account(self._data),
            )
        deadline = time.monotonic() + _START_SECONDS
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                with log_path.open("rb") as log:
                    log.seek(began)
                    return log.read().decode(errors="replace").strip() or "it ended at once"
            if _is_ready(self._data, self._process.pid):
                return ""
            time.sleep(0.02)
        return f"not ready after {_START_SECONDS} s; see {log_path}"

    def _socket_dir(self) -> str:
        """Return the Unix socket's folder as a relative path; an absolute one may be too long."""
        folder = self._data / "run"
        folder.mkdir(mode=0o700, exist_ok=True)
        if self._account:
            os.chown(folder, self._account.uid, self._account.gid)
        return "run"


def read_state(data_dir: Path) -> dict[str, Any]:
    """Return what is kept of the server (port, passwords, version of the role); empty if new."""
    file = data_dir / _STATE
    state: dict[str, Any] = json.loads(file.read_text()) if file.exists() else {}
    return state


def write_state(data_dir: Path, state: dict[str, Any]) -> None:
    """Keep what is known of the server, for its supervisor alone."""
    write_private(data_dir / _STATE, json.dumps(state))


def url_of(state: dict[str, Any]) -> str:
    """Return the URL by which the service logs in: as owner of its database, nothing more."""
    return f"postgresql://afterword:{state['password']}@127.0.0.1:{state['port']}/afterword"


def _free_port(preferred: int) -> int:
    """Keep the port of last time where it is free, else take any free one."""
    for port in (preferred, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            free_port: int = probe.getsockname()[1]
            return free_port
    msg = "No free port on 127.0.0.1."
    raise PostgresUnavailableError(msg)


def _postmaster_pid(data: Path) -> int | None:
    try:
        return int((data / "postmaster.pid").read_text().splitlines()[0])
    except (OSError, ValueError, IndexError):
        return None


def _processes_in(data: Path) -> list[int]:
    """Return the processes whose working directory is the folder; zombies do not count.

    On a system without `/proc`, the process in the lock file is returned.
    """
    if not Path("/proc/self").exists():
        pid = _postmaster_pid(data)
        return [pid] if pid is not None and _is_alive(pid) else []
    pids = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            with contextlib.suppress(OSError):
                if (entry / "cwd").readlink() == data:
                    pids.append(int(entry.name))
    return pids


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def _end(processes: Sequence[int], *, first: int | None) -> None:
    """Send SIGINT to the server; if it is dead, send SIGTERM to each process that it left."""
    signals = (
        [(first, signal.SIGINT)]
        if first in processes
        else [(pid, signal.SIGTERM) for pid in processes]
    )
    for pid, sign in signals:
        if pid is not None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, sign)


def _is_ready(data: Path, pid: int) -> bool:
    """Read the server's own status file, as pg_ctl does: line 8 says `ready`."""
    try:
        lines = (data / "postmaster.pid").read_text().splitlines()
    except OSError:
        return False
    return len(lines) >= 8 and lines[0].strip() == str(pid) and lines[7].strip() == "ready"
