# SPDX-License-Identifier: Apache-2.0
"""Receivers that fail: retried after growing delays, cut off, disabled, and delaying no other."""

import asyncio
import datetime as dt
import time
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest
from sqlalchemy import text

from app.core.clock import utc_now
from app.core.database import Database, run_sql
from app.core.guarded_http import GuardedClient
from app.core.retry_delays import retry_delay
from tests.receiver import Receiver
from tests.shop import Shop
from tests.webhooks.conftest import WebhookWorker


async def make_due(database: Database, post: WebhookWorker) -> None:
    """Make every pending delivery due now."""
    async with database.transaction() as session:
        await run_sql(
            session,
            text(
                "update delivery set next_at = now() "
                "where workspace_id = cast(:id as uuid) and status = 'pending'"
            ).bindparams(id=post.shop.workspace_id),
        )


def redirect(reply: BaseHTTPRequestHandler) -> None:
    reply.send_response(302)
    reply.send_header("location", "/elsewhere")
    reply.send_header("content-length", "0")
    reply.end_headers()


def flood(reply: BaseHTTPRequestHandler) -> None:
    reply.send_response(200)
    reply.send_header("content-length", str(1 << 30))
    reply.end_headers()
    try:
        for _ in range(1 << 14):
            reply.wfile.write(b"x" * 65536)
    except OSError:
        return


def close_midway(reply: BaseHTTPRequestHandler) -> None:
    reply.send_response(200)
    reply.send_header("content-length", "1000")
    reply.end_headers()
    reply.wfile.write(b"half")


def hang(reply: BaseHTTPRequestHandler) -> None:
    time.sleep(60)


def ask_to_wait(reply: BaseHTTPRequestHandler) -> None:
    reply.send_response(429)
    reply.send_header("retry-after", "900")
    reply.send_header("content-length", "0")
    reply.end_headers()


def wait_of(delivery: Any) -> dt.timedelta:
    at = dt.datetime.fromisoformat(delivery["attempts"][-1]["at"])
    return dt.datetime.fromisoformat(delivery["next_attempt_at"]) - at


MANNERS: list[tuple[Any, int | None, str]] = [
    (redirect, 302, "redirects are not followed"),
    (close_midway, None, "RemoteProtocolError"),
    (ask_to_wait, 429, "answered 429"),
]


@pytest.mark.parametrize(("manner", "code", "error"), MANNERS)
async def test_each_failure_is_logged_and_tried_again(
    shop: Shop, post: WebhookWorker, receiver: Receiver, manner: Any, code: int | None, error: str
) -> None:
    await shop.publish("nps")
    receiver.behaviours["/odd"] = manner
    endpoint = await post.subscribe(receiver.url + "/odd", ["response.created"])
    await shop.answer("nps", 1)
    await post.deliver()
    (delivery,) = await post.log(endpoint)
    (attempt,) = delivery["attempts"]
    assert (delivery["status"], attempt["status_code"]) == ("pending", code)
    assert error in attempt["error"]
    least = 890 if manner is ask_to_wait else 3.9
    assert wait_of(delivery).total_seconds() >= least
    assert receiver.to("/elsewhere") == []


async def test_a_flood_is_cut_off(shop: Shop, post: WebhookWorker, receiver: Receiver) -> None:
    await shop.publish("nps")
    receiver.behaviours["/flood"] = flood
    endpoint = await post.subscribe(receiver.url + "/flood", ["response.created"])
    await shop.answer("nps", 1)
    await post.deliver()
    (delivery,) = await post.log(endpoint)
    assert delivery["status"] == "delivered"
    assert len(delivery["attempts"][0]["reply"]) == 4096


async def test_a_receiver_that_comes_back_gets_everything(
    shop: Shop, post: WebhookWorker, receiver: Receiver, database: Database
) -> None:
    await shop.publish("nps")
    endpoint = await post.subscribe(receiver.url, ["response.created"])
    receiver.statuses = [503, 503]
    await shop.answer("nps", 1)
    await shop.answer("nps", 2)
    await post.deliver()
    assert (await shop.get(f"/v1/webhook-endpoints/{endpoint['id']}"))["failing_since"]
    for _ in range(3):
        await make_due(database, post)
        await post.deliver()
    log = await post.log(endpoint)
    assert [delivery["status"] for delivery in log] == ["delivered", "delivered"]
    good = [request["body"]["data"]["score"] for request in receiver.requests[-2:]]
    assert sorted(good) == [1, 2]
    state = await shop.get(f"/v1/webhook-endpoints/{endpoint['id']}")
    assert (state["failing_since"], state["pending"]) == (None, 0)


