# SPDX-License-Identifier: Apache-2.0
"""Reading, filtering and annotating responses."""

import asyncio

from tests.shop import Shop


async def test_lists_are_newest_first_and_stable_while_answers_come_in(shop: Shop) -> None:
    await shop.publish("list")
    ids = [(await shop.answer("list", score)).json()["id"] for score in range(5)]
    first = await shop.get("/v1/responses", limit=2)
    await shop.answer("list", 10)
    second = await shop.get("/v1/responses", limit=2, cursor=first["next_cursor"])
    third = await shop.get("/v1/responses", limit=2, cursor=second["next_cursor"])
    seen = [response["id"] for page in (first, second, third) for response in page["data"]]
    assert seen == ids[::-1]
    assert third["next_cursor"] is None


async def test_every_filter_finds_what_it_names(shop: Shop) -> None:
    await shop.publish("f")
    id_ = (
        await shop.answer(
            "f",
            {"score": 3, "why": "Za drogo 100% _"},
            touchpoint="shop",
            order="o1",
            ticket="t1",
            tags=["vip"],
            properties={"store": "WAW"},
            customer={"email": "x@y.pl"},
            channel="kiosk",
            responded_at="2026-01-05T10:00:00Z",
        )
    ).json()["id"]
    await shop.answer("f", 9)
    filters = {
        "touchpoint": "shop",
        "order": "o1",
        "ticket": "t1",
        "tag": "vip",
        "property.store": "WAW",
        "customer": "X@Y.pl",
        "channel": "kiosk",
        "band": "detractor",
        "follow_up": "open",
        "max_score": 5,
        "until": "2026-02-01T00:00:00Z",
        "has_comment": True,
        "q": "100% _",
    }
    for name, value in filters.items():
        page = await shop.get("/v1/responses", **{name: value})
        assert [response["id"] for response in page["data"]] == [id_], name
    assert (await shop.get("/v1/responses", q="100% x"))["data"] == []
    assert len((await shop.get("/v1/responses", survey="f", integrity="ok"))["data"]) == 2


async def test_a_follow_up_is_worked_through_with_notes(shop: Shop) -> None:
    await shop.publish("fu")
    id_ = (await shop.answer("fu", 1)).json()["id"]
    responder = await shop.make_key("respond")
    follow_up = {}
    for status, note in (("contacted", "Called."), ("resolved", "Replaced.")):
        reply = await shop.call(
            "PATCH",
            f"/v1/responses/{id_}",
            key=responder,
            json={"follow_up": {"status": status, "note": note, "assignee": "eva"}},
        )
        assert reply.status_code == 200, reply.text
        assert "answers" not in reply.json(), (
            "a key with the scope `respond` alone must not read answers"
        )
        follow_up = reply.json()["follow_up"]
    assert (follow_up["status"], follow_up["assignee"]) == ("resolved", "eva")
    tagging = await shop.call("PATCH", f"/v1/responses/{id_}", key=responder, json={"tags": ["a"]})
    assert tagging.status_code == 403
    assert [entry["text"] for entry in follow_up["notes"]] == ["Called.", "Replaced."]
    assert follow_up["closed_at"] > follow_up["opened_at"]
    figure = (await shop.metric("follow_up"))["total"]
    assert (figure["opened"], figure["closed"], figure["value"]) == (1, 1, 100)


async def test_rejecting_and_restoring_move_the_figures(shop: Shop) -> None:
    await shop.publish("r")
    id_ = (await shop.answer("r", 0)).json()["id"]
    await shop.answer("r", 10)
    rejected = await shop.post(f"/v1/responses/{id_}/reject", status=200)
    assert rejected["integrity"] == "rejected"
    assert (await shop.metric("nps"))["total"]["value"] == 100
    await shop.post(f"/v1/responses/{id_}/restore", status=200)
    assert (await shop.metric("nps"))["total"]["value"] == 0
    again = await shop.call("POST", f"/v1/responses/{id_}/restore")
    assert again.status_code == 409


async def test_two_deletes_at_once_move_the_figure_once(shop: Shop) -> None:
    await shop.publish("d")
    id_ = (await shop.answer("d", 0)).json()["id"]
    await shop.answer("d", 10)
    replies = await asyncio.gather(*[shop.call("DELETE", f"/v1/responses/{id_}") for _ in range(5)])
    assert [reply.status_code for reply in replies].count(204) == 1
    total = (await shop.metric("nps"))["total"]
    assert (total["n"], total["value"]) == (1, 100)
