# SPDX-License-Identifier: Apache-2.0
"""Secrets: random keys kept as hashes, and sealing of what must be readable again."""

import hashlib
import secrets
from base64 import urlsafe_b64encode

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from itsdangerous import BadSignature, Signer

from app.core.base64url import decode_base64url, encode_base64url
from app.core.data_folder import write_private
from app.core.settings import Settings


def new_secret(prefix: str) -> str:
    """Make a secret of 192 random bits, such as `sk_…`."""
    return prefix + secrets.token_urlsafe(24)


def load_secret_keys(settings: Settings) -> list[str]:
    """Return the operator's secret keys, or those kept in the data folder (made once)."""
    if settings.secret_keys:
        return [key.get_secret_value() for key in settings.secret_keys]
    path = settings.data_dir / "secret_keys"
    if not path.exists():
        write_private(path, secrets.token_urlsafe(32) + "\n")
    return [part for part in path.read_text().strip().split(",") if part]


class SealedBox:
    """Encrypts what must be readable again; the first key seals, all keys open."""

    def __init__(self, secret_keys: list[str]) -> None:
        """Derive one Fernet key from each secret key."""
        hashes = [hashlib.sha256(b"afterword.seal" + key.encode()).digest() for key in secret_keys]
        self._fernet = MultiFernet([Fernet(urlsafe_b64encode(hash_)) for hash_ in hashes])
        self._keys = [key.encode() for key in reversed(secret_keys)]

    def seal(self, plain: bytes) -> bytes:
        """Encrypt and authenticate."""
        return self._fernet.encrypt(plain)

    def sign(self, purpose: str, content: bytes) -> str:
        """Return content that its holder may read, but not change, as text for a form or link."""
        return self._signer(purpose).sign(encode_base64url(content)).decode()

    def verify(self, purpose: str, text: str) -> bytes | None:
        """Return what was signed for this purpose, or None where no live key signed it."""
        try:
            content = self._signer(purpose).unsign(text)
            return decode_base64url(content.decode())
        except (BadSignature, ValueError):
            return None

    def _signer(self, purpose: str) -> Signer:
        # itsdangerous signs with its last key, here the operator's first; all keys verify.
        return Signer(
            self._keys, salt=f"afterword.{purpose}", key_derivation="hmac",
            digest_method=hashlib.sha256,
        )  # fmt: skip

    def unseal(self, sealed: bytes) -> bytes | None:
        """Decrypt, or return None where no live key made it."""
        try:
            return self._fernet.decrypt(sealed)
        except InvalidToken:
            return None
