# SPDX-License-Identifier: Apache-2.0
"""Processes of a service, each started as an operator would on a machine of its own."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx

from app.core.settings import Settings


def environment_of(settings: Settings, folder: Path) -> dict[str, str]:
    """Return the environment of a machine with a data folder and a free port of its own."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    folder.mkdir(exist_ok=True)
    return os.environ | {
        "AFTERWORD_DATABASE_URL": settings.database_url or "",
        "AFTERWORD_SECRET_KEYS": "a secret of the tests",
        "AFTERWORD_DATA_DIR": str(folder),
        "AFTERWORD_PORT": str(port),
    }


@contextlib.contextmanager
def running(command: str, environment: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """Run a command of `afterword` while the block runs, then stop it unless it was killed."""
    process = subprocess.Popen(
        [sys.executable, "-m", "app.cli.commands", command],
        env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        start_new_session=True,
    )  # fmt: skip
    try:
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            assert process.wait(40) == 0, command


def kill(process: subprocess.Popen[bytes]) -> None:
    """Kill a process and all that it started at once, as a machine that dies."""
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def wait_for(holds: Callable[[], bool], seconds: float = 120) -> None:
    """Wait until the condition is true; a refused connection counts as false."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        with contextlib.suppress(httpx.TransportError):
            if holds():
                return
        time.sleep(0.1)
    raise AssertionError("the condition did not become true in time")
