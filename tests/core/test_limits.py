# SPDX-License-Identifier: Apache-2.0
"""Limits: token buckets, and whose address a request bears behind proxies."""

from ipaddress import ip_network
from typing import Any

import pytest

from app.workspaces.limits import Limiter


def limiter(*proxies: str) -> Limiter:
    networks = tuple(ip_network(proxy) for proxy in proxies)
    return Limiter(public_rate=10, public_burst=3, trusted_proxies=networks)


def test_a_bucket_empties_and_refills() -> None:
    limits = limiter()
    outcomes = [limits.take("k", rate=10, burst=3, now=0.0).allowed for _ in range(4)]
    assert outcomes == [True, True, True, False]
    assert limits.take("k", rate=10, burst=3, now=0.1).allowed
    assert not limits.take("k", rate=10, burst=3, now=0.1).allowed
    assert limits.take("other", rate=10, burst=3, now=0.1).remaining == 2


def scope(client: str, *forwarded: str) -> dict[str, Any]:
    headers = [(b"x-forwarded-for", value.encode()) for value in forwarded]
    return {"client": (client, 1), "headers": headers}


@pytest.mark.parametrize(
    ("proxies", "client", "forwarded", "same_as"),
    [
        ((), "9.9.9.9", ("1.1.1.1",), "9.9.9.9"),
        (("10.0.0.0/8",), "9.9.9.9", ("1.1.1.1",), "9.9.9.9"),
        (("10.0.0.0/8",), "10.0.0.1", ("6.6.6.6, 1.1.1.1",), "1.1.1.1"),
        (("10.0.0.0/8",), "10.0.0.1", ("1.1.1.1, 10.0.0.2",), "1.1.1.1"),
        (("10.0.0.0/8",), "10.0.0.1", ("garbage",), "garbage"),
    ],
)
def test_only_trusted_proxies_are_believed(
    proxies: tuple[str, ...], client: str, forwarded: tuple[str, ...], same_as: str
) -> None:
    limits = limiter(*proxies)
    assert limits.hash_address(scope(client, *forwarded)) == limits.hash_address(scope(same_as))
    assert len(limits.hash_address(scope(same_as))) == 16
