# SPDX-License-Identifier: Apache-2.0
"""Tokens of links: the workspace's id and 16 random bytes; no global table is needed. Pure."""

import hashlib
import secrets
from uuid import UUID

from app.core.base64url import decode_base64url, encode_base64url

_TOKEN_BYTES = 32


def new_token(workspace_id: UUID) -> str:
    """Make the secret part of a link, or of a session."""
    raw = workspace_id.bytes + secrets.token_bytes(_TOKEN_BYTES - 16)
    return encode_base64url(raw)


def workspace_of(token: str) -> UUID | None:
    """Return the workspace of a token, or None if this service did not make it."""
    try:
        raw = decode_base64url(token)
    except ValueError:
        return None
    return UUID(bytes=raw[:16]) if len(raw) == _TOKEN_BYTES else None


def hash_secret(secret: str) -> bytes:
    """Hash a random secret for storage; 128 random bits or more need no salt and no slow hash."""
    return hashlib.sha256(secret.encode()).digest()
