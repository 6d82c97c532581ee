# SPDX-License-Identifier: Apache-2.0
"""What a public page says of a case is a claim: it replaces no trusted answer."""

from typing import Any
from uuid import UUID, uuid4

import pytest

from app.core.database import Database
from app.core.ids import derived_uuid
from tests.imports.files import QUESTIONS, send
from tests.shop import Shop

ALA = {"email": "ala@example.pl", "name": "Ala Nowak"}


async def open_page(shop: Shop, **changes: Any) -> str:
    await shop.publish("page", **changes)
    return await shop.make_key("collect")


async def claim(shop: Shop, key: str, *, score: int = 2, status: int = 201, **more: Any) -> Any:
    headers = {"Idempotency-Key": more.pop("by")} if "by" in more else {}
    body = {"survey": "page", "channel": "widget", "answers": {"score": score}} | more
    reply = await shop.call("POST", "/v1/responses", key=key, json=body, headers=headers)
    assert reply.status_code == status, reply.text
    return reply.json()


NAMES = [
    ("external_id", "order-5002"),
    ("idempotency_key", "order-5002"),
    ("idempotency_key", "order-5002", "1"),
]


@pytest.mark.parametrize("names", NAMES)
async def test_nobody_takes_an_id_that_the_service_derives(
    shop: Shop, names: tuple[str, ...]
) -> None:
    key = await open_page(shop)
    guessed = str(derived_uuid(shop.workspace_id, *names))
    refused = await claim(shop, key, id=guessed, seq=100_000, status=422)
    assert refused["errors"][0]["loc"] == ["body", "id"]
    reply = await shop.client.post(
        "/w/responses",
        json={"id": guessed, "key": key, "survey": "page", "answers": {"score": 1}},
    )
    assert reply.status_code == 422
    answer = await shop.answer("page", 9, external_id="order-5002")
    assert answer.status_code == 201
    # Nobody who knows the names can tell the id.
    assert answer.json()["id"] != guessed


async def test_an_answer_from_before_is_known_by_its_old_id(shop: Shop, database: Database) -> None:
    await open_page(shop, one_answer_per="order")
    old = derived_uuid(shop.workspace_id, "external_id", "x-1")
    assert (await shop.answer("page", 9, id=str(old))).status_code == 201
    await _date_back(shop, database)
    again = await shop.answer("page", 3, external_id="x-1", seq=2)
    assert (again.status_code, again.json()["id"]) == (200, str(old))
    new = await shop.answer("page", 3, external_id="x-2")
    assert new.status_code == 201
    lines = [{"survey": "page", "channel": "api", "answers": {"score": 3}, "external_id": "x-1"}]
    report = await shop.post("/v1/responses/batch", lines, status=200)
    assert (report["accepted"], report["duplicates"]) == (0, 1)
    assert (await shop.metric("nps"))["total"]["n"] == 2


async def test_a_public_row_under_an_old_id_is_not_found(shop: Shop, database: Database) -> None:
    await open_page(shop)
    old = derived_uuid(shop.workspace_id, "external_id", "x-1")
    assert (await shop.answer("page", 9, id=str(old))).status_code == 201
    await _date_back(shop, database)
    async with database.engine.begin() as connection:
        await connection.exec_driver_sql(
            "update response set public = true where workspace_id = $1", (UUID(shop.workspace_id),)
        )
    reply = await shop.answer("page", 3, external_id="x-1")
    assert (reply.status_code, reply.json()["id"] != str(old)) == (201, True)


async def _date_back(shop: Shop, database: Database) -> None:
    """Make the workspace one that had answers before ids were derived under its key."""
    async with database.engine.begin() as connection:
        await connection.exec_driver_sql(
            "update workspace set derived_since = created_at where id = $1",
            (UUID(shop.workspace_id),),
        )
    shop.client._transport.app.state.ingest.catalogue.forget()  # type: ignore[attr-defined]


@pytest.mark.parametrize("own", [True, False])
async def test_a_publishable_key_cannot_use_up_anothers_idempotency_key(
    shop: Shop, own: bool
) -> None:
    key = await open_page(shop)
    more: dict[str, Any] = {"id": str(uuid4())} if own else {}
    await claim(shop, key, by="order-7001", **more)
    body = {"survey": "page", "channel": "api", "answers": {"score": 9}, "external_id": "o-7001"}
    headers = {"Idempotency-Key": "order-7001"}
    reply = await shop.call("POST", "/v1/responses", json=body, headers=headers)
    assert reply.status_code == 201, reply.text
    assert "idempotency-replayed" not in reply.headers


