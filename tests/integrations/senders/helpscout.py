# SPDX-License-Identifier: Apache-2.0
"""Webhooks of Help Scout: how it signs them, and whole stories of them."""

from typing import Any

from tests.integrations.sender import (
    JSON,
    MONTH,
    Sender,
    SentWebhook,
    Story,
    signer,
)


def helpscout(event: str, **more: Any) -> SentWebhook:
    body = {
        "id": 4, "status": "closed", "createdAt": f"{MONTH}-01T08:00:00Z",
        "closedAt": f"{MONTH}-02T08:00:00Z", "userUpdatedAt": f"{MONTH}-02T08:00:00Z",
        "primaryCustomer": {"id": 9, "email": "uwe@e.de", "first": "Uwe"},
    } | more  # fmt: skip
    return JSON | {"x-helpscout-event": event}, body


SENDER = Sender(
    sign=signer("X-HelpScout-Signature", "sha1"),
    first=helpscout("convo.status"),
    stories=[
        Story(
            "two events with one body",
            [helpscout("convo.agent.reply.created"), helpscout("convo.status")],
            ["ticket.opened", "ticket.replied", "ticket.solved"],
            ticket={"status": "solved", "first_reply_at": f"{MONTH}-02T08:00:00Z"},
        ),
        Story(
            "spam",
            [helpscout("convo.created", status="active"), helpscout("convo.status", status="spam")],
            ["ticket.deleted", "ticket.opened"], ticket={"status": "deleted"},
        ),
    ],
)  # fmt: skip
