"""Run the benchmarks: `uv run python -m tests.bench [ingest] [figures] [interactions]
[webhooks] [dashboard]
[exports] [start]`, `… mixed [MINUTES]` for mixed load under random kills, `… cluster` for what a
Citus cluster costs, or `… insights` for insights at 1,000,000 responses.
"""

import json
import sys
import time

from app.core.postgres import url_of
from tests.bench import (
    cluster,
    dashboard,
    exports,
    figures,
    ingest,
    insights,
    interactions,
    mixed,
    webhooks,
)
from tests.bench.report import Row, show
from tests.service import Service

_PARTS = ["ingest", "figures", "interactions", "webhooks", "dashboard", "exports", "start"]


def measure_start(service: Service) -> list[Row]:
    """Return how long a start takes with a data folder that is there, in seconds."""
    took = []
    for _ in range(3):
        service.stop()
        began = time.perf_counter()
        service.start()
        took.append(time.perf_counter() - began)
    print(f"  start with an existing data folder: {sorted(took)[1]:.2f} s")
    return [Row("seconds from start to ready", sorted(took)[1], 3, at_most=True)]


def main() -> None:
    """Run the parts named, or all, on one fresh service."""
    wanted = sys.argv[1:] or _PARTS
    service = Service()
    service.start()
    rows: list[Row] = []
    try:
        state = json.loads((service.folder / "data" / "postgres.json").read_text())
        if "ingest" in wanted:
            ingest.prepare_survey(service)
            rows += ingest.measure(service, url_of(state))
        if "figures" in wanted:
            rows += figures.measure(service, url_of(state))
        if "interactions" in wanted:
            rows += interactions.measure(service, url_of(state))
        if "webhooks" in wanted:
            webhooks.measure()
        if "dashboard" in wanted:
            dashboard.measure(service, url_of(state))
        if "exports" in wanted:
            rows += exports.measure(service)
        if "start" in wanted:
            rows += measure_start(service)
    finally:
        service.remove()
    show(rows)


if __name__ == "__main__":
    if sys.argv[1:2] == ["mixed"]:
        mixed.measure(*map(float, sys.argv[2:3]))
    elif sys.argv[1:] == ["cluster"]:
        show(cluster.measure())
    elif sys.argv[1:] == ["insights"]:
        insights.measure()
    else:
        main()
