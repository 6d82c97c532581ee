# SPDX-License-Identifier: Apache-2.0
"""When to send: windows of the week, and who is in a sample. Pure."""

import datetime as dt
import hashlib
from collections.abc import Mapping
from typing import Any
from zoneinfo import ZoneInfo

from app.interactions.schedule import WEEKDAYS


def move_into_window(
    at: dt.datetime, window: Mapping[str, Any] | None, *, zone: ZoneInfo
) -> dt.datetime:
    """Return the first moment from `at` on that lies in the window, in the zone's local time."""
    if window is None:
        return at
    opens, closes = (dt.time.fromisoformat(window[name]) for name in ("from", "to"))
    days = {WEEKDAYS.index(day) for day in window["days"]}
    day = at.astimezone(zone).date()
    for _ in range(9):
        begins = dt.datetime.combine(day, opens, zone).astimezone(dt.UTC)
        ends = dt.datetime.combine(day, closes, zone).astimezone(dt.UTC)
        if day.weekday() in days and at < ends:
            return max(at, begins)
        day += dt.timedelta(days=1)
    return at


def is_sampled(trigger_id: object, person: object, *, rate: float) -> bool:
    """Tell whether a customer is in a trigger's sample; the result never changes for a pair."""
    digest = hashlib.sha256(f"{trigger_id}:{person}".encode()).digest()
    return int.from_bytes(digest[:8], "big") < rate * 2**64
