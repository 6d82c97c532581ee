# SPDX-License-Identifier: Apache-2.0
"""A change and its audit entry are stored together or not at all."""

from tests.shop import Shop


async def test_changes_are_written_down_with_who_made_them(shop: Shop) -> None:
    key = await shop.make_key("write", name="checkout")
    await shop.publish("nps")
    await shop.call("PATCH", "/v1/surveys/nps", json={"name": "New"}, key=key)
    await shop.call("PATCH", "/v1/surveys/nps", json={"nmae": "New"}, key=key)
    await shop.call("PUT", "/v1/customers/ala@b.pl", json={"name": "Ala"}, key=key)
    entries = (await shop.get("/v1/audit"))["data"]
    changes = [(entry["actor"], entry["action"]) for entry in reversed(entries)]
    assert changes[:3] == [
        ("first", "POST /v1/api-keys"),
        ("first", "POST /v1/surveys"),
        ("first", "POST /v1/surveys/{survey}/publish"),
    ]
    assert changes[3] == ("checkout", "PATCH /v1/surveys/{survey}")
    assert entries[-4]["target"] == {"survey": "nps"}
    assert "ala@b.pl" not in str(entries)
    assert len([action for _, action in changes if action == "PATCH /v1/surveys/{survey}"]) == 1


async def test_only_admins_read_it_and_of_their_own_workspace(shop: Shop, other_shop: Shop) -> None:
    await other_shop.publish("theirs")
    assert (await shop.get("/v1/audit"))["data"] == []
    key = await shop.make_key("write")
    assert (await shop.call("GET", "/v1/audit", key=key)).status_code == 403


async def test_a_refused_change_writes_no_audit_entry(shop: Shop) -> None:
    await shop.publish("nps")
    before = len((await shop.get("/v1/audit"))["data"])
    reply = await shop.call("POST", "/v1/surveys", json={"template": "nps", "key": "nps"})
    assert reply.status_code == 409
    assert len((await shop.get("/v1/audit"))["data"]) == before


async def test_looking_at_a_mail_is_no_change(shop: Shop) -> None:
    await shop.publish("nps")
    before = len((await shop.get("/v1/audit"))["data"])
    await shop.call("POST", "/v1/surveys/nps/mail-preview", json={})
    assert len((await shop.get("/v1/audit"))["data"]) == before
