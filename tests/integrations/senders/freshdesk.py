# SPDX-License-Identifier: Apache-2.0
"""Webhooks of Freshdesk: how it signs them, and whole stories of them."""

from typing import Any

from tests.integrations.sender import (
    JSON,
    MONTH,
    Sender,
    SentWebhook,
    Story,
)

SIMPLE = {
    "ticket_id": 77, "ticket_contact_email": "jane@e.com", "ticket_contact_name": "Jane",
    "triggered_event": "{status:{from:2,to:4}}",
}  # fmt: skip


def freshdesk(event: str, at: str, **more: Any) -> SentWebhook:
    return JSON, {
        "event": event,
        "ticket_id": "77",
        "updated_at": f"{MONTH}-0{at}",
        "created_at": f"{MONTH}-01T08:00:00Z",
        "requester": {"email": "jane@e.com"},
    } | more


def status_event(status: str) -> SentWebhook:
    return JSON, {"freshdesk_webhook": SIMPLE | {"ticket_status": status}}


SENDER = Sender(
    sign=None,
    first=status_event("Resolved"),
    stories=[
        Story(
            "spam of another helpdesk",
            [freshdesk("ticket.created", "1T08:00:00Z"), freshdesk("", "2T08:00:00Z", spam="true")],
            ["ticket.deleted", "ticket.opened"], ticket={"status": "deleted"},
        ),
    ],
)  # fmt: skip
