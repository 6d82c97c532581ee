# SPDX-License-Identifier: Apache-2.0
"""A sender of webhooks as the tests play it, written apart from the product's own rules."""

import base64
import datetime as dt
import hmac
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from app.core.clock import utc_now

JSON = {"content-type": "application/json"}
PAYLOADS = Path(__file__).parents[1] / "data" / "payloads"
SECRET = "a secret of the sender"
SentWebhook = tuple[dict[str, str], Any]
# Takes a body, the secret and the time in seconds; returns headers.
Sign = Callable[[bytes, str, int], dict[str, str]]
# The stories happen on the first days of this month, two months ago: recent enough that an
# invitation with the longest delay of a year still waits.
MONTH = f"{utc_now() - dt.timedelta(days=61):%Y-%m}"
ORDER_TRIGGER = {"on": "order.paid", "delay": "P366D", "max_age": None}
TICKET_TRIGGER = {"on": "ticket.solved", "delay": "P366D"}
CANCELLED = [("invited", "cancelled")]


@dataclass(frozen=True)
class Story:
    """Deliveries of a sender, and what they must come to in any order: `types`, sorted."""

    name: str
    deliveries: Sequence[SentWebhook]
    types: Sequence[str]
    settings: dict[str, Any] = field(default_factory=dict)
    trigger: dict[str, Any] | None = None
    decisions: Sequence[tuple[str, str | None]] = ()
    ticket: dict[str, Any] = field(default_factory=dict)
    customer: dict[str, Any] = field(default_factory=dict)
    emails: Sequence[str] = ()


@dataclass(frozen=True)
class Sender:
    """A sender: how it signs, the webhook that its guide leads to, and stories of its webhooks.

    `sign` is None for a sender that does not sign. `needs_url_first` is for one that shows its
    secret only after our URL is entered there.
    """

    sign: Sign | None
    first: SentWebhook
    stories: Sequence[Story]
    needs_url_first: bool = False


def mac_of(algorithm: str, signed: bytes, secret: str) -> bytes:
    return hmac.new(secret.encode(), signed, algorithm).digest()


def sample(name: str) -> SentWebhook:
    """Return a published payload with the headers that do not sign it."""
    payload = json.loads((PAYLOADS / f"{name}.json").read_text())
    headers = {
        header: value for header, value in payload["headers"].items() if "signature" not in header
    }
    headers = {
        header: value
        for header, value in headers.items()
        if "hmac" not in header and "length" not in header
    }
    return headers | JSON, payload["body"]


def base64_of(mac: bytes) -> str:
    return base64.b64encode(mac).decode()


def signer(header: str, algorithm: str) -> Sign:
    """Return a function that signs a body by its HMAC in base64, in one header."""
    return lambda body, secret, _seconds: {header: base64_of(mac_of(algorithm, body, secret))}


def sign_as_hub(body: bytes, secret: str, _seconds: int) -> dict[str, str]:
    return {"X-Hub-Signature": f"sha1={mac_of('sha1', body, secret).hex()}"}
