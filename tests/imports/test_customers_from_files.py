# SPDX-License-Identifier: Apache-2.0
"""Customers from files: made and changed once, and taken back where nobody needs them."""

from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import text

from app.core.database import Database, run_sql
from tests.imports.files import post, table
from tests.imports.test_tickets_from_files import send
from tests.shop import Shop

RECORDS = text("""
select before, after, external_id from import_record where workspace_id = :id
""")
FILE = (Path(__file__).parents[1] / "data" / "imports" / "customers.csv").read_text()


async def test_customers_of_a_file(shop: Shop) -> None:
    seen = await send(shop, FILE, "customers", source="crm", dry_run=True)
    assert seen["figures"] == {"customers": 3, "with_email": 2, "do_not_survey": 1}
    run = await send(shop, FILE, "customers", source="crm")
    assert (run["kind"], run["accepted"], run["survey_id"]) == ("customers", 3, None)
    customers = {
        customer["external_ids"][0]["id"]: customer
        for customer in (await shop.get("/v1/customers"))["data"]
    }
    ala, jan, ola = customers["c-1"], customers["c-2"], customers["c-3"]
    assert (ala["email"], ala["locale"], ala["properties"]) == (
        "ala@example.pl", "pl", {"Plan": "pro"},
    )  # fmt: skip
    assert (ala["consent"]["surveys"], jan["consent"]["surveys"]) == (True, False)
    assert (jan["locale"], ola["do_not_survey"], ola["email"]) == ("en-GB", True, None)


async def test_again_corrected_and_undone(shop: Shop) -> None:
    await shop.call("PUT", "/v1/customers/c-2", json={"email": "jan@example.pl", "name": "Old"})
    first = await send(shop, FILE, "customers", source="crm")
    assert (first["report"]["added"], first["report"]["updated"]) == (3, 0)
    again = await send(shop, FILE, "customers", source="crm")
    assert again["report"]["already_here"] == 3
    second = await send(shop, FILE.replace("Ala Nowak", "Ala Lis"), "customers", source="crm")
    assert second["report"]["updated"] == 1
    assert (await shop.get("/v1/customers/c-1"))["name"] == "Ala Lis"
    await shop.call("DELETE", f"/v1/imports/{second['id']}")
    assert (await shop.get("/v1/customers/c-1"))["name"] == "Ala Nowak"

    # One is changed by somebody, one has been there before: only the third goes.
    await shop.call("PUT", "/v1/customers/c-1", json={"name": "Ala Zmieniona"})
    await shop.call("DELETE", f"/v1/imports/{first['id']}")
    assert (await shop.get("/v1/customers/c-1"))["name"] == "Ala Zmieniona"
    assert (await shop.get("/v1/customers/c-2"))["name"] == "Old"
    assert (await shop.call("GET", "/v1/customers/c-3")).status_code == 404
    report = (await shop.get(f"/v1/imports/{first['id']}"))["report"]
    assert (report["undone"], report["left"]) == (2, 1)


async def test_an_undo_keeps_the_customer_that_a_source_shares(shop: Shop) -> None:
    ala = await shop.call("PUT", "/v1/customers/c-17", json={"name": "Ala"})
    row = table([["external_id", "source", "name"], ["c-17", "shop", "Ala Nowak"]])
    run = await send(shop, row, "customers", source="crm")
    assert (await shop.get("/v1/customers/c-17"))["name"] == "Ala Nowak"
    await shop.call("DELETE", f"/v1/imports/{run['id']}")
    customer = await shop.get("/v1/customers/c-17")
    assert (customer["id"], customer["name"]) == (ala.json()["id"], "Ala")


async def test_an_undo_gives_nobody_the_name_behind_a_shared_phone(shop: Shop) -> None:
    ala = {"external_id": "c-1", "name": "Ala", "phone": "+48600100200"}
    await shop.post("/v1/customers/batch", {"customers": [ala]}, status=200)
    row = table([["external_id", "name", "phone"], ["c-2", "Jan", "+48600100200"]])
    run = await send(shop, row, "customers", source="crm")
    await shop.call("DELETE", f"/v1/imports/{run['id']}")
    assert (await shop.get("/v1/customers/c-1"))["name"] == "Ala"
    assert (await shop.call("GET", "/v1/customers/c-2")).status_code == 404


async def test_an_undo_leaves_the_customers_of_other_sources(shop: Shop) -> None:
    for source in ("shop", "helpdesk"):
        await shop.call("PUT", f"/v1/customers/c-1?source={source}", json={"name": source})
    row = table([["external_id", "name"], ["c-1", "Jan"]])
    run = await send(shop, row, "customers", source="crm")
    assert len((await shop.get("/v1/customers"))["data"]) == 3
    await shop.call("DELETE", f"/v1/imports/{run['id']}")
    customers = (await shop.get("/v1/customers"))["data"]
    assert sorted(customer["name"] for customer in customers) == ["helpdesk", "shop"]


