# SPDX-License-Identifier: Apache-2.0
"""The one client for every address that a user gives: it never reaches into our own network.

The name is resolved once. All of its IP addresses must be public, and only these are dialled; the
name is used to verify the certificate. Redirects are not followed, proxies of the environment are
not used, and only the beginning of a reply is read.
"""

import asyncio
import datetime as dt
import ipaddress
import socket
import threading
from collections import Counter
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any, Self
from urllib.parse import urlsplit

import httpcore2

from app.core.clock import utc_now
from app.core.errors import InvalidInput

_CONNECT_SECONDS, _TOTAL_SECONDS = 5.0, 15.0
_MAX_READ_BYTES, MAX_KEPT_BYTES = 64 * 1024, 4 * 1024
_MAX_CONNECTIONS, _MAX_IDLE, _IDLE_SECONDS = 512, 64, 10.0
_MAX_RETRY_AFTER_SECONDS = 86_400 * 30
_MAX_LOOKUPS, _MAX_LOOKUPS_PER_HOST = 64, 8
_resolver = ThreadPoolExecutor(_MAX_LOOKUPS, thread_name_prefix="resolver")
_lookups_by_host: Counter[str] = Counter()
# A lookup ends in its own thread.
_lookups_lock = threading.Lock()
# Networks that `is_global` of Python 3.11 wrongly calls public.
_ALSO_CLOSED = tuple(
    ipaddress.ip_network(network)
    for network in ("192.0.0.0/24", "192.88.99.0/24", "::/96", "fec0::/10", "3fff::/20",
                    "64:ff9b::/96", "64:ff9b:1::/48", "2002::/16", "2001::/32",
                    "::ffff:0:0/96", "5f00::/16")
)  # fmt: skip


class RefusedAddressError(Exception):
    """The address may not be called; the message names no internal address."""


class UnreachableError(Exception):
    """No reply came: no such name, no connection, or too slow."""


