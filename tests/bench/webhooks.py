# SPDX-License-Identifier: Apache-2.0
"""How many deliveries a second reach a fast receiver, and how late they are under ingest load."""

import asyncio
import datetime as dt
import json
import statistics
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx

from tests.bench.load import wrk
from tests.bench.report import Row
from tests.service import Service

_MANY, _BATCH = 5_000, 1_000
_REPLY = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"


@dataclass
class FastReceiver:
    """Answers at once over connections that stay; it reads no more than it must."""

    url: str = ""
    late: list[float] = field(default_factory=list)
    count: int = 0
    full: asyncio.Event = field(default_factory=asyncio.Event)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection."""
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).lower()
                length = int(head.partition(b"content-length:")[2].split(b"\r\n", 1)[0])
                body: dict[str, Any] = json.loads(await reader.readexactly(length))
                writer.write(_REPLY)
                at = dt.datetime.fromisoformat(body["timestamp"])
                self.late.append((dt.datetime.now(dt.UTC) - at).total_seconds())
                self.count += 1
                if self.count >= _MANY:
                    self.full.set()
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            writer.close()


@asynccontextmanager
async def _receiving() -> AsyncIterator[FastReceiver]:
    receiver = FastReceiver()
    server = await asyncio.start_server(receiver.serve, "127.0.0.1", 0)
    receiver.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with server:
        yield receiver


def measure() -> list[Row]:
    """Print both; neither has a bar."""
    service = Service(AFTERWORD_ALLOW_PRIVATE_WEBHOOKS="true")
    service.start()
    try:
        asyncio.run(_measure(service))
    finally:
        service.remove()
    return []


async def _measure(service: Service) -> None:
    with service.client() as client:
        client.post("/v1/surveys", json={"template": "nps", "key": "nps"}).raise_for_status()
        client.post("/v1/surveys/nps/publish").raise_for_status()
    async with _receiving() as receiver:
        await asyncio.to_thread(_subscribe, service, receiver.url)
        rate = await _drain(service, receiver)
        print(f"  deliveries to a fast receiver          {rate:>9,.0f}/s")
        receiver.late.clear()
        load = await asyncio.to_thread(
            wrk,
            service.url + "/v1/responses",
            body='{"survey":"nps","channel":"api","answers":{"score":SCORE}}',
            key=service.key,
            connections=1,
        )
        await asyncio.sleep(3)
        cuts = statistics.quantiles(receiver.late, n=100)
        print(
            f"  from event to receiver under ingest    p50 {cuts[49] * 1000:.0f} ms, "
            f"p99 {cuts[98] * 1000:.0f} ms ({len(receiver.late):,} deliveries; {load})"
        )


def _subscribe(service: Service, url: str) -> None:
    endpoint = {"url": url, "events": ["response.created"], "filter": {"min_score": 9}}
    with service.client() as client:
        client.post("/v1/webhook-endpoints", json=endpoint).raise_for_status()


async def _drain(service: Service, receiver: FastReceiver) -> float:
    headers = {"Authorization": f"Bearer {service.key}"}
    line = {"survey": "nps", "channel": "api", "answers": {"score": 9}}
    async with httpx.AsyncClient(base_url=service.url, headers=headers, timeout=60) as client:
        for _ in range(_MANY // _BATCH):
            (await client.post("/v1/responses/batch", json=[line] * _BATCH)).raise_for_status()
    began, first = time.perf_counter(), receiver.count
    await receiver.full.wait()
    return (_MANY - first) / (time.perf_counter() - began)
