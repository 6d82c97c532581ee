# SPDX-License-Identifier: Apache-2.0
"""Rollups equal the rows after any mix of writers, edits, deletes and recounts."""

import asyncio
import random
from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

from fastapi import FastAPI

from app.core.clock import utc_now
from app.core.database import Database
from app.responses import rollups
from app.responses.changes import DELETE, QUARANTINE, REJECT, RESTORE
from app.responses.group_commit import GroupCommit
from app.responses.ingest import Ingest
from tests.shop import Shop


async def fill_shop(shop: Shop) -> list[str]:
    await shop.publish("r", touchpoint="t")
    await shop.call("PATCH", "/v1/workspace", json={"segments": ["store"]})
    ids = []
    for number in range(12):
        reply = await shop.answer(
            "r",
            number % 11,
            properties={"store": f"s{number % 3}", "tags": ["no", "segment"]},
            responded_at=f"2026-0{1 + number % 9}-01T23:30:00Z",
        )
        ids.append(reply.json()["id"])
    return ids


async def differences(shop: Shop, database: Database) -> list[dict[str, Any]]:
    return await rollups.differences(database, UUID(shop.workspace_id))


async def test_edits_deletes_and_settings_keep_them_equal(shop: Shop, database: Database) -> None:
    ids = await fill_shop(shop)
    await shop.answer("r", 0, id=ids[3], seq=2)
    await shop.call("DELETE", f"/v1/responses/{ids[4]}")
    await shop.post(f"/v1/responses/{ids[5]}/reject", status=200)
    assert await differences(shop, database) == []
    await shop.call("PATCH", "/v1/workspace", json={"timezone": "Pacific/Apia", "segments": []})
    await shop.work()
    assert await differences(shop, database) == []
    assert (await shop.metric("nps", period="all"))["total"]["n"] == 10


async def test_a_difference_is_found_and_a_rebuild_repairs_it(
    shop: Shop, database: Database
) -> None:
    await fill_shop(shop)
    connection = await database.connect()
    await connection.execute(
        "update rollup set n3 = n3 + 1 where workspace_id = $1 and segment = '' and n3 > 0",
        UUID(shop.workspace_id),
    )
    await connection.close()
    cells = await differences(shop, database)
    assert len(cells) == 1
    assert cells[0]["in_rows"] != cells[0]["in_rollups"]
    await rollups.rebuild(database, UUID(shop.workspace_id))
    assert await differences(shop, database) == []


async def test_writers_editors_and_a_recount_at_once_never_drift(
    app: FastAPI, shop: Shop, database: Database
) -> None:
    await fill_shop(shop)
    workspace = UUID(shop.workspace_id)
    chance = random.Random(7)
    ids = [str(uuid4()) for _ in range(60)]
    statements = [QUARANTINE, RESTORE, REJECT, RESTORE, DELETE]

    async def write(count: int) -> None:
        for _ in range(count):
            reply = await shop.answer(
                "r", chance.randint(0, 10), id=chance.choice(ids), seq=chance.randint(1, 9),
                properties={"store": chance.choice("ab")},
            )  # fmt: skip
            assert reply.status_code in {200, 201, 409}

    async def edit(slot: int) -> None:
        connection = await database.connect()
        for _ in range(30):
            chosen = [UUID(id_) for id_ in chance.sample(ids, 7)]
            statement = chance.choices(statements, (4, 4, 2, 2, 1))[0]
            await connection.fetch(
                statement, workspace, utc_now(), slot, chosen, [uuid4() for _ in chosen]
            )
        await connection.close()

    async def configure() -> None:
        for zone in ("Asia/Kolkata", "Europe/Warsaw"):
            body = {"timezone": zone, "segments": ["store"] if zone[0] == "E" else []}
            assert (await shop.call("PATCH", "/v1/workspace", json=body)).status_code == 200
            await asyncio.sleep(0.1)

    await asyncio.gather(
        *[write(25) for _ in range(8)], *[edit(slot) for slot in (1, 2, 3)], configure()
    )
    await shop.work()
    assert await differences(shop, database) == []
    reply = await shop.metric("nps", period="all", group_by="property.store")
    assert reply["source"] == "rollups"


async def test_a_batch_sent_again_after_a_lost_connection_counts_once(
    app: FastAPI, shop: Shop, database: Database
) -> None:
    await shop.publish("lost")
    ingest: Ingest = app.state.ingest
    group = GroupCommit(database, slot=9, max_waiting=10)
    app.state.ingest = replace(ingest, group=group)
    try:
        answers = [asyncio.create_task(shop.answer("lost", number % 11)) for number in range(40)]
        killer = await database.connect()
        for _ in range(5):
            await asyncio.sleep(0.01)
            await killer.execute(
                "select pg_terminate_backend(pid) from pg_stat_activity "
                "where query like '%insert into response%' and pid <> pg_backend_pid()"
            )
        await killer.close()
        replies = await asyncio.gather(*answers)
    finally:
        app.state.ingest = ingest
        await group.close()
    accepted = [reply for reply in replies if reply.status_code == 201]
    assert {reply.status_code for reply in replies} <= {201, 503}
    assert (await shop.metric("nps"))["total"]["n"] == len(accepted)
    assert await differences(shop, database) == []
