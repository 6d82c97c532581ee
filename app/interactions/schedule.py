# SPDX-License-Identifier: Apache-2.0
"""Business time: the seconds of a workspace's opening hours between two moments. Pure."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_MAX_DAYS = 36_600
_MIDNIGHT = "24:00"


@dataclass(frozen=True, slots=True)
class Schedule:
    """Opening hours of each weekday (Monday is 0) in a zone, and the days that have none."""

    zone: ZoneInfo
    weekly: Mapping[int, tuple[tuple[str, str], ...]]
    holidays: frozenset[dt.date]

    @classmethod
    def from_settings(cls, hours: Mapping[str, Any], *, timezone: str) -> "Schedule":
        """Read a workspace's `business_hours`; without an own zone they are in the workspace's."""
        return cls(
            ZoneInfo(hours.get("timezone") or timezone),
            {
                WEEKDAYS.index(day): tuple((opens, closes) for opens, closes in times)
                for day, times in hours["weekly"].items()
            },
            frozenset(dt.date.fromisoformat(day) for day in hours.get("holidays", ())),
        )


def business_seconds(schedule: Schedule, start: dt.datetime, end: dt.datetime) -> int:
    """Return the whole seconds of opening hours from `start` to `end`; negative time is 0.

    Seconds are real ones: a day on which the clocks change has its 23 or 25 hours.
    """
    start, end = start.astimezone(dt.UTC), end.astimezone(dt.UTC)
    day = start.astimezone(schedule.zone).date()
    last = min(end.astimezone(schedule.zone).date(), day + dt.timedelta(days=_MAX_DAYS))
    total = dt.timedelta()
    while day <= last:
        if day not in schedule.holidays:
            for opens, closes in schedule.weekly.get(day.weekday(), ()):
                begins = max(start, _time_on_day(day, opens, schedule.zone))
                ends = min(end, _time_on_day(day, closes, schedule.zone))
                total += max(dt.timedelta(), ends - begins)
        day += dt.timedelta(days=1)
    return int(total.total_seconds())


def _time_on_day(day: dt.date, clock: str, zone: ZoneInfo) -> dt.datetime:
    if clock == _MIDNIGHT:
        day, clock = day + dt.timedelta(days=1), "00:00"
    return dt.datetime.combine(day, dt.time.fromisoformat(clock), zone).astimezone(dt.UTC)
