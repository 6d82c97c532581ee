# SPDX-License-Identifier: Apache-2.0
"""A reference to something unknown gives 422 in a query or body, and 404 in a path."""

from typing import Any

import pytest

from tests.shop import Shop

ID = "0190b6a0-0000-7000-8000-000000000009"
CUSTOMER = {"email": "a@e.pl"}
IN_BODIES: list[tuple[str, str, Any, list[str]]] = [
    ("POST", "/v1/responses", {"survey": "no", "channel": "api", "answers": {}}, ["survey"]),
    ("POST", "/v1/responses", {"survey": ID, "channel": "api", "answers": {}}, ["survey"]),
    ("POST", "/v1/triggers", {"name": "t", "on": "visit", "survey": "no"}, ["survey"]),
    ("POST", "/v1/triggers", {"name": "t", "on": "visit", "survey": ID}, ["survey"]),
    ("PATCH", "/v1/triggers/{trigger}", {"survey": "no"}, ["survey"]),
    ("POST", "/v1/invitations", {"survey": "no", "channel": "link", "customer": CUSTOMER},
     ["survey"]),
    ("POST", "/v1/invitations", {"survey": "s", "channel": "link", "customer": CUSTOMER,
                                 "interaction": ID}, ["interaction"]),
    ("POST", "/v1/customers/merge", {"from": "no", "into": "c-1"}, ["from"]),
    ("POST", "/v1/customers/merge", {"from": "c-1", "into": ID}, ["into"]),
    ("POST", "/v1/webhook-endpoints", {"url": "https://93.184.215.14/", "events":
     ["response.created"], "filter": {"survey": "no"}}, ["filter", "survey"]),
    ("POST", "/v1/webhook-endpoints", {"url": "https://93.184.215.14/", "events":
     ["response.created"], "filter": {"touchpoint": "no"}}, ["filter", "touchpoint"]),
]  # fmt: skip
IN_QUERIES = [
    "/v1/responses?survey=no", "/v1/responses?touchpoint=no", f"/v1/responses?customer={ID}",
    "/v1/invitations?survey=no", f"/v1/invitations?trigger={ID}",
    f"/v1/invitations?customer={ID}", "/v1/interactions?touchpoint=no",
    f"/v1/interactions?customer={ID}", f"/v1/tickets?customer={ID}", "/v1/decisions?trigger=no",
    f"/v1/decisions?trigger={ID}", f"/v1/decisions?interaction={ID}",
    f"/v1/decisions?customer={ID}", "/v1/decisions/summary?trigger=no",
    "/v1/exports/responses?survey=no", "/v1/exports/responses?touchpoint=no",
    f"/v1/exports/responses?customer={ID}", "/v1/metrics/nps?survey=no",
    "/v1/metrics/nps?touchpoint=no", "/v1/metrics/nps?question=no",
]  # fmt: skip
IN_PATHS = [
    "/v1/surveys/no", "/v1/triggers/no", f"/v1/triggers/{ID}", f"/v1/responses/{ID}",
    f"/v1/invitations/{ID}", f"/v1/interactions/{ID}", "/v1/tickets/no", "/v1/customers/no",
    "/v1/touchpoints/no", "/v1/journeys/no", "/v1/integrations/no", f"/v1/api-keys/{ID}",
    f"/v1/webhook-endpoints/{ID}", f"/v1/members/{ID}",
]  # fmt: skip


async def furnish(shop: Shop) -> dict[str, str]:
    await shop.publish("s")
    trigger = await shop.make_trigger("s", on="visit")
    who = {"external_id": "c-1", "email": "c@e.pl"}
    reply = await shop.record("visit", "1", customer=who)
    return {"trigger": trigger["id"], "interaction": reply["id"], "customer": reply["customer_id"]}


