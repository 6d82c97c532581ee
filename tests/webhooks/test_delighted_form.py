# SPDX-License-Identifier: Apache-2.0
"""An endpoint in Delighted's form: its bodies, and the signature that an old verifier checks."""

import hashlib
import hmac

from tests.receiver import Receiver
from tests.shop import Shop
from tests.webhooks.conftest import WebhookWorker


async def test_an_old_verifier_only_changes_its_key(
    shop: Shop, post: WebhookWorker, receiver: Receiver
) -> None:
    await shop.publish("d")
    events = ["response.created", "response.updated", "customer.unsubscribed"]
    endpoint = await post.subscribe(receiver.url, events, format="delighted")
    person = {"email": "ala@shop.example", "name": "Ala"}
    reply = await shop.answer("d", {"score": 2, "why": "Late"}, customer=person)
    await shop.answer("d", {"score": 9, "why": "Fine"}, id=reply.json()["id"], seq=2)
    await shop.post("/v1/unsubscribes", {"email": "ala@shop.example"})
    await post.deliver()
    # Events of one moment may arrive in any order.
    bodies = sorted((request["body"] for request in receiver.requests),
                    key=lambda body: body["event_type"])  # fmt: skip
    assert [body["event_type"] for body in bodies] == [
        "survey_response.created", "survey_response.updated", "unsubscribe.created",
    ]  # fmt: skip
    first = bodies[0]["event_data"]
    assert (first["score"], first["comment"], first["person"]["name"]) == (2, "Late", "Ala")
    assert isinstance(first["created_at"], int)
    assert first["survey_type"] == "nps"
    assert bodies[2]["event_data"]["email"] == "ala@shop.example"
    for request in receiver.requests:
        mark = hmac.new(endpoint["secret"].encode(), request["raw"], hashlib.sha256).hexdigest()
        headers = {name.lower(): value for name, value in request["headers"].items()}
        assert headers["x-delighted-webhook-signature"] == f"sha256={mark}"


async def test_further_answers_stand_beside_the_score(
    shop: Shop, post: WebhookWorker, receiver: Receiver
) -> None:
    text = {"en": "?"}
    await shop.publish("effort", metric="ces", questions=[
        {"key": "score", "type": "ces", "points": 7, "text": text},
        {"key": "why", "type": "text", "text": text},
        {"key": "more", "type": "text", "text": text},
        {"key": "where", "type": "choice", "text": text,
         "options": [{"key": "shop", "text": {"en": "In the shop"}}]},
    ])  # fmt: skip
    await post.subscribe(receiver.url, ["response.created"], format="delighted")
    answers = {"score": 4, "why": "Slow", "more": "Very", "where": "shop"}
    await shop.answer("effort", answers)
    await post.deliver()
    (request,) = receiver.requests
    data = request["body"]["event_data"]
    # Bands of several metrics share names, so the metric comes from the survey, not from the band.
    assert (data["survey_type"], data["score"], data["comment"]) == ("ces", 4, "Slow")
    further = {answer["id"]: answer["value"] for answer in data["additional_answers"]}
    assert further["more"]["free_response"] == "Very"
    assert further["where"]["select_one"] == {"id": "shop", "text": "In the shop"}


async def test_what_delighted_never_sent_is_refused(shop: Shop) -> None:
    body = {"url": "https://example.com/d", "format": "delighted", "events": ["invitation.sent"]}
    reply = await shop.call("POST", "/v1/webhook-endpoints", json=body)
    assert reply.status_code == 422
    assert "invitation.sent" in reply.text
