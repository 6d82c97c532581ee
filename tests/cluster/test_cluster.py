# SPDX-License-Identifier: Apache-2.0
"""On a Citus cluster: where the rows lie, what a migration spreads, and a move under load."""

import asyncio
import contextlib
import os
import shlex
import subprocess
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import psutil
import pytest
from sqlalchemy import Column, Table, Uuid, text

from app.cli import cluster
from app.cli.findings import Severity
from app.core.database import Database, is_connection_lost
from app.core.guarded_http import GuardedClient
from app.core.schema import TENANT
from app.core.settings import Settings
from app.tables import metadata
from app.webhooks.dispatch import dispatch
from migrations.citus import spread
from tests.receiver import Receiver
from tests.shop import Shop, wait_until_readable
from tests.webhooks.conftest import WebhookWorker

pytestmark = pytest.mark.skipif(
    not os.environ.get("AFTERWORD_TEST_CLUSTER_URL"),
    reason="AFTERWORD_TEST_CLUSTER_URL names no empty database of a Citus cluster",
)


async def spread_again(database: Database) -> list[str]:
    async with database.engine.begin() as connection:
        done: list[str] = await connection.run_sync(spread)
    return done


async def test_all_of_a_workspace_lies_on_one_node(shop: Shop, database: Database) -> None:
    await shop.publish("s")
    await shop.answer("s", 9)
    connection = await database.connect()
    tables = await connection.fetch("select table_name::text, citus_table_type from citus_tables")
    kinds = {row["table_name"]: row["citus_table_type"] for row in tables}
    groups = await connection.fetch(
        "select distinct colocation_id from citus_tables where citus_table_type = 'distributed'"
    )
    await connection.close()
    for name, table in metadata.tables.items():
        kind = {"tenant": "distributed", "reference": "reference"}.get(table.info["kind"])
        assert kinds.get(name) == kind, name
    assert len(groups) == 1


async def test_spreading_again_changes_nothing(database: Database) -> None:
    assert await spread_again(database) == []


async def test_a_table_that_came_later_is_spread(database: Database) -> None:
    late = Table(
        "late", metadata, Column("workspace_id", Uuid, primary_key=True),
        Column("id", Uuid, primary_key=True), info=TENANT["info"],
    )  # fmt: skip
    async with database.engine.begin() as maker:
        await maker.execute(
            text(
                "create table late (workspace_id uuid, id uuid, primary key (workspace_id, id), "
                "foreign key (workspace_id, id) references survey (workspace_id, id))"
            )
        )
    try:
        assert await spread_again(database) == ["late"]
        connection = await database.connect()
        key = "select 1 from pg_constraint where conrelid = 'late'::regclass and contype = 'f'"
        assert await connection.fetchval(key)
        await connection.close()
    finally:
        metadata.remove(late)
        async with database.engine.begin() as maker:
            await maker.execute(text("drop table late"))


async def test_doctor_says_that_all_is_well(database: Database) -> None:
    findings = await cluster.examine(database)
    assert [finding for finding in findings if finding.severity is not Severity.OK] == []
    assert len(findings) > 3


@dataclass
class AnswerWriters:
    """Four writers that answer a survey on and on; `stored_ids` are those acknowledged."""

    stored_ids: set[str] = field(default_factory=set)
    tried: set[str] = field(default_factory=set)


@asynccontextmanager
async def answering(shop: Shop) -> AsyncIterator[AnswerWriters]:
    """Answer while the block runs; the service may say 503, and nothing else."""
    answer_writers, done = AnswerWriters(), asyncio.Event()

    async def answer_on_and_on() -> None:
        while not done.is_set():
            id_ = str(uuid4())
            answer_writers.tried.add(id_)
            reply = await shop.answer("s", 9, id=id_)
            assert reply.status_code in {201, 503}, reply.text
            if reply.status_code == 201:
                answer_writers.stored_ids.add(id_)
            else:
                await asyncio.sleep(0.05)

    writers = [asyncio.create_task(answer_on_and_on()) for _ in range(4)]
    try:
        yield answer_writers
    finally:
        done.set()
        await asyncio.gather(*writers)


@asynccontextmanager
async def delivering(post: WebhookWorker, receiver: Receiver) -> AsyncIterator[None]:
    """Dispatch and send deliveries while the block runs, as the worker does."""
    await post.subscribe(receiver.url, ["response.created"])
    done = asyncio.Event()

    async def work() -> None:
        sender = post.sender()
        async with GuardedClient(allow_private=True) as client:
            while not done.is_set():
                try:
                    await dispatch(post.database)
                    await sender.run_once(client)
                except Exception as error:
                    if not is_connection_lost(error):
                        raise
                await asyncio.sleep(0.05)

    worker = asyncio.create_task(work())
    try:
        yield
    finally:
        done.set()
        await worker


async def require_delivered(post: WebhookWorker, receiver: Receiver, ids: set[str]) -> None:
    """Require that each answer was delivered, and that a repeated delivery keeps its own id."""
    deliveries: dict[str, set[str]] = {}
    for _ in range(60):
        await post.deliver()
        for request in receiver.requests:
            about = request["body"]["data"]["id"]
            deliveries.setdefault(about, set()).add(request["headers"]["webhook-id"])
        if set(deliveries) == ids:
            break
        await asyncio.sleep(1)
    assert set(deliveries) == ids
    assert {len(own) for own in deliveries.values()} == {1}