@pytest.mark.parametrize("is_renamed", [False, True])
async def test_an_undo_skips_what_an_undone_import_had_made(shop: Shop, is_renamed: bool) -> None:
    await send(shop, FILE, "customers", source="crm")
    second = await send(shop, FILE.replace("Ala Nowak", "Ala Lis"), "customers", source="crm")
    if is_renamed:
        await shop.call("PUT", "/v1/customers/c-1", json={"name": "Ala Kot"})
    third = await send(shop, FILE.replace("Ala Nowak", "Ala Sowa"), "customers", source="crm")
    await shop.call("DELETE", f"/v1/imports/{second['id']}")
    assert (await shop.get("/v1/customers/c-1"))["name"] == "Ala Sowa"
    await shop.call("DELETE", f"/v1/imports/{third['id']}")
    name = (await shop.get("/v1/customers/c-1"))["name"]
    assert name == ("Ala Kot" if is_renamed else "Ala Nowak")


async def test_a_row_whose_import_was_undone_and_replaced_can_be_read_again(shop: Shop) -> None:
    first = await send(shop, FILE, "customers", source="crm")
    second = await send(shop, FILE.replace("Ala Nowak", "Ala Lis"), "customers", source="crm")
    await shop.call("DELETE", f"/v1/imports/{first['id']}")
    content = "\n".join(line for line in FILE.splitlines() if "c-1" not in line)
    await send(shop, content, "customers", source="crm", replace=second["id"])
    assert (await shop.call("GET", "/v1/customers/c-1")).status_code == 404
    again = await send(shop, FILE, "customers", source="crm")
    assert again["report"]["added"] == 1
    assert (await shop.get("/v1/customers/c-1"))["name"] == "Ala Nowak"


async def test_a_customer_in_use_is_as_the_import_found_it(shop: Shop) -> None:
    first = await send(shop, FILE, "customers", source="crm")
    second = await send(shop, FILE.replace("Ala Nowak", "Ala Lis"), "customers", source="crm")
    await shop.publish("nps")
    await shop.answer("nps", 9, customer={"email": "ala@example.pl"})
    await shop.call("DELETE", f"/v1/imports/{first['id']}")
    await shop.call("DELETE", f"/v1/imports/{second['id']}")
    assert (await shop.get("/v1/customers/c-1"))["name"] == "Ala Nowak"


async def test_whether_somebody_may_be_asked_is_never_guessed(shop: Shop) -> None:
    rows = [["email", "consent"], *([f"p{number}@example.pl", "yes"] for number in range(30))]
    run = await send(shop, table([*rows, ["x@example.pl", "perhaps"]]), "customers", source="a")
    assert (run["accepted"], run["rejected"]) == (30, 1)
    assert "neither yes nor no" in run["report"]["rejected"][0]["reason"]
    reply = await post(shop, "name\nAla\n", kind="customers", source="b")
    assert reply.status_code == 422


@pytest.mark.parametrize("is_merged", [False, True])
async def test_erasing_a_customer_empties_what_an_import_kept(
    shop: Shop, database: Database, is_merged: bool
) -> None:
    first = await send(shop, FILE, "customers", source="crm")
    ala = await shop.get("/v1/customers/c-1")
    if is_merged:
        await shop.call("PUT", "/v1/customers/c-9", json={"name": "Another"})
        await shop.call("POST", "/v1/customers/merge", json={"from": "c-1", "into": "c-9"})
        ala = await shop.get("/v1/customers/c-9")
    erased = await shop.call("DELETE", f"/v1/customers/{ala['id']}")
    assert erased.status_code == 200, erased.text
    import_text = str(await shop.get(f"/v1/imports/{first['id']}"))
    assert "ala@example.pl" not in import_text
    async with database.session() as session:
        of_shop = {"id": UUID(shop.workspace_id)}
        rows = await run_sql(session, RECORDS.bindparams(**of_shop))
        records = str(rows.all())
    assert ("ala@example.pl" in records, "jan@example.pl" in records) == (False, True)
    await shop.call("DELETE", f"/v1/imports/{first['id']}")
    left = await shop.get(f"/v1/customers/{ala['id']}")
    assert (left["email"], left["erased_at"] is not None) == (None, True)


async def test_a_file_does_not_overrule_what_the_customer_said_since(shop: Shop) -> None:
    await send(shop, FILE, "customers", source="crm")
    reply = {"consent": {"surveys": False}, "do_not_survey": True}
    await shop.call("PATCH", "/v1/customers/c-1", json=reply)
    later = FILE.replace("Ala Nowak", "Ala Lis")
    run = await send(shop, later, "customers", source="crm")
    ala = await shop.get("/v1/customers/c-1")
    assert (ala["name"], ala["consent"]["surveys"]) == ("Ala Lis", False)
    assert ala["do_not_survey"] is True
    assert [note.split(":")[0] for note in run["report"]["notes"]] == ["consent", "do_not_survey"]


async def test_a_file_corrects_the_refusal_that_a_file_stated(shop: Shop) -> None:
    rows = [["external_id", "consent", "do_not_survey"], ["c-1", "no", "yes"]]
    await send(shop, table(rows), "customers", source="crm")
    rows[1] = ["c-1", "yes", "no"]
    run = await send(shop, table(rows), "customers", source="crm")
    customer = await shop.get("/v1/customers/c-1")
    assert (customer["consent"]["surveys"], customer["do_not_survey"]) == (True, False)
    assert run["report"]["notes"] == []
