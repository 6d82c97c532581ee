"""Signing deliveries as each source does, written apart from the product's own rules."""

import base64
import hashlib
import hmac
import time
from datetime import UTC, datetime

SECRET = "a secret of the sender"


def _mac(algorithm: str, signed: bytes, secret: str) -> bytes:
    return hmac.new(secret.encode(), signed, algorithm).digest()


def signed_headers(
    source: str, body: bytes, *, secret: str = SECRET, at: float | None = None
) -> dict[str, str]:
    """Return the headers with which a source signs this body."""
    seconds = int(time.time() if at is None else at)
    stamp = datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")
    b64 = base64.b64encode
    if source == "zendesk":
        signature = b64(_mac("sha256", stamp.encode() + body, secret)).decode()
        return {
            "X-Zendesk-Webhook-Signature": signature,
            "X-Zendesk-Webhook-Signature-Timestamp": stamp,
        }
    if source == "chatwoot":
        mac = _mac("sha256", f"{seconds}.".encode() + body, secret).hex()
        return {"X-Chatwoot-Signature": f"sha256={mac}", "X-Chatwoot-Timestamp": str(seconds)}
    if source == "stripe":
        mac = _mac("sha256", f"{seconds}.".encode() + body, secret).hex()
        return {"Stripe-Signature": f"t={seconds},v1={'0' * 64},v1={mac},v0=x"}
    if source in {"intercom", "zammad"}:
        return {"X-Hub-Signature": f"sha1={_mac('sha1', body, secret).hex()}"}
    if source == "helpscout":
        return {"X-HelpScout-Signature": b64(_mac("sha1", body, secret)).decode()}
    name = {"shopify": "X-Shopify-Hmac-Sha256", "woocommerce": "X-WC-Webhook-Signature"}[source]
    return {name: b64(_mac("sha256", body, secret)).decode()}


def body_hash(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()
