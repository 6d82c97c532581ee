# SPDX-License-Identifier: Apache-2.0
"""Run the benchmarks: `uv run --dev python -m tests.bench [PART]…`.

The parts are ingest, figures, interactions, background, webhooks, dashboard, exports, imports,
start and idle.
By themselves run `against FOLDER` (this program against another checkout), `mixed [MINUTES]`
(mixed load under random kills), `cluster` (what a Citus cluster costs), `insights` (insights at
1,000,000 responses) and `scale [MILLIONS]` (what grows).
"""

import json
import sys
from collections.abc import Callable

from app.core.postgres_server import url_of
from tests.bench import (
    against,
    background,
    cluster,
    dashboard,
    exports,
    figures,
    imports,
    ingest,
    insights,
    interactions,
    mixed,
    scale,
    startup,
    webhooks,
)
from tests.bench.report import Row, show
from tests.service import Service


def _measure_ingest(service: Service, url: str) -> list[Row]:
    ingest.prepare_survey(service)
    return ingest.measure(service, url)


# Each part measures on one service that all share, and returns its rows.
_PARTS: dict[str, Callable[[Service, str], list[Row]]] = {
    "ingest": _measure_ingest,
    "figures": figures.measure,
    "interactions": interactions.measure,
    "background": lambda _service, _url: background.measure(),
    "webhooks": lambda _service, _url: webhooks.measure(),
    "dashboard": dashboard.measure,
    "exports": lambda service, _url: exports.measure(service),
    "imports": lambda service, _url: imports.measure(service),
    "start": lambda service, _url: startup.measure_start(service),
    "idle": lambda _service, _url: startup.measure_idle(),
}


def main() -> None:
    """Run the parts named, or all, on one fresh service."""
    names = sys.argv[1:] or list(_PARTS)
    if unknown := [name for name in names if name not in _PARTS]:
        sys.exit(f"There is no part {', '.join(unknown)}.\n{__doc__}")
    service = Service()
    service.start()
    rows: list[Row] = []
    try:
        state = json.loads((service.folder / "data" / "postgres.json").read_text())
        for name in names:
            rows += _PARTS[name](service, url_of(state))
    finally:
        service.remove()
    show(rows)


if __name__ == "__main__":
    if sys.argv[1:2] == ["mixed"]:
        mixed.measure(*map(float, sys.argv[2:3]))
    elif sys.argv[1:2] == ["against"]:
        show(against.main())
    elif sys.argv[1:] == ["cluster"]:
        show(cluster.measure())
    elif sys.argv[1:] == ["insights"]:
        insights.measure()
    elif sys.argv[1:2] == ["scale"]:
        scale.measure()
    else:
        main()
