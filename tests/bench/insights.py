# SPDX-License-Identifier: Apache-2.0
"""How long each insight takes at 1,000,000 responses, asked for the first time."""

import asyncio
import json
import re
import shutil
import statistics
import time
from pathlib import Path

import asyncpg
import httpx
import psutil

from app.core.postgres_server import url_of
from tests.service import Service

LARGE = 1_000_000
_INSIGHTS = (
    "drivers", "pillars", "modules", "recovery", "word-of-mouth", "comments", "spending",
)  # fmt: skip
_TIMES = 5
_SECONDS_FOR_DICTIONARIES = 12
# What is copied gets ids and customers of its own, so that a customer has as many as before.
_ANEW = {
    "id": "gen_random_uuid()",
    "customer_id": "md5(t.customer_id::text || g)::uuid",
    "external_id": "case when t.external_id is not null then t.external_id || '-' || g end",
    "order_ref": "case when t.order_ref is not null then t.order_ref || '-' || g end",
}


def measure() -> None:
    """Print the median and the worst time of each insight; no test asserts it."""
    service = Service()
    service.start("--demo")
    try:
        state = json.loads((service.folder / "data" / "postgres.json").read_text())
        size = asyncio.run(_multiply(url_of(state)))
        key = re.findall(r"sk_[A-Za-z0-9_-]+", service.log.read_text())[-1]
        print(f"  {size:,} responses")
        with httpx.Client(base_url=service.url, auth=(key, ""), timeout=300) as client:
            client.get("/v1/insights/drivers?period=30d").raise_for_status()
            web = next(
                process
                for process in psutil.process_iter(["cmdline"])
                if _is_web_of(process, service)
            )
            print(f"  the web process holds {_mebibytes(web):.0f} MiB before")
            for insight in _INSIGHTS:
                _time(client, insight)
                print(f"  {'':<14} the web process holds {_mebibytes(web):.0f} MiB at its peak")
        _time_first_comments(service, key)
    finally:
        service.remove()


def _time_first_comments(service: Service, key: str) -> None:
    """Print what comments take as the first insight after a start without dictionaries."""
    folder = service.folder / "data" / "dictionaries"
    service.stop()
    shutil.rmtree(folder)
    service.start()
    time.sleep(_SECONDS_FOR_DICTIONARIES)
    with httpx.Client(base_url=service.url, auth=(key, ""), timeout=300) as client:
        began = time.perf_counter()
        client.get("/v1/insights/comments?from=2020-02-01&to=2030-01-01").raise_for_status()
        print(f"  comments, the first insight after a start: {time.perf_counter() - began:.2f} s")


def _is_web_of(process: psutil.Process, service: Service) -> bool:
    command = process.info["cmdline"] or []
    return "app.cli.web" in command and process.environ().get("AFTERWORD_PORT") == str(service.port)


def _mebibytes(process: psutil.Process) -> float:
    """Return the most memory that a process has held so far."""
    status = Path(f"/proc/{process.pid}/status").read_text()
    peak = re.search(r"VmHWM:\s+(\d+)", status)
    return int(peak[1]) / 1024 if peak else 0.0


def _time(client: httpx.Client, insight: str) -> None:
    took, refused = [], None
    for number in range(_TIMES):
        # Another period each time, so that no reply is one that was kept.
        params = {"from": f"2020-01-{number + 1:02}", "to": "2030-01-01"}
        if insight == "spending":
            params = {"within": f"P{180 + number}D"}
        began = time.perf_counter()
        reply = client.get(f"/v1/insights/{insight}", params=params)
        took.append(time.perf_counter() - began)
        reply.raise_for_status()
        refused = reply.json()["refused"]
    middle, worst = statistics.median(took), max(took)
    print(f"  {insight:<14} median {middle:5.2f} s   worst {worst:5.2f} s   refused: {refused}")


async def _multiply(url: str) -> int:
    """Copy the demo's year until there are enough responses; return how many there are."""
    connection = await asyncpg.connect(url)
    workspace = await connection.fetchval("select id from workspace where key = 'demo'")
    there = await connection.fetchval(
        "select count(*) from response where workspace_id = $1", workspace
    )
    copies = LARGE // there
    for table in ("response", "interaction"):
        names = [
            row[0]
            for row in await connection.fetch(
                "select column_name from information_schema.columns "
                "where table_schema = 'public' and table_name = $1 order by ordinal_position",
                table,
            )
        ]
        values = ", ".join(_ANEW.get(name, f"t.{name}") for name in names)
        await connection.execute(
            f"insert into {table} ({', '.join(names)}) select {values} from {table} t "
            "cross join generate_series(1, $2::int) g where t.workspace_id = $1",
            workspace,
            copies,
            timeout=1200,
        )
        await connection.execute(f"vacuum analyze {table}")
    size: int = await connection.fetchval(
        "select count(*) from response where workspace_id = $1", workspace
    )
    await connection.close()
    return size
