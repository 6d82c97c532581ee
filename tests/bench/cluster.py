# SPDX-License-Identifier: Apache-2.0
"""What a cluster costs: the same load on one PostgreSQL and on a Citus cluster, in turns.

All nodes share this machine's cores with each other and with the service, so that the ratios are
the price of the cluster and not its gain. AFTERWORD_TEST_CLUSTER_URL names an empty database.
"""

import asyncio
import os
import statistics
import time
from collections import defaultdict
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

import asyncpg
import psutil

from tests.bench.ingest import BATCH, BODY, prepare_survey
from tests.bench.load import Measurement, median, wrk
from tests.bench.report import Row
from tests.service import Service

ROUNDS, SECONDS = 3, 5
_MAX_WORKSPACES = 12
_MAX_WAITS, _RESTING_PERCENT = 60, 15
_SERIES = "/v1/metrics/nps?survey=bench&period=12mo&interval=month"


def measure() -> list[Row]:
    """Return the ratios of a cluster to one PostgreSQL."""
    cluster_url = os.environ.get("AFTERWORD_TEST_CLUSTER_URL")
    if not cluster_url:
        print("  AFTERWORD_TEST_CLUSTER_URL names no cluster; nothing is measured.")
        return []
    plain = Service()
    cluster = Service(
        AFTERWORD_DATABASE_URL=cluster_url, AFTERWORD_SECRET_KEYS="a secret of the benchmark"
    )
    try:
        for service in (plain, cluster):
            service.start()
            prepare_survey(service)
        rows = _compare(plain, cluster)
        _print_two_workspaces(cluster, cluster_url)
        return rows
    finally:
        for service in (plain, cluster):
            service.remove()


def _compare(plain: Service, cluster: Service) -> list[Row]:
    both = {"plain": plain, "cluster": cluster}
    return [*_compare_loads(both), _compare_series(both)]


def _compare_loads(both: Mapping[str, Service]) -> list[Row]:
    rounds: dict[tuple[str, str], list[Measurement]] = defaultdict(list)
    for number in range(ROUNDS + 1):
        for name, service in both.items():
            measurements = {
                "64": _load(service, "/v1/responses", BODY, 64),
                "1": _load(service, "/v1/responses", BODY, 1),
                "batch": _load(service, "/v1/responses/batch", BATCH, 4),
            }
            for load, measured in measurements.items() if number else ():
                rounds[name, load].append(measured)
    ratios = {}
    for load in ("64", "1", "batch"):
        middle = {name: median(rounds[name, load]) for name in both}
        for name, measured in middle.items():
            print(f"  {name:8} load {load:6} {measured}")
        ratios[load] = middle["cluster"].per_second / middle["plain"].per_second
    alone = 1000 / median(rounds["cluster", "1"]).per_second
    print(f"  one connection on the cluster: {alone:.1f} ms an answer")
    return [
        Row("single answers at 64 connections, cluster against plain", ratios["64"], 0.3),
        Row("one connection, cluster against plain", ratios["1"], 0.05),
        Row("batches, cluster against plain", ratios["batch"], 0.5),
    ]


def _compare_series(both: Mapping[str, Service]) -> Row:
    """Compare how long a series takes, once both have done what the answers left to do."""
    _wait_for_rest()
    series: dict[str, list[float]] = defaultdict(list)
    for _ in range(ROUNDS):
        for name, service in both.items():
            series[name].append(_seconds_of_series(service))
    took = {name: statistics.median(seconds) for name, seconds in series.items()}
    print(f"  a year's series: {1000 * took['plain']:.1f} and {1000 * took['cluster']:.1f} ms")
    slower = took["cluster"] / took["plain"]
    return Row("a year's series, cluster against plain", slower, 1.5, at_most=True)


def _print_two_workspaces(cluster: Service, url: str) -> None:
    """Print the answers a second of two workspaces on two nodes, and of one alone."""
    first = cluster.key
    second = _workspace_elsewhere(cluster, url)
    if second is None:
        print("  all workspaces that were made lie on one node")
        return
    alone, together = [], []
    for _ in range(ROUNDS):
        alone.append(_rate(cluster, first, 64))
        with ThreadPoolExecutor(2) as threads:
            rates = threads.map(lambda key: _rate(cluster, key, 32), (first, second))
            together.append(sum(rates))
    base, two = statistics.median(alone), statistics.median(together)
    print(f"  one workspace {base:,.0f}/s, two on two nodes {two:,.0f}/s: {two / base:.2f} x")


def _rate(service: Service, key: str, connections: int) -> float:
    url = f"{service.url}/v1/responses"
    return wrk(url, body=BODY, key=key, connections=connections, seconds=SECONDS).per_second


def _workspace_elsewhere(cluster: Service, url: str) -> str | None:
    """Make workspaces until one lies on another node than the first; return its key."""
    with cluster.client() as client:
        first = client.get("/v1/workspace").json()["id"]
        node = asyncio.run(_node_of(url, first))
        for number in range(_MAX_WORKSPACES):
            body = {"name": "Other", "key": f"other-{number}"}
            workspace = client.post("/v1/workspaces", json=body).raise_for_status().json()
            if asyncio.run(_node_of(url, workspace["id"])) != node:
                key: str = workspace["api_key"]["secret"]
                headers = {"Authorization": f"Bearer {key}"}
                for path, survey in (
                    ("/v1/surveys", {"template": "nps", "key": "bench"}),
                    ("/v1/surveys/bench/publish", None),
                ):
                    client.post(path, json=survey, headers=headers).raise_for_status()
                return key
    return None


async def _node_of(url: str, workspace: str) -> tuple[str, int]:
    connection = await asyncpg.connect(url)
    row = await connection.fetchrow(
        "select nodename, nodeport from citus_shards where table_name = 'response'::regclass "
        "and shardid = get_shard_id_for_distribution_column('response', $1::uuid)", workspace,
    )  # fmt: skip
    await connection.close()
    assert row is not None
    return row["nodename"], row["nodeport"]


def _load(service: Service, path: str, body: str, connections: int) -> Measurement:
    kind = "application/x-ndjson" if path.endswith("batch") else "application/json"
    return wrk(
        service.url + path, body=body, key=service.key, connections=connections,
        content_type=kind, seconds=SECONDS,
    )  # fmt: skip


def _wait_for_rest() -> None:
    """Wait until the machine is at rest."""
    for _ in range(_MAX_WAITS):
        if psutil.cpu_percent(interval=2) < _RESTING_PERCENT:
            return
    print("  something is still busy; the series may be slower for it")


def _seconds_of_series(service: Service) -> float:
    took = []
    with service.client() as client:
        for _ in range(20):
            began = time.perf_counter()
            client.get(_SERIES).raise_for_status()
            took.append(time.perf_counter() - began)
    return statistics.median(took)
