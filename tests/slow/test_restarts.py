# SPDX-License-Identifier: Apache-2.0
"""Container restarts: a new namespace of processes each time, and everything killed at once."""

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

KEY = "sk_restarts_0123456789012345678901"
UNSHARE = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"]


def _may_unshare() -> bool:
    if shutil.which("unshare") is None:
        return False
    return subprocess.run([*UNSHARE, "true"], capture_output=True, check=False).returncode == 0


@pytest.fixture
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    path = Path("/tmp") / f"afterword-restarts-{os.getpid()}"
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.mark.slow
def test_ten_restarts_under_kill_9_each_start_and_lose_nothing(folder: Path) -> None:
    if not _may_unshare():
        pytest.skip("needs `unshare` and the right to make namespaces")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = os.environ | {
        "AFTERWORD_DATA_DIR": str(folder), "AFTERWORD_PORT": str(port),
        "AFTERWORD_BOOTSTRAP_KEY": KEY,
    }  # fmt: skip
    for number in range(10):
        container = subprocess.Popen(
            [*UNSHARE, sys.executable, "-m", "app.cli.commands", "up"],
            env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
        )  # fmt: skip
        try:
            with httpx.Client(base_url=f"http://127.0.0.1:{port}", auth=(KEY, "")) as client:
                _wait_until_ready(client, container)
                _answer_once_more(client, number)
        finally:
            # The first process of a namespace takes all others with it.
            container.kill()
            container.wait()
            assert container.stderr
            container.stderr.close()


def _answer_once_more(client: httpx.Client, number: int) -> None:
    if number == 0:
        client.post("/v1/surveys", json={"template": "nps", "key": "s"})
        client.post("/v1/surveys/s/publish")
    answer = {"survey": "s", "channel": "api", "answers": {"score": 9}, "external_id": f"n{number}"}
    assert client.post("/v1/responses", json=answer).status_code == 201
    assert client.get("/v1/metrics/nps").json()["total"]["n"] == number + 1


def _wait_until_ready(client: httpx.Client, container: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 40
    while time.monotonic() < deadline:
        if container.poll() is not None:
            assert container.stderr
            raise AssertionError(container.stderr.read().decode())
        try:
            if client.get("/readyz").status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.1)
    raise AssertionError("not ready after 40 s")
