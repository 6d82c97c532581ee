# SPDX-License-Identifier: Apache-2.0
"""Backup, restore and move: the copy answers the same, and nothing is sent twice."""

import asyncio
import json
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.core.database import Database
from app.core.migrations import downgrade
from app.core.postgres import EmbeddedPostgres, superuser_url
from app.core.postgres_server import url_of
from app.core.settings import Settings
from tests.receiver import Receiver
from tests.service import Service

pytestmark = pytest.mark.slow

DEBIANS = Path("/usr/lib/postgresql/15/bin")
COMPARED_PATHS = [
    "/v1/metrics/nps?period=all&interval=year&group_by=touchpoint", "/v1/metrics/ttr?period=all",
    "/v1/responses", "/v1/decisions", "/v1/invitations", "/v1/customers/c-1/timeline",
    "/v1/surveys", "/v1/webhook-endpoints",
]  # fmt: skip


@pytest.fixture
def service() -> Iterator[Service]:
    service = Service(AFTERWORD_ALLOW_PRIVATE_WEBHOOKS="true")
    service.start()
    yield service
    service.remove()


@pytest.fixture
def folder() -> Iterator[Path]:
    path = Path(tempfile.mkdtemp(prefix="afterword-copy-"))
    yield path
    shutil.rmtree(path)


def furnish(service: Service, receiver: Receiver) -> None:
    with service.client() as client:

        def post(path: str, body: Any = None) -> Any:
            reply = client.post(path, json=body)
            assert reply.status_code < 300, reply.text
            return reply.json()

        post("/v1/surveys", {"template": "nps", "key": "nps"})
        post("/v1/surveys/nps/publish")
        post("/v1/triggers", {"name": "t", "on": "ticket.solved", "survey": "nps"})
        # One endpoint receives all events; the other fails, so all its deliveries are pending.
        events = ["response.created"]
        post("/v1/webhook-endpoints", {"url": receiver.url + "/good", "events": events})
        post("/v1/webhook-endpoints", {"url": receiver.url + "/bad", "events": events})
        for number in range(5):
            answers = {"score": number * 2, "why": f"Word {number}"}
            who = {"external_id": f"c-{number}", "email": f"c{number}@example.pl"}
            body = {"survey": "nps", "channel": "api", "answers": answers, "touchpoint": "shop"}
            post("/v1/responses", body | {"customer": who})
        ticket = {"source": "desk", "ticket": "1", "customer": {"external_id": "c-1"}}
        for type_, at in (("ticket.opened", "08"), ("ticket.solved", "10")):
            moment = {"type": type_, "external_id": type_, "occurred_at": f"2026-11-20T{at}:00:00Z"}
            post("/v1/interactions", ticket | moment)
        wait_for(lambda: len(receiver.to("/good")) == 5 and len(receiver.to("/bad")) >= 1)
        wait_for(lambda: client.get("/v1/invitations").json()["data"][0]["status"] == "stored")
        wait_for(lambda: sum(endpoint["pending"] for endpoint in endpoints(client)) == 5)


def endpoints(client: httpx.Client) -> Any:
    return client.get("/v1/webhook-endpoints").json()["data"]


def read_all(client: httpx.Client) -> dict[str, Any]:
    return {path: client.get(path).json() for path in COMPARED_PATHS}


def wait_for(is_so: Callable[[], bool]) -> None:
    for _ in range(600):
        if is_so():
            return
        time.sleep(0.1)
    raise AssertionError("it did not come")


def fail(reply: Any) -> None:
    reply.send_response(500)
    reply.send_header("content-length", "0")
    reply.end_headers()


def mails_in(service: Service) -> int:
    return len(list((Path(service.environment["AFTERWORD_DATA_DIR"]) / "mail").glob("*.eml")))


def look_at_copy(client: httpx.Client, before: dict[str, Any]) -> None:
    """See that it answers the same, without the customer who was erased since."""
    assert client.get("/readyz").json()["checks"]["sending"] == "paused"
    after = read_all(client)
    for path in COMPARED_PATHS:
        if "metrics" in path or path == "/v1/surveys":
            assert after[path] == before[path], path
    words = [response["answers"].get("why") for response in after["/v1/responses"]["data"]]
    assert sorted(filter(None, words)) == ["Word 0", "Word 1", "Word 3", "Word 4"]


def test_a_restored_backup_answers_the_same_and_sends_nothing_twice(
    service: Service, receiver: Receiver, folder: Path
) -> None:
    receiver.behaviours["/bad"] = fail
    furnish(service, receiver)
    file = folder / "afterword.backup"
    backup = service.command("backup", str(file))
    assert backup.returncode == 0, backup.stderr
    assert file.stat().st_mode & 0o077 == 0
    with service.client() as client:
        before = read_all(client)
        cursor = client.get("/v1/events?limit=3").json()["next_cursor"]
        ids = [
            event["id"]
            for event in client.get("/v1/events", params={"after": cursor}).json()["data"]
        ]
        # Erased after the backup was made: the backup must not bring her back.
        client.delete("/v1/customers/c-2").raise_for_status()
    service.stop()
    journal = Path(service.environment["AFTERWORD_DATA_DIR"]) / "erasures.ndjson"
    copy = Service(AFTERWORD_ALLOW_PRIVATE_WEBHOOKS="true")
    try:
        restored = copy.command("restore", str(file), "--erasures", str(journal))
        assert restored.returncode == 0, restored.stderr + restored.stdout
        assert "Erased again: 1." in restored.stdout
        refused = copy.command("restore", str(file))
        assert refused.returncode == 1
        assert "holds a database already" in refused.stderr
        del receiver.behaviours["/bad"]
        received = len(receiver.requests)
        copy.start()
        with copy.client() as client:
            look_at_copy(client, before)
            pulled = client.get("/v1/events", params={"after": cursor}).json()["data"]
            assert set(ids) <= {event["id"] for event in pulled}
            time.sleep(3)
            assert len(receiver.requests) == received
            assert copy.command("rollups", "check").returncode == 0
        copy.stop()
        resumed = copy.command("resume")
        assert "next start" in resumed.stdout
        copy.start()
        with copy.client() as client:
            wait_for(lambda: len(receiver.to("/bad")[1:]) >= 5)
            wait_for(lambda: sum(endpoint["pending"] for endpoint in endpoints(client)) == 0)
            time.sleep(2)
        assert len(receiver.to("/good")) == 5
        new = [request["headers"]["webhook-id"] for request in receiver.to("/bad")[-5:]]
        assert len(set(new)) == 5
        # The invitation was stored before; it is not written again.
        assert mails_in(copy) == 0
    finally:
        copy.remove()


