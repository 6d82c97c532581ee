# SPDX-License-Identifier: Apache-2.0
"""Answers about an interaction, ticket or order: they inherit from it what they lack."""

import hashlib
import hmac
from typing import Any
from uuid import UUID

from app.core.database import Database
from app.responses import rollups
from tests.shop import Shop

ALA = {"external_id": "c-17", "email": "ala@e.pl", "locale": "pl"}


async def test_an_answer_inherits_what_it_does_not_say(shop: Shop) -> None:
    await shop.publish("s", touchpoint="anywhere")
    case: dict[str, Any] = {
        "order": "1001",
        "customer": ALA,
        "properties": {"store": "WAW", "plan": "pro"},
    }
    await shop.record("order.paid", "e-1", touchpoint="checkout", **case)
    about_order = {"order": "1001", "properties": {"plan": "free"}}
    answer = (await shop.answer("s", 9, **about_order)).json()
    response = await shop.get(f"/v1/responses/{answer['id']}")
    assert (response["touchpoint"], response["locale"]) == ("checkout", "pl")
    assert response["properties"] == {"store": "WAW", "plan": "free"}
    assert response["customer"]["email"] == "ala@e.pl"
    about = {"interaction": {"source": "helpdesk", "external_id": "e-1"}, "touchpoint": "own"}
    answer = (await shop.answer("s", 9, **about)).json()
    assert answer["touchpoint"] == "own"


async def test_a_case_not_known_yet_is_joined_when_it_arrives(
    shop: Shop, database: Database
) -> None:
    await shop.call("PATCH", "/v1/workspace", json={"segments": ["agent"]})
    await shop.publish("s")
    answer = (await shop.answer("s", 9, ticket="7")).json()
    about = {"interaction": {"source": "helpdesk", "external_id": "e-1"}}
    other = (await shop.answer("s", 2, **about)).json()
    case: dict[str, Any] = {"ticket": "7", "touchpoint": "support", "customer": ALA}
    await shop.record("ticket.solved", "e-1", properties={"agent": "eva"}, **case)
    await shop.work()
    for id_ in (answer["id"], other["id"]):
        response = await shop.get(f"/v1/responses/{id_}")
        assert (response["touchpoint"], response["properties"]) == ("support", {"agent": "eva"})
        assert response["customer"]["email"] == "ala@e.pl"
    rows = (await shop.metric("nps", group_by="property.agent"))["rows"]
    assert [(row["group"], row["n"]) for row in rows] == [({"property.agent": "eva"}, 2)]
    assert await rollups.differences(database, UUID(shop.workspace_id)) == []


async def test_every_event_of_an_answer_shows_the_same_interaction(shop: Shop) -> None:
    await shop.publish("s")
    for source in ("zendesk", "freshdesk"):
        await shop.record("ticket.solved", f"{source}-15", ticket="15", source=source)
    by_name = {"interaction": {"source": "zendesk", "external_id": "zendesk-15"}}
    for about in (by_name, by_name | {"ticket": "15"}):
        answer = (await shop.answer("s", 9, **about)).json()
        await shop.post(f"/v1/responses/{answer['id']}/reject", status=200)
        await shop.post(f"/v1/responses/{answer['id']}/restore", status=200)
        events = await shop.events("response.created", "response.updated")
        of_answer = [event["data"] for event in events if event["data"]["id"] == answer["id"]]
        assert len(of_answer) > 1
        assert {data["interaction"]["source"] for data in of_answer} == {"zendesk"}
    # Two sources have the ticket, so nobody knows which of them is meant.
    answer = (await shop.answer("s", 9, ticket="15")).json()
    await shop.post(f"/v1/responses/{answer['id']}/reject", status=200)
    events = await shop.events("response.created", "response.updated")
    of_answer = [event["data"] for event in events if event["data"]["id"] == answer["id"]]
    assert [data["interaction"] for data in of_answer] == [None] * len(of_answer)


async def test_a_resolved_follow_up_is_a_moment_of_its_own(shop: Shop) -> None:
    await shop.publish("s")
    await shop.publish("again")
    await shop.make_trigger("again", on="recovery.resolved")
    answer = (await shop.answer("s", 2, customer=ALA)).json()
    path = f"/v1/responses/{answer['id']}"
    for _ in range(2):
        await shop.call("PATCH", path, json={"follow_up": {"status": "resolved", "note": "ok"}})
    await shop.work()
    (interaction,) = (await shop.get("/v1/interactions"))["data"]
    assert (interaction["type"], interaction["properties"]) == (
        "recovery.resolved",
        {"response": answer["id"]},
    )
    (decision,) = (await shop.get("/v1/decisions"))["data"]
    assert decision["outcome"] == "invited"


async def test_a_browser_proves_whose_customer_it_has(shop: Shop) -> None:
    await shop.publish("s")
    key = await shop.make_key("collect")
    secret = (await shop.post("/v1/workspace/identity-secret"))["secret"]
    proof = hmac.new(secret.encode(), b"c-17", hashlib.sha256).hexdigest()
    claims = [
        {"external_id": "c-17", "proof": proof},
        {"external_id": "c-18", "proof": proof},
        {"external_id": "c-17"},
    ]
    known = []
    for claim in claims:
        body = {"survey": "s", "channel": "web", "answers": {"score": 9}, "customer": claim}
        reply = await shop.call("POST", "/v1/responses", key=key, json=body)
        assert reply.status_code == 201, reply.text
        response = await shop.get(f"/v1/responses/{reply.json()['id']}")
        known.append(response["customer"]["id"] is not None)
        assert "proof" not in str(response)
    assert known == [True, False, False]
    rotated = (await shop.post("/v1/workspace/identity-secret"))["secret"]
    assert rotated != secret
    body = {"survey": "s", "channel": "web", "answers": {"score": 9}, "customer": claims[0]}
    reply = await shop.call("POST", "/v1/responses", key=key, json=body)
    response = await shop.get(f"/v1/responses/{reply.json()['id']}")
    assert response["customer"]["id"]


async def test_an_invited_answer_belongs_to_what_was_known_when_it_was_decided(
    shop: Shop,
) -> None:
    await shop.publish("s", "ces")
    await shop.make_trigger("s", channel="link")
    case: dict[str, Any] = {"ticket": "7", "customer": {"external_id": "c-1"}}
    value = {"amount": "10.50", "currency": "EUR"}
    first = {"agent": "eva", "team": "night"}
    interaction = await shop.record(
        "ticket.solved", "e-1", touchpoint="support", properties=first, value=value, **case
    )
    await shop.work()
    invitation = await shop.get(f"/v1/invitations/{interaction['decisions'][0]['invitation']}")
    assert (invitation["properties"], invitation["value"]) == (first, value)
    later = {"agent": "bob", "team": "day", "floor": "2"}
    await shop.record("ticket.reopened", "e-2", touchpoint="desk", properties=later, **case)
    path = "/i/" + invitation["url"].rpartition("/")[2]
    assert (await shop.client.post(path, data={"score": "6"})).status_code == 303
    await shop.record("ticket.solved", "e-3", properties=later | {"door": "3"}, **case)
    await shop.work()
    (response,) = (await shop.get("/v1/responses"))["data"]
    assert (response["properties"], response["touchpoint"]) == (first, "support")
