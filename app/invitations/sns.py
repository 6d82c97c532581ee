# SPDX-License-Identifier: Apache-2.0
"""Amazon's notifications (SNS) with SES bounce reports: verify them, confirm subscriptions.

They come as `text/plain` and are signed; each names the address of Amazon's certificate. Only a
certificate at Amazon's own address is trusted.
"""

import base64
import binascii
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from app.core.errors import Busy, Unauthorized
from app.core.guarded_http import RefusedAddressError, UnreachableError, send

_CERTIFICATE = re.compile(r"https://[^/?#]+/SimpleNotificationService-[0-9A-Za-z]+\.pem")
_HOST = re.compile(r"^sns\.[a-z0-9-]{3,40}\.amazonaws\.com(\.cn)?$")
_SIGNED = {
    "Notification": ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"),
    "SubscriptionConfirmation": ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token",
                                 "TopicArn", "Type"),
}  # fmt: skip
_SIGNED["UnsubscribeConfirmation"] = _SIGNED["SubscriptionConfirmation"]
_MAX_KEPT = 100
_MAX_CERTIFICATE_BYTES = 16 * 1024
# A signature by one of Amazon's keys of 2,048 bits or more.
_MIN_SIGNATURE_BYTES = 256
_REFUSED = "The notification could not be verified: "


@dataclass
class Certificates:
    """Amazon's certificates by their addresses; each is fetched once."""

    known: dict[str, bytes] = field(default_factory=dict)

    async def get(self, url: str) -> bytes:
        """Return a certificate in PEM; Busy where Amazon cannot be reached now."""
        if url not in self.known:
            try:
                reply = await send(
                    "GET", url, headers={}, content=b"", max_kept_bytes=_MAX_CERTIFICATE_BYTES
                )
            except (RefusedAddressError, UnreachableError) as error:
                detail = f"Amazon's certificate cannot be fetched: {error}; send it again."
                raise Busy(detail) from None
            if reply.status != 200:
                raise Unauthorized(_REFUSED + "Amazon does not have its certificate.")
            if len(self.known) >= _MAX_KEPT:
                self.known.clear()
            self.known[url] = reply.body
        return self.known[url]


def is_notification(body: Any) -> bool:
    """Tell whether a body is an envelope of SNS."""
    return isinstance(body, Mapping) and "TopicArn" in body and "SigningCertURL" in body


async def verify_notification(body: Mapping[str, Any], certificates: Certificates) -> None:
    """Raise Unauthorized for a forged notification."""
    kind = str(body.get("Type"))
    url, signature = str(body.get("SigningCertURL")), _signature(body)
    if kind not in _SIGNED or not _is_amazon_url(url) or not _CERTIFICATE.fullmatch(url):
        raise Unauthorized(_REFUSED + "its certificate is not Amazon's.")
    if len(signature) < _MIN_SIGNATURE_BYTES:
        raise Unauthorized(_REFUSED + "its signature is missing or malformed.")
    _verify(body, kind, signature, await certificates.get(url))


def read_message(body: Mapping[str, Any]) -> Any:
    """Return the message of a verified notification; None where it holds none."""
    if body.get("Type") != "Notification":
        return None
    try:
        return json.loads(str(body.get("Message")))
    except (ValueError, RecursionError):
        return None


def _is_amazon_url(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme == "https" and bool(_HOST.match(parts.netloc))
    except ValueError:
        return False


def _signature(body: Mapping[str, Any]) -> bytes:
    try:
        return base64.b64decode(str(body.get("Signature")), validate=True)
    except (ValueError, binascii.Error):
        return b""


def _verify(body: Mapping[str, Any], kind: str, signature: bytes, pem: bytes) -> None:
    """Raise Unauthorized where the signature over the named fields is not the certificate's."""
    fields = [(name, body[name]) for name in _SIGNED[kind] if body.get(name) is not None]
    signed = "".join(f"{name}\n{value}\n" for name, value in fields).encode()
    algorithm: hashes.HashAlgorithm = hashes.SHA256()
    if str(body.get("SignatureVersion")) == "1":
        algorithm = hashes.SHA1()  # noqa: S303 - what version 1 signs with
    try:
        key = cast("rsa.RSAPublicKey", x509.load_pem_x509_certificate(pem).public_key())
        key.verify(signature, signed, padding.PKCS1v15(), algorithm)
    except (ValueError, TypeError, InvalidSignature):
        raise Unauthorized(_REFUSED + "its signature does not match.") from None


async def confirm_subscription(body: Mapping[str, Any]) -> None:
    """Confirm the subscription that a verified notification asks for, at Amazon's address only."""
    if body.get("Type") != "SubscriptionConfirmation":
        return
    url = str(body.get("SubscribeURL"))
    if not _is_amazon_url(url):
        raise Unauthorized(_REFUSED + "the address of its `SubscribeURL` is not Amazon's.")
    try:
        reply = await send("GET", url, headers={}, content=b"")
    except (RefusedAddressError, UnreachableError) as error:
        detail = f"The subscription cannot be confirmed: {error}; have it sent again."
        raise Busy(detail) from None
    if reply.status != 200:
        detail = f"The subscription was not confirmed: Amazon answered {reply.status}."
        raise Busy(detail)
