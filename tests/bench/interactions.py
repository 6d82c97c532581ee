"""How fast interactions become decisions, webhooks are taken, and jobs are done."""

import asyncio
import json
import time
from uuid import uuid4

from app.core import jobs
from app.core.database import Database
from app.core.job_runner import JobRunner
from app.core.jobs import Job
from tests.bench.load import wrk
from tests.integrations.signing import SECRET, signed_headers
from tests.service import Service

_TRIGGERS, _BATCH, _WEBHOOKS, _JOBS = 3, 1000, 20_000, 5_000
_SINGLE = (
    '{"type":"ticket.solved","source":"bench","external_id":"s-NUMBER-%s","ticket":"s-NUMBER",'
    '"customer":{"email":"sNUMBER@example.pl"},"properties":{"agent":"eva","tags":["vip"]}}'
)
_HEADER = "X-Shopify-Hmac-Sha256"


def prepare(service: Service) -> None:
    """Publish three surveys with a trigger each, whose mails are far away."""
    with service.client() as client:
        for number in range(_TRIGGERS):
            key = f"bench-{number}"
            client.post("/v1/surveys", json={"template": "ces", "key": key}).raise_for_status()
            client.post(f"/v1/surveys/{key}/publish").raise_for_status()
            where = [{"property": "tags", "op": "contains", "value": "vip"}]
            body = {"name": key, "on": "ticket.solved", "survey": key, "delay": "P30D"}
            client.post("/v1/triggers", json=body | {"where": where}).raise_for_status()


def measure(service: Service, database_url: str) -> None:
    """Print what was measured; none of it has a bar."""
    prepare(service)
    single = wrk(
        service.url + "/v1/interactions", body=_SINGLE % uuid4(), key=service.key, connections=16
    )
    print(f"  POST /v1/interactions, 3 triggers, 16 connections  {single}")
    print(f"  the same in batches of 1,000           {_in_batches(service):>9,.0f} interactions/s")
    print(f"  signed webhooks, 16 connections        {_webhooks(service)}")
    print(f"  jobs that do nothing                   {asyncio.run(_jobs(database_url)):>9,.0f}/s")


def _in_batches(service: Service, batches: int = 4) -> float:
    took = 0.0
    with service.client() as client:
        for batch in range(batches):
            lines = [
                {"type": "ticket.solved", "source": "bench", "external_id": f"b-{batch}-{n}",
                 "ticket": f"b-{batch}-{n}", "customer": {"email": f"b{batch}-{n}@example.pl"},
                 "properties": {"agent": "eva", "tags": ["vip"]}}
                for n in range(_BATCH)
            ]  # fmt: skip
            began = time.perf_counter()
            reply = client.post(
                "/v1/interactions/batch?triggers=true", json=lines, timeout=120
            ).json()
            took += time.perf_counter() - began
            assert reply["accepted"] == _BATCH, reply["rejected"][:1]
    return batches * _BATCH / took


def _webhooks(service: Service) -> object:
    with service.client() as client:
        body = {"source": "shopify", "secret": SECRET}
        made = client.post("/v1/integrations", json=body).json()
    signed = []
    for number in range(_WEBHOOKS):
        told = json.dumps({"id": number, "email": f"w{number}@example.pl", "test": True})
        signature = signed_headers("shopify", told.encode())[_HEADER]
        signed.append((told, _HEADER, signature))
    return wrk(f"{service.url}/in/{made['id']}", body="", key="", connections=16, signed=signed)


async def _jobs(database_url: str) -> float:
    """Return how many jobs a second one worker does, counted from the first to the last."""
    database = Database(database_url)
    done = asyncio.Event()
    count = 0

    async def nothing(_database: Database, _job: Job) -> None:
        nonlocal count
        count += 1
        if count == _JOBS:
            done.set()

    workspace = uuid4()
    async with database.transaction() as session:
        for _ in range(_JOBS):
            await jobs.enqueue(session, "bench.nothing", workspace_id=workspace)
    runner = JobRunner(database, {"bench.nothing": nothing})
    began = time.perf_counter()
    running = asyncio.create_task(runner.run())
    await done.wait()
    took = time.perf_counter() - began
    await runner.stop()
    await running
    await database.close()
    return _JOBS / took
