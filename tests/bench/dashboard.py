# SPDX-License-Identifier: Apache-2.0
"""How long each page of the dashboard takes at 1,000,000 answers."""

import asyncio
import statistics
import time

import httpx

from tests.bench.figures import LARGE, fill
from tests.bench.report import Row
from tests.service import Service

_PATHS = (
    "/", "/?period=12mo", "/surveys/nps", "/journey", "/experience", "/follow-ups", "/comments",
    "/decisions", "/connections", "/compare?by=touchpoint", "/answers", "/people", "/alerts",
)  # fmt: skip
_TIMES = 7


def measure(service: Service, database_url: str) -> list[Row]:
    """Print the median of each page; no test asserts it."""
    key = asyncio.run(fill(service, database_url, LARGE, name="dashboard"))[0]
    with httpx.Client(base_url=service.url, timeout=120) as client:
        assert client.post("/sign-in", data={"key": key}).status_code == 303
        for path in _PATHS:
            took = []
            for _ in range(_TIMES):
                began = time.perf_counter()
                reply = client.get(path)
                took.append(time.perf_counter() - began)
                assert reply.status_code == 200, reply.text
            print(f"  {path:<16} {statistics.median(took) * 1000:7.1f} ms")
    return []
