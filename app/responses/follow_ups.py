# SPDX-License-Identifier: Apache-2.0
"""Follow-ups: which of them are open, and which are overdue."""

from enum import StrEnum


class FollowUpStatus(StrEnum):
    """How far somebody has come in calling the customer back."""

    NONE = "none"
    OPEN = "open"
    CONTACTED = "contacted"
    RESOLVED = "resolved"


OPEN_STATUSES = (FollowUpStatus.OPEN, FollowUpStatus.CONTACTED)
IS_OPEN_SQL = "r.follow_up in ({})".format(", ".join(f"'{name}'" for name in OPEN_STATUSES))


def is_overdue_sql(now: str) -> str:
    """Return the SQL that the open follow-up of a response `r` was due before a moment."""
    return f"coalesce(r.due_at < {now} and {IS_OPEN_SQL}, false)"
