# SPDX-License-Identifier: Apache-2.0
"""Customers: found by any of their names, changed, merged."""

import json
from datetime import UTC, datetime, timedelta

from tests.shop import Shop


async def test_upsert_by_external_id(shop: Shop) -> None:
    body = {"email": "Ala@e.pl", "name": "Ala", "properties": {"plan": "pro"}}
    reply = await shop.call("PUT", "/v1/customers/c-1", json=body)
    assert reply.status_code == 201
    again = await shop.call("PUT", "/v1/customers/c-1", json={"properties": {"city": "Łódź"}})
    assert again.status_code == 200
    assert again.json()["id"] == reply.json()["id"]
    assert again.json()["properties"] == {"plan": "pro", "city": "Łódź"}
    page = await shop.get("/v1/customers", email="ala@E.pl")
    assert [customer["name"] for customer in page["data"]] == ["Ala"]
    assert page["data"][0]["external_ids"] == [{"source": None, "id": "c-1"}]
    assert (await shop.get("/v1/customers", external_id="c-2"))["data"] == []
    read = await shop.get(f"/v1/customers/{reply.json()['id']}")
    assert read["email"] == "Ala@e.pl"


async def test_one_person_by_any_name(shop: Shop) -> None:
    await shop.call("PUT", "/v1/customers/c-1", json={"email": "a@e.pl"})
    by_id = await shop.record("visit", "1", customer={"external_id": "c-1"})
    by_mail = await shop.record("visit", "2", customer={"email": "A@e.pl"})
    assert by_id["customer_id"] == by_mail["customer_id"]
    assert len((await shop.get("/v1/customers"))["data"]) == 1
    consent = {"surveys": False, "source": "phone"}
    await shop.record("visit", "3", customer={"email": "a@e.pl", "consent": consent})
    customer = await shop.get("/v1/customers/c-1")
    assert customer["consent"]["surveys"] is False
    assert customer["consent"]["at"]


async def test_the_later_word_on_consent_holds(shop: Shop) -> None:
    who = {"external_id": "c-1"}
    await shop.call("PUT", "/v1/customers/c-1", json={"consent": {"surveys": False}})
    agreed = who | {"consent": {"surveys": True}}
    await shop.record("visit", "late", customer=agreed, occurred_at="2026-01-05T10:00:00Z")
    assert (await shop.get("/v1/customers/c-1"))["consent"]["surveys"] is False
    await shop.record("visit", "now", customer=agreed)
    assert (await shop.get("/v1/customers/c-1"))["consent"]["surveys"] is True

    # This sender's clock is fast: a consent that arrives later still counts as later.
    soon = (datetime.now(UTC) + timedelta(hours=2)).isoformat()
    await shop.record("visit", "fast", customer=agreed, occurred_at=soon)
    refused = who | {"consent": {"surveys": False}}
    await shop.record("visit", "after", customer=refused)
    assert (await shop.get("/v1/customers/c-1"))["consent"]["surveys"] is False
    await shop.record("visit", "again", customer=agreed)

    await shop.call("PUT", "/v1/customers/c-2", json={"consent": {"surveys": False}})
    await shop.post("/v1/customers/merge", {"into": "c-1", "from": "c-2"}, status=200)
    assert (await shop.get("/v1/customers/c-1"))["consent"]["surveys"] is False


async def test_a_bad_line_of_a_batch_spoils_no_other(shop: Shop) -> None:
    rows = [{"external_id": f"c-{number}", "email": f"{number}@e.pl"} for number in range(3)]
    report = await shop.post("/v1/customers/batch", {"customers": rows}, status=200)
    assert report == {
        "accepted": 3, "duplicates": 0, "created": 3, "updated": 0, "rejected": [],
    }  # fmt: skip
    lines = [
        {"external_id": "c-0", "email": "0@e.pl"},
        {"external_id": "c-1", "name": "Ala"},
        {"external_id": "c-2", "email": "1@e.pl"},
        {"email": "nobody"},
        {"external_id": "c-9", "nam": "x"},
        {"external_id": "c-8"},
    ]
    body = "\n".join(json.dumps(line) for line in lines)
    headers = {"Content-Type": "application/x-ndjson"}
    reply = await shop.call("POST", "/v1/customers/batch", content=body, headers=headers)
    report = reply.json()
    assert (report["created"], report["updated"], report["duplicates"]) == (1, 1, 1)
    assert [rejection["line"] for rejection in report["rejected"]] == [3, 4, 5]
    assert report["rejected"][1]["errors"][0]["loc"] == ["body", "email"]
    assert (await shop.get("/v1/customers", external_id="c-8"))["data"]
    assert (await shop.get("/v1/customers/c-1"))["name"] == "Ala"


