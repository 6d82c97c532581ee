"""Identifiers: time-ordered UUIDv7, UUIDv8 derived from names, and short public ids."""

import hashlib
import os
import secrets
import time
from uuid import UUID

_VARIANT = 0x2 << 62
_SEVEN = 0x7 << 76
_EIGHT = 0x8 << 76


def uuid7() -> UUID:
    """Make a UUIDv7 (RFC 9562): 48 bits of Unix milliseconds, then 74 random bits."""
    milliseconds = time.time_ns() // 1_000_000
    noise = int.from_bytes(os.urandom(10), "big")
    high = (milliseconds << 80) | _SEVEN | ((noise >> 68) & 0xFFF) << 64
    return UUID(int=high | _VARIANT | (noise & ((1 << 62) - 1)))


def derived_uuid(*parts: str) -> UUID:
    """Derive a UUIDv8 (RFC 9562) from names: the same names always give the same id."""
    digest = hashlib.sha256("\x1f".join(parts).encode()).digest()
    value = int.from_bytes(digest[:16], "big")
    value &= ~(0xF << 76 | 0x3 << 62)
    return UUID(int=value | _EIGHT | _VARIANT)


def public_id() -> str:
    """Make the 16-character id by which the public may name a survey."""
    return secrets.token_urlsafe(12)