async def test_after_the_last_retry_a_delivery_is_given_up(
    shop: Shop, post: WebhookWorker, receiver: Receiver, database: Database
) -> None:
    await shop.publish("nps")
    endpoint = await post.subscribe(receiver.url, ["response.created"])
    receiver.statuses = [500] * 20
    await shop.answer("nps", 1)
    for _ in range(12):
        await post.deliver()
        await make_due(database, post)
    (delivery,) = await post.log(endpoint)
    assert (delivery["status"], len(delivery["attempts"])) == ("failed", 10)
    assert len({request["headers"]["webhook-id"] for request in receiver.requests}) == 1


def test_the_ladder() -> None:
    rungs = [5, 300, 1800, 7200, 18000, 36000, 50400, 72000, 86400]
    for attempt, seconds in enumerate(rungs, start=1):
        wait = retry_delay(attempt)
        assert wait is not None
        assert 0.8 * seconds <= wait.total_seconds() <= 1.2 * seconds
    assert retry_delay(10) is None


async def test_410_disables_and_says_so(
    shop: Shop, post: WebhookWorker, receiver: Receiver
) -> None:
    await shop.publish("nps")
    email = f"boss-{shop.workspace_key}@c.pl"
    await shop.post("/v1/members", {"email": email, "name": "Boss", "role": "admin"})
    endpoint = await post.subscribe(receiver.url, ["response.created"])
    receiver.statuses = [410]
    await shop.answer("nps", 1)
    await post.deliver()
    path = f"/v1/webhook-endpoints/{endpoint['id']}"
    state = await shop.get(path)
    assert state["active"] is False
    assert "410" in state["disabled_reason"]
    await shop.work()
    mails = [path.read_text() for path in (post.settings.data_dir / "mail").glob("*.notice.eml")]
    # The member's welcome has the same address.
    (disabled_mail,) = [
        mail for mail in mails if f"To: {email}" in mail and "A webhook was disabled" in mail
    ]
    assert "answered 410" in disabled_mail
    assert "/replay" in disabled_mail
    await shop.answer("nps", 2)
    await post.deliver()
    assert len(receiver.requests) == 1
    assert (await shop.call("POST", f"{path}/test")).status_code == 409
    await shop.call("PATCH", path, json={"active": True})
    await shop.answer("nps", 3)
    await post.deliver()
    assert [request["body"]["data"]["score"] for request in receiver.requests] == [1, 3]


async def test_five_days_of_only_failures_disable(
    shop: Shop, post: WebhookWorker, receiver: Receiver, database: Database
) -> None:
    await shop.publish("nps")
    endpoint = await post.subscribe(receiver.url, ["response.created"])
    receiver.statuses = [500, 500]
    await shop.answer("nps", 1)
    await post.deliver()
    async with database.transaction() as session:
        await run_sql(
            session,
            text(
                "update webhook_endpoint set failing_since = :then where id = cast(:id as uuid)"
            ).bindparams(id=endpoint["id"], then=utc_now() - dt.timedelta(days=5)),
        )
    await make_due(database, post)
    await post.deliver()
    state = await shop.get(f"/v1/webhook-endpoints/{endpoint['id']}")
    assert state["disabled_reason"].startswith("only failures for five days")
    assert (state["pending"], state["failed"]) == (0, 1)


async def test_one_that_hangs_delays_no_other(
    shop: Shop, post: WebhookWorker, receiver: Receiver
) -> None:
    await shop.publish("nps")
    receiver.behaviours["/hang"] = hang
    hanging = await post.subscribe(receiver.url + "/hang", ["response.created"])
    await post.subscribe(receiver.url + "/quick", ["response.created"])
    for score in range(10):
        for _ in range(2):
            await shop.answer("nps", score)
    await post.dispatch()
    sender = post.sender()
    async with GuardedClient(allow_private=True) as client:
        for _ in range(200):
            await sender.run_once(client)
            await asyncio.sleep(0.02)
            if len(receiver.to("/quick")) == 20:
                break
        # All are there while the other has not answered its first ones.
        assert len(receiver.to("/quick")) == 20
        assert len(receiver.to("/hang")) <= 8
        log = await post.log(hanging)
        assert all(delivery["attempts"] == [] for delivery in log)
        for _ in range(1000):
            if any(delivery["attempts"] for delivery in await post.log(hanging)):
                break
            await sender.run_once(client)
            await asyncio.sleep(0.05)
    errors = [
        delivery["attempts"][0]["error"]
        for delivery in await post.log(hanging)
        if delivery["attempts"]
    ]
    assert errors[0] == "no reply within 15 seconds"
