# SPDX-License-Identifier: Apache-2.0
"""How long a file of answers takes to be looked at and taken, and how much memory."""

import csv
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

from tests.bench.report import Row
from tests.service import Service

_ROWS, _MORE_ROWS = 100_000, 300_000
_SECONDS, _MEMORY = 10, 1.2
_ROUNDS = 3
_KIB_PER_MIB = 1024


def measure(service: Service) -> list[Row]:
    """Import files of 100,000 rows by the command, and one of 300,000; print each round."""
    with service.client() as client:
        client.post("/v1/surveys", json={"key": "moved", "template": "nps"})
        client.post("/v1/surveys/moved/publish").raise_for_status()
    rounds = [_import(service, f"round-{number}", _ROWS) for number in range(_ROUNDS)]
    seconds = [took for took, _ in rounds]
    print(f"  100,000 rows: {', '.join(f'{took:.1f}' for took in seconds)} s")
    took, large = _import(service, "large", _MORE_ROWS)
    small = statistics.median(memory for _, memory in rounds)
    print(f"  300,000 rows: {took:.1f} s; peak memory {large:.0f} MiB, of 100,000 {small:.0f} MiB")
    return [
        Row("import of 100,000 rows", statistics.median(seconds), _SECONDS, at_most=True, unit="s"),
        Row("peak memory of 300,000 rows, against 100,000", large / small, _MEMORY, at_most=True),
    ]


def _import(service: Service, source: str, rows: int) -> tuple[float, float]:
    """Import a file of so many rows; return the seconds and the peak memory in MiB."""
    path = service.folder / f"{source}.csv"
    _write(path, rows)
    command = [sys.executable, "-m", "app.cli.commands", "import", str(path),
               "--survey", "moved", "--source", source, "--yes"]  # fmt: skip
    began = time.perf_counter()
    with (service.folder / "import.log").open("wb") as log:
        process = subprocess.Popen(command, env=service.environment, stdout=log, stderr=log)
        _, status, usage = os.wait4(process.pid, 0)
    took = time.perf_counter() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    path.unlink()
    if process.returncode:
        raise RuntimeError((service.folder / "import.log").read_text())
    return took, usage.ru_maxrss / _KIB_PER_MIB


def _write(path: Path, rows: int) -> None:
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["external_id", "responded_at", "score", "why", "touchpoint"])
        for number in range(rows):
            day = f"2026-{number % 6 + 1:02}-{number % 28 + 1:02}T{number % 24:02}:00:00Z"
            comment = f"Comment number {number}" if number % 3 == 0 else ""
            writer.writerow([number, day, number * 7 % 11, comment, f"shop-{number % 5}"])
