# SPDX-License-Identifier: Apache-2.0
"""Two web machines and two workers over one PostgreSQL, each with a data folder of its own."""

import asyncio
import contextlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from subprocess import Popen
from typing import Any
from uuid import uuid4

import httpx
import pytest

from app.core.database import Database
from app.core.settings import Settings
from tests.processes import environment_of, kill, running, wait_for
from tests.shop import Shop

pytestmark = pytest.mark.slow


class Machines:
    """Two web machines, each with a client that holds the shop's key."""

    def __init__(self, settings: Settings, folder: Path, key: str) -> None:
        """Choose folders and ports."""
        self.web = [environment_of(settings, folder / f"web{number}") for number in (1, 2)]
        self.workers = [environment_of(settings, folder / f"worker{number}") for number in (1, 2)]
        urls = [f"http://127.0.0.1:{machine['AFTERWORD_PORT']}" for machine in self.web]
        self.first, self.second = (httpx.Client(base_url=url, auth=(key, "")) for url in urls)

    @contextlib.contextmanager
    def serving(self) -> Iterator[list[Popen[bytes]]]:
        """Run both web machines meanwhile."""
        with running("serve", self.web[0]) as first, running("serve", self.web[1]) as two:
            for client in (self.first, self.second):
                wait_for(lambda: client.get("/readyz").status_code == 200)  # noqa: B023 - at once
            yield [first, two]
        self.first.close()
        self.second.close()

    def mails_of(self, invitations: list[str]) -> list[Path]:
        """Return the mails of these invitations that the workers have stored.

        Workers also store others' mails: on a Monday every workspace's weekly digest.
        """
        folders = [Path(worker["AFTERWORD_DATA_DIR"]) / "mail" for worker in self.workers]
        return [
            path
            for folder in folders
            for id_ in invitations
            for path in folder.glob(f"{id_}.*.eml")
        ]


@pytest.fixture
def machines(settings: Settings, tmp_path: Path, shop: Shop) -> Machines:
    return Machines(settings, tmp_path, shop.key)


def submit(client: httpx.Client, id_: str, **more: Any) -> httpx.Response:
    body = {"id": id_, "survey": "s", "channel": "api", "answers": {"score": 9}} | more
    return client.post("/v1/responses", json=body)


async def test_what_changes_on_one_machine_holds_on_the_other(
    shop: Shop, machines: Machines
) -> None:
    await shop.publish("s")
    await asyncio.to_thread(change_on_one, machines, shop.key)


def change_on_one(machines: Machines, key: str) -> None:
    first, two = machines.first, machines.second
    with machines.serving():
        # A session begun on one machine is known on the other.
        entered = first.post("/sign-in", data={"key": key}, follow_redirects=False)
        assert entered.status_code == 303
        cookies = dict(entered.cookies)
        assert httpx.get(f"{two.base_url}/account", cookies=cookies).status_code == 200

        # A key ends everywhere.
        api_key = first.post("/v1/api-keys", json={"name": "k", "scopes": ["read"]}).json()
        other = httpx.Client(base_url=two.base_url, auth=(api_key["secret"], ""))
        assert other.get("/v1/surveys").status_code == 200
        assert first.delete(f"/v1/api-keys/{api_key['id']}").status_code == 204
        wait_for(lambda: other.get("/v1/surveys").status_code == 401, 10)
        other.close()

        # A new version of a survey, which both hold in memory.
        assert submit(first, str(uuid4())).status_code == 201
        assert submit(two, str(uuid4())).status_code == 201
        fuller = {"answers": {"score": 9, "more": "quick"}}
        assert submit(two, str(uuid4()), **fuller).status_code == 422
        question = {"key": "more", "type": "text", "text": {"en": "More?"}}
        survey = first.get("/v1/surveys/s").json()
        questions = [*survey["questions"], question]
        assert first.patch("/v1/surveys/s", json={"questions": questions}).status_code == 200
        assert first.post("/v1/surveys/s/publish").status_code == 200
        wait_for(lambda: submit(two, str(uuid4()), **fuller).status_code == 201, 10)

        # A setting of the workspace: what happened before the change keeps its day.
        changed = first.patch("/v1/workspace", json={"timezone": "Pacific/Auckland"})
        assert changed.status_code == 200
        asked_of = {"survey": "s"}
        wait_for(
            lambda: (
                two.get("/v1/metrics/nps", params=asked_of).json()["timezone"] == "Pacific/Auckland"
            ),
            10,
        )


