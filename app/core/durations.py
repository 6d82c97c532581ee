# SPDX-License-Identifier: Apache-2.0
"""Durations of a fixed length, as ISO 8601 writes them. Pure."""

import datetime as dt
import re

_DURATION = re.compile(
    r"P(?=.)(?:(?P<weeks>[0-9]{1,3})W)?(?:(?P<days>[0-9]{1,4})D)?"
    r"(?:T(?=.)(?:(?P<hours>[0-9]{1,4})H)?(?:(?P<minutes>[0-9]{1,5})M)?(?:(?P<seconds>[0-9]{1,7})S)?)?"
)


def duration_of(text: str) -> dt.timedelta | None:
    """Return an ISO 8601 duration such as `PT2H` or `P7D`; None for anything else."""
    match = _DURATION.fullmatch(text)
    if match is None:
        return None
    return dt.timedelta(**{unit: int(count) for unit, count in match.groupdict().items() if count})
