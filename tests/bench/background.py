# SPDX-License-Identifier: Apache-2.0
"""How fast jobs are done, mails are sent and webhooks are delivered, against bare loops.

Jobs are compared with Procrastinate, where it is installed:
`uv run --dev --with 'procrastinate' --with 'psycopg[binary]' python -m tests.bench background`.
"""

import asyncio
import importlib
import importlib.util
import json
import statistics
import time
from collections import defaultdict
from email.message import EmailMessage
from uuid import uuid4

import aiosmtplib

from app.core import jobs
from app.core.clock import rfc3339, utc_now
from app.core.database import Database
from app.core.guarded_http import GuardedClient
from app.core.job_runner import JobRunner
from app.core.jobs import Job
from app.core.postgres_server import url_of
from tests.bench.report import Row
from tests.bench.sinks import Arrivals, Sinks, sinks
from tests.service import Service

_ROUNDS = 5
_JOBS, _MAILS, _POSTS = 5_000, 1_500, 3_000
_CONCURRENCY = 8
_LINES = 500


def measure() -> list[Row]:
    """Measure all three, in rounds that take turns with their baselines."""
    with sinks() as sunk:
        service = Service(
            AFTERWORD_SMTP_URL=f"smtp://127.0.0.1:{sunk.mail_port}",
            AFTERWORD_ALLOW_PRIVATE_WEBHOOKS="true",
        )
        service.start()
        try:
            return _measure(service, sunk)
        finally:
            service.remove()


def _measure(service: Service, sunk: Sinks) -> list[Row]:
    state = json.loads((service.folder / "data" / "postgres.json").read_text())
    mail, body = _prepare(service, sunk)
    rates: dict[str, list[float]] = defaultdict(list)
    for number in range(_ROUNDS + 1):
        speeds = {
            "jobs": asyncio.run(_run_jobs(url_of(state))),
            "mails": _mail(service, sunk, number),
            "bare mails": asyncio.run(_mail_barely(sunk, mail)),
            "posts": _deliver(service, sunk),
            "bare posts": asyncio.run(_post_barely(sunk, body)),
        }
        if importlib.util.find_spec("procrastinate"):
            speeds["bare jobs"] = asyncio.run(_run_procrastinate(url_of(state)))
        if number:
            for name, rate in speeds.items():
                rates[name].append(rate)
    rows = []
    for name, bar in (("jobs", 3.0), ("mails", 0.3), ("posts", 0.4)):
        line = f"  {name:<6} {statistics.median(rates[name]):>9,.0f}/s"
        if theirs := rates[f"bare {name}"]:
            print(f"{line}, the baseline {statistics.median(theirs):>9,.0f}/s")
            shares = [speed / baseline for speed, baseline in zip(rates[name], theirs, strict=True)]
            rows += [Row(f"{name}: median", statistics.median(shares), bar),
                     Row("  the worst of five rounds", min(shares), bar)]  # fmt: skip
        else:
            print(line)
    return rows


def _prepare(service: Service, sunk: Sinks) -> tuple[bytes, bytes]:
    """Make a survey, an endpoint and an idle trigger; return a mail and a body as they are sent."""
    with service.client() as client:
        client.post("/v1/surveys", json={"template": "ces", "key": "ces"}).raise_for_status()
        client.post("/v1/surveys/ces/publish").raise_for_status()
        url = f"http://127.0.0.1:{sunk.http_port}/"
        endpoint = {"url": url, "events": ["response.created"]}
        client.post("/v1/webhook-endpoints", json=endpoint).raise_for_status()
    message = EmailMessage()
    message["From"], message["To"] = "shop@example.com", "customer@example.com"
    message.set_content("How easy was it?\n" * 20)
    message.add_alternative("<p>How easy was it?</p>\n" * 250, subtype="html")
    return message.as_bytes(), b'{"type":"response.created","data":"' + b"x" * 900 + b'"}'


def _wait_for(sunk: Sinks, index: int, count: int) -> Arrivals:
    """Wait until that many have come, and return when they did."""
    came = Arrivals()
    for _ in range(1200):
        now = sunk.look()[index]
        came.count += now.count
        came.first, came.last = came.first or now.first, now.last or came.last
        if came.count >= count:
            return came
        time.sleep(0.1)
    raise AssertionError(f"only {came.count} of {count} came")


