# SPDX-License-Identifier: Apache-2.0
"""Webhooks of Chatwoot: how it signs them, and whole stories of them."""

from tests.integrations.sender import (
    JSON,
    MONTH,
    Sender,
    SentWebhook,
    Story,
    mac_of,
    sample,
)


def chatwoot(status: str, at: str) -> SentWebhook:
    body = {
        "event": "conversation_status_changed", "id": 207, "status": status,
        "updated_at": f"{MONTH}-0{at}", "created_at": f"{MONTH}-01T08:00:00Z",
        "meta": {"sender": {"email": "kim@e.pl", "name": "Kim", "identifier": "k-1"}},
    }  # fmt: skip
    return JSON | {"x-chatwoot-delivery": f"c-{at}"}, body


def sign(body: bytes, secret: str, seconds: int) -> dict[str, str]:
    mac = mac_of("sha256", f"{seconds}.".encode() + body, secret).hex()
    return {"X-Chatwoot-Signature": f"sha256={mac}", "X-Chatwoot-Timestamp": str(seconds)}


SENDER = Sender(
    sign=sign,
    first=sample("chatwoot_conversation_status_changed"),
    needs_url_first=True,
    stories=[
        Story(
            "resolved and on hold again",
            [chatwoot("resolved", "2T10:00:00Z"), chatwoot("pending", "3T10:00:00Z"),
             chatwoot("resolved", "4T10:00:00Z")],
            ["ticket.on_hold", "ticket.opened", "ticket.solved", "ticket.solved"],
            ticket={"status": "solved", "reopened": True,
                    "last_solved_at": f"{MONTH}-04T10:00:00Z"},
        ),
    ],
)  # fmt: skip
