# SPDX-License-Identifier: Apache-2.0
"""How long a service takes to start, and what it holds at rest."""

import re
import statistics
import time
from pathlib import Path

import psutil

from tests.bench.report import Row
from tests.service import Service

_ROUNDS = 5
_SETTLE_SECONDS = 20


def measure_start(service: Service) -> list[Row]:
    """Return how long a start takes with a data folder that is there, in seconds."""
    took = []
    for _ in range(3):
        service.stop()
        began = time.perf_counter()
        service.start()
        took.append(time.perf_counter() - began)
    print(f"  start with an existing data folder: {sorted(took)[1]:.2f} s")
    return [Row("from start to ready", sorted(took)[1], 3, at_most=True, unit="s")]


def measure_idle() -> list[Row]:
    """Return what a new service holds at rest, in MiB, as the median of five."""
    totals = []
    for number in range(_ROUNDS):
        service = Service()
        try:
            service.start()
            time.sleep(_SETTLE_SECONDS)
            parts = _held_by_part(service.processes())
        finally:
            service.remove()
        totals.append(sum(parts.values()))
        print(f"  idle {number}: " + ", ".join(f"{name} {mib:.0f}" for name, mib in parts.items()))
    label = f"memory of a service at rest (PSS; worst {max(totals):.0f})"
    return [Row(label, statistics.median(totals), 250, at_most=True, unit="MiB")]


def _held_by_part(processes: list[psutil.Process]) -> dict[str, float]:
    """Return the MiB that each part holds in proportion, without what PostgreSQL shares."""
    parts = dict.fromkeys(("web", "worker", "supervisor", "PostgreSQL"), 0.0)
    for process in processes:
        command = " ".join(process.cmdline())
        kinds = {"app.cli.web": "web", "app.worker": "worker", "app.cli.supervisor": "supervisor"}
        part = next((kinds[name] for name in kinds if name in command), "PostgreSQL")
        memory = Path(f"/proc/{process.pid}/smaps_rollup").read_text()
        sizes = {name: int(kib) for name, kib in re.findall(r"(?m)^(Pss\w*):\s+(\d+)", memory)}
        parts[part] += (sizes["Pss"] - sizes["Pss_Shmem"]) / 1024
    return parts
