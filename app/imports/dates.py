# SPDX-License-Identifier: Apache-2.0
"""Read the dates of a column; the order of day and month is judged from all of them."""

import contextlib
import datetime as dt
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from app.core.errors import InvalidInput
from app.imports.values import month_numbers

_ZONES = {
    "utc": 0, "gmt": 0, "z": 0, "wet": 0, "west": 60, "bst": 60, "cet": 60, "cest": 120,
    "eet": 120, "eest": 180, "msk": 180, "est": -300, "edt": -240, "cst": -360, "cdt": -300,
    "mst": -420, "mdt": -360, "pst": -480, "pdt": -420,
}  # fmt: skip
_PLAIN_ISO_BEGINS = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d")
_NUMERIC = re.compile(r"^(\d{1,2})([./-])(\d{1,2})\2(\d{4}|\d{2})\b[,T ]*(.*)$")
_ISO = re.compile(r"^(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})[T ,]*(.*)$")
_NAMED = re.compile(r"^(?:\w{3,9},? +)??(\d{1,2})\.? +([^\W\d_]+)\.?,? +(\d{4})[, ]*(.*)$")
_NAMED_SHORT = re.compile(r"^(\d{1,2})[/-]([^\W\d_]+)\.?[/-](\d{4}|\d{2})\b[, ]*(.*)$")
_NAMED_US = re.compile(
    r"^(?:\w{3,9},? +)??([^\W\d_]+)\.? +(\d{1,2})(?:st|nd|rd|th)?,? +(\d{4})[, ]*(.*)$"
)
_EPOCH = re.compile(r"\d{10}(\.\d+)?|\d{13}")
_SERIAL = re.compile(r"\d{5}([.,]\d+)?")
_CLOCK = re.compile(
    r"^(\d{1,2}):(\d{2})(?::(\d{2})(?:[.,](\d{1,6})\d*)?)? *([AaPp]\.?[Mm]\.?)? *(.*)$"
)
_OFFSET = re.compile(r"^(?:UTC|GMT)? ?([+-])(\d{1,2})(?::?(\d{2}))?$", re.IGNORECASE)
_SERIALS = (20_000.0, 80_000.0)
_SERIAL_ORIGIN = dt.datetime(1899, 12, 30)  # noqa: DTZ001 - local, as spreadsheets count


@dataclass(frozen=True, slots=True)
class DateReading:
    """How a column's dates are read: by the `order` of day and month, or by a strptime format."""

    zone: ZoneInfo
    order: str = "iso"
    format: str | None = None

    def read(self, text: str) -> dt.datetime:
        """Return the moment; raise ValueError that names the forms that can be read."""
        moment = self._strptime(text) if self.format else self._read(text)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=self.zone)
        try:
            return moment.astimezone(dt.UTC)
        except OverflowError:
            msg = f"`{text[:40]}` is out of the range of dates"
            raise ValueError(msg) from None

    def _strptime(self, text: str) -> dt.datetime:
        try:
            return dt.datetime.strptime(text, self.format or "")  # noqa: DTZ007 - zone is given after
        except ValueError:
            msg = f"`{text[:40]}` is not of the form {self.format}"
            raise ValueError(msg) from None

    def _read(self, text: str) -> dt.datetime:
        if _PLAIN_ISO_BEGINS.match(text):
            # Nearly all files have this form; what Python does not read goes the long way.
            with contextlib.suppress(ValueError):
                return dt.datetime.fromisoformat(text)
        try:
            moment = _parts(text, self.order)
        except (ValueError, OverflowError):
            moment = None
        if moment is None:
            msg = f"`{text[:40]}` is no date; use ISO, 31.12.2026, 12/31/2026 5:00 PM or Unix time"
            raise ValueError(msg)
        return moment


def judge_dates(
    values: Iterable[str],
    zone: ZoneInfo,
    format_: str | None,
    column: str,
    *,
    order: str | None = None,
) -> DateReading:
    """Judge a column's order of day and month; raise InvalidInput where it stays ambiguous.

    `order` is known already if the values are of rejected rows.
    """
    if format_ is not None:
        return DateReading(zone, format=format_)
    if order is not None:
        return DateReading(zone, order)
    seen: Counter[str | None] = Counter()
    short_years: set[tuple[int, int, int]] = set()
    for value in values:
        seen[_order_of(value)] += 1
        if (match := _NUMERIC.match(value)) and len(match[4]) == 2:
            short_years.add((int(match[1]), int(match[3]), int(match[4])))
    if _may_begin_with_years(short_years):
        detail = (
            f"`{column}` has dates of which the first number may be the year or the day; say which "
            "by `date_format`, such as %y-%m-%d or %d-%m-%y."
        )
        raise InvalidInput(detail)
    return DateReading(zone, _judge_order(seen, column))


