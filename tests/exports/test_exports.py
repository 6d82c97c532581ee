# SPDX-License-Identifier: Apache-2.0
"""Exports: whole, incremental, with tombstones; the same rows in every format."""

import csv
import io
import json
from typing import Any

import httpx
import pyarrow.parquet
import pytest

from app.exports.datasets import DATASETS
from tests.shop import Shop

FORMATS = ["csv", "ndjson", "parquet"]


async def export(shop: Shop, name: str, **params: Any) -> httpx.Response:
    reply = await shop.call("GET", f"/v1/exports/{name}", params=params)
    assert reply.status_code == 200, reply.text
    return reply


def rows_of(reply: httpx.Response) -> list[dict[str, Any]]:
    kind = reply.headers["content-type"]
    if kind.startswith("text/csv"):
        return list(csv.DictReader(io.StringIO(reply.text)))
    if kind == "application/x-ndjson":
        return [json.loads(line) for line in reply.text.splitlines()]
    rows: list[dict[str, Any]] = pyarrow.parquet.read_table(io.BytesIO(reply.content)).to_pylist()
    return rows


async def fill_workspace(shop: Shop) -> list[str]:
    """Fill a workspace with one of everything; return the responses' ids."""
    await shop.publish("s", touchpoint="checkout")
    ids = []
    for score, why in ((9, "Good"), (3, '=1+1,"quoted"\nnext line'), (7, "Zażółć")):
        reply = await shop.answer("s", {"score": score, "why": why}, order=f"o-{score}")
        ids.append(reply.json()["id"])
    await shop.record("ticket.opened", "e-1", ticket="7", occurred_at="2026-11-01T08:00:00Z")
    await shop.record("ticket.solved", "e-2", ticket="7", occurred_at="2026-11-01T09:00:00Z",
                        value={"amount": "129.90", "currency": "PLN"})  # fmt: skip
    body = {"survey": "s", "channel": "link", "customer": {"email": "a@b.pl"}}
    await shop.post("/v1/invitations", body)
    return ids


@pytest.mark.parametrize("form", FORMATS)
async def test_every_export_has_the_columns_of_its_dictionary(shop: Shop, form: str) -> None:
    await fill_workspace(shop)
    dictionary = {
        dataset["name"]: dataset for dataset in (await shop.get("/v1/exports/dictionary"))["data"]
    }
    assert set(dictionary) == set(DATASETS)
    # No question has options there.
    dictionary.pop("choices")
    counts = {"responses": 3, "answers": 6, "interactions": 2, "tickets": 1, "invitations": 1}
    for name, described in dictionary.items():
        reply = await export(shop, name, format=form)
        rows = rows_of(reply)
        columns = [column["name"] for column in described["columns"]]
        assert set(columns) - set(rows[0]) <= {"deleted_at"}, name
        assert len(rows) == counts.get(name, len(rows))
        assert reply.headers["next-updated-since"].endswith("Z")


async def test_formats_hold_the_same_values(shop: Shop) -> None:
    await fill_workspace(shop)
    lines, objects, table = [
        rows_of(await export(shop, "responses", format=form)) for form in FORMATS
    ]
    assert [row["id"] for row in lines] == [row["id"] for row in objects]
    assert [row["id"] for row in lines] == [row["id"] for row in table]
    for line, entry, typed in zip(lines, objects, table, strict=True):
        assert int(line["score"]) == entry["score"] == typed["score"]
        assert json.loads(line["answers"]) == entry["answers"] == json.loads(typed["answers"])
        assert line["responded_at"] == entry["responded_at"]
        assert typed["responded_at"].isoformat().startswith(line["responded_at"][:19])
    # A spreadsheet runs nothing that a customer wrote; other readers get it as it was.
    assert [row["comment"] for row in lines][1] == '\'=1+1,"quoted"\nnext line'
    assert [row["comment"] for row in objects][1] == '=1+1,"quoted"\nnext line'


async def test_an_incremental_export_has_changed_rows_and_tombstones(shop: Shop) -> None:
    ids = await fill_workspace(shop)
    first = await export(shop, "responses", format="ndjson")
    known = {row["id"]: row for row in rows_of(first)}
    since = max(row["updated_at"] for row in known.values())
    await shop.call("DELETE", f"/v1/responses/{ids[0]}")
    await shop.answer("s", 10, id=ids[1], seq=2)
    changed = rows_of(await export(shop, "responses", format="ndjson", updated_since=since))
    by_id = {row["id"]: row for row in changed if row["updated_at"] > since}
    assert set(by_id) == {ids[0], ids[1]}
    assert set(by_id[ids[0]]) == {"id", "updated_at", "deleted_at"}
    assert by_id[ids[1]]["score"] == 10
    answers = rows_of(await export(shop, "answers", updated_since=since))
    tombstones = [row for row in answers if row["id"].startswith(ids[0])]
    assert {row["id"] for row in tombstones} == {f"{ids[0]}:score", f"{ids[0]}:why"}
    assert all(row["deleted_at"] and row["value"] == "" for row in tombstones)
    for form in ("csv", "parquet"):
        narrowed = {"property.store": "W", "updated_since": since, "format": form}
        (tombstone,) = [
            row for row in rows_of(await export(shop, "responses", **narrowed))
            if str(row["id"]) == ids[0]
        ]  # fmt: skip
        names = {name for name, value in tombstone.items() if value not in {None, ""}}
        assert names == {"id", "updated_at", "deleted_at"}
    rows = rows_of(await export(shop, "responses", format="ndjson"))
    assert ids[0] not in {row["id"] for row in rows}


