# SPDX-License-Identifier: Apache-2.0
"""Sample events, for testing an endpoint. Pure."""

from collections.abc import Mapping
from typing import Any

from app.core.event_types import EventType

_CUSTOMER = {
    "id": "0190b6a0-0000-7000-8000-000000000001",
    "email": "ala@example.com",
    "name": "Ala",
    "external_ids": [{"source": "shop", "id": "c-17"}],
}
_RESPONSE = {
    "test": True,
    "id": "0190b6a0-0000-7000-8000-000000000002",
    "survey": {"key": "a-survey", "name": "A survey", "version": 1},
    "seq": 1,
    "channel": "web",
    "touchpoint": "checkout",
    "locale": "en",
    "score": 3,
    "band": "detractor",
    "complete": True,
    "state": "counted",
    "answers": {"score": 3, "why": "The parcel came late."},
    "comment": "The parcel came late.",
    "properties": {"store": "WAW-1"},
    "tags": [],
    "order": "1001",
    "ticket": None,
    "external_id": None,
    "follow_up": "open",
    "customer": _CUSTOMER,
    "interaction": {
        "type": "order.paid", "source": "shop", "ticket": None, "order": "1001", "properties": {},
    },
    "responded_at": "2026-11-01T10:00:00Z",
    "created_at": "2026-11-01T10:00:00Z",
    "updated_at": "2026-11-01T10:00:00Z",
}  # fmt: skip
_OTHERS: Mapping[str, Mapping[str, Any]] = {
    "invitation": {
        "id": "0190b6a0-0000-7000-8000-000000000003",
        "customer_id": _CUSTOMER["id"],
        "channel": "email",
        "status": "sent",
        "order": "1001",
        "ticket": None,
    },
    "interaction": {
        "id": "0190b6a0-0000-7000-8000-000000000004",
        "type": "order.paid",
        "source": "shop",
        "external_id": "order-1001-paid",
        "order": "1001",
        "customer_id": _CUSTOMER["id"],
        "properties": {},
        "decisions": [],
        "occurred_at": "2026-11-01T10:00:00Z",
    },
    "follow_up": {
        "id": _RESPONSE["id"],
        "survey": "a-survey",
        "score": 3,
        "follow_up": {"status": "open", "assignee": None, "due_at": None, "notes": []},
        "customer_id": _CUSTOMER["id"],
    },
    "ticket": {
        "id": "0190b6a0-0000-7000-8000-000000000005",
        "source": "helpdesk",
        "ticket": "4711",
        "number": 1,
        "status": "solved",
        "customer_id": _CUSTOMER["id"],
        "touchpoint": "support",
        "properties": {"agent": "eva"},
        "opened_at": "2026-11-01T09:00:00Z",
        "first_solved_at": "2026-11-01T10:00:00Z",
        "last_solved_at": "2026-11-01T10:00:00Z",
    },
    "customer": {"id": _CUSTOMER["id"]},
    "alert": {
        "alert": {
            "id": "0190b6a0-0000-7000-8000-000000000006",
            "key": "checkout-nps",
            "name": "NPS of the checkout",
            "metric": "nps",
        },
        "group": {"touchpoint": "checkout"},
        "period": "2026-11-01",
        "value": 12.0,
        "n": 84,
        "expected": 41.5,
        "z": -2.1,
        "link": "https://feedback.example.com/alerts",
    },
}


def sample_of(event: EventType) -> Mapping[str, Any]:
    """Return the data of a sample event, marked `test`."""
    room = event.partition(".")[0]
    return _RESPONSE if room == "response" else {"test": True, **_OTHERS[room]}
