# SPDX-License-Identifier: Apache-2.0
"""A full disk: answers are refused for now, nothing dies, and all recovers by itself."""

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.service import Service

MEBIBYTE = 1 << 20


@pytest.fixture
def service() -> Iterator[Service]:
    """A service whose data folder is a small disk of its own."""
    service = Service(workers=2)
    disk = service.folder / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=170m", "tmpfs", str(disk)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        service.remove()
        pytest.skip("needs the right to mount a tmpfs")
    service.environment["AFTERWORD_DATA_DIR"] = str(disk / "data")
    service.start()
    yield service
    service.stop()
    subprocess.run(["umount", str(disk)], check=True)
    service.remove()


def _fill(filler: Path) -> None:
    with filler.open("wb") as out:
        try:
            while True:
                out.write(b"x" * MEBIBYTE)
                out.flush()
        except OSError:
            return


def _seconds_until_unready(client: httpx.Client) -> float:
    """Return how long `/readyz` went on to say 200; each reply takes at most 2 seconds."""
    began = time.monotonic()
    while client.get("/readyz", timeout=2).status_code != 503:
        if time.monotonic() - began > 20:
            break
    return time.monotonic() - began


@pytest.mark.slow
def test_a_full_disk_refuses_for_now_and_recovers(service: Service) -> None:
    filler = service.folder / "disk" / "filler"
    body = {"survey": "s", "channel": "api", "answers": {"score": 9, "why": "x" * 3000}}
    with service.client() as client:
        client.post("/v1/surveys", json={"template": "nps", "key": "s"})
        client.post("/v1/surveys/s/publish")
        alive = {process.pid for process in service.processes()}
        _fill(filler)
        count, refused, unready_after = 0, 0, float("inf")
        while refused < 20:
            reply = client.post("/v1/responses", json=body)
            assert reply.status_code in {201, 503}, reply.text
            count += reply.status_code == 201
            if reply.status_code == 503:
                refused += 1
                assert reply.headers["retry-after"]
                if refused == 1:
                    unready_after = _seconds_until_unready(client)
        assert unready_after <= 5
        ready = client.get("/readyz", timeout=2)
        assert ready.status_code == 503
        assert ready.json()["checks"]["disk"] == "full: free some disk space"
        assert client.get("/metrics").status_code == 200
        assert client.get("/v1/metrics/nps").json()["total"]["n"] == count
        assert {process.pid for process in service.processes()} >= alive
        filler.unlink()
        for _ in range(200):
            reply = client.post("/v1/responses", json=body)
            if reply.status_code == 201 and client.get("/readyz").status_code == 200:
                break
            count += reply.status_code == 201
            time.sleep(0.1)
        assert client.get("/v1/metrics/nps").json()["total"]["n"] == count + 1
        assert client.get("/readyz").status_code == 200
