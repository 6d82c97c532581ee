# SPDX-License-Identifier: Apache-2.0
"""A login for a BI tool is made and dropped over HTTP, as by the command."""

import asyncpg
import pytest

from tests.bi.conftest import BiCompany


async def responses_by(url: str) -> int:
    connection = await asyncpg.connect(url)
    try:
        return int(await connection.fetchval("select sum(responses) from bi.metric_daily"))
    finally:
        await connection.close()


async def test_a_login_is_made_shown_once_and_dropped(
    company: BiCompany, neighbour: BiCompany
) -> None:
    with company.client as client:
        reply = client.post("/v1/bi-roles", json={})
        assert reply.status_code == 201, reply.text
        role = reply.json()
        assert await responses_by(role["url"]) > 0
        listed = client.get("/v1/bi-roles").json()["data"]
        (entry,) = [row for row in listed if row["role"] == role["role"]]
        assert (entry["personal"], "url" in entry) == (False, False)
        assert entry["address"] in role["url"]
        audit = client.get("/v1/audit").text
        assert role["url"].partition("@")[0].rpartition(":")[2] not in audit
        with neighbour.client as other:
            assert role["role"] not in other.get("/v1/bi-roles").text
            assert other.delete(f"/v1/bi-roles/{role['role']}").status_code == 404
        assert client.delete(f"/v1/bi-roles/{role['role']}").status_code == 204
        assert client.delete(f"/v1/bi-roles/{role['role']}").status_code == 404
    with pytest.raises(asyncpg.InvalidAuthorizationSpecificationError):
        await responses_by(role["url"])


def test_logins_are_listed_page_by_page_for_admins_alone(company: BiCompany) -> None:
    with company.client as client:
        roles = [client.post("/v1/bi-roles", json={"personal": True}).json() for _ in range(3)]
        names = {role["role"] for role in roles}
        seen, cursor = set(), None
        while True:
            params = {"limit": 1} | ({"cursor": cursor} if cursor else {})
            page = client.get("/v1/bi-roles", params=params).json()
            seen |= {row["role"] for row in page["data"]}
            cursor = page["next_cursor"]
            if cursor is None:
                break
        assert names <= seen
        key = client.post("/v1/api-keys", json={"name": "r", "scopes": ["read"]}).json()["secret"]
        refused = client.get("/v1/bi-roles", headers={"Authorization": f"Bearer {key}"})
        assert refused.status_code == 403
        for name in names:
            client.delete(f"/v1/bi-roles/{name}").raise_for_status()
        odd = client.post("/v1/bi-roles", json={"schema": "public"})
        assert (odd.status_code, "public" in odd.text) == (422, True)


def test_a_schema_that_exists_leaves_no_login_behind(company: BiCompany) -> None:
    with company.client as client:
        role = client.post("/v1/bi-roles", json={"schema": "models"}).raise_for_status().json()
        before = client.get("/v1/bi-roles").json()["data"]
        again = client.post("/v1/bi-roles", json={"schema": "models"})
        assert again.status_code == 409
        assert "schema `models`" in again.json()["detail"]
        assert client.get("/v1/bi-roles").json()["data"] == before
        logins = client.get("/v1/bi-roles").json()["data"]
        assert role["role"] in {login["role"] for login in logins}
        client.delete(f"/v1/bi-roles/{role['role']}").raise_for_status()
