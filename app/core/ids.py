# SPDX-License-Identifier: Apache-2.0
"""Identifiers: time-ordered UUIDv7, UUIDv8 derived from names, and short public ids."""

import hashlib
import hmac
import os
import secrets
import time
from collections.abc import Callable
from uuid import UUID

from asyncpg.pgproto import pgproto

_VARIANT = 0x2 << 62
_VERSION_8 = 0x8 << 76


class _RandomPool:
    """Random bytes from the system, fetched 4,000 at a time: one call for 400 ids."""

    def __init__(self) -> None:
        self._page = b""
        self._at = 0

    def take_ten_bytes(self) -> bytes:
        if self._at + 10 > len(self._page):
            self._page, self._at = os.urandom(4000), 0
        self._at += 10
        return self._page[self._at - 10 : self._at]


_random = _RandomPool()
# Separates the names of which an id is derived.
_SEPARATOR = "\x1f"


def uuid7() -> UUID:
    """Make a UUIDv7 (RFC 9562): 48 bits of Unix milliseconds, then 74 random bits.

    It is of the database driver's class, which is made in a third of the time.
    """
    return pgproto.UUID(_bytes7())


def uuid7_text() -> str:
    """Make a UUIDv7 as text, which needs no object."""
    digits = _bytes7().hex()
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def _bytes7() -> bytes:
    milliseconds = time.time_ns() // 1_000_000
    noise = _random.take_ten_bytes()
    version, variant = 0x70 | noise[0] & 0x0F, 0x80 | noise[2] & 0x3F
    return milliseconds.to_bytes(6, "big") + bytes((version, noise[1], variant)) + noise[3:]


def derived_uuid(*parts: str) -> UUID:
    """Derive a UUIDv8 (RFC 9562) from names: the same names always give the same id."""
    return _uuid8_of(hashlib.sha256(_join_names(parts)).digest())


def derived_uuid_sql(*parts: str) -> str:
    """Return the SQL that derives what `derived_uuid` derives; the parts are SQL of texts."""
    joined = f" || chr({ord(_SEPARATOR)}) || ".join(parts)
    digits = f"left(encode(sha256(convert_to({joined}, 'UTF8')), 'hex'), 32)"
    # The version is 8; of the variant's digit the lower two bits stay.
    return f"""(select overlay(overlay(h placing '8' from 13) placing
      substr('89ab89ab89ab89ab', position(substr(h, 17, 1) in '0123456789abcdef'), 1) from 17
      )::uuid from (select {digits} as h) digits)"""


def keyed_uuid(key: bytes, *parts: str) -> UUID:
    """Derive a UUIDv8 from names under a secret key: nobody without it can tell the id."""
    return _uuid8_of(hmac.digest(key, _join_names(parts), "sha256"))


def keyed_uuids(key: bytes, *parts: str) -> Callable[..., UUID]:
    """Return the function that derives the UUIDs of names that begin with these.

    It gives what `keyed_uuid` gives for all the names, in less time.
    """
    begun = hmac.new(key, f"{_SEPARATOR.join(parts)}{_SEPARATOR}".encode(), "sha256")

    def derive(*names: str) -> UUID:
        mac = begun.copy()
        mac.update(_join_names(names))
        return _uuid8_of(mac.digest())

    return derive


def is_derived(id_: UUID) -> bool:
    """Tell whether an id is a UUIDv8, as only this service makes them."""
    return id_.version == 8


def _join_names(parts: tuple[str, ...]) -> bytes:
    return _SEPARATOR.join(parts).encode()


def _uuid8_of(digest: bytes) -> UUID:
    value = int.from_bytes(digest[:16], "big")
    value &= ~(0xF << 76 | 0x3 << 62)
    return UUID(int=value | _VERSION_8 | _VARIANT)


def as_uuid(text: str) -> UUID | None:
    """Parse a UUID; return None if the text is not one."""
    try:
        return UUID(text)
    except ValueError:
        return None


def public_id() -> str:
    """Make the 16-character id by which the public may name a survey."""
    return secrets.token_urlsafe(12)
