# SPDX-License-Identifier: Apache-2.0
"""A whole service as the operator starts it: `afterword up` in a folder of its own."""

import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

import httpx
import psutil

KEY = "sk_the_key_of_a_whole_service_123"


class Service:
    """A service that a test can start, kill and start again."""

    def __init__(
        self, *, workers: int = 1, working_directory: Path | None = None, **environment: str
    ) -> None:
        """Choose a folder and a free port; `start` does the rest."""
        self._working_directory = working_directory
        self.folder = Path(tempfile.mkdtemp(prefix="afterword-service-"))
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.key = KEY
        self.log = self.folder / "output.log"
        self._process: subprocess.Popen[bytes] | None = None
        self.environment = {
            **os.environ,
            "AFTERWORD_DATA_DIR": str(self.folder / "data"),
            "AFTERWORD_PORT": str(self.port),
            "AFTERWORD_WORKERS": str(workers),
            "AFTERWORD_BOOTSTRAP_KEY": KEY,
            **environment,
        }

    def command(self, *arguments: str, timeout: float = 120) -> subprocess.CompletedProcess[str]:
        """Run another command on the same folder."""
        return subprocess.run(
            [sys.executable, "-m", "app.cli.commands", *arguments],
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    def begin(self, *arguments: str) -> subprocess.Popen[bytes]:
        """Start it without waiting."""
        if self._process:
            self._process.wait(60)
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", "app.cli.commands", "up", *arguments],
                env=self.environment,
                cwd=self._working_directory,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        return self._process

    def start(self, *arguments: str) -> None:
        """Start it and wait until it is ready."""
        process = self.begin(*arguments)
        for _ in range(600):
            if process.poll() is not None:
                break
            try:
                with urllib.request.urlopen(self.url + "/readyz", timeout=2):
                    return
            except (urllib.error.URLError, OSError):
                time.sleep(0.05)
        raise AssertionError(self.log.read_text())

    def processes(self) -> list[psutil.Process]:
        """Return the parent and all its descendants, PostgreSQL's too."""
        assert self._process
        parent = psutil.Process(self._process.pid)
        return [parent, *parent.children(recursive=True)]

    def find(self, pattern: str) -> list[psutil.Process]:
        """Return the processes whose command line matches."""
        matches = []
        for process in self.processes():
            with contextlib.suppress(psutil.NoSuchProcess):
                if re.search(pattern, " ".join(process.cmdline())):
                    matches.append(process)
        return matches

    def kill_everything(self) -> None:
        """Send SIGKILL to every process at once, as a power cut would."""
        processes = self.processes()
        for process in processes:
            # One may have ended by itself since it was listed.
            with contextlib.suppress(psutil.NoSuchProcess):
                process.send_signal(signal.SIGKILL)
        psutil.wait_procs(processes, timeout=10)
        assert self._process
        self._process.wait()

    def stop(self) -> int:
        """Stop it in order and return its exit code."""
        assert self._process
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
        return self._process.wait(60)

    def remove(self) -> None:
        """Stop it and remove its folder."""
        if self._process:
            self.stop()
        shutil.rmtree(self.folder)

    def client(self) -> httpx.Client:
        """Return a client with the admin key."""
        headers = {"Authorization": f"Bearer {self.key}"}
        return httpx.Client(base_url=self.url, headers=headers, timeout=60)