@pytest.mark.parametrize(("method", "path", "body", "field"), IN_BODIES)
async def test_in_a_body_it_is_bad_input(
    shop: Shop, method: str, path: str, body: Any, field: list[str]
) -> None:
    known = await furnish(shop)
    reply = await shop.call(method, path.format(**known), json=body)
    assert reply.status_code == 422, reply.text
    assert reply.json()["errors"][0]["loc"] == ["body", *field]


@pytest.mark.parametrize("path", IN_QUERIES)
async def test_in_a_query_it_is_bad_input(shop: Shop, path: str) -> None:
    await furnish(shop)
    reply = await shop.call("GET", path)
    assert reply.status_code == 422, reply.text
    name = path.partition("?")[2].partition("=")[0]
    assert reply.json()["errors"][0]["loc"] == ["query", name]


@pytest.mark.parametrize("path", IN_PATHS)
async def test_in_a_path_it_is_not_found(shop: Shop, path: str) -> None:
    assert (await shop.call("GET", path)).status_code == 404


@pytest.mark.parametrize("name", ["trigger", "interaction", "customer"])
async def test_somebody_elses_id_is_as_unknown(shop: Shop, other_shop: Shop, name: str) -> None:
    theirs = await furnish(other_shop)
    reply = await shop.call("GET", f"/v1/decisions?{name}={theirs[name]}")
    assert reply.status_code == 422


async def test_a_deleted_triggers_decisions_are_found_by_its_id(shop: Shop) -> None:
    known = await furnish(shop)
    path = f"/v1/triggers/{known['trigger']}"
    assert (await shop.call("DELETE", path)).status_code == 204
    page = await shop.get("/v1/decisions", trigger=known["trigger"])
    assert len(page["data"]) == 1
    assert (await shop.call("GET", path)).status_code == 404


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics"])
async def test_health_and_telemetry_refuse_unknown_parameters(shop: Shop, path: str) -> None:
    assert (await shop.client.get(path)).status_code == 200
    reply = await shop.client.get(f"{path}?verbose=1")
    assert reply.status_code == 422
    assert reply.json()["errors"][0]["loc"] == ["query", "verbose"]


async def test_a_key_for_a_survey_that_is_not_there_is_refused(shop: Shop) -> None:
    body = {"name": "k", "scopes": ["collect"], "survey": "no-such"}
    reply = await shop.call("POST", "/v1/api-keys", json=body)
    assert (reply.status_code, reply.json()["errors"][0]["loc"]) == (422, ["body", "survey"])


# Null has no meaning in these fields; fields that may be null are not listed.
NOT_NULL = [
    ("/v1/webhook-endpoints/{endpoint}", name)
    for name in ("url", "events", "format", "filter", "include_personal", "headers", "active")
] + [
    ("/v1/integrations/{integration}", name)
    for name in ("secret", "mapping", "accept_test", "status_map")
] + [
    ("/v1/surveys/s", name) for name in ("name", "metric", "default_locale", "questions", "texts")
] + [
    ("/v1/responses/{response}", "tags"), ("/v1/responses/{response}", "follow_up"),
    ("/v1/triggers/{trigger}", "name"), ("/v1/triggers/{trigger}", "delay"),
    ("/v1/workspace", "name"), ("/v1/workspace", "segments"),
]  # fmt: skip


async def test_null_is_refused_where_it_means_nothing(shop: Shop) -> None:
    await shop.publish("s")
    endpoint = await shop.post(
        "/v1/webhook-endpoints", {"url": "mailto:a@e.pl", "events": ["response.completed"]}
    )
    body = {"source": "generic", "mapping": {"type": {"const": "x"}, "external_id": "/id"}}
    ids = {
        "endpoint": endpoint["id"],
        "integration": (await shop.post("/v1/integrations", body))["id"],
        "response": (await shop.answer("s", 9)).json()["id"],
        "trigger": (await shop.make_trigger("s"))["id"],
    }
    for path, name in NOT_NULL:
        reply = await shop.call("PATCH", path.format(**ids), json={name: None})
        assert reply.status_code == 422, (path, name, reply.text)
        assert reply.json()["errors"][0]["loc"] == ["body", name]