def _mail(service: Service, sunk: Sinks, number: int) -> float:
    """Return how many of many invitations, due at once, are mailed in a second."""
    happened = rfc3339(utc_now())
    with service.client() as client:
        trigger = {"name": f"t-{number}", "on": f"bench.{number}", "survey": "ces",
                   "delay": "PT12S", "throttle": None}  # fmt: skip
        client.post("/v1/triggers", json=trigger).raise_for_status()
        for first in range(0, _MAILS, _LINES):
            lines = [
                {"type": f"bench.{number}", "source": "bench", "external_id": f"{number}-{index}",
                 "customer": {"email": f"c{number}-{index}@example.com", "name": "Ala Nowak"},
                 "occurred_at": happened}
                for index in range(first, first + _LINES)
            ]  # fmt: skip
            reply = client.post("/v1/interactions/batch?triggers=true", json=lines, timeout=120)
            assert reply.json()["accepted"] == _LINES, reply.text[:300]
    return _wait_for(sunk, 0, _MAILS).per_second


async def _mail_barely(sunk: Sinks, mail: bytes) -> float:
    async with aiosmtplib.SMTP(hostname="127.0.0.1", port=sunk.mail_port) as connection:
        began = time.perf_counter()
        for _ in range(_MAILS):
            await connection.sendmail("shop@example.com", ["customer@example.com"], mail)
        took = time.perf_counter() - began
    sunk.look()
    return _MAILS / took


def _deliver(service: Service, sunk: Sinks) -> float:
    line = {"survey": "ces", "channel": "api", "answers": {"score": 5}}
    with service.client() as client:
        for _ in range(_POSTS // _LINES):
            reply = client.post("/v1/responses/batch", json=[line] * _LINES)
            reply.raise_for_status()
    return _wait_for(sunk, 1, _POSTS).per_second


async def _post_barely(sunk: Sinks, body: bytes) -> float:
    url = f"http://127.0.0.1:{sunk.http_port}/"
    headers = {"Content-Type": "application/json", "User-Agent": "bench"}
    async with GuardedClient(allow_private=True) as client:
        began = time.perf_counter()
        for _ in range(_POSTS):
            await client.send("POST", url, headers=headers, content=body, max_kept_bytes=4096)
        took = time.perf_counter() - began
    sunk.look()
    return _POSTS / took


async def _run_jobs(database_url: str) -> float:
    """Return how many jobs a second one worker does."""
    database = Database(database_url)
    finished = asyncio.Event()
    count = 0

    async def count_job(_database: Database, _job: Job) -> None:
        nonlocal count
        count += 1
        if count == _JOBS:
            finished.set()

    now = utc_now()
    async with database.transaction() as session:
        plans = [(now, str(number), {"number": number}) for number in range(_JOBS)]
        await jobs.enqueue_many(session, "bench.nothing", workspace_id=uuid4(), planned=plans)
    runner = JobRunner(database, {"bench.nothing": count_job}, concurrency=_CONCURRENCY)
    began = time.perf_counter()
    running = asyncio.create_task(runner.run())
    await finished.wait()
    runner.stop()
    await running
    took = time.perf_counter() - began
    await database.close()
    return _JOBS / took


async def _run_procrastinate(database_url: str) -> float:
    """Return how many jobs that do nothing Procrastinate does in a second, as many at once."""
    procrastinate = importlib.import_module("procrastinate")
    app = procrastinate.App(connector=procrastinate.PsycopgConnector(conninfo=database_url))

    async def do_nothing(number: int) -> None:
        del number

    nothing = app.task(name="bench.nothing")(do_nothing)
    async with app.open_async():
        if not await app.check_connection_async():
            await app.schema_manager.apply_schema_async()
        await nothing.batch_defer_async(*({"number": number} for number in range(_JOBS)))
        began = time.perf_counter()
        await app.run_worker_async(
            wait=False, concurrency=_CONCURRENCY, listen_notify=False, install_signal_handlers=False
        )
        return _JOBS / (time.perf_counter() - began)
