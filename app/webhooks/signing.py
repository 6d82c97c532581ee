# SPDX-License-Identifier: Apache-2.0
"""Signatures of the Standard Webhooks specification, 1.0.0. Pure."""

import base64
import hmac
import secrets
from collections.abc import Sequence
from uuid import UUID

_PREFIX = "whsec_"


def new_signing_secret() -> str:
    """Make a secret: `whsec_` and 192 random bits in base64."""
    return _PREFIX + base64.b64encode(secrets.token_bytes(24)).decode()


def signature_headers(
    webhook_id: UUID, at_seconds: int, body: bytes, signing_secrets: Sequence[str]
) -> dict[str, str]:
    """Return the three headers of one attempt, with a signature by each live secret."""
    signed = f"{webhook_id}.{at_seconds}.".encode() + body
    marks = []
    for secret in signing_secrets:
        key = base64.b64decode(secret.removeprefix(_PREFIX))
        marks.append("v1," + base64.b64encode(hmac.digest(key, signed, "sha256")).decode())
    return {
        "webhook-id": str(webhook_id),
        "webhook-timestamp": str(at_seconds),
        "webhook-signature": " ".join(marks),
    }


def delighted_signature(body: bytes, signing_secrets: Sequence[str]) -> dict[str, str]:
    """Return Delighted's header, by the newest secret's whole text as its key."""
    mark = hmac.new(signing_secrets[0].encode(), body, "sha256").hexdigest()
    return {"X-Delighted-Webhook-Signature": f"sha256={mark}"}
