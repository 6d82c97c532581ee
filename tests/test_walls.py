# SPDX-License-Identifier: Apache-2.0
"""No route answers about another workspace: all are walked with foreign ids."""

import re
from typing import Any

from fastapi import FastAPI

from tests.shop import Shop

# The bodies to send to routes that need one; they name things of the other workspace.
BODIES: dict[str, Any] = {
    "/v1/integrations/{integration}/preview": {"body": {}},
    "/v1/responses": {"survey": "theirs", "channel": "api", "answers": {"score": 1}},
    "/v1/responses/batch": [{"survey": "theirs", "channel": "api", "answers": {"score": 1}}],
    "/v1/surveys/{survey}": {"name": "Mine now"},
    "/v1/responses/{response_id}": {"tags": ["mine"]},
    "/v1/integrations/{integration}/write-back": {
        "base_url": "https://example.com",
        "auth": {"token": "a-token-of-mine"},
    },
    "/v1/surveys/{survey}/test-mail": {"email": "me@c.pl"},
    "/v1/customers/merge": {"from": "their-c", "into": "mine"},
    "/v1/webhook-endpoints/{endpoint_id}/replay": {"since": "2026-01-01T00:00:00Z"},
    "/v1/triggers/{trigger}/dry-run": {"type": "visit", "source": "s", "external_id": "e"},
}
SECRET = "Their secret word"
# These paths name no row of a workspace; their replies are about the caller's own.
OWN = {"/v1/metrics/{metric}", "/v1/insights/{insight}", "/v1/exports/{dataset}"}


async def furnish(shop: Shop) -> dict[str, str]:
    """Fill a workspace with one of everything, and return the ids that routes take."""
    survey = await shop.publish("theirs", touchpoint="their-place")
    answer = await shop.answer(
        "theirs", {"score": 3, "why": SECRET}, order="o-1", customer={"email": "their@c.pl"}
    )
    key = await shop.post("/v1/api-keys", {"name": "theirs", "scopes": ["read"]})
    await shop.make_trigger("theirs", key="their-trigger")
    customer = {"external_id": "their-c", "email": "t@c.pl"}
    reply = await shop.record(
        "ticket.solved", "e-1", ticket="their-ticket", customer=customer, properties={"w": SECRET}
    )
    sender = await shop.post("/v1/integrations", {"source": "freshdesk", "key": "their-desk"})
    body = {"ticket_id": "1", "event": "ticket.solved", "tags": SECRET}
    sent = await shop.client.post("/in/" + sender["url"].partition("/in/")[2], json=body)
    member = await shop.post("/v1/members", {"email": "them@c.pl", "name": SECRET})
    webhook = {"url": "mailto:them@c.pl", "events": ["response.created"]}
    endpoint = await shop.post("/v1/webhook-endpoints", webhook)
    tried = await shop.post(f"/v1/webhook-endpoints/{endpoint['id']}/test", status=202)
    rule = {"name": SECRET, "metric": "nps", "rule": {"kind": "shift"}}
    alert = await shop.post("/v1/alerts", rule)
    shared = await shop.post("/v1/share-links", {"path": "/"})
    for path in ("/v1/touchpoints/their-place", "/v1/journeys/their-way"):
        assert (await shop.call("PUT", path, json={"name": {"en": SECRET}})).status_code == 200
    return {
        "survey": survey["id"],
        "response_id": answer.json()["id"],
        "key_id": key["id"],
        "import_id": survey["id"],
        "metric": "nps",
        "insight": "comments",
        "dataset": "responses",
        "key": "their-place",
        "interaction_id": reply["id"],
        "invitation_id": reply["decisions"][0]["invitation"],
        "trigger": reply["decisions"][0]["trigger"],
        "ticket": "their-ticket",
        "integration": sender["id"],
        "event_id": sent.json()["id"],
        "customer": reply["customer_id"],
        "member_id": member["id"],
        "alert": alert["id"],
        "link_id": shared["id"],
        "endpoint_id": endpoint["id"],
        "delivery_id": tried["id"],
        "role": (await shop.post("/v1/bi-roles", {}))["role"],
    }


async def test_every_route_is_walled(app: FastAPI, shop: Shop, other_shop: Shop) -> None:
    ids = await furnish(other_shop)
    before = (await other_shop.call("GET", "/v1/responses")).text
    walked = 0
    paths = app.openapi()["paths"]
    walk = [
        (verb, path)
        for path, methods in paths.items()
        for verb in methods
        if path.startswith("/v1/")
    ]
    # Putting makes one of our own under the same key; so it comes last.
    for method, path in sorted(walk, key=lambda step: step[0] == "put"):
        keys = {"key": "their-way"} if "journeys" in path else {}
        url = path.format(**(ids | keys))
        params = {}
        if method == "get" and path == "/v1/responses":
            params = {"customer": "their@c.pl"}
        body = BODIES.get(path, {})
        reply = await shop.call(method.upper(), url, json=body, params=params)
        assert SECRET not in reply.text, (method, path)
        assert ids["response_id"] not in reply.text.replace(url, ""), (method, path)
        if "{" in path and path not in OWN and method != "put":
            assert reply.status_code == 404, (method, path, reply.text)
        walked += 1
    assert walked >= 35
    assert (await other_shop.call("GET", "/v1/responses")).text == before
    assert (await other_shop.metric("nps"))["total"]["n"] == 1
    refusal = await shop.call("GET", "/v1/metrics/nps", params={"survey": ids["survey"]})
    assert refusal.status_code == 422


async def test_without_a_key_every_route_says_401(app: FastAPI, shop: Shop) -> None:
    for path, operations in app.openapi()["paths"].items():
        if path.startswith("/v1/"):
            for method in operations:
                url = path.replace("{metric}", "nps").replace("{insight}", "drivers")
                url = re.sub(r"\{\w+\}", "x", url)
                reply = await shop.client.request(method.upper(), url)
                assert reply.status_code == 401, (method, path)
