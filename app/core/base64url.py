# SPDX-License-Identifier: Apache-2.0
"""Bytes as text for URLs: base64 with its URL alphabet, without padding. Pure."""

from base64 import urlsafe_b64decode, urlsafe_b64encode


def encode_base64url(content: bytes) -> str:
    """Return bytes as text."""
    return urlsafe_b64encode(content).decode().rstrip("=")


def decode_base64url(text: str) -> bytes:
    """Return the bytes of a text; raise ValueError where it is not base64."""
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))
