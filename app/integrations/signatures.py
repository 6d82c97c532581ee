# SPDX-License-Identifier: Apache-2.0
"""Signatures as data: which header, over what, in which form. Pure.

The raw bytes are verified, in constant time, against every live secret.
"""

import base64
import binascii
import datetime as dt
import hashlib
import hmac
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal
from urllib.parse import unquote

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import load_pem_public_key

TOLERANCE = dt.timedelta(seconds=300)
Algorithm = Literal["sha1", "sha256", "sha512"]
Encoding = Literal["hex", "base64"]
Part = Literal["method", "uri", "body", "timestamp"]
Scheme = Literal["hmac", "standard_webhooks", "rsa", "token"]

_MISMATCH = "the signature does not match the secret"
_WHSEC = "whsec_"
# Milliseconds since 1970 have 13 digits for the next 270 years, seconds 10.
_DIGITS_OF_MILLISECONDS = 13


@dataclass(frozen=True, slots=True)
class CombinedHeader:
    """A header that holds time and signatures as `t=…,v1=…`; any of several may match."""

    timestamp: str
    signature: str
    separator: str = ","
    joiner: str = "."


@dataclass(frozen=True, slots=True)
class SignatureRule:
    """How one source signs.

    `hmac`: HMAC of `timestamp + joiner + body`, of the body alone, or of `parts` in their order.
    `rsa`: the same bytes, PKCS #1 v1.5 under `public_key` (PEM). `standard_webhooks`: by that
    specification, with its own headers. `token`: not at all; the URL carries a token.
    """

    header: str = ""
    algorithm: Algorithm = "sha256"
    encoding: Encoding = "hex"
    prefix: str = ""
    timestamp_header: str | None = None
    joiner: str = ""
    combined: CombinedHeader | None = None
    parts: tuple[Part, ...] = ()
    scheme: Scheme = "hmac"
    public_key: str | None = None

    @property
    def needs_secret(self) -> bool:
        """Whether it is verified with a shared secret."""
        return self.scheme != "rsa"

    @property
    def headers(self) -> frozenset[str]:
        """The headers that it reads, in lower case."""
        if self.scheme == "standard_webhooks":
            return frozenset({"webhook-id", "webhook-timestamp", "webhook-signature"})
        return frozenset(name.lower() for name in (self.header, self.timestamp_header) if name)


@dataclass(frozen=True, slots=True)
class SignedRequest:
    """The parts of a request that a signature may cover; header names in lower case."""

    headers: Mapping[str, str]
    body: bytes
    method: str = "POST"
    uri: str = ""


def rule_of_settings(settings: Mapping[str, object]) -> SignatureRule:
    """Return the rule that a stored signature describes."""
    values = dict(settings)
    if isinstance(combined := values.get("combined"), Mapping):
        values["combined"] = CombinedHeader(**combined)
    if isinstance(parts := values.get("parts"), list):
        values["parts"] = tuple(parts)
    return SignatureRule(**values)  # type: ignore[arg-type]


def is_signed(rule: SignatureRule, headers: Mapping[str, str]) -> bool:
    """Tell whether a request bears a signature at all, right or wrong."""
    return any(headers.get(name) for name in rule.headers)


def refusal_of(
    rule: SignatureRule, request: SignedRequest, *, secrets: Iterable[bytes], now: dt.datetime
) -> str | None:
    """Return why the signature is refused, or None if it is valid."""
    if rule.scheme == "standard_webhooks":
        return _refusal_of_standard(request, secrets=secrets, now=now)
    sent = request.headers.get(rule.header.lower())
    if not sent:
        return f"the header `{rule.header}` is missing"
    stamp, signatures = _stamp_and_signatures(rule, request, sent)
    if stamp is not None:
        at = moment_of(stamp)
        if at is None or abs(now - at) > TOLERANCE:
            where = rule.timestamp_header or rule.header
            return f"the time in `{where}` is missing or more than 300 s away from now"
    signed = _signed_bytes(rule, request, stamp or "")
    if rule.scheme == "rsa":
        return None if _is_signed_by_key(rule, signed, signatures) else _MISMATCH
    expected = [_hmac(rule, secret, signed).encode() for secret in secrets]
    sent_forms = [_with_lower_hex(rule, signature).encode() for signature in signatures]
    matches = False
    for candidate in expected:
        for form in sent_forms:
            matches |= hmac.compare_digest(candidate, form)
    return None if matches else _MISMATCH


def _with_lower_hex(rule: SignatureRule, signature: str) -> str:
    """Return a signature with hex in lower case, as we write it."""
    if rule.encoding != "hex":
        return signature
    return rule.prefix + signature.removeprefix(rule.prefix).lower()


