# SPDX-License-Identifier: Apache-2.0
"""The data of an event about a new answer is what the database makes from the stored row."""

import json
from typing import Any
from uuid import UUID

import pytest

from app.core.database import Database
from app.responses.event_data import event_data_sql
from tests.shop import Shop

ALA = {"external_id": "c-1", "source": "shop", "email": "ala@e.pl", "name": "Ala"}
BODIES: list[dict[str, Any]] = [
    {},
    {"customer": ALA},
    {"touchpoint": "till", "properties": {"plan": "pró", "n": 1.50, "on": True, "list": ["a"]}},
    {"ticket": "7", "order": "1001", "tags": ["late", "zażółć"], "complete": False},
    {"interaction": {"source": "helpdesk", "external_id": "e-1"}, "external_id": "form-1"},
    {"responded_at": "2026-03-01T10:00:00+02:00"},
    {"responded_at": "2026-03-01T10:00:00.120000Z", "channel": "kiosk", "locale": "pl_PL"},
]
FROM_ROW = f"""
select e.data, {event_data_sql("r.settled", "$3::jsonb")} as from_row
from response r join survey s on s.workspace_id = r.workspace_id and s.id = r.survey_id
join event e on e.workspace_id = r.workspace_id and e.data ->> 'id' = r.id::text
where r.workspace_id = $1 and r.id = $2
"""


async def compare_event_with_row(database: Database, shop: Shop, id_: str, about: Any) -> None:
    connection = await database.connect()
    try:
        row = await connection.fetchrow(
            FROM_ROW, UUID(shop.workspace_id), UUID(id_), json.dumps(about) if about else None
        )
    finally:
        await connection.close()
    assert row is not None
    assert json.loads(row["data"]) == json.loads(row["from_row"])


@pytest.mark.parametrize("body", BODIES)
@pytest.mark.parametrize("score", [2, 10])
async def test_an_event_says_what_the_row_says(
    shop: Shop, database: Database, body: dict[str, Any], score: int
) -> None:
    await shop.publish("s", "nps")
    case: dict[str, Any] = {"ticket": "7", "properties": {"agent": "eva"}}
    await shop.record("ticket.solved", "e-1", **case)
    id_ = (await shop.answer("s", {"score": score, "why": 'a "b" \\ ü'}, **body)).json()["id"]
    names_the_case = "ticket" in body or "interaction" in body
    about = {"type": "ticket.solved", "source": "helpdesk", "order": None} | case
    await compare_event_with_row(database, shop, id_, about if names_the_case else None)


async def test_events_of_a_batch_say_what_the_rows_say(shop: Shop, database: Database) -> None:
    await shop.publish("s", "nps")
    ids = [f"01a2317d-6ecb-711b-bd27-1267557590{number:02}" for number in range(10)]
    lines = [
        {"survey": "s", "channel": "api", "answers": {"score": number}, "id": id_, "customer": ALA}
        for number, id_ in enumerate(ids)
    ]
    await shop.post("/v1/responses/batch", lines, status=200)
    for id_ in ids:
        await compare_event_with_row(database, shop, id_, None)