def _judge_order(seen: Mapping[str | None, int], column: str) -> str:
    """Return the order of a column from how many of its dates show which."""
    first, second, dotted = seen["dmy"], seen["mdy"], seen["dotted"]
    if first and second:
        detail = (
            f"`{column}` has dates of both orders, day first and month first; say which by "
            "`date_format`, such as %d/%m/%Y."
        )
        raise InvalidInput(detail)
    if first or (dotted and not second):
        return "dmy"
    if second:
        return "mdy"
    if seen["either"]:
        detail = (
            f"`{column}` has dates whose day and month cannot be told apart; say which by "
            "`date_format`, such as %d/%m/%Y or %m/%d/%Y."
        )
        raise InvalidInput(detail)
    return "iso"


def _may_begin_with_years(dates: Set[tuple[int, int, int]]) -> bool:
    """Tell whether dates of two-digit years may have the year first, and the day last.

    The years of a file are the last few and few, its days are many.
    """
    years, days = {first for first, _, _ in dates}, {last for _, _, last in dates}
    this_year = dt.datetime.now(dt.UTC).year % 100
    return (
        len(days) >= max(2, len(years))
        and all(this_year - 10 <= year <= this_year for year in years)
        and all(month <= 12 for _, month, _ in dates)
        and all(1 <= day <= 31 for day in days)
    )


def _order_of(value: str) -> str | None:
    """Return the order that one date shows: `dotted` is day first, `either` is ambiguous."""
    match = _NUMERIC.match(value)
    if match is None:
        return None
    if match[2] == ".":
        return "dotted"
    a, b = int(match[1]), int(match[3])
    if a > 12 >= b:
        return "dmy"
    if b > 12 >= a:
        return "mdy"
    return None if a == b else "either"


def _parts(text: str, order: str) -> dt.datetime | None:
    if _EPOCH.fullmatch(text):
        seconds = float(text) / (1000 if len(text) == 13 else 1)
        return dt.datetime.fromtimestamp(seconds, dt.UTC)
    if _SERIAL.fullmatch(text):
        serial = float(text.replace(",", "."))
        if _SERIALS[0] <= serial <= _SERIALS[1]:
            return _SERIAL_ORIGIN + dt.timedelta(days=serial)
    if match := _ISO.match(text):
        return _with_clock(int(match[1]), int(match[2]), int(match[3]), match[4])
    if match := _NUMERIC.match(text):
        a, b, year = int(match[1]), int(match[3]), int(match[4])
        year += 2000 if year < 100 else 0
        day, month = (b, a) if order == "mdy" and match[2] != "." else (a, b)
        return _with_clock(year, month, day, match[5])
    for pattern, day_at, month_at in ((_NAMED, 1, 2), (_NAMED_SHORT, 1, 2), (_NAMED_US, 2, 1)):
        if (match := pattern.match(text)) and (
            month_number := month_numbers().get(match[month_at].lower())
        ):
            year = int(match[3]) + (2000 if len(match[3]) == 2 else 0)
            return _with_clock(year, month_number, int(match[day_at]), match[4])
    return None


def _with_clock(year: int, month: int, day: int, rest: str) -> dt.datetime | None:
    date = dt.datetime(year, month, day)  # noqa: DTZ001 - the zone follows
    rest = rest.strip()
    if not rest:
        return date
    match = _CLOCK.match(rest)
    if match is None:
        return None
    hour = int(match[1])
    if match[5]:
        if not 1 <= hour <= 12:
            return None
        hour = hour % 12 + (12 if match[5].lower().startswith("p") else 0)
    moment = date.replace(
        hour=hour, minute=int(match[2]), second=int(match[3] or 0),
        microsecond=int((match[4] or "0").ljust(6, "0")),
    )  # fmt: skip
    return _in_zone(moment, match[6].strip().strip("()"))


def _in_zone(moment: dt.datetime, zone: str) -> dt.datetime | None:
    """Return the moment in the zone that is written after it; None if that is no zone."""
    if not zone:
        return moment
    minutes = _ZONES.get(zone.lower())
    if offset := _OFFSET.match(zone):
        minutes = int(offset[2]) * 60 + int(offset[3] or 0)
        minutes = minutes if offset[1] == "+" else -minutes
    if minutes is None:
        return None
    return moment.replace(tzinfo=dt.timezone(dt.timedelta(minutes=minutes)))
