# SPDX-License-Identifier: Apache-2.0
"""Kills of everything under load: no acknowledged answer is lost, none counts twice."""

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import httpx
import pytest

from tests.service import Service

pytestmark = pytest.mark.slow
SECONDS = 10


@pytest.fixture
def service() -> Iterator[Service]:
    running = Service(workers=2)
    running.start()
    with running.client() as client:
        client.post("/v1/surveys", json={"template": "nps", "key": "s"}).raise_for_status()
        client.post("/v1/surveys/s/publish").raise_for_status()
    yield running
    running.remove()


class Writer:
    """Sends answers until told to stop, each again and again until it is acknowledged."""

    def __init__(self, service: Service, stop: threading.Event) -> None:
        self.service, self.stop = service, stop
        self.acknowledged: list[str] = []
        self.created: list[str] = []

    def run(self) -> None:
        with self.service.client() as client:
            while not self.stop.is_set():
                self._submit(client, str(uuid4()))

    def _submit(self, client: httpx.Client, id_: str) -> None:
        body = {"survey": "s", "channel": "api", "answers": {"score": 9}, "id": id_}
        while not self.stop.is_set():
            try:
                reply = client.post("/v1/responses", json=body)
            except httpx.TransportError:
                time.sleep(0.05)
                continue
            if reply.status_code in {200, 201}:
                self.acknowledged.append(id_)
                if reply.status_code == 201:
                    self.created.append(id_)
                return
            assert reply.status_code == 503, reply.text
            time.sleep(0.05)


def write_while(service: Service, disturb: Callable[[], None]) -> list[Writer]:
    """Let sixteen writers write for some seconds while something is done to the service."""
    stop = threading.Event()
    writers = [Writer(service, stop) for _ in range(16)]
    with ThreadPoolExecutor(16) as pool:
        running = [pool.submit(writer.run) for writer in writers]
        try:
            time.sleep(SECONDS / 2)
            disturb()
            time.sleep(SECONDS / 2)
        finally:
            stop.set()
        for writer in running:
            writer.result()
    return writers


def assert_exact(service: Service, writers: list[Writer]) -> None:
    acknowledged = {id_ for writer in writers for id_ in writer.acknowledged}
    created = [id_ for writer in writers for id_ in writer.created]
    assert len(acknowledged) > 100
    assert len(created) == len(set(created)), "an answer was created twice"
    stored: set[str] = set()
    with service.client() as client:
        cursor = None
        while True:
            params = {"limit": 500} | ({"cursor": cursor} if cursor else {})
            page = client.get("/v1/responses", params=params).json()
            stored |= {response["id"] for response in page["data"]}
            cursor = page["next_cursor"]
            if cursor is None:
                break
        assert acknowledged <= stored, "an acknowledged answer is lost"
        assert client.get("/v1/metrics/nps").json()["total"]["n"] == len(stored)
    checked = service.command("rollups", "check")
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_a_power_cut_loses_no_acknowledged_answer_and_counts_none_twice(service: Service) -> None:
    def cut_and_start() -> None:
        service.kill_everything()
        service.start()

    assert_exact(service, write_while(service, cut_and_start))


def test_after_postgresql_is_killed_under_load_the_service_recovers_by_itself(
    service: Service,
) -> None:
    def kill_postgres() -> None:
        service.find("postgres -D")[0].kill()

    assert_exact(service, write_while(service, kill_postgres))


def test_a_killed_web_process_and_worker_are_started_again(service: Service) -> None:
    def kill_children() -> None:
        service.find("app.cli.web")[0].kill()
        service.find("app.worker")[0].kill()

    assert_exact(service, write_while(service, kill_children))
    assert len(service.find("app.cli.web")) == 2
    assert len(service.find("app.worker")) == 1


def test_a_stop_under_load_drains_and_exits_cleanly(service: Service) -> None:
    def stop_and_start() -> None:
        assert service.stop() == 0
        service.start()

    assert_exact(service, write_while(service, stop_and_start))


def test_what_a_killed_service_left_behind_does_not_hinder_the_next_start(
    service: Service,
) -> None:
    service.processes()[0].kill()
    service.start()
    # What was left behind may answer for a moment still.
    for _ in range(100):
        if len(service.find("postgres -D")) == 1 and service.find("app.cli.web"):
            break
        time.sleep(0.1)
    else:
        raise AssertionError(service.log.read_text())
    with service.client() as client:
        assert client.get("/v1/surveys/s").status_code == 200


def test_an_import_that_was_killed_goes_on_where_it_was(service: Service) -> None:
    file = service.folder / "answers.csv"
    file.write_text("score\n" + "".join(f"{number % 11}\n" for number in range(40_000)))
    options = ["import", str(file), "--survey", "s", "--undated", "now"]
    command = [sys.executable, "-m", "app.cli.commands", *options]
    broken_off = subprocess.Popen(command, env=service.environment, stdout=subprocess.DEVNULL)
    with service.client() as client:
        for _ in range(400):
            runs = client.get("/v1/imports").json()["data"]
            if runs and runs[0]["lines_done"]:
                break
            time.sleep(0.05)
        broken_off.kill()
        broken_off.wait()
        done = client.get("/v1/imports").json()["data"][0]["lines_done"]
        assert 0 < done < 40_000
        again = service.command(*options)
        assert again.returncode == 0, again.stderr
        assert f"after line {done:,}" in again.stdout
        assert client.get("/v1/metrics/nps").json()["total"]["n"] == 40_000
