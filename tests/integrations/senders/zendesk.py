# SPDX-License-Identifier: Apache-2.0
"""Webhooks of Zendesk: how it signs them, and whole stories of them."""

from datetime import UTC, datetime
from typing import Any

from tests.integrations.sender import (
    CANCELLED,
    JSON,
    MONTH,
    TICKET_TRIGGER,
    Sender,
    SentWebhook,
    Story,
    base64_of,
    mac_of,
    sample,
)


def zendesk(event: str, at: str, *, status: str = "", number: int = 0, **more: Any) -> SentWebhook:
    body = {
        "event": event, "ticket_id": "5158", "status": status, "updated_at": f"{MONTH}-0{at}",
        "created_at": f"{MONTH}-01T08:00:00Z", "tags": "vip",
        "requester": {"name": "Jan", "email": "jan@e.pl", "external_id": "z-1"},
    } | more  # fmt: skip
    return JSON | {"x-zendesk-webhook-invocation-id": f"i-{event}-{at}-{number}"}, body


def zendesk_event(kind: str, at: str, **more: Any) -> SentWebhook:
    body = {
        "type": f"zen:event-type:ticket.{kind}", "time": f"{MONTH}-0{at}", "event": {},
        "detail": {"id": "5158", "requester_id": "77", "status": "OPEN",
                   "created_at": f"{MONTH}-01T08:00:00Z"},
    } | more  # fmt: skip
    return JSON | {"x-zendesk-webhook-invocation-id": f"e-{kind}-{at}"}, body


def sign(body: bytes, secret: str, seconds: int) -> dict[str, str]:
    stamp = datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")
    return {
        "X-Zendesk-Webhook-Signature": base64_of(mac_of("sha256", stamp.encode() + body, secret)),
        "X-Zendesk-Webhook-Signature-Timestamp": stamp,
    }


SENDER = Sender(
    sign=sign,
    first=sample("zendesk_trigger"),
    needs_url_first=True,
    stories=[
        Story(
            "resolved, open, resolved",
            [zendesk("ticket.solved", "2T10:00:00Z"), zendesk("ticket.reopened", "3T10:00:00Z"),
             zendesk("ticket.solved", "4T10:00:00Z")],
            ["ticket.opened", "ticket.reopened", "ticket.solved", "ticket.solved"],
            ticket={"status": "solved", "reopened": True},
        ),
        Story(
            "deleted after it was solved",
            [zendesk("ticket.solved", "2T10:00:00Z"), zendesk_event("soft_deleted", "3T10:00:00Z")],
            ["ticket.deleted", "ticket.opened", "ticket.solved"],
            ticket={"status": "deleted"}, trigger=TICKET_TRIGGER, decisions=CANCELLED,
        ),
        Story(
            "closed by a merge",
            [zendesk_event("created", "1T09:00:00Z"),
             zendesk("ticket.closed", "2T10:00:00Z", tags="vip closed_by_merge")],
            ["ticket.merged", "ticket.opened"],
            ticket={"status": "merged", "first_solved_at": None},
        ),
        Story(
            "a status in the helpdesk's language",
            [zendesk("", "2T10:00:00Z", status="Gelöst"),
             zendesk("", "3T10:00:00Z", status="offen"),
             zendesk("", "4T10:00:00Z", status="Rozwiązane")],
            ["ticket.opened", "ticket.reopened", "ticket.solved", "ticket.solved"],
            ticket={"status": "solved", "reopened": True},
        ),
        Story(
            "times without a zone",
            [zendesk("ticket.solved", "2 10:00:00", created_at=f"{MONTH}-02 09:00:00")],
            ["ticket.opened", "ticket.solved"], settings={"timezone": "Etc/GMT-1"},
            ticket={"opened_at": f"{MONTH}-02T08:00:00Z",
                    "first_solved_at": f"{MONTH}-02T09:00:00Z"},
        ),
    ],
)  # fmt: skip
