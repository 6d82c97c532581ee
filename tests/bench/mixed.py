# SPDX-License-Identifier: Apache-2.0
"""Mixed load under random kills: nothing lost, nothing twice, no fault but 503, memory flat.

`uv run --dev python -m tests.bench mixed [MINUTES]`: answers, pages, webhooks in and out, exports,
the dashboard and a BI session that idles in a transaction, while every kind of process is killed.
"""

import asyncio
import contextlib
import json
import random
import statistics
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import httpx
import psutil

from tests.service import Service

_PAUSE = 0.02
_KILL_EVERY = (6.0, 14.0)
_DRAIN_SECONDS = 120
_MEBIBYTE = 1 << 20


@dataclass
class Tally:
    """What was acknowledged, what was delivered, and what went wrong."""

    answers: set[str] = field(default_factory=set)
    tickets: set[str] = field(default_factory=set)
    deliveries: Counter[str] = field(default_factory=Counter)
    statuses: Counter[int] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)
    kills: Counter[str] = field(default_factory=Counter)
    memory: list[float] = field(default_factory=list)
    unreachable: int = 0

    def note(self, label: str, reply: httpx.Response) -> httpx.Response:
        """Count a reply; anything from 500 on but 503 is a fault."""
        self.statuses[reply.status_code] += 1
        if reply.status_code >= 500 and reply.status_code != 503:
            self.faults.append(f"{label}: {reply.status_code} {reply.text[:200]}")
        return reply


Step = Callable[[], Awaitable[None]]


class Load:
    """One service under load."""

    def __init__(self, service: Service, tally: Tally) -> None:
        """Prepare; `prepare` makes the surveys, the sender and the endpoint."""
        self.service, self.tally = service, tally
        auth = (service.key, "")
        self.client = httpx.AsyncClient(base_url=service.url, auth=auth, timeout=40)
        self.browser = httpx.AsyncClient(base_url=service.url, timeout=40, follow_redirects=True)
        self.sender = self.page = self.bi = ""
        self.number = 0

    async def prepare(self, receiver: str) -> None:
        """Make what the load needs."""
        for key in ("s", "p"):
            await self.client.post("/v1/surveys", json={"template": "nps", "key": key})
            published = await self.client.post(f"/v1/surveys/{key}/publish")
            self.page = f"/s/{published.json()['public_id']}"
        event = await self.client.post("/v1/integrations", json={"source": "freshdesk"})
        url = urlsplit(event.json()["url"])
        self.sender = f"{url.path}?{url.query}"
        endpoint = {"url": receiver, "events": ["response.created"], "filter": {"survey": "s"}}
        (await self.client.post("/v1/webhook-endpoints", json=endpoint)).raise_for_status()
        self.bi = self.service.command("bi-role", "--workspace", "default").stdout.strip()

    async def until_taken(self, label: str, send: Callable[[], Awaitable[httpx.Response]]) -> None:
        """Send the same again until it is acknowledged, as any good client does."""
        while True:
            try:
                event = self.tally.note(label, await send())
                if event.status_code < 300:
                    return
            except httpx.TransportError:
                self.tally.unreachable += 1
            await asyncio.sleep(0.2)

    async def answer(self) -> None:
        """Give one answer."""
        self.number += 1
        name = f"a-{self.number}"
        body = {"survey": "s", "channel": "api", "answers": {"score": self.number % 11},
                "external_id": name}  # fmt: skip
        await self.until_taken("answer", lambda: self.client.post("/v1/responses", json=body))
        self.tally.answers.add(name)

    async def deliver(self) -> None:
        """Deliver one webhook of a helpdesk."""
        self.number += 1
        ticket = f"t-{self.number}"
        body = {"event": "ticket.resolved", "ticket_id": ticket, "status": "Resolved",
                "created_at": "2026-01-01T08:00:00Z", "updated_at": "2026-01-01T09:00:00Z",
                "requester": {"email": f"{ticket}@e.pl"}}  # fmt: skip
        await self.until_taken("webhook", lambda: self.browser.post(self.sender, json=body))
        self.tally.tickets.add(ticket)

    async def look(self) -> None:
        """Read a page, figures, an export and the dashboard, once each."""
        with contextlib.suppress(httpx.TransportError):
            self.tally.note("page", await self.browser.get(self.page))
            form = {"score": "9", "_js": "1", "_g": "1", "_asked": "score"}
            self.tally.note("form", await self.browser.post(self.page, data=form))
            self.tally.note("metric", await self.client.get("/v1/metrics/nps?interval=day"))
            self.tally.note("export", await self.client.get("/v1/exports/responses?format=ndjson"))
            self.tally.note(
                "sign-in", await self.browser.post("/sign-in", data={"key": self.service.key})
            )
            self.tally.note("dashboard", await self.browser.get("/"))
        await asyncio.sleep(0.5)

    async def idle_in_transaction(self) -> None:
        """Idle in a transaction of a BI role until the server ends it."""
        with contextlib.suppress(asyncpg.PostgresError, OSError, asyncpg.InterfaceError):
            state = self.service.folder / "data" / "postgres.json"
            port = json.loads(state.read_text())["port"]
            at = urlsplit(self.bi)
            url = at._replace(netloc=f"{at.netloc.rpartition(':')[0]}:{port}").geturl()
            connection = await asyncpg.connect(url)
            try:
                await connection.execute("set idle_in_transaction_session_timeout = 0")
                await connection.execute("begin")
                await connection.fetchval("select count(*) from bi.responses")
                await asyncio.sleep(30)
            finally:
                connection.terminate()
        await asyncio.sleep(1)

    async def kill(self) -> None:
        """Kill one process, or all of them, at random, and note how much memory there was."""
        await asyncio.sleep(random.uniform(*_KILL_EVERY))
        processes = self.service.processes()
        used = [_memory_of(process) for process in processes if "postgres" not in _name(process)]
        self.tally.memory.append(sum(used) / _MEBIBYTE)
        victim = random.choice(processes)
        if victim.pid == processes[0].pid:
            self.tally.kills["everything"] += 1
            await asyncio.to_thread(self.service.kill_everything)
            await asyncio.to_thread(self.service.start)
            return
        self.tally.kills[_name(victim)] += 1
        with contextlib.suppress(psutil.NoSuchProcess):
            victim.kill()