async def test_rollups_add_up_to_the_figure(shop: Shop) -> None:
    await fill_workspace(shop)
    rows = [
        row for row in rows_of(await export(shop, "rollups", format="ndjson", survey="s"))
        if row["segment"] == "" and row["question"] == "score"
    ]  # fmt: skip
    promoters = sum(row["n9"] + row["n10"] for row in rows)
    detractors = sum(row[f"n{score}"] for row in rows for score in range(7))
    n = sum(row[f"n{score}"] for row in rows for score in range(11))
    total = (await shop.metric("nps"))["total"]
    assert (n, 100 * (promoters - detractors) / n) == (total["n"], total["value"])


async def test_one_column_a_question_where_it_is_wanted(shop: Shop) -> None:
    await fill_workspace(shop)
    rows = rows_of(await export(shop, "responses", wide=True, survey="s"))
    assert [row["answer.score"] for row in rows] == ["9", "3", "7"]
    assert "answers" not in rows[0]


async def test_filters_narrow_and_unknown_ones_are_named(shop: Shop) -> None:
    await fill_workspace(shop)
    rows = rows_of(await export(shop, "interactions", type="ticket.solved", format="ndjson"))
    assert [(row["type"], row["amount"]) for row in rows] == [("ticket.solved", "129.90")]
    for name, params in (
        ("tickets", {"survey": "s"}),
        ("rollups", {"updated_since": "2026-11-01T00:00:00Z"}),
        ("answers", {"wide": True}),
        ("responses", {"colour": "red"}),
    ):
        reply = await shop.call("GET", f"/v1/exports/{name}", params=params)
        assert reply.status_code == 422, name
        assert next(iter(params)) in reply.text
    assert (await shop.call("GET", "/v1/exports/nobody")).status_code == 422


async def test_an_export_holds_one_workspace_and_no_name(shop: Shop, other_shop: Shop) -> None:
    await fill_workspace(other_shop)
    await fill_workspace(shop)
    await shop.answer("s", 5, customer={"email": "ala@example.pl", "name": "Ala"})
    for name in DATASETS:
        theirs = {row.get("id") for row in rows_of(await export(other_shop, name, format="ndjson"))}
        reply = await export(shop, name, format="ndjson")
        assert theirs.isdisjoint({row.get("id") for row in rows_of(reply)} - {None})
        assert "ala@example.pl" not in reply.text
        assert "Ala" not in reply.text


