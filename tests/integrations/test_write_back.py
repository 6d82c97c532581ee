# SPDX-License-Identifier: Apache-2.0
"""Scores back onto tickets: once, as a private note, through the guarded client."""

from typing import Any

import pytest

from app.core.clock import utc_now
from app.core.database import Database
from app.core.settings import Settings
from app.worker import job_handlers
from tests.receiver import Receiver
from tests.shop import Shop

AUTH = {"user": "bot@acme.example", "token": "a-token-of-the-helpdesk"}


async def connect(shop: Shop, receiver: Receiver, source: str) -> None:
    """Register a helpdesk whose API is the receiver; private addresses are allowed for it."""
    await shop.publish("ces", "ces")
    await shop.post("/v1/integrations", {"source": source, "secret": "a secret of theirs"})
    body = {"base_url": receiver.url, "auth": AUTH, "account_id": 3}
    with shop.changed_settings(allow_private_webhooks=True):
        await shop.post(f"/v1/integrations/{source}/write-back", body, status=200)
    interaction = {"type": "ticket.solved", "source": source, "external_id": "e-1", "ticket": "77"}
    await shop.post("/v1/interactions", interaction)


async def work(shop: Shop, settings: Settings) -> None:
    changed = settings.model_copy(update={"allow_private_webhooks": True})
    await shop.work(known=job_handlers(shop.state.database, changed))


EXPECTED: list[tuple[str, list[tuple[str, str, Any]]]] = [
    ("zendesk", [
        ("PUT", "/api/v2/tickets/77/tags.json", {"tags": ["ces_hard"]}),
        ("PUT", "/api/v2/tickets/77.json",
         {"ticket": {"comment": {"body": "ces: 2 (hard)\n\nToo long", "public": False}}}),
    ]),
    ("freshdesk", [
        ("POST", "/api/v2/tickets/77/notes",
         {"body": "ces: 2 (hard)\n\nToo long", "private": True}),
    ]),
    ("chatwoot", [
        ("POST", "/api/v1/accounts/3/conversations/77/messages",
         {"content": "ces: 2 (hard)\n\nToo long", "private": True, "message_type": "outgoing"}),
    ]),
]  # fmt: skip


@pytest.mark.parametrize(("source", "expected"), EXPECTED)
async def test_the_score_is_on_the_ticket_once(
    shop: Shop, settings: Settings, receiver: Receiver, source: str, expected: Any
) -> None:
    await connect(shop, receiver, source)
    answers = {"score": 2, "why": "Too long"}
    answer = (await shop.answer("ces", answers, ticket="77")).json()
    await work(shop, settings)
    sent = [(request["method"], request["path"], request["body"]) for request in receiver.requests]
    assert sent == expected
    assert "authorization" in {name.lower() for name in receiver.requests[0]["headers"]} or (
        receiver.requests[0]["headers"]["api_access_token"] == AUTH["token"]
    )
    await shop.answer("ces", answers | {"score": 6}, ticket="77", id=answer["id"], seq=2)
    await work(shop, settings)
    assert len(receiver.requests) == len(expected)
    (log,) = (await shop.get(f"/v1/integrations/{source}/write-backs"))["data"]
    assert (log["status"], log["attempts"][0]["status_code"]) == ("delivered", 200)


async def test_a_failing_helpdesk_is_tried_again(
    shop: Shop, settings: Settings, receiver: Receiver, database: Database
) -> None:
    await connect(shop, receiver, "freshdesk")
    receiver.statuses = [503, 200]
    await shop.answer("ces", 2, ticket="77")
    await work(shop, settings)
    (log,) = (await shop.get("/v1/integrations/freshdesk/write-backs"))["data"]
    assert (log["status"], log["attempts"][0]["error"]) == ("pending", "the helpdesk answered 503")
    async with database.transaction() as session:
        await (await session.connection()).exec_driver_sql(
            "update job set run_at = $1 where kind = 'integrations.write_back'", (utc_now(),)
        )
    await work(shop, settings)
    (log,) = (await shop.get("/v1/integrations/freshdesk/write-backs"))["data"]
    assert (log["status"], len(log["attempts"])) == ("delivered", 2)


async def test_what_will_never_work_is_not_tried_again(
    shop: Shop, settings: Settings, receiver: Receiver
) -> None:
    await connect(shop, receiver, "freshdesk")
    receiver.statuses = [404]
    await shop.answer("ces", 2, ticket="77")
    await work(shop, settings)
    (log,) = (await shop.get("/v1/integrations/freshdesk/write-backs"))["data"]
    assert (log["status"], len(log["attempts"])) == ("failed", 1)


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com", "https://127.0.0.1", "https://localhost", "https://10.0.0.1",
        "https://169.254.169.254", "https://[::1]", "https://[::ffff:127.0.0.1]",
        "https://0x7f000001", "https://2130706433", "https://017700000001", "https://100.64.0.1",
        "https://[fe80::1]", "https://[64:ff9b::7f00:1]", "https://[2002:7f00:1::]",
        "https://0.0.0.0", "https://user:pw@example.com", "https://[fec0::1]",
    ],
)  # fmt: skip
async def test_hostile_addresses_are_refused(shop: Shop, url: str) -> None:
    await shop.post("/v1/integrations", {"source": "freshdesk"})
    body = {"base_url": url, "auth": AUTH}
    reply = await shop.call("POST", "/v1/integrations/freshdesk/write-back", json=body)
    assert reply.status_code == 422
    assert reply.json()["errors"][0]["loc"] == ["body", "base_url"]
    assert "127." not in reply.json()["errors"][0]["msg"]


async def test_only_helpdesks_take_scores(shop: Shop) -> None:
    await shop.post("/v1/integrations", {"source": "shopify", "secret": "a secret of theirs"})
    body = {"base_url": "https://example.com", "auth": AUTH}
    reply = await shop.call("POST", "/v1/integrations/shopify/write-back", json=body)
    assert reply.status_code == 422


async def test_a_ticket_number_of_two_helpdesks_needs_the_interaction(
    shop: Shop, settings: Settings, receiver: Receiver
) -> None:
    await connect(shop, receiver, "freshdesk")
    reply = {"type": "ticket.solved", "source": "other", "external_id": "e-1", "ticket": "77"}
    await shop.post("/v1/interactions", reply)
    await shop.answer("ces", 2, ticket="77")
    about = {"source": "other", "external_id": "e-1"}
    await shop.answer("ces", 2, ticket="77", interaction=about)
    await work(shop, settings)
    assert receiver.requests == []
    about = {"source": "freshdesk", "external_id": "e-1"}
    await shop.answer("ces", 2, ticket="77", interaction=about)
    await work(shop, settings)
    assert len(receiver.requests) == 1
