# SPDX-License-Identifier: Apache-2.0
"""Periods: what `from`, `to`, `period`, `interval` and `window` mean in a time zone. Pure.

A bound is a local date (midnight in the zone asked for) or an exact moment.
"""

import datetime as dt
import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from zoneinfo import ZoneInfo

Bound = dt.date | dt.datetime

_DEFAULT_DAYS = 90
_COUNTED = re.compile(r"^([1-9]\d{0,3})(mo|w|d)$")
_WINDOW = re.compile(r"^P([1-9]\d{0,3})([DWMY])$")


class Interval(StrEnum):
    """How long one row's period is."""

    NONE = "none"
    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    QUARTER = "quarter"
    YEAR = "year"


@dataclass(frozen=True, slots=True)
class Span:
    """A time span; `end` is exclusive."""

    start: Bound
    end: Bound

    @property
    def whole_days(self) -> bool:
        """Whether both bounds are midnights, so that counts per day suffice."""
        return not isinstance(self.start, dt.datetime) and not isinstance(self.end, dt.datetime)


@dataclass(frozen=True, slots=True)
class Period:
    """One row's time: named by its first day, cut to what was asked for."""

    first_day: dt.date
    start: dt.date
    end: dt.date
    complete: bool


def add_months(day: dt.date, months: int) -> dt.date:
    """Move a date by months, to the month's last day where it has no such day."""
    index = day.year * 12 + day.month - 1 + months
    year, month = divmod(index, 12)
    last = (dt.date(year + (month == 11), (month + 1) % 12 + 1, 1) - dt.timedelta(days=1)).day
    return dt.date(year, month + 1, min(day.day, last))


def period_start(day: dt.date, interval: Interval) -> dt.date:
    """Return the first day of the period that holds the day."""
    if interval is Interval.WEEK:
        return day - dt.timedelta(days=day.weekday())
    if interval is Interval.MONTH:
        return day.replace(day=1)
    if interval is Interval.QUARTER:
        return day.replace(month=(day.month - 1) // 3 * 3 + 1, day=1)
    if interval is Interval.YEAR:
        return day.replace(month=1, day=1)
    return day


def next_start(first_day: dt.date, interval: Interval) -> dt.date:
    """Return the first day of the next period."""
    months = {Interval.MONTH: 1, Interval.QUARTER: 3, Interval.YEAR: 12}
    if interval in months:
        return add_months(first_day, months[interval])
    return first_day + dt.timedelta(days=7 if interval is Interval.WEEK else 1)


def first_local_day(bound: Bound, zone: ZoneInfo) -> dt.date:
    """Return the local date of a bound."""
    return bound.astimezone(zone).date() if isinstance(bound, dt.datetime) else bound


def last_local_day(span: Span, zone: ZoneInfo) -> dt.date:
    """Return the last local date that a span touches."""
    if isinstance(span.end, dt.datetime):
        return (span.end - dt.timedelta(microseconds=1)).astimezone(zone).date()
    return span.end - dt.timedelta(days=1)


def periods_of(span: Span, interval: Interval, zone: ZoneInfo, today: dt.date) -> Iterator[Period]:
    """Yield every period from the start to the end, empty ones too."""
    start = first_local_day(span.start, zone)
    end = last_local_day(span, zone) + dt.timedelta(days=1)
    first = period_start(start, interval)
    while first < end:
        following = next_start(first, interval)
        yield Period(first, max(first, start), min(following, end), complete=following <= today)
        first = following


def default_span(today: dt.date) -> Span:
    """Return the last 90 days, today being the last."""
    return Span(today - dt.timedelta(days=_DEFAULT_DAYS - 1), today + dt.timedelta(days=1))


def named_span(name: str, today: dt.date) -> Span | None:
    """Return what a period such as `24mo`, `90d` or `this_month` means today; None for others.

    Counted periods are calendar ones, and the present one is the last of them.
    """
    this_month, tomorrow = today.replace(day=1), today + dt.timedelta(days=1)
    this_week = today - dt.timedelta(days=today.weekday())
    if name == "this_week":
        return Span(this_week, tomorrow)
    if name == "last_week":
        return Span(this_week - dt.timedelta(days=7), this_week)
    if name == "this_month":
        return Span(this_month, tomorrow)
    if name == "last_month":
        return Span(add_months(this_month, -1), this_month)
    match = _COUNTED.match(name)
    if match is None:
        return None
    count, unit = int(match[1]), match[2]
    monday = today - dt.timedelta(days=today.weekday())
    starts = {
        "mo": add_months(this_month, 1 - min(count, 1200)),
        "w": monday - dt.timedelta(weeks=count - 1),
        "d": today - dt.timedelta(days=count - 1),
    }
    return Span(starts[unit], tomorrow)


def window_start(end: dt.date, window: str) -> dt.date | None:
    """Return where a window such as `P30D`, `P12W`, `P3M` or `P1Y` begins that ends here."""
    match = _WINDOW.match(window)
    if match is None:
        return None
    count, unit = int(match[1]), match[2]
    if unit in "MY":
        months = count * (12 if unit == "Y" else 1)
        return add_months(end, -months) if months <= 1200 else None
    return end - dt.timedelta(days=count * (7 if unit == "W" else 1))


def span_before(span: Span, compare: str, zone: ZoneInfo) -> Span:
    """Return the span to compare with: the same one a year ago, or the one just before.

    Whole calendar months are preceded by as many whole months; anything else by as many days.
    """
    if compare == "previous_year":
        start, end = _years_back(span.start), _years_back(span.end)
        # The 29th of February becomes the 28th, which may be the start already.
        return Span(start, end if start < end else end + dt.timedelta(days=1))
    start, end = span.start, span.end
    if isinstance(start, dt.datetime) or isinstance(end, dt.datetime):
        moments = [moment_of(bound, zone) for bound in (start, end)]
        return Span(moments[0] - (moments[1] - moments[0]), start)
    if start.day == 1 and end.day == 1 and end > start:
        months = (end.year - start.year) * 12 + end.month - start.month
        return Span(add_months(start, -months), start)
    return Span(start - (end - start), start)


def moment_of(bound: Bound, zone: ZoneInfo) -> dt.datetime:
    """Return the moment of a bound: a date is its midnight in the zone."""
    if isinstance(bound, dt.datetime):
        return bound.astimezone(dt.UTC)
    return dt.datetime.combine(bound, dt.time(), zone).astimezone(dt.UTC)


def _years_back(bound: Bound) -> Bound:
    day = add_months(bound.date() if isinstance(bound, dt.datetime) else bound, -12)
    return bound.replace(year=day.year, day=day.day) if isinstance(bound, dt.datetime) else day
