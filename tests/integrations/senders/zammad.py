# SPDX-License-Identifier: Apache-2.0
"""Webhooks of Zammad: how it signs them, and whole stories of them."""

from typing import Any

from tests.integrations.sender import (
    JSON,
    MONTH,
    Sender,
    SentWebhook,
    Story,
    sample,
    sign_as_hub,
)


def zammad(state: Any, at: str, **ticket: Any) -> SentWebhook:
    body = {"ticket": {
        "id": 81, "state": state, "updated_at": f"{MONTH}-0{at}", "close_at": None,
        "created_at": f"{MONTH}-01T08:00:00Z", "customer": {"id": 5, "email": "eva@e.pl"},
    } | ticket}  # fmt: skip
    return JSON | {"x-zammad-delivery": f"d-{at}"}, body


SENDER = Sender(
    sign=sign_as_hub,
    first=sample("zammad_trigger"),
    stories=[
        Story(
            "merged by its state",
            [zammad("new", "1T08:00:00Z"),
             zammad({"id": 5, "name": "zusammengelegt"}, "2T08:00:00Z")],
            ["ticket.merged", "ticket.opened"], ticket={"status": "merged"},
        ),
        Story(
            "an id before any label",
            [zammad("new", "1T08:00:00Z"),
             zammad({"id": 4, "name": "Ganz fertig!"}, "2T08:00:00Z",
                    close_at=f"{MONTH}-02T08:00:00Z")],
            ["ticket.opened", "ticket.solved"], ticket={"status": "solved"},
        ),
    ],
)  # fmt: skip
