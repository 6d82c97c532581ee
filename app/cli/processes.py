# SPDX-License-Identifier: Apache-2.0
"""The parent of all processes: starts them, restarts those that die, stops them in order."""

import errno
import logging
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from app.cli.terminal import CannotListenError
from app.core.postgres import EmbeddedPostgres
from app.core.settings import SLOT_VARIABLE, Settings
from app.core.signing import load_secret_keys
from app.core.telemetry import share_between_processes

logger = logging.getLogger(__name__)

_LOOK_SECONDS = 0.2
_STOP_SECONDS = 30
_READY_SECONDS = 60
_FREED_SECONDS = 3


@dataclass
class _Child:
    name: str
    command: list[str]
    environment: dict[str, str]
    descriptors: tuple[int, ...] = ()
    process: subprocess.Popen[bytes] | None = field(default=None)
    started: float = 0.0
    failures: int = 0

    def start(self) -> None:
        """Start it with a pipe that closes when this process ends."""
        self.started = time.monotonic()
        self.process = subprocess.Popen(
            self.command,
            env=self.environment,
            stdin=subprocess.PIPE,
            pass_fds=self.descriptors,
            start_new_session=True,
        )

    def restart_if_dead(self) -> None:
        """Start it again after it died, slower each time it dies soon."""
        if self.process is None or self.process.poll() is None:
            return
        lived = time.monotonic() - self.started
        self.failures = self.failures + 1 if lived < 10 else 0
        wait = min(30.0, 0.2 * 2**self.failures) if self.failures else 0.0
        if lived < wait:
            return
        logger.error(
            "a process died and is started again",
            extra={"part": self.name, "code": self.process.returncode},
        )
        self.start()


def _start(children: Iterable[_Child]) -> None:
    for child in children:
        child.start()


def listen(settings: Settings) -> socket.socket:
    """Open the listening socket, before anything else is started."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    deadline = time.monotonic() + _FREED_SECONDS
    while (error := _bind(listening, settings)) is not None:
        # Web processes that a killed parent left behind end within a moment.
        if error.errno == errno.EADDRINUSE and time.monotonic() < deadline:
            time.sleep(0.1)
            continue
        listening.close()
        msg = (
            f"Cannot listen on {settings.host}:{settings.port}: {error.strerror}. "
            "Set AFTERWORD_PORT or AFTERWORD_HOST, or stop what listens there."
        )
        raise CannotListenError(msg)
    listening.listen(2048)
    return listening


def _bind(listening: socket.socket, settings: Settings) -> OSError | None:
    try:
        listening.bind((settings.host, settings.port))
    except OSError as error:
        return error
    return None


def environment_of(settings: Settings) -> dict[str, str]:
    """Return the environment that hands settings down to a child."""
    keys = ",".join(load_secret_keys(settings))
    url = {"AFTERWORD_DATABASE_URL": settings.database_url} if settings.database_url else {}
    return (
        os.environ
        | url
        | {
            "AFTERWORD_DATA_DIR": str(settings.data_dir),
            "AFTERWORD_SECRET_KEYS": keys,
            "AFTERWORD_PORT": str(settings.port),
            "AFTERWORD_DEMO": str(settings.demo),
        }
    )


@contextmanager
def preparation(settings: Settings) -> Iterator[Callable[[str], int]]:
    """Load what prepares a database; yield the function that prepares the one of a URL.

    It returns the exit code of the preparing process, which prints what went wrong.
    """
    command = [sys.executable, "-m", "app.cli.preparation"]
    environment = environment_of(settings)
    with subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, text=True) as process:

        def prepare(url: str) -> int:
            process.communicate(url)
            return process.returncode

        yield prepare


class Processes:
    """The web processes and the worker of one service, with its database if that is ours."""

    def __init__(self, settings: Settings, *, postgres: EmbeddedPostgres | None) -> None:
        """Settings must name the database."""
        self._settings = settings
        self._postgres = postgres
        self._children: list[_Child] = []
        self._stopping = False
        share_between_processes(settings.data_dir)

    def add_web(self, listening: socket.socket) -> None:
        """Add the web processes, each with its slot."""
        descriptor = listening.fileno()
        for slot in range(self._settings.workers):
            self._children.append(
                _Child(
                    name=f"web {slot}",
                    command=[sys.executable, "-m", "app.cli.web", str(descriptor)],
                    environment=environment_of(self._settings) | {SLOT_VARIABLE: str(slot)},
                    descriptors=(descriptor,),
                )
            )

    def add_worker(self) -> None:
        """Add the worker."""
        command = [sys.executable, "-m", "app.worker"]
        self._children.append(_Child("worker", command, environment_of(self._settings)))

    def run(self, on_ready: Callable[[], None]) -> None:
        """Run everything until SIGTERM or SIGINT, then stop it in order."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        # The worker starts after the web processes answer: they need the processors to load.
        web = [child for child in self._children if child.descriptors]
        try:
            _start(web)
            if self._wait_until_ready(web):
                on_ready()
            _start([child for child in self._children if child not in web])
            while not self._stopping:
                time.sleep(_LOOK_SECONDS)
                if self._postgres:
                    self._postgres.restart_if_dead()
                for child in self._children:
                    child.restart_if_dead()
        finally:
            self._stop_children()

    def _stop(self, _number: int, _frame: object) -> None:
        self._stopping = True

    def _wait_until_ready(self, web: list[_Child]) -> bool:
        host = self._settings.host
        local = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, host)  # noqa: S104 - compared only
        url = f"http://{local}:{self._settings.port}/readyz"
        deadline = time.monotonic() + _READY_SECONDS
        while time.monotonic() < deadline and not self._stopping:
            if any(c.process is None or c.process.poll() is not None for c in web):
                return False
            try:
                with urllib.request.urlopen(url, timeout=2):
                    return True
            except (urllib.error.URLError, OSError):
                time.sleep(0.03)
        return False

    def _stop_children(self) -> None:
        running = [
            child.process
            for child in self._children
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
