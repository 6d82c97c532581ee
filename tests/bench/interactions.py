# SPDX-License-Identifier: Apache-2.0
"""How fast interactions become decisions, and webhooks are taken."""

import asyncio
import json
import statistics
import time
from collections import defaultdict
from uuid import uuid4

from tests.bench.ingest import BODY, prepare_baseline
from tests.bench.load import Measurement, median, uvicorn_of, wrk
from tests.bench.report import Row
from tests.integrations.sender import SECRET
from tests.integrations.senders import signed_headers
from tests.service import Service

_TRIGGERS, _BATCH, _WEBHOOKS = 3, 1000, 12_000
_ROUNDS, _SECONDS = 5, 4
_SINGLE = (
    '{"type":"ticket.solved","source":"bench","external_id":"s-NUMBER-%s","ticket":"s-NUMBER",'
    '"customer":{"email":"sNUMBER@example.pl"},"properties":{"agent":"eva","tags":["vip"]}}'
)
_HEADER = "X-Shopify-Hmac-Sha256"


def prepare(service: Service) -> None:
    """Publish three surveys with a trigger each: one invites, its mails are far away."""
    with service.client() as client:
        for number in range(_TRIGGERS):
            key = f"bench-{number}"
            client.post("/v1/surveys", json={"template": "ces", "key": key}).raise_for_status()
            client.post(f"/v1/surveys/{key}/publish").raise_for_status()
            tag = "gold" if number else "vip"
            where = [{"property": "tags", "op": "contains", "value": tag}]
            body = {"name": key, "on": "ticket.solved", "survey": key, "delay": "P30D"}
            client.post("/v1/triggers", json=body | {"where": where}).raise_for_status()


def measure(service: Service, database_url: str) -> list[Row]:
    """Measure interactions and webhooks against one INSERT a request, in rounds that take turns."""
    prepare(service)
    environment = service.environment | {
        "AFTERWORD_DATABASE_URL": database_url, "AFTERWORD_SECRET_KEYS": "bench",
    }  # fmt: skip
    asyncio.run(prepare_baseline(database_url))
    rounds: dict[str, list[Measurement]] = defaultdict(list)
    with uvicorn_of("tests.bench.baselines:sqlmodel_service", environment) as baseline:
        for number in range(_ROUNDS + 1):
            for name, figures in (
                ("baseline", wrk(baseline + "/v1/responses", body=BODY, key="", connections=64,
                                 seconds=_SECONDS)),
                ("single", _single(service, 64)),
                ("alone", _single(service, 1)),
                ("webhooks", _webhooks(service, number)),
                ("batch", Measurement(_in_batches(service, number), 0)),
            ):  # fmt: skip
                if number:
                    rounds[name].append(figures)
    middle = {name: median(figures) for name, figures in rounds.items()}
    print(f"  FastAPI + SQLModel, 64 connections     {middle['baseline']}")
    print(f"  POST /v1/interactions, 3 triggers, 64  {middle['single']}")
    print(f"  the same, 1 connection                 {middle['alone']}")
    print(f"  the same in batches of 1,000           {middle['batch'].per_second:>9,.0f}/s")
    print(f"  signed webhooks, 64 connections        {middle['webhooks']}")
    bars = (("single", 1.5), ("alone", 0.25), ("batch", 4), ("webhooks", 2))
    rows = []
    for name, bar in bars:
        shares = [
            ours.per_second / theirs.per_second
            for ours, theirs in zip(rounds[name], rounds["baseline"], strict=True)
        ]
        rows += [Row(f"interactions, {name}: median", statistics.median(shares), bar),
                 Row("  the worst of five rounds", min(shares), bar)]  # fmt: skip
    tail = middle["single"].p99 / middle["baseline"].p99
    return [*rows, Row("  p99 of single against the baseline's", tail, 1, at_most=True)]


def _single(service: Service, connections: int) -> Measurement:
    return wrk(
        service.url + "/v1/interactions", body=_SINGLE % uuid4(), key=service.key,
        connections=connections, seconds=_SECONDS,
    )  # fmt: skip


def _in_batches(service: Service, number: int, batches: int = 3) -> float:
    took = 0.0
    with service.client() as client:
        for batch in range(batches * number, batches * (number + 1)):
            lines = [
                {
                    "type": "ticket.solved",
                    "source": "bench",
                    "external_id": f"b-{batch}-{index}",
                    "ticket": f"b-{batch}-{index}",
                    "customer": {"email": f"b{batch}-{index}@example.pl"},
                    "properties": {"agent": "eva", "tags": ["vip"]},
                }
                for index in range(_BATCH)
            ]
            began = time.perf_counter()
            reply = client.post(
                "/v1/interactions/batch?triggers=true", json=lines, timeout=120
            ).json()
            took += time.perf_counter() - began
            assert reply["accepted"] == _BATCH, reply["rejected"][:1]
    return batches * _BATCH / took


def _webhooks(service: Service, round_: int) -> Measurement:
    with service.client() as client:
        body = {"source": "shopify", "secret": SECRET, "key": f"shop-{round_}"}
        integration = client.post("/v1/integrations", json=body).json()
    signed = []
    for number in range(_WEBHOOKS):
        webhook_body = json.dumps({"id": number, "email": f"w{number}@example.pl", "test": True})
        signature = signed_headers("shopify", webhook_body.encode())[_HEADER]
        signed.append((webhook_body, _HEADER, signature))
    return wrk(
        f"{service.url}/in/{integration['id']}", body="", key="", connections=64, signed=signed,
        seconds=_SECONDS,
    )  # fmt: skip
