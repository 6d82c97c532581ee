# SPDX-License-Identifier: Apache-2.0
"""Scopes: what a key may do, each containing the weaker ones."""

from collections.abc import Iterable
from enum import StrEnum


class Scope(StrEnum):
    """`admin` ⊃ `write` ⊃ `read` ⊃ `metrics`; `respond`, `collect` and `bounces` stand beside."""

    ADMIN = "admin"
    WRITE = "write"
    READ = "read"
    METRICS = "metrics"
    RESPOND = "respond"
    COLLECT = "collect"
    BOUNCES = "bounces"


_CONTAINS = {
    Scope.ADMIN: {Scope.ADMIN, Scope.WRITE, Scope.READ, Scope.METRICS, Scope.RESPOND},
    Scope.WRITE: {Scope.WRITE, Scope.READ, Scope.METRICS, Scope.RESPOND},
    Scope.READ: {Scope.READ, Scope.METRICS},
}


def expand(scopes: Iterable[str]) -> frozenset[Scope]:
    """Return the scopes together with all that they contain."""
    all_scopes: set[Scope] = set()
    for scope in map(Scope, scopes):
        all_scopes |= _CONTAINS.get(scope, {scope})
    return frozenset(all_scopes)
