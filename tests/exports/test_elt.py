# SPDX-License-Identifier: Apache-2.0
"""The pipeline of the guide keeps a warehouse equal to the service, through every change."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import httpx
import pytest

from tests.service import Service

GUIDE = Path(__file__).parents[2] / "docs" / "guides" / "elt.md"
LOADED = ("responses", "answers", "choices", "interactions", "tickets", "invitations")


@pytest.fixture
def service() -> Iterator[Service]:
    service = Service()
    service.start()
    yield service
    service.remove()


def run_pipeline(service: Service, folder: Path) -> None:
    text = GUIDE.read_text()
    (code,) = re.findall(r"<!-- pipeline.py -->\n```python\n(.*?)```", text, re.DOTALL)
    (folder / "pipeline.py").write_text(code)
    environment = os.environ | {
        "AFTERWORD_URL": service.url, "AFTERWORD_KEY": service.key, "HOME": str(folder),
        "DLT_DATA_DIR": str(folder / "dlt"), "RUNTIME__DLTHUB_TELEMETRY": "false",
    }  # fmt: skip
    ran = subprocess.run(
        [sys.executable, "pipeline.py"], cwd=folder, env=environment, capture_output=True,
        text=True, check=False, timeout=120,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr[-6000:]


def warehouse(folder: Path, dataset: str) -> dict[str, Any]:
    with duckdb.connect(str(folder / "afterword.duckdb")) as connection:
        known = connection.execute(
            "select count(*) from information_schema.tables where table_name = ?", [dataset]
        ).fetchone()
        if not known or not known[0]:
            return {}
        cursor = connection.execute(f"select * from feedback.{dataset}")
        names = [column[0] for column in cursor.description]
        return {
            row["id"]: row
            for row in (dict(zip(names, record, strict=True)) for record in cursor.fetchall())
        }


def expect_equal(client: httpx.Client, folder: Path) -> dict[str, int]:
    counts = {}
    for dataset in LOADED:
        reply = client.get(f"/v1/exports/{dataset}", params={"format": "ndjson"})
        rows = {row["id"]: row for row in map(json.loads, reply.text.splitlines())}
        loaded = warehouse(folder, dataset)
        assert loaded.keys() == rows.keys(), dataset
        for id_, row in rows.items():
            for name in set(row) & {"score", "survey", "question", "option", "driver", "status"}:
                assert loaded[id_].get(name) == row[name], (dataset, name)
        counts[dataset] = len(rows)
    return counts


def test_the_guides_pipeline_loads_changes_and_deletions(service: Service, tmp_path: Path) -> None:
    rating = {"key": "stars", "type": "rating", "text": {"en": "?"}}
    mood = {"key": "mood", "type": "emotion", "text": {"en": "?"}}
    body = {"key": "s", "name": "S", "questions": [rating, mood]}
    with service.client() as client:
        client.post("/v1/surveys", json=body).raise_for_status()
        client.post("/v1/surveys/s/publish").raise_for_status()
        ids = []
        for score in (1, 3, 5):
            line = {"survey": "s", "channel": "api", "answers": {"stars": score, "mood": "joy"},
                    "customer": {"external_id": f"c-{score}"}}  # fmt: skip
            ids.append(client.post("/v1/responses", json=line).json()["id"])
        for type_, number in (("ticket.opened", "1"), ("ticket.solved", "2")):
            interaction = {"type": type_, "source": "desk", "external_id": number, "ticket": "7"}
            client.post("/v1/interactions", json=interaction).raise_for_status()
        run_pipeline(service, tmp_path)
        assert expect_equal(client, tmp_path)["answers"] == 6
        client.delete(f"/v1/responses/{ids[0]}").raise_for_status()
        changed = {"survey": "s", "channel": "api", "id": ids[1], "seq": 2,
                   "answers": {"stars": 4, "mood": "anger"}}  # fmt: skip
        client.post("/v1/responses", json=changed).raise_for_status()
        tagged = {"questions": [rating | {"driver": "courtesy"}, mood]}
        client.patch("/v1/surveys/s", json=tagged).raise_for_status()
        client.post("/v1/surveys/s/publish").raise_for_status()
        client.delete("/v1/customers/c-5").raise_for_status()
        run_pipeline(service, tmp_path)
        assert expect_equal(client, tmp_path)["answers"] == 4
