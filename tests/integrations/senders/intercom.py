# SPDX-License-Identifier: Apache-2.0
"""Webhooks of Intercom: how it signs them, and whole stories of them."""

from typing import Any

from tests.integrations.sender import (
    JSON,
    Sender,
    SentWebhook,
    Story,
    sign_as_hub,
)


def intercom(topic: str, at: int, **item: Any) -> SentWebhook:
    body = {
        "topic": topic, "id": f"notif-{topic}-{at}", "created_at": at,
        "data": {"item": {
            "id": "1373", "created_at": 1_772_300_000, "updated_at": at,
            "contacts": {"contacts": [{"type": "contact", "id": "c9", "external_id": "u-17"}]},
            "source": {"type": "conversation",
                       "author": {"type": "user", "id": "c9", "email": "bob@e.com",
                                  "name": "Bob Ray"}},
        } | item},
    }  # fmt: skip
    return JSON, body


SENDER = Sender(
    sign=sign_as_hub,
    first=intercom("conversation.admin.closed", 1_772_400_000),
    needs_url_first=True,
    stories=[
        Story(
            "an identified contact", [intercom("conversation.admin.closed", 1_772_400_000)],
            ["ticket.opened", "ticket.solved"],
            customer={"email": "bob@e.com", "name": "Bob Ray",
                      "external_ids": [{"source": "intercom", "id": "u-17"}]},
        ),
        Story(
            "a deleted conversation",
            [intercom("conversation.user.created", 1_772_300_000),
             intercom("conversation.deleted", 1_772_400_000)],
            ["ticket.deleted", "ticket.opened"], ticket={"status": "deleted"},
        ),
    ],
)  # fmt: skip
