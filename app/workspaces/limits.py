# SPDX-License-Identifier: Apache-2.0
"""Rate limits: token buckets per key, and per address on what the public may call.

An address is kept only as a hash with a salt that lives in memory for a day.
"""

import hashlib
import itertools
import logging
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv6Address, IPv6Network, ip_address
from uuid import UUID

from starlette.requests import Request
from starlette.types import Scope

from app.core.errors import TooManyRequests
from app.core.settings import Network

_MAX_BUCKETS = 50_000
logger = logging.getLogger(__name__)

_DAY_SECONDS = 86_400
_MAX_REPORTED = 100


@dataclass(slots=True)
class _Bucket:
    tokens: float
    at: float


@dataclass(frozen=True, slots=True)
class Allowance:
    """What is left of a limit after a request."""

    limit: int
    remaining: int
    reset_seconds: int
    allowed: bool

    def headers(self) -> dict[str, str]:
        """Return the `RateLimit-*` headers."""
        return {
            "RateLimit-Limit": str(self.limit),
            "RateLimit-Remaining": str(self.remaining),
            "RateLimit-Reset": str(self.reset_seconds),
        }


class Limiter:
    """Token buckets of one process, bounded in number."""

    def __init__(
        self,
        *,
        public_rate: float,
        public_burst: int,
        trusted_proxies: tuple[Network, ...],
        report_proxy: Callable[[str], None] | None = None,
    ) -> None:
        """Start with full buckets; `report_proxy` is called for an untrusted proxy, once."""
        self.public_rate = public_rate
        self.public_burst = public_burst
        self._trusted = trusted_proxies
        self._buckets: dict[object, _Bucket] = {}
        self._salt = secrets.token_bytes(16)
        self._salt_until = 0.0
        self._report_proxy = report_proxy
        self._reported: set[str] = set()

    def take(self, key: object, *, rate: float, burst: int, now: float | None = None) -> Allowance:
        """Take one token from a bucket that refills by `rate` a second up to `burst`."""
        now = time.monotonic() if now is None else now
        bucket = self._buckets.get(key)
        if bucket is None:
            if len(self._buckets) >= _MAX_BUCKETS:
                for oldest in list(itertools.islice(self._buckets, _MAX_BUCKETS // 10)):
                    del self._buckets[oldest]
            bucket = self._buckets[key] = _Bucket(burst, now)
        bucket.tokens = min(burst, bucket.tokens + (now - bucket.at) * rate)
        bucket.at = now
        allowed = bucket.tokens >= 1
        if allowed:
            bucket.tokens -= 1
        lacking = burst - bucket.tokens if allowed else 1 - bucket.tokens
        return Allowance(burst, int(bucket.tokens), max(1, round(lacking / rate)), allowed)

    def hash_address(self, scope: Scope) -> bytes:
        """Return the caller's address as a hash salted anew each day."""
        if time.monotonic() > self._salt_until:
            self._salt, self._salt_until = secrets.token_bytes(16), time.monotonic() + _DAY_SECONDS
        address = _network_of(self._plain_address(scope))
        return hashlib.sha256(self._salt + address.encode()).digest()[:16]

    def _plain_address(self, scope: Scope) -> str:
        """Return the client's address: the last one in `X-Forwarded-For` before trusted proxies."""
        client = scope.get("client")
        address: str = client[0] if client else ""
        if not self._trusted or not self._is_proxy(address):
            self._report_untrusted_proxy(scope, address)
            return address
        forwarded = b",".join(value for key, value in scope["headers"] if key == b"x-forwarded-for")
        for hop in reversed(forwarded.decode("latin-1").split(",")):
            address = hop.strip() or address
            if not self._is_proxy(address):
                break
        return address

    def _report_untrusted_proxy(self, scope: Scope, address: str) -> None:
        """Report a proxy that is not trusted, once: all of its callers count as one address."""
        known = address in self._reported or len(self._reported) >= _MAX_REPORTED
        if known or not any(key == b"x-forwarded-for" for key, _ in scope["headers"]):
            return
        self._reported.add(address)
        if self._report_proxy is not None:
            self._report_proxy(address)
        logger.warning(
            "a proxy that is not trusted sends X-Forwarded-For: if it is yours, name it in "
            "AFTERWORD_TRUSTED_PROXIES", extra={"proxy": address},
        )  # fmt: skip

    def _is_proxy(self, address: str) -> bool:
        try:
            ip = ip_address(address)
        except ValueError:
            return False
        return any(ip in network for network in self._trusted)


def _network_of(address: str) -> str:
    """Return the part of an address that stands for one respondent: of IPv6 the first 64 bits."""
    try:
        ip = ip_address(address)
    except ValueError:
        return address
    if isinstance(ip, IPv6Address) and ip.ipv4_mapped is None:
        return str(IPv6Network((ip, 64), strict=False))
    return address


def take_from_key(
    limiter: Limiter, key_id: UUID, rate_limit: int | None, headers: dict[str, str]
) -> None:
    """Take one token of the key's rate, or raise TooManyRequests; report the rest in `headers`."""
    if rate_limit is not None:
        _require(limiter.take(key_id, rate=rate_limit, burst=rate_limit), headers)


def take_from_public(limiter: Limiter, scope: Scope, headers: dict[str, str]) -> None:
    """Take one token of the public rate of the caller's address, or raise TooManyRequests."""
    rate, burst = limiter.public_rate, limiter.public_burst
    _require(limiter.take(limiter.hash_address(scope), rate=rate, burst=burst), headers)


def require_public_rate(request: Request) -> None:
    """Take one token of the public rate on a route without a key, or raise TooManyRequests."""
    take_from_public(request.app.state.limiter, request.scope, {})


def _require(allowance: Allowance, headers: dict[str, str]) -> None:
    headers |= allowance.headers()
    if not allowance.allowed:
        refused = {"Retry-After": str(allowance.reset_seconds)} | allowance.headers()
        raise TooManyRequests(headers=refused)
