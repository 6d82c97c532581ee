"""`afterword serve` and `afterword worker` as processes of their own on one database."""

import asyncio
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
from tests.shop import Shop


@contextlib.contextmanager
def running(command: str, environment: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "app.cli.commands", command],
        env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(40) == 0, command


async def test_web_and_worker_run_apart(shop: Shop, settings: Settings, tmp_path: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = os.environ | {
        "AFTERWORD_DATABASE_URL": settings.database_url or "",
        "AFTERWORD_SECRET_KEYS": "a secret of the tests",
        "AFTERWORD_DATA_DIR": str(tmp_path),
        "AFTERWORD_PORT": str(port),
    }
    await shop.publish("s")
    await asyncio.to_thread(ask_apart, shop.key, environment, port)


def ask_apart(key: str, environment: dict[str, str], port: int) -> None:
    """Ask a customer through the one process; only the other one sends it."""
    body = {"survey": "s", "channel": "email", "customer": {"email": "apart@e.pl"}}
    client = httpx.Client(base_url=f"http://127.0.0.1:{port}", auth=(key, ""))
    with client, running("serve", environment):
        wait_for(lambda: client.get("/readyz").status_code == 200)
        made = client.post("/v1/invitations", json=body).json()
        assert client.get(f"/v1/invitations/{made['id']}").json()["status"] == "scheduled"
        with running("worker", environment):
            path = f"/v1/invitations/{made['id']}"
            wait_for(lambda: client.get(path).json()["status"] == "stored")
    folder = Path(environment["AFTERWORD_DATA_DIR"]) / "mail"
    assert len(list(folder.glob(f"{made['id']}.*"))) == 1


def wait_for(holds: Callable[[], bool], seconds: float = 120) -> None:
    """Wait until it holds; a service that is not there yet does not."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        with contextlib.suppress(httpx.TransportError):
            if holds():
                return
        time.sleep(0.1)
    raise AssertionError("it never came to hold")