@dataclass(frozen=True, slots=True)
class HttpReply:
    """A reply: its status, the headers that matter, and the beginning of its body."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def retry_after(self) -> dt.timedelta | None:
        """How long the server asks to wait: `Retry-After` in seconds or as a date."""
        header = self.headers.get("retry-after", "").strip()[:64]
        if header.isdecimal():
            return dt.timedelta(seconds=min(int(header), _MAX_RETRY_AFTER_SECONDS))
        try:
            return max(parsedate_to_datetime(header) - utc_now(), dt.timedelta())
        except (ValueError, TypeError, OverflowError):
            return None


def check_url(url: str, *, allow_private: bool) -> None:
    """Refuse a URL that is not plain https to a host, before anything is resolved."""
    if not url.isascii():
        raise RefusedAddressError("must be plain ASCII; write other letters as xn--… or %xx")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise RefusedAddressError("is not a valid URL") from None
    schemes = {"https", "http"} if allow_private else {"https"}
    if parts.scheme not in schemes:
        hint = "; see AFTERWORD_ALLOW_PRIVATE_WEBHOOKS" if parts.scheme == "http" else ""
        msg = f"must begin with https://{hint}"
        raise RefusedAddressError(msg)
    if parts.username is not None or parts.password is not None:
        raise RefusedAddressError("must not hold a user name or password")
    if not parts.hostname or port == 0:
        raise RefusedAddressError("must name a host")


async def require_public_url(url: str, *field: str, allow_private: bool) -> None:
    """Raise InvalidInput at a field of the body if its URL must not, or cannot, be called."""
    try:
        check_url(url, allow_private=allow_private)
        parts = urlsplit(url)
        default_port = 443 if parts.scheme == "https" else 80
        host = parts.hostname or ""
        await resolve_public(host, parts.port or default_port, allow_private=allow_private)
    except (RefusedAddressError, UnreachableError) as error:
        raise InvalidInput.at("body", *field, msg=str(error)) from None


async def resolve_public(host: str, port: int, *, allow_private: bool) -> str:
    """Return the IP address to connect to; RefusedAddressError if any of the host is not public."""
    try:
        entries = await _look_up(host, port)
    except (OSError, UnicodeError) as error:
        raise UnreachableError("the name is not known") from error
    addresses = [str(entry[4][0]) for entry in entries]
    if not allow_private and not all(is_public(address) for address in addresses):
        msg = "the host is not on the public internet; see AFTERWORD_ALLOW_PRIVATE_WEBHOOKS"
        raise RefusedAddressError(msg)
    return addresses[0]


async def _look_up(host: str, port: int) -> list[Any]:
    """Look up a name's IP addresses in separate threads, so that a slow one delays no other.

    A thread cannot be cancelled, so one name may use only a few at a time.
    """
    with _lookups_lock:
        if _lookups_by_host[host] >= _MAX_LOOKUPS_PER_HOST:
            raise UnreachableError("its name server does not answer")
        _lookups_by_host[host] += 1
    lookup = _resolver.submit(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM)
    lookup.add_done_callback(lambda _: _forget_lookup(host))
    try:
        async with asyncio.timeout(_CONNECT_SECONDS):
            return await asyncio.wrap_future(lookup)
    except TimeoutError as error:
        raise UnreachableError("its name server does not answer") from error


def _forget_lookup(host: str) -> None:
    with _lookups_lock:
        _lookups_by_host[host] -= 1
        if not _lookups_by_host[host]:
            del _lookups_by_host[host]


def is_public(ip: str) -> bool:
    """Tell whether an address is one of the public internet."""
    address = ipaddress.ip_address(ip.partition("%")[0])
    closed = any(address in net for net in _ALSO_CLOSED if net.version == address.version)
    return address.is_global and not address.is_multicast and not closed


class _GuardedBackend(httpcore2.AsyncNetworkBackend):
    """Connects only to IP addresses that were checked."""

    def __init__(self, *, allow_private: bool) -> None:
        self._allow_private = allow_private
        self._inner = httpcore2.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore2's own signature
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        address = await resolve_public(host, port, allow_private=self._allow_private)
        return await self._inner.connect_tcp(
            address, port, timeout=timeout, local_address=local_address,
            socket_options=socket_options,
        )  # fmt: skip

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class GuardedClient:
    """Sends many requests over connections that stay open for a while; use it as a context."""

    def __init__(self, *, allow_private: bool) -> None:
        """Prepare; nothing connects before the first request."""
        self._allow_private = allow_private
        self._pool = httpcore2.AsyncConnectionPool(
            network_backend=_GuardedBackend(allow_private=allow_private),
            max_connections=_MAX_CONNECTIONS,
            max_keepalive_connections=_MAX_IDLE,
            keepalive_expiry=_IDLE_SECONDS,
        )

    async def __aenter__(self) -> Self:
        """Open the pool."""
        await self._pool.__aenter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close every connection."""
        await self._pool.aclose()

    async def send(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str],
        content: bytes,
        max_kept_bytes: int = MAX_KEPT_BYTES,
    ) -> HttpReply:
        """Send one request and return its reply.

        Raises RefusedAddressError, or UnreachableError where none came within 15 seconds.
        """
        check_url(url, allow_private=self._allow_private)
        timeouts = dict.fromkeys(("connect", "read", "write", "pool"), _CONNECT_SECONDS)
        try:
            async with (
                asyncio.timeout(_TOTAL_SECONDS),
                self._pool.stream(
                    method,
                    url,
                    headers=list(headers.items()),
                    content=content,
                    extensions={"timeout": timeouts | {"read": _TOTAL_SECONDS}},
                ) as reply,
            ):
                body = b""
                async for chunk in reply.aiter_stream():
                    body += chunk
                    if len(body) >= max(_MAX_READ_BYTES, max_kept_bytes):
                        break
                reply_headers = {
                    key.decode("latin-1").lower(): value.decode("latin-1")
                    for key, value in reply.headers
                }
                return HttpReply(reply.status, reply_headers, body[:max_kept_bytes])
        except (
            httpcore2.NetworkError,
            httpcore2.TimeoutException,
            httpcore2.ProtocolError,
        ) as error:
            raise UnreachableError(type(error).__name__) from error
        except (TimeoutError, OSError) as error:
            raise UnreachableError("no reply within 15 seconds") from error


async def send(
    method: str,
    url: str,
    *,
    headers: Mapping[str, str],
    content: bytes,
    allow_private: bool = False,
    max_kept_bytes: int = MAX_KEPT_BYTES,
) -> HttpReply:
    """Send one request over a connection of its own, as `GuardedClient.send` does."""
    async with GuardedClient(allow_private=allow_private) as client:
        return await client.send(
            method, url, headers=headers, content=content, max_kept_bytes=max_kept_bytes
        )
