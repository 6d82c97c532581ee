"""The one source of the present time, so that every row and reply agrees on it."""

import datetime as dt


def utc_now() -> dt.datetime:
    """Return the present moment as an aware UTC datetime."""
    return dt.datetime.now(dt.UTC)


def rfc3339(moment: dt.datetime) -> str:
    """Write a moment as RFC 3339 in UTC with a trailing `Z`."""
    return moment.astimezone(dt.UTC).isoformat().replace("+00:00", "Z")
