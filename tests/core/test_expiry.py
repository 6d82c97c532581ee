# SPDX-License-Identifier: Apache-2.0
"""What is over is deleted, what is not stays, and no transaction deletes too many rows."""

import datetime as dt
from uuid import UUID

from sqlalchemy import text

from app.core.clock import utc_now
from app.core.database import Database, run_sql
from app.core.expiry import MAX_ROWS_PER_TRANSACTION
from app.worker import EXPIRIES
from app.workspaces.expiry import queue_expiry
from tests.shop import Shop

YEAR = dt.timedelta(days=366)
# Rows as traffic leaves them: their workspace, their time, and a number of their own.
ROWS = {
    "event": "(workspace_id, xid, id, type, data, created_at) select $1, pg_current_xact_id(), "
    "gen_random_uuid(), 'response.created', '{}', $2",
    "idempotency": "(workspace_id, route, key_hash, body_hash, created_at) "
    "select $1, 'POST /v1/x', n::text::bytea, '', $2",
    "delivery": "(workspace_id, id, endpoint_id, webhook_id, type, event_id, once, status, "
    "attempts, tries, next_at, created_at, updated_at) select $1, gen_random_uuid(), "
    "(select id from webhook_endpoint where workspace_id = $1), gen_random_uuid(), "
    "'response.created', gen_random_uuid(), false, 'delivered', '[]', 1, $2, $2, $2",
    "inbound_event": "(workspace_id, id, integration_id, delivery, headers, body, verified, "
    "status, interactions, waits_for, notes, received_at) select $1, gen_random_uuid(), "
    "gen_random_uuid(), n::text, '{}', '', true, 'translated', '[]', '[]', '[]', $2",
    "write_back": "(workspace_id, response_id, integration_id, ticket, status, attempts, "
    "created_at, updated_at) select $1, gen_random_uuid(), gen_random_uuid(), n::text, "
    "'written', '[]', $2, $2",
}


async def insert(database: Database, shop: Shop, table: str, first: int, age: dt.timedelta) -> None:
    """Insert one row more than a transaction deletes."""
    async with database.engine.begin() as connection:
        await connection.exec_driver_sql(
            f"insert into {table} {ROWS[table]} "
            f"from generate_series({first}, {first + MAX_ROWS_PER_TRANSACTION}) n",
            (UUID(shop.workspace_id), utc_now() - age),
        )


async def count(database: Database, shop: Shop, table: str) -> int:
    async with database.session() as session:
        rows = await run_sql(
            session,
            text(f"select count(*) from {table} where workspace_id = :id").bindparams(
                id=UUID(shop.workspace_id)
            ),
        )
        total: int = rows.one()[0]
        return total


async def test_traffic_goes_when_its_time_is_over(shop: Shop, database: Database) -> None:
    assert {expiry.table for expiry in EXPIRIES} == set(ROWS)
    hook = {"url": "https://93.184.216.34/hook", "events": ["response.completed"]}
    await shop.post("/v1/webhook-endpoints", hook)
    for table in ROWS:
        await insert(database, shop, table, 1, YEAR)
        await insert(database, shop, table, 1_000_000, dt.timedelta(0))
    async with database.transaction() as session:
        await queue_expiry(session, utc_now())
    await shop.work()
    for table in ROWS:
        assert await count(database, shop, table) == MAX_ROWS_PER_TRANSACTION + 1, table
