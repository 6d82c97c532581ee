# SPDX-License-Identifier: Apache-2.0
"""Keys and scopes: who may do what, and from when."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from app.core.database import Database
from app.core.errors import Unauthorized
from app.workspaces.caller import Keyring
from tests.conftest import BOOTSTRAP_KEY
from tests.shop import Shop


async def test_without_a_key_or_with_a_wrong_one_nothing_is_said(shop: Shop) -> None:
    for headers in ({}, {"Authorization": "Bearer sk_wrong"}, {"Authorization": "Basic !!"}):
        reply = await shop.client.post("/v1/surveys", content=b"{", headers=headers)
        assert reply.status_code == 401
        assert reply.headers["content-type"] == "application/problem+json"
        assert "Bearer" in reply.headers["www-authenticate"]


@pytest.mark.parametrize(
    ("scope", "allowed"),
    [("metrics", 1), ("read", 2), ("write", 3), ("admin", 4), ("respond", 0)],
)
async def test_a_scope_holds_all_that_are_weaker(shop: Shop, scope: str, allowed: int) -> None:
    key = await shop.make_key(scope)
    calls = [("GET", "/v1/metrics/nps"), ("GET", "/v1/responses")]
    calls += [("POST", "/v1/surveys"), ("GET", "/v1/api-keys")]
    body = {"template": "nps", "key": "made"}
    statuses = [
        (await shop.call(method, path, key=key, json=body)).status_code for method, path in calls
    ]
    assert [status != 403 for status in statuses] == [number < allowed for number in range(4)]


async def test_a_secret_is_shown_once_and_never_listed(shop: Shop) -> None:
    key = await shop.post("/v1/api-keys", {"name": "till", "scopes": ["write"]})
    assert key["secret"].startswith("sk_")
    listed = (await shop.call("GET", "/v1/api-keys")).text
    assert "till" in listed
    assert key["secret"] not in listed


async def test_after_rotation_old_and_new_secret_both_work(shop: Shop) -> None:
    key = await shop.post("/v1/api-keys", {"name": "till", "scopes": ["read"]})
    rotated = await shop.post(f"/v1/api-keys/{key['id']}/rotate", status=200)
    for secret in (key["secret"], rotated["secret"]):
        assert (await shop.call("GET", "/v1/surveys", key=secret)).status_code == 200
    assert rotated["old_secret_until"] > datetime.now(UTC).isoformat()
    again = await shop.call("POST", f"/v1/api-keys/{key['id']}/rotate")
    assert again.status_code == 409, "a second rotation would end the first secret early"


async def test_a_rotation_sent_twice_gives_the_same_secret(shop: Shop) -> None:
    key = await shop.post("/v1/api-keys", {"name": "till", "scopes": ["read"]})
    path, header = f"/v1/api-keys/{key['id']}/rotate", {"Idempotency-Key": "r"}
    replies = [await shop.call("POST", path, headers=header) for _ in range(2)]
    assert replies[0].json()["secret"] == replies[1].json()["secret"]
    assert replies[1].headers["idempotency-replayed"] == "true"


async def test_a_key_for_figures_learns_nothing_of_one_person(shop: Shop) -> None:
    await shop.publish("s")
    await shop.answer("s", 2, properties={"email": "jan@k.pl"})
    figures = await shop.make_key("metrics")
    reply = await shop.call("GET", "/v1/metrics/nps?property.email=jan@k.pl", key=figures)
    assert reply.status_code == 422
    assert "segment" in reply.text


async def test_a_deleted_or_expired_key_stops_at_once(shop: Shop) -> None:
    key = await shop.post("/v1/api-keys", {"name": "till", "scopes": ["read"]})
    assert (await shop.call("GET", "/v1/surveys", key=key["secret"])).status_code == 200
    assert (await shop.call("DELETE", f"/v1/api-keys/{key['id']}")).status_code == 204
    assert (await shop.call("GET", "/v1/surveys", key=key["secret"])).status_code == 401
    past = (datetime.now(UTC) - timedelta(days=1)).isoformat()
    expired = await shop.make_key("read", expires_at=past)
    assert (await shop.call("GET", "/v1/surveys", key=expired)).status_code == 401


async def test_an_expired_key_is_refused_while_keys_are_being_changed(
    shop: Shop, database: Database
) -> None:
    expired = await shop.make_key("read", expires_at="2026-01-05T10:00:00Z")
    keyring = Keyring(database)
    asking = asyncio.create_task(keyring.caller(f"Bearer {expired}"))
    await asyncio.sleep(0)
    keyring.forget()
    with pytest.raises(Unauthorized):
        await asking


async def test_the_last_admin_key_cannot_be_deleted(shop: Shop) -> None:
    own = (await shop.get("/v1/api-keys"))["data"][0]["id"]
    assert (await shop.call("DELETE", f"/v1/api-keys/{own}")).status_code == 409


async def test_collect_stands_alone(shop: Shop) -> None:
    body = {"name": "x", "scopes": ["collect", "read"]}
    assert (await shop.call("POST", "/v1/api-keys", json=body)).status_code == 422


async def test_a_key_has_its_own_rate(shop: Shop) -> None:
    key = await shop.make_key("read", rate_limit=2)
    replies = [await shop.call("GET", "/v1/surveys", key=key) for _ in range(4)]
    assert [reply.status_code for reply in replies][:2] == [200, 200]
    assert replies[3].status_code == 429
    assert int(replies[3].headers["retry-after"]) >= 1


async def test_only_the_bootstrap_key_makes_workspaces(shop: Shop) -> None:
    body = {"name": "x", "key": "x-1"}
    assert (await shop.call("POST", "/v1/workspaces", json=body)).status_code == 403
    duplicate = {"name": "x", "key": shop.workspace_key}
    reply = await shop.call("POST", "/v1/workspaces", key=BOOTSTRAP_KEY, json=duplicate)
    assert reply.status_code == 409


async def test_an_idempotency_key_replays_the_same_secret_and_makes_one_key(shop: Shop) -> None:
    header = {"Idempotency-Key": "k"}
    body = {"name": "one", "scopes": ["read"]}
    first = await shop.call("POST", "/v1/api-keys", json=body, headers=header)
    again = await shop.call("POST", "/v1/api-keys", json=body, headers=header)
    assert (again.status_code, again.headers["idempotency-replayed"]) == (201, "true")
    assert first.json() == again.json()
    assert len((await shop.get("/v1/api-keys"))["data"]) == 2
    other = await shop.call("POST", "/v1/api-keys", json=body | {"name": "2"}, headers=header)
    assert other.status_code == 409


async def test_the_last_admin_key_cannot_be_deleted_though_an_expired_one_exists(
    shop: Shop,
) -> None:
    soon = (datetime.now(UTC) + timedelta(seconds=2)).isoformat()
    await shop.post("/v1/api-keys", {"name": "a", "scopes": ["admin"], "expires_at": soon})
    own = (await shop.get("/v1/me"))["key"]["id"]
    await asyncio.sleep(2.1)
    refused = await shop.call("DELETE", f"/v1/api-keys/{own}")
    assert refused.status_code == 409
    assert "last admin key" in refused.json()["detail"]
