# SPDX-License-Identifier: Apache-2.0
"""How long to wait before what goes out to others is tried again. Pure."""

import datetime as dt
import random

# The first try is at once; then 5 s, 5 min, 30 min, 2, 5, 10, 14, 20 and 24 hours.
_WAITS_SECONDS = (5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400)
ATTEMPTS = len(_WAITS_SECONDS) + 1


def retry_delay(attempt: int, *, requested: dt.timedelta | None = None) -> dt.timedelta | None:
    """Return the wait after a failed attempt (from 1), ±20 %; None after the last.

    The wait is at least what `Retry-After` asked for, but at most a day.
    """
    if attempt >= ATTEMPTS:
        return None
    spread = random.uniform(0.8, 1.2)  # noqa: S311 - spreads retries, guards nothing
    wait = dt.timedelta(seconds=_WAITS_SECONDS[attempt - 1] * spread)
    return max(wait, min(requested, dt.timedelta(days=1))) if requested else wait