def _stamp_and_signatures(
    rule: SignatureRule, request: SignedRequest, sent: str
) -> tuple[str | None, list[str]]:
    """Return the signed time, if there is one, and the signatures that were sent."""
    if rule.combined is not None:
        pairs = [part.strip().partition("=") for part in sent.split(rule.combined.separator)]
        stamps = [value for name, _, value in pairs if name == rule.combined.timestamp]
        signatures = [value for name, _, value in pairs if name == rule.combined.signature]
        return (stamps[0] if stamps else ""), signatures
    if rule.timestamp_header is None:
        return None, [sent.strip()]
    return request.headers.get(rule.timestamp_header.lower(), ""), [sent.strip()]


def _signed_bytes(rule: SignatureRule, request: SignedRequest, stamp: str) -> bytes:
    joiner = (rule.combined.joiner if rule.combined else rule.joiner).encode()
    if rule.parts:
        values = {
            "method": request.method.encode(),
            "uri": unquote(request.uri).encode(),
            "body": request.body,
            "timestamp": stamp.encode(),
        }
        return joiner.join(values[part] for part in rule.parts)
    return stamp.encode() + joiner + request.body if stamp else request.body


def _hmac(rule: SignatureRule, secret: bytes, signed: bytes) -> str:
    digest = hmac.new(secret, signed, getattr(hashlib, rule.algorithm)).digest()
    form = digest.hex() if rule.encoding == "hex" else base64.b64encode(digest).decode()
    return rule.prefix + form


def _is_signed_by_key(rule: SignatureRule, signed: bytes, signatures: Iterable[str]) -> bool:
    key = load_pem_public_key((rule.public_key or "").encode())
    if not isinstance(key, rsa.RSAPublicKey):
        return False
    kinds: dict[str, hashes.HashAlgorithm] = {
        "sha1": hashes.SHA1(),  # noqa: S303 - what old senders sign with
        "sha256": hashes.SHA256(),
        "sha512": hashes.SHA512(),
    }
    for text in signatures:
        try:
            plain = text.removeprefix(rule.prefix)
            signature = (
                bytes.fromhex(plain)
                if rule.encoding == "hex"
                else base64.b64decode(plain, validate=True)
            )
            key.verify(signature, signed, padding.PKCS1v15(), kinds[rule.algorithm])
        except (ValueError, binascii.Error, InvalidSignature):
            continue
        return True
    return False


def _refusal_of_standard(
    request: SignedRequest, *, secrets: Iterable[bytes], now: dt.datetime
) -> str | None:
    """Verify by the Standard Webhooks specification 1.0.0, with symmetric keys."""
    id_, stamp = (request.headers.get(f"webhook-{name}", "") for name in ("id", "timestamp"))
    sent = request.headers.get("webhook-signature", "")
    if not (id_ and stamp and sent):
        return "`webhook-id`, `webhook-timestamp` or `webhook-signature` is missing"
    at = moment_of(stamp)
    if at is None or abs(now - at) > TOLERANCE:
        return "the time in `webhook-timestamp` is more than 300 s away from now"
    signed = f"{id_}.{stamp}.".encode() + request.body
    signatures = [
        signature.removeprefix("v1,").encode()
        for signature in sent.split()
        if signature.startswith("v1,")
    ]
    matches = False
    for key in _standard_keys(secrets):
        expected = base64.b64encode(hmac.digest(key, signed, "sha256"))
        for signature in signatures:
            matches |= hmac.compare_digest(expected, signature)
    return None if matches else _MISMATCH


def _standard_keys(secrets: Iterable[bytes]) -> Iterator[bytes]:
    """Return the keys of secrets: what `whsec_…` encodes; other texts may be keys as they are."""
    for secret in secrets:
        text = secret.decode(errors="replace")
        if not text.startswith(_WHSEC):
            yield secret
        try:
            yield base64.b64decode(text.removeprefix(_WHSEC), validate=True)
        except (ValueError, binascii.Error):
            continue


def moment_of(stamp: str) -> dt.datetime | None:
    """Read a signed time: Unix seconds or milliseconds, or RFC 3339."""
    try:
        if stamp.isascii() and stamp.isdigit():
            seconds = int(stamp) / (1000 if len(stamp) >= _DIGITS_OF_MILLISECONDS else 1)
            return dt.datetime.fromtimestamp(seconds, dt.UTC)
        moment = dt.datetime.fromisoformat(stamp)
    except (ValueError, OverflowError, OSError):
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)