def _name(process: psutil.Process) -> str:
    with contextlib.suppress(psutil.NoSuchProcess):
        line = process.cmdline()
        if line and "postgres" in line[0]:
            return "postgres"
        return next((part for part in line if part.startswith("app.")), line[-1] if line else "?")
    return "gone"


def _memory_of(process: psutil.Process) -> int:
    with contextlib.suppress(psutil.NoSuchProcess):
        return int(process.memory_info().rss)
    return 0


async def _repeat(step: Step, until: float, pause: float = 0) -> None:
    while time.monotonic() < until:
        await step()
        await asyncio.sleep(pause)


async def _hear(tally: Tally, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Take deliveries of one connection, and note each by its id."""
    with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            length = int(head.partition(b"content-length:")[2].split(b"\r\n", 1)[0])
            event: dict[str, Any] = json.loads(await reader.readexactly(length))
            tally.deliveries[event["data"]["external_id"]] += 1
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
    writer.close()


async def _run(service: Service, minutes: float) -> Tally:
    tally = Tally()
    server = await asyncio.start_server(lambda r, w: _hear(tally, r, w), "127.0.0.1", 0)
    load = Load(service, tally)
    await load.prepare(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/")
    until = time.monotonic() + 60 * minutes
    async with asyncio.TaskGroup() as tasks:
        for _ in range(4):
            tasks.create_task(_repeat(load.answer, until, _PAUSE))
        for _ in range(2):
            tasks.create_task(_repeat(load.deliver, until, _PAUSE))
        for step in (load.look, load.idle_in_transaction, load.kill):
            tasks.create_task(_repeat(step, until))
    await _drain(load)
    server.close()
    return tally


async def _drain(load: Load) -> None:
    """Wait until everything that was acknowledged has been worked on."""
    deadline = time.monotonic() + _DRAIN_SECONDS
    while time.monotonic() < deadline:
        with contextlib.suppress(httpx.TransportError, KeyError):
            waiting = await load.client.get("/v1/integrations/freshdesk/events?status=received")
            if not waiting.json()["data"] and set(load.tally.deliveries) >= load.tally.answers:
                return
        await asyncio.sleep(0.5)


def measure(minutes: float = 15) -> None:
    """Run the load, print the numbers, and stop where one is wrong."""
    service = Service(
        workers=2, AFTERWORD_ALLOW_PRIVATE_WEBHOOKS="true", AFTERWORD_PUBLIC_RATE="1000",
        AFTERWORD_PUBLIC_BURST="1000",
    )  # fmt: skip
    service.start()
    try:
        tally = asyncio.run(_run(service, minutes))
        with service.client() as client:
            counted = client.get("/v1/metrics/nps?survey=s").json()["total"]["n"]
            tickets = client.get("/v1/exports/tickets?format=ndjson").text.splitlines()
        checked = service.command("rollups", "check")
        log = Path(service.log).read_text()
    finally:
        service.remove()
    half = len(tally.memory) // 2
    early, late = (statistics.median(part or [0]) for part in (tally.memory[:half],
                                                               tally.memory[half:]))  # fmt: skip
    twice = sum(1 for times in tally.deliveries.values() if times > 1)
    print(f"  {minutes:g} minutes; kills: {dict(tally.kills)}; replies: {dict(tally.statuses)}; "
          f"unreachable: {tally.unreachable}")  # fmt: skip
    print(f"  answers: {len(tally.answers)} acknowledged, {counted} counted, "
          f"{len(tally.deliveries)} delivered ({twice} more than once)")  # fmt: skip
    print(f"  tickets: {len(tally.tickets)} acknowledged, {len(tickets)} stored")
    print(f"  memory: {early:.0f} MiB early, {late:.0f} MiB late; {checked.stdout.strip()}")
    wrong = [*tally.faults]
    if counted != len(tally.answers) or not set(tally.deliveries) >= tally.answers:
        wrong.append("answers were lost or counted twice")
    if len(tickets) != len(tally.tickets):
        wrong.append("tickets were lost or stored twice")
    if checked.returncode:
        wrong.append(checked.stdout + checked.stderr)
    if "unexpected error" in log:
        wrong.append("the log holds unexpected errors")
    for line in wrong:
        print(f"  WRONG: {line}")
    if wrong:
        raise SystemExit(1)
