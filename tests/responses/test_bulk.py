# SPDX-License-Identifier: Apache-2.0
"""Many responses changed at once, and a survey duplicated."""

from typing import Any

import pytest

from tests.pages.forms import browse
from tests.pages.test_invited import invite
from tests.shop import Shop


async def submit_three(shop: Shop) -> list[str]:
    await shop.publish("nps")
    return [(await shop.answer("nps", score)).json()["id"] for score in (2, 3, 10)]


async def test_tags_follow_ups_and_states_of_many(shop: Shop) -> None:
    ids = await submit_three(shop)
    done = await shop.call("PATCH", "/v1/responses", json={"ids": ids, "add_tags": ["parcel"]})
    assert done.json() == {"found": 3, "changed": 3}
    patch: dict[str, Any] = {"follow_up": {"status": "resolved"}, "remove_tags": ["parcel"]}
    done = await shop.call("PATCH", "/v1/responses?band=detractor", json=patch)
    assert done.json()["found"] == 2
    responses = (await shop.get("/v1/responses"))["data"]
    rows = sorted(
        (response["score"], response["tags"], response["follow_up"]["status"])
        for response in responses
    )
    assert rows == [(2, [], "resolved"), (3, [], "resolved"), (10, ["parcel"], "none")]
    done = await shop.call("PATCH", "/v1/responses?max_score=3", json={"reject": True})
    assert done.json() == {"found": 2, "changed": 2}
    assert (await shop.metric("nps"))["total"]["value"] == 100
    done = await shop.call("PATCH", "/v1/responses", json={"ids": ids[:1], "restore": True})
    assert done.json()["changed"] == 1
    assert (await shop.metric("nps"))["total"]["n"] == 2


@pytest.mark.parametrize(
    ("path", "body", "loc"),
    [
        ("", {"add_tags": ["x"]}, ["body", "ids"]),
        ("", {"ids": ["0190b6a0-0000-7000-8000-000000000002"], "reject": True}, ["body", "ids", 0]),
        ("?band=detractor", {}, ["body"]),
        ("?band=detractor", {"reject": True, "restore": True}, ["body"]),
        ("?band=angry", {"reject": True}, ["query", "band"]),
    ],
)
async def test_a_wrong_bulk_change_names_the_field(
    shop: Shop, path: str, body: dict[str, Any], loc: list[str | int]
) -> None:
    await submit_three(shop)
    reply = await shop.call("PATCH", f"/v1/responses{path}", json=body)
    assert reply.status_code == 422
    assert [list(error["loc"]) for error in reply.json()["errors"]] == [loc]


async def test_who_may_follow_up_may_not_reject(shop: Shop) -> None:
    ids = await submit_three(shop)
    key = await shop.make_key("respond")
    reply = await shop.call("PATCH", "/v1/responses", json={"ids": ids, "reject": True}, key=key)
    assert reply.status_code == 403
    follow_up = {"ids": ids, "follow_up": {"status": "contacted"}}
    assert (await shop.call("PATCH", "/v1/responses", json=follow_up, key=key)).status_code == 200


async def test_a_survey_is_duplicated_as_a_draft(shop: Shop) -> None:
    original = await shop.publish("nps")
    copy = await shop.post("/v1/surveys/nps/duplicate", {"key": "nps-2"})
    assert (copy["key"], copy["status"], copy["name"]) == ("nps-2", "draft", original["name"])
    assert copy["questions"] == original["questions"]
    again = await shop.call("POST", "/v1/surveys/nps/duplicate", json={"key": "nps-2"})
    assert again.status_code == 409
    assert (await shop.answer("nps-2", 9)).status_code == 409


@pytest.mark.parametrize("name", ["limit", "cursor"])
async def test_a_bulk_change_refuses_limit_and_cursor(shop: Shop, name: str) -> None:
    await submit_three(shop)
    for query in (f"?{name}=2", f"?band=detractor&{name}=2"):
        reply = await shop.call("PATCH", f"/v1/responses{query}", json={"reject": True})
        assert reply.status_code == 422
        assert reply.json()["errors"][0]["loc"] == ["query", name]
    reply = await shop.call("PATCH", "/v1/responses?order_by=updated_at", json={"reject": True})
    assert reply.json()["errors"][0]["loc"] == ["body", "ids"]
    assert (await shop.metric("nps"))["total"]["n"] == 3


async def test_what_is_restored_counts_as_an_answered_invitation(shop: Shop) -> None:
    await shop.publish("nps")
    id_, path = await invite(shop, survey="nps")
    # No gesture has confirmed the answer of this mail link, so it is held.
    await browse(shop.client, path + "/9")
    (response,) = (await shop.get("/v1/responses"))["data"]
    assert (response["id"], response["integrity"]) == (id_, "provisional")
    assert (await shop.get(f"/v1/invitations/{id_}"))["answered_at"] is None
    done = await shop.call("PATCH", "/v1/responses", json={"ids": [id_], "restore": True})
    assert done.json() == {"found": 1, "changed": 1}
    assert (await shop.get(f"/v1/invitations/{id_}"))["answered_at"] is not None
    assert len(await shop.events("invitation.answered")) == 1


async def test_a_tag_too_many_is_refused_and_none_is_dropped(shop: Shop) -> None:
    ids = await submit_three(shop)
    twenty = [f"t{number}" for number in range(20)]
    await shop.call("PATCH", "/v1/responses", json={"ids": ids, "add_tags": twenty})
    refused = await shop.call("PATCH", "/v1/responses", json={"ids": ids, "add_tags": ["more"]})
    assert refused.status_code == 422
    assert refused.json()["errors"][0]["loc"] == ["body", "add_tags"]
    swapped = {"ids": ids, "add_tags": ["more"], "remove_tags": ["t0"]}
    assert (await shop.call("PATCH", "/v1/responses", json=swapped)).json()["changed"] == 3


async def test_a_deleted_response_is_not_found_by_a_second_deletion(shop: Shop) -> None:
    ids = await submit_three(shop)
    replies = [await shop.call("DELETE", f"/v1/responses/{ids[0]}") for _ in range(2)]
    assert [reply.status_code for reply in replies] == [204, 404]


async def test_copies_of_a_survey_get_keys_of_their_own(shop: Shop) -> None:
    await shop.post("/v1/surveys", {"template": "nps", "name": "Shop"})
    keys = [(await shop.post("/v1/surveys/shop/duplicate", {}))["key"] for _ in range(2)]
    assert keys == ["shop-2", "shop-3"]
