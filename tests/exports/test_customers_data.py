# SPDX-License-Identifier: Apache-2.0
"""One customer's whole data: in time, as a copy, and erased everywhere with figures exact."""

import json
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from app.core.database import Database
from app.core.settings import Settings
from app.interactions.tickets import ticket_differences
from app.responses import rollups
from tests.shop import Shop

EMAIL = "erika.mustermann@example.pl"
NAME = "Erika Mustermann"
ALA = {
    "external_id": "kowalski-77",
    "email": EMAIL,
    "name": NAME,
    "properties": {"phone": "123456789"},
}
SECRETS = (EMAIL, NAME, "Erika", "123456789", "very private words", "kowalski-77")


async def create_customer_history(shop: Shop) -> str:
    """Let a customer be asked, answer, complain; return their id."""
    await shop.call("PATCH", "/v1/workspace", json={"segments": ["store"]})
    await shop.publish("s")
    await shop.make_trigger("s")
    case = {"ticket": "7", "customer": ALA, "touchpoint": "support"}
    own = {"store": "WAW", "note": "very private words"}
    await shop.record("ticket.opened", "o", occurred_at="2026-11-01T08:00:00Z", properties=own,
                        ticket="7", customer=ALA)  # fmt: skip
    sender = await shop.post("/v1/integrations", {"source": "freshdesk", "key": "helpdesk"})
    raw = {"ticket_id": "7", "event": "ticket.solved", "requester": {"name": NAME, "email": EMAIL}}
    await shop.client.post("/in/" + sender["url"].partition("/in/")[2], json=raw)
    body = {"survey": "s", "channel": "api", "answers": {"score": 2, "why": "very private words"}}
    await shop.call(
        "POST", "/v1/responses", json=body | {"customer": case["customer"] and
        {key: value for key, value in ALA.items() if key != "properties"}, "ticket": "7",
        "properties": own}, headers={"Idempotency-Key": "k-1"},
    )  # fmt: skip
    profile = {"email": EMAIL, "name": NAME}
    await shop.call("PUT", "/v1/customers/kowalski-77", json=profile)
    invite = {"survey": "s", "customer": {"email": EMAIL}, "channel": "email"}
    await shop.call("POST", "/v1/invitations", json=invite, headers={"Idempotency-Key": "k-2"})
    collect = await shop.make_key("collect")
    claimed = {"external_id": "kowalski-77", "email": EMAIL, "name": NAME}
    claim = {"survey": "s", "channel": "web", "answers": {"score": 9}, "customer": claimed}
    await shop.call("POST", "/v1/responses", key=collect, json=claim)
    await shop.work()
    customer = (await shop.get("/v1/customers", email=EMAIL))["data"][0]
    id_: str = customer["id"]
    return id_


async def test_the_timeline_and_the_copy(shop: Shop) -> None:
    id_ = await create_customer_history(shop)
    moments = (await shop.get(f"/v1/customers/{id_}/timeline"))["data"]
    assert {moment["kind"] for moment in moments} == {"interaction", "invitation", "response"}
    assert [moment["at"] for moment in moments] == sorted(
        (moment["at"] for moment in moments), reverse=True
    )
    first = await shop.get("/v1/customers/kowalski-77/timeline", limit=2)
    next_page = await shop.get("/v1/customers/kowalski-77/timeline", cursor=first["next_cursor"])
    assert first["data"] + next_page["data"] == moments
    copy = await shop.get(f"/v1/customers/{id_}/export")
    assert copy["customer"]["email"] == EMAIL
    assert len(copy["moments"]) == len(moments)
    assert "very private words" in json.dumps(copy)


async def test_erasure_reaches_everything_and_moves_no_figure(
    shop: Shop, database: Database, settings: Settings
) -> None:
    id_ = await create_customer_history(shop)
    span = {"from": "2026-10-01", "to": "2027-01-01"}
    figures = [
        ("nps", {}), ("nps", {"group_by": "property.store"}), ("ttr", {}),
        ("ttr", {"group_by": "property.store"}), ("response_rate", {}),
    ]  # fmt: skip
    before = [(await shop.metric(name, **span, **more)) for name, more in figures]
    reply = await shop.call("DELETE", f"/v1/customers/{id_}")
    assert reply.status_code == 200, reply.text
    erased = reply.json()["erased"]
    for kind in (
        "names",
        "responses",
        "interactions",
        "invitations",
        "webhooks",
        "mails",
        "replies",
    ):
        assert erased[kind] >= 1, (kind, erased)
    assert [(await shop.metric(name, **span, **more)) for name, more in figures] == before
    assert await rollups.differences(database, UUID(shop.workspace_id)) == []
    assert await ticket_differences(database, UUID(shop.workspace_id)) == []
    customer = await shop.get(f"/v1/customers/{id_}")
    assert (customer["email"], customer["external_ids"]) == (None, [])
    assert customer["erased_at"]
    await look_for_secrets(shop, database, settings)
    again = await shop.call(
        "POST", "/v1/invitations", headers={"Idempotency-Key": "k-2"},
        json={"survey": "s", "customer": {"email": EMAIL}, "channel": "email"},
    )  # fmt: skip
    assert again.json() == {"erased": True}
    refused = await shop.call("PATCH", f"/v1/customers/{id_}", json={"name": "x"})
    assert refused.status_code == 409


