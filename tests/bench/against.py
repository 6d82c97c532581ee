# SPDX-License-Identifier: Apache-2.0
"""How fast this program is against another checkout of it, in one run.

`python -m tests.bench against FOLDER`: the folder has its own `.venv`. Both services run at once,
and the rounds take turns.
"""

import statistics
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import httpx

from tests.bench.ingest import BATCH, BODY, prepare_survey
from tests.bench.load import wrk
from tests.bench.report import Row
from tests.service import Service

_ROUNDS, _SECONDS, _BATCHES, _READS = 5, 4, 8, 60


class OtherService(Service):
    """The service of another checkout, in the environment of that checkout."""

    def __init__(self, folder: Path) -> None:
        """Choose the checkout; `start` does the rest."""
        super().__init__()
        self._checkout = folder

    def start(self, *arguments: str) -> None:
        """Start it and wait until it is ready."""
        program = [str(self._checkout / ".venv" / "bin" / "python"), "-m", "app.cli.commands"]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [*program, "up", *arguments], cwd=self._checkout, start_new_session=True,
                env=self.environment | {"PYTHONPATH": str(self._checkout)}, stdout=log, stderr=log,
            )  # fmt: skip
        for _ in range(600):
            try:
                if httpx.get(f"{self.url}/readyz", timeout=2).status_code == 200:
                    return
            except httpx.TransportError:
                pass
            time.sleep(0.05)
        raise AssertionError(self.log.read_text())


def measure(folder: Path) -> list[Row]:
    """Measure both programs, and return this one's rates as parts of the other's."""
    services = {"this": Service(), "other": OtherService(folder)}
    rates: dict[tuple[str, str], list[float]] = defaultdict(list)
    try:
        for service in services.values():
            service.start()
            prepare_survey(service)
        for _ in range(_ROUNDS):
            for label, rate_of in _RATES.items():
                for name, service in services.items():
                    rates[label, name].append(rate_of(service))
    finally:
        for service in services.values():
            service.remove()
    rows = []
    for label in _RATES:
        pairs = list(zip(rates[label, "this"], rates[label, "other"], strict=True))
        ratio = statistics.median(this / other for this, other in pairs)
        worst = min(this / other for this, other in pairs)
        middle = [statistics.median(rates[label, name]) for name in services]
        print(f"  {label}: {middle[0]:,.0f}/s, other {middle[1]:,.0f}/s; worst {worst:.2f}")
        rows.append(Row(label, ratio, 0.9))
    return rows


def _single(connections: int) -> Callable[[Service], float]:
    def rate_of(service: Service) -> float:
        url = f"{service.url}/v1/responses"
        load = wrk(url, body=BODY, key=service.key, connections=connections, seconds=_SECONDS)
        return load.per_second

    return rate_of


def _batches(service: Service) -> float:
    headers = {"Content-Type": "application/x-ndjson"}
    with service.client() as client:
        began = time.perf_counter()
        for _ in range(_BATCHES):
            reply = client.post("/v1/responses/batch", content=BATCH, headers=headers, timeout=60)
            reply.raise_for_status()
        return _BATCHES * 1000 / (time.perf_counter() - began)


def _series(service: Service) -> float:
    params = {"interval": "month", "period": "12mo", "group_by": "channel"}
    with service.client() as client:
        began = time.perf_counter()
        for _ in range(_READS):
            client.get("/v1/metrics/nps", params=params).raise_for_status()
        return _READS / (time.perf_counter() - began)


_RATES: dict[str, Callable[[Service], float]] = {
    "answers at 64 connections, against the other": _single(64),
    "answers over one connection": _single(1),
    "answers in batches of 1,000": _batches,
    "a year's series": _series,
}


def main() -> list[Row]:
    """Measure against the folder that the command names."""
    if len(sys.argv) < 3:
        sys.exit("Name the other checkout: `python -m tests.bench against FOLDER`.")
    return measure(Path(sys.argv[2]).resolve())