@pytest.fixture
def post(database: Database, settings: Settings, shop: Shop) -> WebhookWorker:
    private = settings.model_copy(update={"allow_private_webhooks": True})
    return WebhookWorker(database, private, shop)


@pytest.mark.parametrize("mode", ["block_writes", "force_logical"])
async def test_a_move_of_the_shard_loses_and_repeats_nothing(
    shop: Shop, database: Database, post: WebhookWorker, receiver: Receiver, mode: str
) -> None:
    await shop.publish("s")
    async with delivering(post, receiver), answering(shop) as writers:
        await asyncio.sleep(1)
        await move(database, UUID(shop.workspace_id), mode)
        await asyncio.sleep(1)
    assert (await shop.metric("nps", survey="s"))["total"]["n"] == len(writers.stored_ids) > 20
    await wait_until_readable(database)
    events = Counter(event["data"]["id"] for event in await feed(shop, "response.created"))
    assert set(events.values()) == {1}
    assert set(events) == writers.stored_ids
    await require_delivered(post, receiver, set(events))


@pytest.mark.slow
@pytest.mark.parametrize("role", ["worker", "coordinator"])
async def test_a_node_that_is_killed_loses_and_repeats_nothing(
    shop: Shop, database: Database, post: WebhookWorker, receiver: Receiver, role: str
) -> None:
    folder = await data_folder(database, UUID(shop.workspace_id), role)
    if not (folder / "postmaster.pid").exists():
        pytest.skip(f"the node's data folder {folder} is not on this machine")
    await shop.publish("s")
    async with delivering(post, receiver), answering(shop) as writers:
        await asyncio.sleep(1)
        kill(folder)
        before = len(writers.stored_ids)
        await asyncio.sleep(2)
        await asyncio.to_thread(start, folder)
        for _ in range(600):
            if len(writers.stored_ids) > before + 20:
                break
            await asyncio.sleep(0.1)
    assert len(writers.stored_ids) > before + 20
    # An answer without a reply may have been stored; it counts once, too.
    counted = (await shop.metric("nps", survey="s"))["total"]["n"]
    assert len(writers.stored_ids) <= counted <= len(writers.tried)
    # The cluster ends transactions that a dead node has left unfinished within a minute.
    events: Counter[str] = Counter()
    for _ in range(90):
        events = Counter(event["data"]["id"] for event in await feed(shop, "response.created"))
        if len(events) == counted:
            break
        await asyncio.sleep(1)
    assert len(events) == counted
    assert set(events.values()) == {1}
    assert writers.stored_ids <= set(events) <= writers.tried
    await require_delivered(post, receiver, set(events))


async def data_folder(database: Database, workspace_id: UUID, role: str) -> Path:
    """Return the data folder of the node that holds a workspace, or of the coordinator."""
    connection = await database.connect()
    if role == "coordinator":
        folder = await connection.fetchval("show data_directory")
    else:
        folder = await connection.fetchval(
            "select result from run_command_on_placements('response', 'show data_directory') "
            "where shardid = get_shard_id_for_distribution_column('response', $1::uuid)",
            workspace_id,
        )
    await connection.close()
    return Path(folder)


def kill(folder: Path) -> None:
    """Kill a node's PostgreSQL with all of its processes."""
    number = int((folder / "postmaster.pid").read_text().split()[0])
    server = psutil.Process(number)
    for process in [server, *server.children()]:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()


def start(folder: Path) -> None:
    """Start a node again as it was started, and wait until it takes connections."""
    command = shlex.split((folder / "postmaster.opts").read_text())
    owner = folder.stat().st_uid
    with (folder / "restarted.log").open("ab") as log:
        subprocess.run(
            ["setsid", "--fork", *command], user=owner, stdout=log, stderr=log, check=True
        )
    for _ in range(300):
        status = (folder / "postmaster.pid").read_text().splitlines()[7:8]
        if status and status[0].strip() == "ready":
            return
        time.sleep(0.1)
    raise AssertionError((folder / "restarted.log").read_text()[-2000:])


async def move(database: Database, workspace_id: UUID, mode: str) -> None:
    """Move the shards of a workspace to another node."""
    connection = await database.connect()
    shard, host, port = await connection.fetchrow(
        "select shardid, nodename, nodeport from pg_dist_shard_placement "
        "where shardid = get_shard_id_for_distribution_column('response', $1::uuid)",
        workspace_id,
    ) or (0, "", 0)
    other = await connection.fetchrow(
        "select nodename, nodeport from pg_dist_node where shouldhaveshards "
        "and nodeport <> $1 order by nodeid limit 1",
        port,
    )
    assert other
    await connection.execute(
        "select citus_move_shard_placement($1, $2, $3, $4, $5, $6::citus.shard_transfer_mode)",
        shard, host, port, other["nodename"], other["nodeport"], mode,
    )  # fmt: skip
    await connection.close()


async def feed(shop: Shop, type_: str) -> list[dict[str, Any]]:
    """Read all events of a type, page by page."""
    events: list[dict[str, Any]] = []
    after: dict[str, str] = {}
    while True:
        page = await shop.get("/v1/events", types=type_, limit=100, **after)
        if not page["data"]:
            return events
        events += page["data"]
        after = {"after": page["next_cursor"]}
