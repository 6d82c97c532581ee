# SPDX-License-Identifier: Apache-2.0
"""Signing deliveries as each source does, written apart from the product's own rules."""

import base64
import hashlib
import hmac
import time
from collections.abc import Callable
from datetime import UTC, datetime

SECRET = "a secret of the sender"


def _mac(algorithm: str, signed: bytes, secret: str) -> bytes:
    return hmac.new(secret.encode(), signed, algorithm).digest()


def _b64(mac: bytes) -> str:
    return base64.b64encode(mac).decode()


def _zendesk(body: bytes, secret: str, seconds: int) -> dict[str, str]:
    stamp = datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")
    return {
        "X-Zendesk-Webhook-Signature": _b64(_mac("sha256", stamp.encode() + body, secret)),
        "X-Zendesk-Webhook-Signature-Timestamp": stamp,
    }


def _chatwoot(body: bytes, secret: str, seconds: int) -> dict[str, str]:
    mac = _mac("sha256", f"{seconds}.".encode() + body, secret).hex()
    return {"X-Chatwoot-Signature": f"sha256={mac}", "X-Chatwoot-Timestamp": str(seconds)}


def _stripe(body: bytes, secret: str, seconds: int) -> dict[str, str]:
    mac = _mac("sha256", f"{seconds}.".encode() + body, secret).hex()
    return {"Stripe-Signature": f"t={seconds},v1={'0' * 64},v1={mac},v0=x"}


def _hub(body: bytes, secret: str, _seconds: int) -> dict[str, str]:
    return {"X-Hub-Signature": f"sha1={_mac('sha1', body, secret).hex()}"}


# How each source signs: the header that bears the signature of body, secret and time.
SIGNERS: dict[str, Callable[[bytes, str, int], dict[str, str]]] = {
    "zendesk": _zendesk,
    "chatwoot": _chatwoot,
    "stripe": _stripe,
    "intercom": _hub,
    "zammad": _hub,
    "helpscout": lambda body, secret, _: {
        "X-HelpScout-Signature": _b64(_mac("sha1", body, secret))
    },
    "shopify": lambda body, secret, _: {
        "X-Shopify-Hmac-Sha256": _b64(_mac("sha256", body, secret))
    },
    "woocommerce": lambda body, secret, _: {
        "X-WC-Webhook-Signature": _b64(_mac("sha256", body, secret))
    },
}


def signed_headers(
    source: str, body: bytes, *, secret: str = SECRET, at: float | None = None
) -> dict[str, str]:
    """Return the headers with which a source signs this body."""
    return SIGNERS[source](body, secret, int(time.time() if at is None else at))


def body_hash(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()
