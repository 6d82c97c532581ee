# SPDX-License-Identifier: Apache-2.0
"""What `afterword doctor` says of each thing that it looked at."""

from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    """How serious a finding is."""

    OK = "ok"
    WARN = "warn"
    FAIL = "FAIL"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at; `remedy` says what to do."""

    severity: Severity
    what: str
    remedy: str = ""


def check(
    good: bool, what: str, bad_what: str, remedy: str, *, bad: Severity = Severity.FAIL
) -> Finding:
    """Return `what` as a finding of severity OK if `good`, else `bad_what` with its remedy."""
    return Finding(Severity.OK, what) if good else Finding(bad, bad_what, remedy)