async def look_for_secrets(shop: Shop, database: Database, settings: Settings) -> None:
    """Search every row of every table of the workspace, and the mails, for what was erased."""
    connection = await database.connect()
    tables = await connection.fetch(
        "select table_name from information_schema.columns where column_name = 'workspace_id' "
        "and table_schema = 'public'"
    )
    for (table,) in tables:
        rows = await connection.fetch(
            f"select to_jsonb(t)::text as whole from {table} t where workspace_id = $1",
            UUID(shop.workspace_id),
        )
        for row in rows:
            text = row["whole"]
            for secret in SECRETS:
                assert secret not in text, (table, secret, text)
                assert secret.encode().hex() not in text, (table, secret, "in bytes")
    await connection.close()
    invitations = [invitation["id"] for invitation in (await shop.get("/v1/invitations"))["data"]]
    assert invitations
    assert mails_of(invitations, settings.data_dir / "mail") == []


def mails_of(invitations: list[str], folder: Path) -> list[Path]:
    return [mail for id_ in invitations for mail in folder.glob(f"{id_}.*")]


@pytest.mark.parametrize(
    "body",
    [
        {"id": 1, "who": "ALA@Example.PL"},
        {"id": 1, "who": "c-4711-long"},
        {"id": 1, "who": {"name": "Ala Nowak"}},
        {"id": 1, "who": {"name": "ALA NOWAK"}},
    ],
)
async def test_raw_deliveries_that_name_the_erased_are_emptied(
    shop: Shop, body: dict[str, Any]
) -> None:
    await shop.call("PUT", "/v1/customers/c-4711-long",
                    json={"email": "ala@example.pl", "name": "Ala Nowak"})  # fmt: skip
    mapping = {"type": {"const": "visit"}, "external_id": "/id"}
    integration = await shop.post("/v1/integrations", {"source": "generic", "mapping": mapping})
    path = integration["url"].partition("/in/")[2]
    await shop.client.post(f"/in/{path}", json=body)
    await shop.client.post(f"/in/{path}", json={"id": 2, "who": "somebody else"})
    await shop.work()
    await shop.call("DELETE", "/v1/customers/c-4711-long")
    events = (await shop.get("/v1/integrations/generic/events"))["data"]
    bodies = {
        (await shop.get(f"/v1/integrations/generic/events/{event['id']}"))["body"]
        for event in events
    }
    assert bodies == {"", json.dumps({"id": 2, "who": "somebody else"}, separators=(",", ":"))}


async def test_claims_that_name_the_erased_lose_their_free_texts(shop: Shop) -> None:
    await shop.publish("s")
    key = await shop.make_key("collect")
    await shop.call("PUT", "/v1/customers/c-1", json={"email": "ala@e.pl", "name": "Ala Nowak"})
    sent = {"survey": "s", "channel": "web", "answers": {"score": 2, "why": "Call me, Ala"},
            "customer": {"email": "ALA@e.pl"}}  # fmt: skip
    response = (await shop.call("POST", "/v1/responses", key=key, json=sent)).json()
    await shop.call("DELETE", "/v1/customers/c-1")
    read = await shop.get(f"/v1/responses/{response['id']}")
    assert (read["answers"], read["customer"]) == ({"score": 2}, None)
    assert (await shop.metric("nps"))["total"]["n"] == 1


async def test_claims_of_others_with_the_same_first_name_stay(shop: Shop) -> None:
    await shop.publish("s")
    key = await shop.make_key("collect")
    await shop.call("PUT", "/v1/customers/c-1", json={"name": "Ala"})
    await shop.call("PUT", "/v1/customers/c-2", json={"name": "Ala Nowak"})
    claims = [{"name": name, "email": "a@e.pl"} for name in ("Ala", "ala nowak")]
    ids = []
    for claim in claims:
        sent = {"survey": "s", "channel": "web", "answers": {"score": 2, "why": "Slow"},
                "customer": claim}  # fmt: skip
        ids.append((await shop.call("POST", "/v1/responses", key=key, json=sent)).json()["id"])
    for customer in ("c-1", "c-2"):
        await shop.call("DELETE", f"/v1/customers/{customer}")
    answers = [(await shop.get(f"/v1/responses/{id_}"))["answers"] for id_ in ids]
    assert answers == [{"score": 2, "why": "Slow"}, {"score": 2}]