def test_a_service_moves_to_another_older_postgresql(
    service: Service, receiver: Receiver, folder: Path
) -> None:
    if not (DEBIANS / "postgres").exists():
        pytest.skip("needs Debian's PostgreSQL 15: apt-get install postgresql-15")
    receiver.behaviours["/bad"] = fail
    furnish(service, receiver)
    with service.client() as client:
        before = read_all(client)
        secrets = (Path(service.environment["AFTERWORD_DATA_DIR"]) / "secret_keys").read_text()
    busy = service.command("move", "--to", "postgresql://nobody@127.0.0.1:1/x")
    assert busy.returncode == 1
    assert "Stop the service first" in busy.stderr
    service.stop()
    theirs = EmbeddedPostgres(
        Settings.model_validate(
            {"data_dir": folder, "postgres_bin": DEBIANS, "secret_keys": ["unused"]}
        )
    )
    target = theirs.start()
    moved = Service(
        AFTERWORD_DATABASE_URL=target, AFTERWORD_SECRET_KEYS=secrets.strip(),
        AFTERWORD_ALLOW_PRIVATE_WEBHOOKS="true",
    )  # fmt: skip
    try:
        done = service.command("move", "--to", target)
        assert done.returncode == 0, done.stderr + done.stdout
        assert "0 cells differ" in done.stdout
        again = service.command("move", "--to", target)
        assert "not empty" in again.stderr
        del receiver.behaviours["/bad"]
        moved.start()
        with moved.client() as client:
            after = read_all(client)
            assert {path: after[path] for path in COMPARED_PATHS[:-1]} == {
                path: before[path] for path in COMPARED_PATHS[:-1]
            }
            wait_for(lambda: sum(endpoint["pending"] for endpoint in endpoints(client)) == 0)
            line = {"survey": "nps", "channel": "api", "answers": {"score": 9}}
            client.post("/v1/responses", json=line).raise_for_status()
            wait_for(lambda: len(receiver.to("/good")) == 6)
        assert len({request["headers"]["webhook-id"] for request in receiver.to("/good")}) == 6
        refusal = moved.command("bi-role")
        assert "CREATEROLE" in refusal.stderr
        able = superuser_url(folder).rpartition("/")[0] + "/afterword"
        moved.environment["AFTERWORD_DATABASE_URL"] = able
        assert moved.command("bi-role").stdout.startswith("postgresql://bi_")
        moved.stop()
        # The old one, started again by mistake, sends nothing.
        received = len(receiver.requests)
        service.start()
        with service.client() as client:
            assert client.get("/readyz").json()["checks"]["sending"] == "paused"
        time.sleep(1)
        assert len(receiver.requests) == received
    finally:
        moved.remove()
        theirs.stop()


def test_the_doctor_says_what_is_wrong(service: Service) -> None:
    well = service.command("doctor")
    assert well.returncode == 0, well.stdout
    assert "mails are stored" in well.stdout
    assert "set AFTERWORD_PUBLIC_URL" in well.stdout
    assert "default: figures and rows agree" in well.stdout
    assert "the service owns its tables" in well.stdout
    # A proxy sends X-Forwarded-For but is not among the trusted ones; no mail server answers.
    forwarded = {"X-Forwarded-For": "203.0.113.9"}
    with service.client() as client:
        client.get("/sign-in", headers=forwarded)
        client.post("/sign-in", data={"email": "a@b.pl"}, headers=forwarded)
    ill = {**service.environment, "AFTERWORD_SMTP_URL": "smtp://127.0.0.1:1"}
    service.environment, environment = ill, service.environment
    report = service.command("doctor")
    service.environment = environment
    assert report.returncode == 1
    assert "FAIL  the mail server does not answer" in report.stdout
    assert "the proxy 127.0.0.1 sends X-Forwarded-For and is not trusted" in report.stdout
    assert "AFTERWORD_TRUSTED_PROXIES=127.0.0.1" in report.stdout


async def undo_to(url: str, revision: str) -> None:
    database = Database(url)
    await downgrade(database, revision)
    await database.close()


def test_the_database_is_kept_before_its_schema_changes(service: Service) -> None:
    data = Path(service.environment["AFTERWORD_DATA_DIR"])
    assert not (data / "backups").exists()
    service.stop()
    settings = Settings.model_validate({"data_dir": data})
    server = EmbeddedPostgres(settings)
    server.start()
    state = json.loads((data / "postgres.json").read_text())
    try:
        asyncio.run(undo_to(url_of(state), "0009"))
    finally:
        server.stop()
    service.start()
    (backup,) = (data / "backups").iterdir()
    assert backup.name.startswith("before-")
    assert str(backup) in service.log.read_text()
