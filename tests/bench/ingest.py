# SPDX-License-Identifier: Apache-2.0
"""How fast answers are taken, against the same with one INSERT a request."""

import asyncio
import json
import time
from collections import defaultdict
from uuid import uuid4

import asyncpg

from tests.bench.baselines import TABLE
from tests.bench.load import Measurement, median, uvicorn_of, wrk
from tests.bench.report import Row
from tests.service import Service

ROUNDS, SECONDS = 5, 4
BODY = '{"survey":"bench","channel":"api","answers":{"score":SCORE,"why":"Fast delivery"}}'
LINE = (
    '{"survey":"bench","channel":"import","answers":{"score":%d,"why":"Fast delivery"},'
    '"touchpoint":"t%d","properties":{"store":"s%d"}}'
)
BATCH = "\n".join(LINE % (number % 11, number % 4, number % 3) for number in range(1000))


def measure(service: Service, database_url: str) -> list[Row]:
    """Measure our route and each baseline, one after the other, on the same database."""
    path = "/v1/responses"
    environment = service.environment | {
        "AFTERWORD_DATABASE_URL": database_url,
        "AFTERWORD_SECRET_KEYS": "bench",
    }
    asyncio.run(prepare_baseline(database_url))

    def measure_once(url: str, connections: int) -> Measurement:
        return wrk(url + path, body=BODY, key=service.key, connections=connections, seconds=SECONDS)

    # The rounds take turns, so that a slow moment of the machine strikes all alike.
    rounds: dict[str, list[Measurement]] = defaultdict(list)
    baselines = "tests.bench.baselines:"
    with (
        uvicorn_of(baselines + "sqlmodel_service", environment) as sqlmodel_url,
        uvicorn_of(baselines + "asyncpg_service", environment) as raw_url,
        uvicorn_of(baselines + "decode_only_service", environment) as decoding_url,
    ):
        for number in range(ROUNDS + 1):
            for name, url, connections in (
                ("sqlmodel", sqlmodel_url, 64),
                ("raw", raw_url, 64),
                ("ours", service.url, 64),
                ("decoded", decoding_url, 64),
                ("raw alone", raw_url, 1),
                ("ours alone", service.url, 1),
            ):
                measured = measure_once(url, connections)
                if number:
                    rounds[name].append(measured)
    middle = {name: median(measured) for name, measured in rounds.items()}
    sqlmodel, raw, ours = middle["sqlmodel"], middle["raw"], middle["ours"]
    decoded, raw_alone, ours_alone = middle["decoded"], middle["raw alone"], middle["ours alone"]
    batch = wrk(
        service.url + path + "/batch", body=BATCH, key=service.key, connections=4,
        content_type="application/x-ndjson",
    )  # fmt: skip
    copied = asyncio.run(_copy(database_url))
    print(f"  FastAPI + SQLModel, 64 connections     {sqlmodel}")
    print(f"  FastAPI + raw asyncpg, 64 connections  {raw}")
    print(f"  FastAPI + raw asyncpg, 1 connection    {raw_alone}")
    print(f"  POST /v1/responses, 64 connections     {ours}")
    print(f"  POST /v1/responses, 1 connection       {ours_alone}")
    print(f"  POST /v1/responses, decoding only      {decoded}")
    print(f"  POST /v1/responses/batch, 1,000 each   {batch.per_second * 1000:>9,.0f} answers/s")
    print(f"  bare COPY into the same table          {copied:>9,.0f} rows/s")
    return [
        Row("one answer, against FastAPI + SQLModel", ours.per_second / sqlmodel.per_second, 6),
        Row("  its p99 against that", ours.p99 / sqlmodel.p99, 1, at_most=True),
        Row("one answer, against FastAPI + raw asyncpg", ours.per_second / raw.per_second, 2.5),
        Row("  the worst of five rounds", _worst(rounds["ours"], rounds["raw"]), 2.5),
        Row("  its p99 against that", ours.p99 / raw.p99, 1, at_most=True),
        Row(
            "one connection, against raw asyncpg", ours_alone.per_second / raw_alone.per_second, 0.9
        ),
        Row("  the worst of five rounds", _worst(rounds["ours alone"], rounds["raw alone"]), 0.9),
        Row("one answer, against decoding only", ours.per_second / decoded.per_second, 0.35),
        Row("batch, against single", batch.per_second * 1000 / ours.per_second, 1.5),
        Row("batch, against a bare COPY", batch.per_second * 1000 / copied, 0.2),
    ]


def _worst(ours: list[Measurement], others: list[Measurement]) -> float:
    """Return the smallest of the rounds' ratios."""
    return min(own.per_second / other.per_second for own, other in zip(ours, others, strict=True))


async def prepare_baseline(database_url: str) -> None:
    """Make the table of the services that ours is compared with."""
    connection = await asyncpg.connect(database_url)
    await connection.execute(TABLE)
    await connection.close()


async def _copy(database_url: str, rows: int = 100_000) -> float:
    """Return how many rows a second COPY puts into a table like ours, with its indexes."""
    connection = await asyncpg.connect(database_url)
    await connection.execute("create table copied (like response including all)")
    sample = await connection.fetchrow("select * from response limit 1")
    assert sample is not None
    columns = list(sample.keys())
    records = []
    for _ in range(rows):
        values = dict(sample) | {"id": uuid4()}
        records.append(tuple(values[column] for column in columns))
    began = time.perf_counter()
    await connection.copy_records_to_table("copied", records=records, columns=columns)
    took = time.perf_counter() - began
    await connection.execute("drop table copied")
    await connection.close()
    return rows / took


def prepare_survey(service: Service) -> None:
    """Publish the survey that is answered."""
    with service.client() as client:
        client.post("/v1/surveys", json={"template": "nps", "key": "bench"}).raise_for_status()
        client.post("/v1/surveys/bench/publish").raise_for_status()
        body = json.loads(BODY.replace("SCORE", "9"))
        client.post("/v1/responses", json=body).raise_for_status()
