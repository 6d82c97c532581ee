# SPDX-License-Identifier: Apache-2.0
"""The states of a response: which of them count, and what a reply calls them."""

from enum import StrEnum
from typing import Literal, get_args

from app.invitations.votes import HoldState

# `superseded`: a trusted answer about the same case took its place.
ResponseState = Literal[HoldState, "counted", "test", "superseded", "rejected", "deleted"]
HOLD_STATES: tuple[HoldState, ...] = get_args(HoldState)
COUNTED: frozenset[ResponseState] = frozenset({"counted", "test"})


class Integrity(StrEnum):
    """Whether an answer counts, and if not, why."""

    OK = "ok"
    PROVISIONAL = "provisional"
    UNVERIFIED = "unverified"
    QUARANTINED = "quarantined"
    SUPERSEDED = "superseded"
    REJECTED = "rejected"


def integrity_sql(state: str) -> str:
    """Return the SQL of what `integrity_of` returns."""
    counted = ", ".join(f"'{name}'" for name in sorted(COUNTED))
    return f"case when {state} in ({counted}) then '{Integrity.OK}' else {state} end"


def integrity_of(state: ResponseState) -> str:
    """Return the `integrity` that a stored state is shown as."""
    return Integrity.OK if state in COUNTED else state