async def test_without_its_library_parquet_is_not_acceptable(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    reply = await shop.call("GET", "/v1/exports/tickets", params={"format": "parquet"})
    assert reply.status_code == 406
    assert "afterword[parquet]" in reply.text


NARROWED: list[tuple[str, dict[str, Any], int]] = [
    ("responses", {"band": "detractor"}, 1),
    ("responses", {"min_score": 7, "max_score": 9}, 2),
    ("responses", {"order": "o-7"}, 1),
    ("responses", {"has_comment": False}, 0),
    ("responses", {"q": "ZAŻ"}, 1),
    ("responses", {"follow_up": "open"}, 1),
    ("responses", {"overdue": True}, 0),
    ("responses", {"integrity": "ok", "customer": "nobody"}, 0),
    ("responses", {"property.store": "WAW"}, 0),
    ("answers", {"order": "o-9"}, 2),
    ("interactions", {"ticket": "7", "type": "ticket.solved"}, 1),
    ("tickets", {"status": "solved", "ticket": "7"}, 1),
    ("tickets", {"agent": "eva"}, 0),
    ("invitations", {"customer": "a@b.pl"}, 1),
]


@pytest.mark.parametrize(("name", "params", "count"), NARROWED)
async def test_exports_take_the_filters_of_the_lists(
    shop: Shop, name: str, params: dict[str, Any], count: int
) -> None:
    await fill_workspace(shop)
    assert len(rows_of(await export(shop, name, format="ndjson", **params))) == count


async def test_unknown_names_in_a_filter_are_refused(shop: Shop) -> None:
    await fill_workspace(shop)
    reply = await shop.call("GET", "/v1/exports/rollups", params={"survey": "nope"})
    assert reply.status_code == 422
    reply = await shop.call("GET", "/v1/exports/responses", params={"touchpoint": "chekout"})
    assert reply.status_code == 422
    assert "checkout" in reply.json()["errors"][0]["msg"]


class Warehouse:
    """Loads an export as an ELT tool does: by id, tombstones take a row away."""

    def __init__(self, shop: Shop, dataset: str, **filters: str) -> None:
        self.shop, self.dataset, self.filters = shop, dataset, filters
        self.rows: dict[str, dict[str, Any]] = {}
        self.since: dict[str, str] = {}

    async def pull(self) -> None:
        params = {"format": "ndjson"} | self.filters | self.since
        reply = await export(self.shop, self.dataset, **params)
        self.since = {"updated_since": reply.headers["next-updated-since"]}
        for row in rows_of(reply):
            if row.get("deleted_at"):
                self.rows.pop(row["id"], None)
            else:
                self.rows[row["id"]] = row

    async def expect_all(self) -> None:
        rows = rows_of(await export(self.shop, self.dataset, format="ndjson", **self.filters))
        assert len(rows) == len({row["id"] for row in rows}), self.dataset
        assert self.rows == {row["id"]: row for row in rows}, self.dataset


async def test_a_warehouse_that_pulls_what_changed_holds_what_a_whole_export_holds(
    shop: Shop,
) -> None:
    ids = await fill_workspace(shop)
    options = [{"key": key, "text": {"en": key}} for key in ("red", "blue", "green")]
    several = {"key": "colours", "type": "choices", "text": {"en": "?"}, "options": options}
    mood = {"key": "mood", "type": "emotion", "text": {"en": "?"}}
    stars = {"key": "stars", "type": "rating", "points": 5, "text": {"en": "?"}}
    await shop.publish("more", metric="custom", questions=[stars, mood, several])
    chosen = {"stars": 4, "mood": "joy", "colours": ["red", "blue"]}
    more = (await shop.answer("more", chosen)).json()["id"]
    person = {"external_id": "c-1", "email": "ala@e.pl", "name": "Ala Nowak"}
    other = {"external_id": "c-2", "email": "bob@e.pl", "name": "Bob"}
    mine = (await shop.answer("s", {"score": 2, "why": "Ala was here"}, customer=person)).json()
    his = (await shop.answer("s", 5, customer=other, order="o-77")).json()
    await shop.record("order.paid", "w-1", order="w-1", customer=person,
                        properties={"phone": "+48600100200"})  # fmt: skip
    await shop.record("ticket.solved", "w-2", ticket="w-2", customer=other)
    await shop.work()
    warehouses = [
        Warehouse(shop, name, **filters)
        for name in ("responses", "answers", "choices", "interactions", "tickets", "invitations")
        for filters in ({}, {"customer": "bob@e.pl"})
    ]
    warehouses += [Warehouse(shop, "responses", min_score="4"),
                   Warehouse(shop, "answers", min_score="4")]  # fmt: skip
    for warehouse in warehouses:
        await warehouse.pull()
        await warehouse.expect_all()
    # A score leaves the filter, another enters, answers are taken back, one is deleted.
    await shop.answer("s", 1, id=ids[0], seq=3)
    await shop.answer("s", 10, id=ids[1], seq=3)
    await shop.answer("s", {}, id=his["id"], seq=2)
    await shop.call("DELETE", f"/v1/responses/{ids[2]}")
    # An option is taken back; the questions get other tags.
    await shop.answer("more", chosen | {"colours": ["blue", "green"]}, id=more, seq=2)
    tagged = {"questions": [stars | {"driver": "courtesy"}, mood, several]}
    await shop.call("PATCH", "/v1/surveys/more", json=tagged)
    await shop.post("/v1/surveys/more/publish", status=200)
    await shop.call("PATCH", f"/v1/responses/{mine['id']}", json={"tags": ["vip"]})
    # A later interaction completes an earlier one; two customers are merged, then erased.
    await shop.record("order.placed", "w-0", order="w-1", occurred_at="2026-01-01T00:00:00Z",
                        customer=person, properties={"store": "W"})  # fmt: skip
    merge = {"from": "c-2", "into": "c-1"}
    await shop.post("/v1/customers/merge", merge, status=200)
    await shop.work()
    for warehouse in warehouses:
        await warehouse.pull()
        await warehouse.expect_all()
    reply = await shop.call("DELETE", "/v1/customers/c-1")
    assert reply.status_code in {200, 202, 204}, reply.text
    await shop.work()
    for warehouse in warehouses:
        await warehouse.pull()
        await warehouse.expect_all()
    drivers = {row["driver"] for row in warehouses[2].rows.values() if row["question"] == "stars"}
    assert drivers == {"courtesy"}
    assert {row["option"]: row["valence"] for row in warehouses[4].rows.values()} == {
        "joy": 1, "blue": None, "green": None,
    }  # fmt: skip
    contents = str([warehouse.rows for warehouse in warehouses])
    for private in ("Ala", "+48600100200", "bob@e.pl"):
        assert private not in contents
