# SPDX-License-Identifier: Apache-2.0
"""The names of time zones."""

from functools import cache
from zoneinfo import available_timezones

# Names of the system that are not zones: the machine's own zone and placeholders.
_NO_ZONES = {"localtime", "Factory", "posixrules"}


@cache
def zone_names() -> frozenset[str]:
    """Return the names of the IANA zones that Python knows."""
    return frozenset(available_timezones() - _NO_ZONES)
