# SPDX-License-Identifier: Apache-2.0
"""The parent of all processes: starts them, restarts those that die, stops them in order.

`afterword up` and `afterword serve` become this process. Only the standard library is loaded
here, because it stays as long as the service runs.
"""

import contextlib
import json
import logging
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from app.core.data_folder import make_metrics_folder
from app.core.log import configure_logging
from app.core.postgres_programs import PostgresUnavailableError
from app.core.postgres_server import PostgresServer
from app.core.process_environment import DATABASE_IS_READY, METRICS_FOLDER_VARIABLE, SLOT_VARIABLE

logger = logging.getLogger(__name__)

_POLL_SECONDS = 0.2
_STOP_SECONDS = 30
_READY_SECONDS = 60


class ServicePlan(NamedTuple):
    """What one service consists of. Its secrets are in the environment, which children inherit."""

    data_dir: str
    # The descriptor of the listening socket, and how this machine reaches it.
    listening_descriptor: int
    local_host: str
    port: int
    log_level: str
    web_processes: int
    ready_message: str
    with_worker: bool = False
    # Whether the database is brought up to date first.
    prepares_database: bool = False
    embedded: bool = False
    postgres_bin: str | None = None


def module_command(module: str, *arguments: str) -> list[str]:
    """Return the command that runs a module of ours, whatever lies in the working directory."""
    return [sys.executable, "-P", "-m", module, *arguments]


class _Child:
    """One process that is started again when it dies.

    A web process is started before the database is ready, and waits until it may serve.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        environment: Mapping[str, str],
        descriptors: Sequence[int] = (),
    ) -> None:
        self.process: subprocess.Popen[bytes] | None = None
        self._name = name
        self._command = command
        self._environment = environment
        self._descriptors = descriptors
        self._started = 0.0
        self._failures = 0
        self._may_serve = False

    def start(self) -> None:
        """Start it with a pipe that closes when this process ends."""
        self._started = time.monotonic()
        self.process = subprocess.Popen(
            self._command,
            env=self._environment,
            stdin=subprocess.PIPE,
            pass_fds=self._descriptors,
            start_new_session=True,
        )
        if self._may_serve:
            self.let_serve()

    def let_serve(self) -> None:
        """Tell the process, and those that follow when it dies, that the database is ready."""
        self._may_serve = True
        if self.process and self.process.stdin:
            with contextlib.suppress(BrokenPipeError):
                self.process.stdin.write(DATABASE_IS_READY)
                self.process.stdin.flush()

    def restart_if_dead(self) -> None:
        """Start it again after it died, slower each time it dies soon."""
        if self.process is None or self.process.poll() is None:
            return
        lived = time.monotonic() - self._started
        self._failures = self._failures + 1 if lived < 10 else 0
        wait = min(30.0, 0.2 * 2**self._failures) if self._failures else 0.0
        if lived < wait:
            return
        logger.error(
            "a process died and is started again",
            extra={"part": self._name, "code": self.process.returncode},
        )
        self.start()


class Supervisor:
    """Runs the processes of one service, with its database if that is embedded."""

    def __init__(self, plan: ServicePlan) -> None:
        """Only remember the plan; `run` does the work."""
        self._plan = plan
        self._postgres: PostgresServer | None = None
        if plan.embedded:
            folder = Path(plan.postgres_bin) if plan.postgres_bin else None
            self._postgres = PostgresServer(Path(plan.data_dir), programs_folder=folder)
        self._web: list[_Child] = []
        self._worker: list[_Child] = []
        self._is_starting = True
        self._stopping = False

    def run(self) -> int:
        """Run everything until SIGTERM or SIGINT, then stop it in order; return the exit code."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        try:
            if code := self._prepare():
                return code
            self._is_starting = False
            self._serve()
            while not self._stopping:
                time.sleep(_POLL_SECONDS)
                if self._postgres:
                    self._postgres.restart_if_dead()
                for child in (*self._web, *self._worker):
                    child.restart_if_dead()
        finally:
            self._stop_children()
            if self._postgres:
                self._postgres.stop()
        return 0

    def _stop(self, _number: int, _frame: object) -> None:
        self._stopping = True
        if self._is_starting:
            raise SystemExit(0)

    def _prepare(self) -> int:
        """Start the database and bring it up to date; return the preparing process's exit code.

        The preparing process loads while PostgreSQL starts; web processes load while it prepares.
        """
        if not self._plan.prepares_database:
            self._make_children()
            return 0
        with _preparation() as process:
            if self._postgres:
                os.environ["AFTERWORD_DATABASE_URL"] = self._postgres.start()
            self._make_children()
            process.communicate(os.environ["AFTERWORD_DATABASE_URL"])
            return process.returncode

    def _make_children(self) -> None:
        """Make all children, and start the web processes, which load until they may serve."""
        folder = make_metrics_folder(Path(self._plan.data_dir))
        environment = os.environ | {METRICS_FOLDER_VARIABLE: str(folder)}
        descriptor = self._plan.listening_descriptor
        self._web = [
            _Child(
                f"web {slot}",
                module_command("app.cli.web", str(descriptor)),
                environment | {SLOT_VARIABLE: str(slot)},
                [descriptor],
            )
            for slot in range(self._plan.web_processes)
        ]
        if self._plan.with_worker:
            self._worker = [_Child("worker", module_command("app.worker"), environment)]
        for child in self._web:
            child.start()

    def _serve(self) -> None:
        """Start the worker after the web processes answer: they need the processors to load."""
        for child in self._web:
            child.let_serve()
        if self._wait_until_ready():
            sys.stdout.write(self._plan.ready_message + "\n")
            sys.stdout.flush()
        for child in self._worker:
            child.start()

    def _wait_until_ready(self) -> bool:
        deadline = time.monotonic() + _READY_SECONDS
        while time.monotonic() < deadline and not self._stopping:
            if any(
                child.process is None or child.process.poll() is not None for child in self._web
            ):
                return False
            if _is_ready(self._plan.local_host, self._plan.port):
                return True
            time.sleep(0.03)
        return False

    def _stop_children(self) -> None:
        running = [
            child.process
            for child in (*self._web, *self._worker)
            if child.process and child.process.poll() is None
        ]
        for process in running:
            process.terminate()
        deadline = time.monotonic() + _STOP_SECONDS
        for process in running:
            try:
                process.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@contextmanager
def _preparation() -> Iterator[subprocess.Popen[str]]:
    """Start the process that prepares a database and waits for its URL; end it on any error."""
    command = module_command("app.cli.preparation")
    with subprocess.Popen(command, stdin=subprocess.PIPE, text=True) as process:
        try:
            yield process
        except BaseException:
            process.terminate()
            raise


def _is_ready(host: str, port: int) -> bool:
    """Ask `/readyz`; the library for requests would take more memory than this whole process."""
    try:
        with socket.create_connection((host, port), timeout=2) as connection:
            connection.sendall(b"GET /readyz HTTP/1.0\r\nHost: localhost\r\n\r\n")
            return connection.recv(64).startswith(b"HTTP/1.1 200 ")
    except OSError:
        return False


def main() -> int:
    """Supervise the service whose plan, in JSON, is the only argument."""
    plan = ServicePlan(**json.loads(sys.argv[1]))
    configure_logging(plan.log_level)
    try:
        return Supervisor(plan).run()
    except (PostgresUnavailableError, OSError) as error:
        sys.stderr.write(f"afterword: {error}\n")
        return 1


if __name__ == "__main__":
    sys.exit(main())
