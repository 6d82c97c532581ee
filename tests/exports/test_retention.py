# SPDX-License-Identifier: Apache-2.0
"""Customers without activity for too long are erased; every figure stays."""

import datetime as dt
import json
from typing import Any

from sqlalchemy import text

from app.core.clock import utc_now
from app.core.database import Database, run_sql
from app.exports.copy_preparation import erase_again
from app.exports.retention import delete_old_claims, enqueue_inactive
from tests.shop import Shop


async def age(database: Database, shop: Shop, days: int, **only: str) -> None:
    """Set the times of all data of a customer, or of all customers, so many days back."""
    narrowed = "and external_id = :external_id" if only else ""
    moved = {
        "customer": ("created_at", "updated_at"),
        "response": ("created_at", "responded_at", "updated_at"),
        "interaction": ("created_at", "occurred_at"),
        "invitation": ("created_at", "send_at"),
    }
    then = utc_now() - dt.timedelta(days=days)
    async with database.transaction() as session:
        for table, columns in moved.items():
            sets = ", ".join(f"{column} = :then" for column in columns)
            await run_sql(
                session,
                text(
                    f"update {table} set {sets} where workspace_id = cast(:id as uuid) {narrowed}"
                ).bindparams(id=shop.workspace_id, then=then, **only),
            )


async def retain(database: Database, shop: Shop) -> None:
    async with database.transaction() as session:
        await delete_old_claims(session, utc_now())
        await enqueue_inactive(session, utc_now())
    await shop.work()


async def answer_as(shop: Shop, name: str) -> Any:
    who = {"external_id": name, "email": f"{name}@c.pl", "name": name.title()}
    answers = {"score": 9, "why": f"{name} wrote this"}
    return (await shop.answer("nps", answers, customer=who)).json()


async def test_forgotten_people_are_anonymised_and_figures_stay(
    shop: Shop, database: Database
) -> None:
    await shop.publish("nps")
    old = await answer_as(shop, "ala")
    await age(database, shop, 100)
    fresh = await answer_as(shop, "ewa")
    figure = await shop.metric("nps", period="all")
    await retain(database, shop)
    assert (await shop.get(f"/v1/responses/{old['id']}"))["answers"]["why"] == "ala wrote this"
    patched = await shop.call("PATCH", "/v1/workspace", json={"retention_days": 90})
    assert patched.json()["retention_days"] == 90
    await retain(database, shop)
    old_response = await shop.get(f"/v1/responses/{old['id']}")
    assert old_response["answers"] == {"score": 9}
    assert old_response["customer"]["email"] is None
    fresh_response = await shop.get(f"/v1/responses/{fresh['id']}")
    assert fresh_response["customer"]["email"] == "ewa@c.pl"
    assert (await shop.metric("nps", period="all"))["total"] == figure["total"]
    (erasure,) = (await shop.get("/v1/erasures"))["data"]
    assert (erasure["reason"], erasure["erased"]["responses"]) == ("retention", 1)
    assert erasure["customer"] == old_response["customer"]["id"]


async def test_somebody_who_was_heard_of_again_stays(shop: Shop, database: Database) -> None:
    await shop.publish("nps")
    await answer_as(shop, "ala")
    await age(database, shop, 100)
    who = {"external_id": "ala"}
    await shop.record("visit", "v-1", customer=who)
    await shop.call("PATCH", "/v1/workspace", json={"retention_days": 90})
    await retain(database, shop)
    assert (await shop.get("/v1/customers/ala"))["email"] == "ala@c.pl"


async def test_a_customer_who_answers_before_the_erasure_runs_is_kept(
    shop: Shop, database: Database
) -> None:
    await shop.publish("nps")
    await answer_as(shop, "ala")
    await age(database, shop, 100)
    await shop.call("PATCH", "/v1/workspace", json={"retention_days": 90})
    async with database.transaction() as session:
        await enqueue_inactive(session, utc_now())
    await answer_as(shop, "ala")
    await shop.work()
    assert (await shop.get("/v1/customers/ala"))["email"] == "ala@c.pl"


async def test_an_erasure_is_told_once(shop: Shop) -> None:
    await shop.publish("nps")
    await answer_as(shop, "ala")
    customer = await shop.get("/v1/customers/ala")
    for counts in (True, False):
        reply = await shop.call("DELETE", f"/v1/customers/{customer['id']}")
        assert bool(reply.json()["erased"]) is counts
    assert len((await shop.get("/v1/erasures"))["data"]) == 1


async def test_claims_of_old_answers_go(shop: Shop, database: Database) -> None:
    await shop.publish("nps")
    await shop.call("PATCH", "/v1/workspace", json={"retention_days": 30})
    key = await shop.make_key("collect")
    answers = {"score": 9, "why": "Call me: 600 100 200"}
    body = {"survey": "nps", "channel": "web", "answers": answers}
    claimed = {"customer": {"email": "claim@c.pl"}}
    reply = await shop.call("POST", "/v1/responses", key=key, json=body | claimed)
    assert reply.status_code == 201
    path = f"/v1/responses/{reply.json()['id']}"
    assert (await shop.get(path))["customer"]["claimed"] == {"email": "claim@c.pl"}
    await age(database, shop, 31)
    await retain(database, shop)
    left = await shop.get(path)
    assert (left["customer"], left["answers"]) == (None, {"score": 9})
    assert "600 100" not in str(left)


async def test_an_erasure_is_reported_and_noted_beside_the_database(shop: Shop) -> None:
    await shop.publish("nps")
    await answer_as(shop, "ala")
    erased = (await shop.call("DELETE", "/v1/customers/ala")).json()
    (row,) = (await shop.get("/v1/erasures"))["data"]
    assert (row["customer"], row["erased"]) == (erased["id"], erased["erased"])
    assert dt.datetime.fromisoformat(row["at"]).tzinfo
    state = shop.state
    journal = (state.settings.data_dir / "erasures.ndjson").read_text()
    assert erased["id"] in journal
    assert "ala" not in journal


async def test_odd_retention_is_refused(shop: Shop) -> None:
    for days in (0, -1, "x", 40_000):
        reply = await shop.call("PATCH", "/v1/workspace", json={"retention_days": days})
        assert reply.status_code == 422
    assert (await shop.call("PATCH", "/v1/workspace", json={"retention_days": None})).json()[
        "retention_days"
    ] is None


async def test_a_restored_copy_repeats_an_erasure_with_its_reason(
    shop: Shop, database: Database
) -> None:
    ids = []
    for number in range(2):
        customer = {"external_id": f"c{number}", "email": f"{number}@c.pl"}
        await shop.call("POST", "/v1/customers/batch", json=[customer])
        listing = await shop.get("/v1/customers", email=f"{number}@c.pl")
        ids.append(listing["data"][0]["id"])
    data_dir = shop.state.settings.data_dir / "copy"
    data_dir.mkdir()
    entry = {"workspace": shop.workspace_id, "at": "2026-01-01T00:00:00Z"}
    # Earlier versions did not note the reason.
    lines = [entry | {"customer": ids[0], "reason": "retention"}, entry | {"customer": ids[1]}]
    (data_dir / "erasures.ndjson").write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert await erase_again(database, shop.state.box, data_dir) == 2
    erasures = (await shop.get("/v1/erasures"))["data"]
    assert {row["customer"]: row["reason"] for row in erasures} == {
        ids[0]: "retention", ids[1]: "asked",
    }  # fmt: skip
