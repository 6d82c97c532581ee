"""Signatures as data: which header, over what, in which form. Pure.

The raw bytes are verified, in constant time, against every live secret.
"""

import base64
import datetime as dt
import hashlib
import hmac
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

TOLERANCE = dt.timedelta(seconds=300)


@dataclass(frozen=True, slots=True)
class SignatureRule:
    """How one source signs: HMAC of `timestamp + joiner + body`, or of the body alone."""

    header: str
    algorithm: Literal["sha1", "sha256", "sha512"] = "sha256"
    encoding: Literal["hex", "base64"] = "hex"
    prefix: str = ""
    timestamp_header: str | None = None
    joiner: str = ""


def refusal_of(
    rule: SignatureRule,
    headers: Mapping[str, str],
    body: bytes,
    *,
    secrets: Iterable[bytes],
    now: dt.datetime,
) -> str | None:
    """Return why the delivery is not believed, or None where its signature is right."""
    sent = headers.get(rule.header.lower())
    if not sent:
        return f"the header `{rule.header}` is missing"
    signed = body
    if rule.timestamp_header is not None:
        stamp = headers.get(rule.timestamp_header.lower(), "")
        moment = moment_of(stamp)
        if moment is None or abs(now - moment) > TOLERANCE:
            return f"`{rule.timestamp_header}` is missing or more than 300 s away from now"
        signed = stamp.encode() + rule.joiner.encode() + body
    if any(
        hmac.compare_digest(_signature(rule, secret, signed).encode(), sent.strip().encode())
        for secret in secrets
    ):
        return None
    return "the signature does not match the secret"


def _signature(rule: SignatureRule, secret: bytes, signed: bytes) -> str:
    digest = hmac.new(secret, signed, getattr(hashlib, rule.algorithm)).digest()
    form = digest.hex() if rule.encoding == "hex" else base64.b64encode(digest).decode()
    return rule.prefix + form


def moment_of(stamp: str) -> dt.datetime | None:
    """Read a timestamp header: Unix seconds, or RFC 3339."""
    try:
        if stamp.isascii() and stamp.isdigit():
            return dt.datetime.fromtimestamp(int(stamp), dt.UTC)
        found = dt.datetime.fromisoformat(stamp)
    except (ValueError, OverflowError, OSError):
        return None
    return found if found.tzinfo else found.replace(tzinfo=dt.UTC)


def refusal_of_stripe(
    headers: Mapping[str, str], body: bytes, *, secrets: Iterable[bytes], now: dt.datetime
) -> str | None:
    """Verify `Stripe-Signature: t=…,v1=…`; any of several `v1` may match."""
    sent = headers.get("stripe-signature", "")
    parts = [part.strip().partition("=") for part in sent.split(",")]
    stamp = next((value for name, _, value in parts if name == "t"), "")
    moment = moment_of(stamp) if stamp.isdigit() else None
    if moment is None or abs(now - moment) > TOLERANCE:
        return "`Stripe-Signature` is missing, or its time is more than 300 s away from now"
    given = [value.encode() for name, _, value in parts if name == "v1"]
    for secret in secrets:
        right = hmac.new(secret, stamp.encode() + b"." + body, hashlib.sha256).hexdigest().encode()
        if any(hmac.compare_digest(right, one) for one in given):
            return None
    return "the signature does not match the secret"
