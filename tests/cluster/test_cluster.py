# SPDX-License-Identifier: Apache-2.0
"""On a Citus cluster: where the rows lie, what a migration spreads, and a move under load."""

import asyncio
import os
from collections import Counter
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Column, Table, Uuid, text

from app.cli import cluster
from app.cli.findings import Severity
from app.core.database import Database
from app.core.schema import TENANT
from app.tables import metadata
from migrations.citus import spread
from tests.shop import Shop, wait_until_readable

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
        wanted = {"tenant": "distributed", "reference": "reference"}.get(table.info["kind"])
        assert kinds.get(name) == wanted, name
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
    found = await cluster.examine(database)
    assert [finding for finding in found if finding.severity is not Severity.OK] == []
    assert len(found) > 3


async def test_a_move_of_the_shard_loses_and_repeats_nothing(
    shop: Shop, database: Database
) -> None:
    await shop.publish("s")
    taken: list[str] = []
    done = asyncio.Event()

    async def answer_on_and_on() -> None:
        while not done.is_set():
            id_ = str(uuid4())
            reply = await shop.answer("s", 9, id=id_)
            assert reply.status_code in {201, 503}, reply.text
            if reply.status_code == 201:
                taken.append(id_)

    writers = [asyncio.create_task(answer_on_and_on()) for _ in range(4)]
    await asyncio.sleep(1)
    await move(database, UUID(shop.workspace_id))
    await asyncio.sleep(1)
    done.set()
    await asyncio.gather(*writers)
    assert (await shop.metric("nps", survey="s"))["total"]["n"] == len(taken) > 20
    await wait_until_readable(database)
    told = Counter(event["data"]["id"] for event in await feed(shop, "response.created"))
    assert set(told.values()) == {1}
    assert set(told) == set(taken)


async def move(database: Database, workspace_id: UUID) -> None:
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
        "select citus_move_shard_placement($1, $2, $3, $4, $5, 'block_writes')",
        shard, host, port, other["nodename"], other["nodeport"],
    )  # fmt: skip
    await connection.close()


async def feed(shop: Shop, type_: str) -> list[dict[str, Any]]:
    """Read all events of a type, page by page."""
    found: list[dict[str, Any]] = []
    after: dict[str, str] = {}
    while True:
        page = await shop.get("/v1/events", types=type_, limit=100, **after)
        if not page["data"]:
            return found
        found += page["data"]
        after = {"after": page["next_cursor"]}
