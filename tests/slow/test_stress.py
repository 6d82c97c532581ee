# SPDX-License-Identifier: Apache-2.0
"""Four writer processes, duplicates, edits, deletes, changed settings, kills: nothing drifts."""

import asyncio
import contextlib
import json
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import UUID

import httpx
import pytest

from app.core.database import Database
from app.core.postgres_server import url_of
from app.responses import rollups
from tests.service import Service
from tests.slow.writer import scores_of

pytestmark = pytest.mark.slow
SECONDS = 16


@pytest.fixture
def service() -> Iterator[Service]:
    running = Service()
    running.start()
    yield running
    running.remove()


def prepare(service: Service) -> tuple[str, str]:
    questions = [
        {"key": "score", "type": "nps", "text": {"en": "?"}},
        {"key": "speed", "type": "rating", "text": {"en": "?"}},
    ]
    with service.client() as client:
        body = {"key": "s", "name": "s", "metric": "nps", "questions": questions}
        survey = client.post("/v1/surveys", json=body).json()["id"]
        client.post("/v1/surveys/s/publish").raise_for_status()
        return client.get("/v1/workspace").json()["id"], survey


def configure(service: Service, until: float) -> int:
    """Change zone and segments again and again; the worker recounts meanwhile."""
    chance, changes = random.Random(3), 0
    zones = ["UTC", "Europe/Warsaw", "Pacific/Apia", "Asia/Kolkata"]
    with service.client() as client:
        while time.time() < until:
            body = {"timezone": chance.choice(zones), "segments": chance.choice([[], ["store"]])}
            with contextlib.suppress(httpx.TransportError):
                changes += client.patch("/v1/workspace", json=body).status_code == 200
            time.sleep(1)
    return changes


def test_nothing_drifts_under_races_and_kills(service: Service) -> None:
    workspace, survey = prepare(service)
    state = json.loads((service.folder / "data" / "postgres.json").read_text())
    url = url_of(state)
    until = time.time() + SECONDS
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(1) as background:
        command = [sys.executable, "-m", "tests.slow.writer", url, workspace, survey, str(until)]
        writers = [
            subprocess.Popen([*command, str(number), str(Path(folder) / f"{number}.json")])
            for number in range(4)
        ]
        changes = background.submit(configure, service, until)
        time.sleep(SECONDS * 0.3)
        writers[3].kill()
        writers[3].wait()
        time.sleep(SECONDS * 0.2)
        service.find("postgres -D")[0].send_signal(signal.SIGKILL)
        for writer in writers[:3]:
            assert writer.wait(60) == 0
        acknowledged = [
            json.loads((Path(folder) / f"{number}.json").read_text()) for number in range(3)
        ]
        assert changes.result() > 1
    asyncio.run(judge(url, UUID(workspace), acknowledged))


async def judge(url: str, workspace: UUID, messages: list[list[list[object]]]) -> None:
    """Hold the database to what was acknowledged."""
    database = Database(url)
    connection = await database.connect()
    for _ in range(200):
        if await connection.fetchval(
            "select recount is null from workspace where id = $1", workspace
        ):
            break
        await asyncio.sleep(0.1)
    assert await rollups.differences(database, workspace) == []
    outdated = await connection.fetchval(
        "select count(*) from response r join workspace w on w.id = r.workspace_id "
        "where r.counted_as <> w.config"
    )
    assert outdated == 0
    rows = {
        str(row["id"]): row
        for row in await connection.fetch("select id, seq, state, scores from response")
    }
    created: Counter[str] = Counter()
    highest: dict[str, int] = defaultdict(int)
    for id_, seq, outcome in (entry for part in messages for entry in part):
        created[str(id_)] += outcome == "created"
        if outcome != "deleted":
            highest[str(id_)] = max(highest[str(id_)], int(str(seq)))
    assert len(rows) > 1000
    assert max(created.values()) == 1, "an answer was created twice"
    assert set(created) <= set(rows), "an acknowledged answer is lost"
    for id_, seq in highest.items():
        row = rows[id_]
        if row["state"] != "deleted":
            assert row["seq"] >= seq
            assert json.loads(row["scores"]) == scores_of(id_, row["seq"])
    deadlocks = await connection.fetchval(
        "select deadlocks from pg_stat_database where datname = current_database()"
    )
    assert deadlocks == 0
    await connection.close()
    await database.close()