@pytest.mark.parametrize("first", ["claim", "interaction"])
async def test_a_claim_never_gets_the_cases_customer(shop: Shop, first: str) -> None:
    key = await open_page(shop)
    await shop.call("PATCH", "/v1/workspace", json={"segments": ["store"]})

    async def happen() -> None:
        await shop.record(
            "order.paid", "e-1", order="1001", touchpoint="checkout", customer=ALA,
            properties={"store": "WAW-1", "agent": "eva"},
        )  # fmt: skip
        await shop.work()

    if first == "interaction":
        await happen()
    response = await claim(shop, key, order="1001")
    if first == "claim":
        await happen()
    read = await shop.get(f"/v1/responses/{response['id']}")
    assert (read["customer"], read["claimed"], read["integrity"]) == (None, True, "ok")
    assert (read["touchpoint"], read["properties"]) == ("checkout", {"store": "WAW-1"})
    assert (await shop.metric("nps"))["total"]["n"] == 1
    trusted = (await shop.answer("page", 9, order="1001")).json()
    known = await shop.get(f"/v1/responses/{trusted['id']}")
    assert (known["customer"]["email"], known["claimed"]) == (ALA["email"], False)


@pytest.mark.parametrize("first", ["claim", "trusted"])
@pytest.mark.parametrize(
    ("per", "about"),
    [
        ("order", {"order": "1001"}),
        ("order", {"interaction": {"source": "shop", "external_id": "e-1"}}),
        ("ticket", {"ticket": "4711"}),
        ("customer", {"customer": {"email": "ala@example.pl"}}),
    ],
)
async def test_a_trusted_answer_replaces_a_claim(
    shop: Shop, first: str, per: str, about: dict[str, Any]
) -> None:
    key = await open_page(shop, one_answer_per=per)
    response: dict[str, Any] = {}
    if first == "claim":
        response = await claim(shop, key, **about)
        assert (await shop.metric("nps"))["total"]["value"] == -100
    assert (await shop.answer("page", 9, **about)).status_code == 201
    if first == "trusted":
        response = await claim(shop, key, **about)
    total = (await shop.metric("nps"))["total"]
    assert (total["n"], total["value"]) == (1, 100)
    id_ = response["id"]
    assert (await shop.get(f"/v1/responses/{id_}"))["integrity"] == "superseded"
    # A later answer from the page that made the claim is not counted either.
    await claim(shop, key, seq=2, score=0, status=200, **about)
    assert (await shop.metric("nps"))["total"]["n"] == 1
    assert [
        answer["id"] for answer in (await shop.get("/v1/responses", integrity="superseded"))["data"]
    ]
    await shop.post(f"/v1/responses/{id_}/restore", status=200)
    assert (await shop.metric("nps"))["total"]["n"] == 2


async def test_a_batch_takes_the_claims_place_too(shop: Shop) -> None:
    key = await open_page(shop, one_answer_per="order")
    await claim(shop, key, order="1001")
    lines = [{"survey": "page", "channel": "api", "answers": {"score": 9}, "order": "1001"}]
    await shop.post("/v1/responses/batch", lines, status=200)
    total = (await shop.metric("nps"))["total"]
    assert (total["n"], total["value"]) == (1, 100)


async def test_a_file_takes_the_claims_place_too(shop: Shop) -> None:
    key = await open_page(shop, one_answer_per="order", metric="nps", questions=QUESTIONS)
    await claim(shop, key, order="1001")
    content = "id,score,order,date\na-1,9,1001,2026-02-03\n"
    mapping = {"map": ["id=external_id", "date=responded_at"]}
    await send(shop, content, survey="page", **mapping)
    total = (await shop.metric("nps", period="all"))["total"]
    assert (total["n"], total["value"]) == (1, 100)


async def test_the_invited_customer_takes_the_claims_place(shop: Shop) -> None:
    key = await open_page(shop, one_answer_per="order")
    await claim(shop, key, order="1001")
    body = {"survey": "page", "customer": ALA, "channel": "link", "order": "1001"}
    invited = await shop.post("/v1/invitations", body)
    path = "/i/" + invited["url"].rpartition("/")[2]
    form = {"score": "9", "_js": "1", "_g": "1", "_asked": "score"}
    reply = await shop.client.post(path, data=form)
    assert reply.status_code == 303
    total = (await shop.metric("nps"))["total"]
    assert (total["n"], total["value"]) == (1, 100)


async def test_another_device_is_told_that_the_order_is_answered(shop: Shop) -> None:
    key = await open_page(shop, one_answer_per="order")

    async def is_answered(**about: str) -> bool:
        reply = await shop.client.get("/w/surveys/page", params={"key": key} | about)
        assert reply.status_code == 200
        has_answer: bool = reply.json()["answered"]
        return has_answer

    assert not await is_answered(order="1001")
    sent = {"id": str(uuid4()), "key": key, "survey": "page", "answers": {"score": 3}, "t": 4000}
    await shop.client.post("/w/responses", json=sent | {"order": "1001"})
    assert await is_answered(order="1001")
    assert not await is_answered(order="1002")
    assert not await is_answered()
    await shop.answer("page", 9, order="1002")
    assert await is_answered(order="1002")