async def test_a_web_machine_dies_and_no_answer_is_lost(shop: Shop, machines: Machines) -> None:
    await shop.publish("s")
    ids = await asyncio.to_thread(answer_while_one_dies, machines)
    count = (await shop.metric("nps", survey="s"))["total"]["n"]
    assert count >= len(ids) > 100
    for id_ in ids[:: len(ids) // 50]:
        await shop.get(f"/v1/responses/{id_}")


def answer_while_one_dies(machines: Machines) -> list[str]:
    """Answer on both machines; where one does not reply, send the same again to the other."""
    ids: list[str] = []

    def answer_one(number: int) -> None:
        clients = [machines.first, machines.second]
        id_ = str(uuid4())
        for client in (clients[number % 2], clients[(number + 1) % 2]):
            with contextlib.suppress(httpx.TransportError):
                if submit(client, id_).status_code in {200, 201}:
                    ids.append(id_)
                    return
        raise AssertionError("neither machine took it")

    with machines.serving() as processes, ThreadPoolExecutor(8) as pool:
        first = [pool.submit(answer_one, number) for number in range(200)]
        while sum(future.done() for future in first) < 60:
            pass
        kill(processes[0])
        for future in first:
            future.result()
    return ids


async def test_a_worker_dies_and_every_mail_goes_out(shop: Shop, machines: Machines) -> None:
    await shop.publish("s")
    sent = await asyncio.to_thread(invite_while_a_worker_dies, machines)
    file_names = {path.name for path in machines.mails_of(sent)}
    assert {name.partition(".")[0] for name in file_names} == set(sent)
    # What the dying one had just handed over goes out again, as the same message.
    assert len(file_names) == len(sent)


def invite_while_a_worker_dies(machines: Machines) -> list[str]:
    with machines.serving():
        sent = []
        for number in range(40):
            body = {"survey": "s", "channel": "email", "customer": {"email": f"c{number}@e.pl"}}
            sent.append(machines.first.post("/v1/invitations", json=body).json()["id"])
        first, second = (running("worker", machine) for machine in machines.workers)
        with first as dying, second:
            wait_for(lambda: len(machines.mails_of(sent)) > 5)
            kill(dying)
            wait_for(lambda: all(is_stored(machines.second, id_) for id_ in sent), 240)
        return sent


def is_stored(client: httpx.Client, id_: str) -> bool:
    """Tell whether a mail was sent (here: stored in the folder)."""
    return bool(client.get(f"/v1/invitations/{id_}").json()["status"] == "stored")


async def test_a_newer_schema_is_served_by_the_older_program(
    shop: Shop, machines: Machines, database: Database
) -> None:
    await shop.publish("s")
    connection = await database.connect()

    def upgrade_between(statements: list[str]) -> None:
        for statement in statements:
            asyncio.run_coroutine_threadsafe(connection.execute(statement), loop).result()

    def serve_meanwhile() -> None:
        """Answer before, while and after a newer version has made its additive migration."""
        with machines.serving():
            assert submit(machines.first, str(uuid4())).status_code == 201
            upgrade_between(
                [
                    "alter table response add column later text",
                    "alter table survey add column later text not null default ''",
                    "create table later (workspace_id uuid not null, id uuid not null)",
                    "update alembic_version set version_num = '9999'",
                ]
            )
            for client in (machines.first, machines.second):
                for _ in range(20):
                    assert submit(client, str(uuid4())).status_code == 201
                assert client.get("/readyz").status_code == 200
                assert client.get("/v1/metrics/nps", params={"survey": "s"}).status_code == 200
                assert client.get("/v1/responses").status_code == 200
                assert client.patch("/v1/workspace", json={"name": "Newer"}).status_code == 200

    loop = asyncio.get_running_loop()
    before = await connection.fetchval("select version_num from alembic_version")
    try:
        await asyncio.to_thread(serve_meanwhile)
    finally:
        await connection.execute("alter table response drop column if exists later")
        await connection.execute("alter table survey drop column if exists later")
        await connection.execute("drop table if exists later")
        await connection.execute("update alembic_version set version_num = $1", before)
        await connection.close()
