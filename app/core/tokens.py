# SPDX-License-Identifier: Apache-2.0
"""Tokens of links: the workspace and 16 random bytes, so that nothing global is written. Pure."""

import hashlib
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error
from uuid import UUID

_LENGTH = 32


def new_token(workspace_id: UUID) -> str:
    """Make the secret part of a link, or of a session."""
    raw = workspace_id.bytes + secrets.token_bytes(_LENGTH - 16)
    return urlsafe_b64encode(raw).decode().rstrip("=")


def workspace_of(token: str) -> UUID | None:
    """Return the workspace of a token, or None if this service did not make it."""
    try:
        raw = urlsafe_b64decode(token + "=" * (-len(token) % 4))
    except (Error, ValueError):
        return None
    return UUID(bytes=raw[:16]) if len(raw) == _LENGTH else None


def token_hash(token: str) -> bytes:
    """Return the hash by which a token is found."""
    return hashlib.sha256(token.encode()).digest()