async def test_two_records_of_one_customer_are_merged(shop: Shop) -> None:
    await shop.publish("s")
    await shop.answer("s", 9, customer={"external_id": "c-1"})
    reply = await shop.record("visit", "1", customer={"email": "a@e.pl"}, ticket="5")
    body = {"from": "c-1", "into": reply["customer_id"]}
    merged = await shop.post("/v1/customers/merge", body, status=200)
    assert merged["email"] == "a@e.pl"
    assert [identifier["id"] for identifier in merged["external_ids"]] == ["c-1"]
    (response,) = (await shop.get("/v1/responses", customer="a@e.pl"))["data"]
    assert response["customer"]["id"] == merged["id"]
    again = await shop.answer("s", 3, customer={"external_id": "c-1"})
    new_response = await shop.get(f"/v1/responses/{again.json()['id']}")
    assert new_response["customer"]["id"] == merged["id"]
    same = await shop.call("POST", "/v1/customers/merge", json=body)
    assert same.status_code == 422
    assert len((await shop.get("/v1/customers"))["data"]) == 1


async def test_an_old_word_does_not_replace_a_newer_one(shop: Shop) -> None:
    await shop.publish("s")
    await shop.answer("s", 9, customer={"external_id": "r-1", "email": "today@e.pl"})
    await shop.record(
        "visit", "v-1", occurred_at="2020-01-01T00:00:00Z",
        customer={"external_id": "r-1", "email": "ancient@e.pl"},
    )  # fmt: skip
    (customer,) = (await shop.get("/v1/customers"))["data"]
    assert customer["email"] == "today@e.pl"


async def test_a_customer_is_still_found_by_a_former_address(shop: Shop) -> None:
    reply = await shop.call("PUT", "/v1/customers/c-1", json={"email": "old@e.pl"})
    id_ = reply.json()["id"]
    await shop.call("PATCH", "/v1/customers/c-1", json={"email": "new@e.pl"})
    customers = (await shop.get("/v1/customers", email="old@e.pl"))["data"]
    assert [(customer["id"], customer["email"]) for customer in customers] == [(id_, "new@e.pl")]
    body = await shop.record("visit", "v-1", customer={"email": "old@e.pl"})
    assert body["customer_id"] == id_
    # Null takes all addresses away.
    await shop.call("PATCH", "/v1/customers/c-1", json={"email": None})
    assert (await shop.get("/v1/customers", email="old@e.pl"))["data"] == []


async def test_a_batch_of_customers_knows_repeats_and_keeps_the_order_of_lines(shop: Shop) -> None:
    customer = {"email": "z@e.pl", "name": "Zoe"}
    first = await shop.post("/v1/customers/batch", [customer], status=200)
    again = await shop.post("/v1/customers/batch", [customer], status=200)
    assert (first["created"], again["duplicates"], again["updated"]) == (1, 1, 0)
    lines = [
        {"external_id": "c-9", "name": "first"},
        {"external_id": "c-9", "name": "second", "email": "a@e.pl"},
        {"external_id": "c-9", "name": "third"},
    ]
    await shop.post("/v1/customers/batch", lines, status=200)
    assert (await shop.get("/v1/customers/c-9"))["name"] == "third"


async def test_a_batch_of_phones_alone_counts_its_duplicates(shop: Shop) -> None:
    lines = [{"phone": f"+4860000000{number}", "name": f"N{number}"} for number in (2, 1)]
    for expected in ({"created": 2, "duplicates": 0}, {"created": 0, "duplicates": 2}):
        report = (await shop.call("POST", "/v1/customers/batch", json=lines)).json()
        assert {name: report[name] for name in expected} == expected
        assert report["rejected"] == []


async def test_a_merge_is_a_change_of_both(shop: Shop) -> None:
    for name in ("c-1", "c-2"):
        await shop.call("PUT", f"/v1/customers/{name}", json={"name": name})
    before = (await shop.get("/v1/customers/c-1"))["updated_at"]
    merged = await shop.post("/v1/customers/merge", {"into": "c-1", "from": "c-2"}, status=200)
    assert merged["updated_at"] > before


async def test_a_deleted_touchpoint_that_interactions_name_can_still_be_filtered_by(
    shop: Shop,
) -> None:
    await shop.call("PUT", "/v1/touchpoints/support", json={"stage": "after"})
    await shop.record("visit", "1", touchpoint="support")
    assert (await shop.call("DELETE", "/v1/touchpoints/support")).status_code == 204
    page = await shop.get("/v1/interactions", touchpoint="support")
    assert [row["external_id"] for row in page["data"]] == ["1"]
