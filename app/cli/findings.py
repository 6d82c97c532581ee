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
    summary: str
    remedy: str = ""


def check(
    good: bool, summary: str, bad_summary: str, remedy: str, *, bad: Severity = Severity.FAIL
) -> Finding:
    """Return a finding: OK with `summary` if `good`, else `bad_summary` with its remedy."""
    return Finding(Severity.OK, summary) if good else Finding(bad, bad_summary, remedy)
