# SPDX-License-Identifier: Apache-2.0
"""The one source of the present time, so that every row and reply agrees on it."""

import datetime as dt
from collections.abc import Mapping
from typing import Any

# A time that is given may be so far ahead of ours: clocks differ, and so do zones.
MAX_CLOCK_LEAD = dt.timedelta(hours=24)


def utc_now() -> dt.datetime:
    """Return the present moment as an aware UTC datetime."""
    return dt.datetime.now(dt.UTC)


def rfc3339(moment: dt.datetime) -> str:
    """Write a moment as RFC 3339 in UTC with a trailing `Z`."""
    if moment.tzinfo is not dt.UTC:
        moment = moment.astimezone(dt.UTC)
    return moment.isoformat()[: -len("+00:00")] + "Z"


# Fields that hold callers' own data; times in them are not rewritten.
_FIELDS_OF_CALLERS = {"properties", "answers"}


def in_utc(value: Any, name: str = "") -> Any:
    """Return data whose times, by the names of their fields, are written in UTC with a `Z`."""
    if isinstance(value, Mapping):
        return {
            key: part if key in _FIELDS_OF_CALLERS else in_utc(part, key)
            for key, part in value.items()
        }
    if isinstance(value, list):
        return [in_utc(part, name) for part in value]
    if isinstance(value, str) and (name == "at" or name.endswith("_at")):
        try:
            at = dt.datetime.fromisoformat(value)
            return rfc3339(at) if at.tzinfo else value
        except (ValueError, OverflowError):
            return value
    return value
