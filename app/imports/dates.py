# SPDX-License-Identifier: Apache-2.0
"""Read the dates of a column; all of them together show the order of day and month."""

import contextlib
import datetime as dt
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from app.core.errors import InvalidInput
from app.core.zones import is_zone
from app.imports.values import month_numbers

_ZONES = {
    "utc": 0, "gmt": 0, "z": 0, "wet": 0, "west": 60, "bst": 60, "cet": 60, "cest": 120,
    "eet": 120, "eest": 180, "msk": 180, "est": -300, "edt": -240, "cst": -360, "cdt": -300,
    "mst": -420, "mdt": -360, "pst": -480, "pdt": -420,
    # As German and Eastern Asian and Australian programs write them.
    "wez": 0, "wesz": 60, "mez": 60, "mesz": 120, "oez": 120, "oesz": 180,
    "jst": 540, "kst": 540, "aest": 600, "aedt": 660,
}  # fmt: skip
_PLAIN_ISO_BEGINS = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d")
_NUMERIC = re.compile(r"^(\d{1,2})([./-])(\d{1,2})\2(\d{4}|\d{2})\b[,T ]*(.*)$")
_ISO = re.compile(r"^(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})[T ,]*(.*)$")
_COMPACT = re.compile(r"(19\d\d|20\d\d)(\d\d)(\d\d)(?:[T ](\d\d:\d\d.*))?")
# As JavaScript writes them: Sun Mar 01 2026 10:00:00 GMT+0100 (Central European Standard Time).
_SCRIPT = re.compile(
    r"^[A-Z][a-z]{2} ([A-Z][a-z]{2}) (\d{2}) (\d{4}) (\d{2}:\d{2}:\d{2} GMT[+-]\d{4})(?: \(.*\))?$"
)
_NAMED = re.compile(
    r"^(?:\w{3,9},? +)??(\d{1,2})\.? +(?:de +)?([^\W\d_]+)\.?,? +(?:de +)?(\d{4})[, ]*(.*)$"
)
_NAMED_SHORT = re.compile(r"^(\d{1,2})[/-]([^\W\d_]+)\.?[/-](\d{4}|\d{2})\b[, ]*(.*)$")
_NAMED_US = re.compile(
    r"^(?:\w{3,9},? +)??([^\W\d_]+)\.? +(\d{1,2})(?:st|nd|rd|th)?,? +(\d{4})[, ]*(?:at +)?(.*)$"
)
_EPOCH = re.compile(r"\d{10}(\.\d+)?|\d{13}")
_SERIAL = re.compile(r"\d{5}([.,]\d+)?")
_CLOCK = re.compile(
    r"^(\d{1,2})[:h.](\d{2})(?:[:.](\d{2})(?:[.,](\d{1,6})\d*)?)? *([AaPp]\.?\s?[Mm]\b\.?)? *(.*)$"
)
# Words around a time: `2026 r. o 10:00`, `um 10.00 Uhr`, `à 10h00`, `la ora 10:00`.
_BEFORE_CLOCK = re.compile(
    r"^(?:r\.|roku\b)?,? *(?:(?:o|um|at|à|às|alle|a las|la|ora|la ora|kl\.|godz\.|o godz\.) +)?",
    re.IGNORECASE,
)
_AFTER_CLOCK = re.compile(r" *(?:uhr|h|hrs?)\.?$", re.IGNORECASE)
_OFFSET = re.compile(r"^(?:UTC|GMT)? ?([+-])(\d{1,2})(?::?(\d{2}))?$", re.IGNORECASE)
_SERIALS = (20_000.0, 80_000.0)
_ORDERS = ("dmy", "mdy")
_MONTHS = 12
_SERIAL_ORIGIN = dt.datetime(1899, 12, 30)  # noqa: DTZ001 - local, as spreadsheets count


def zone_of(name: str) -> ZoneInfo:
    """Return a zone; raise InvalidInput where there is none of this name."""
    name = "UTC" if name in {"Z", "z"} else name
    if not is_zone(name):
        msg = "is not an IANA time zone, such as Europe/Warsaw"
        raise InvalidInput.at("query", "timezone", msg=msg)
    return ZoneInfo(name)


class AmbiguousDateError(ValueError):
    """A date of which the first number may be the day or the month."""

    def __init__(self, text: str) -> None:
        """Say what to do."""
        super().__init__(
            f"`{text[:40]}` has a day and a month that cannot be told apart; write it as "
            "2026-12-31, or say the form with `date_format`"
        )


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
        except (ValueError, re.error):
            # A format that names a part twice makes no valid pattern.
            msg = f"`{text[:40]}` is not of the form {self.format}"
            raise ValueError(msg) from None

    def _read(self, text: str) -> dt.datetime:
        if _PLAIN_ISO_BEGINS.match(text):
            # Nearly all files have this form; what Python does not read goes the long way.
            with contextlib.suppress(ValueError):
                return dt.datetime.fromisoformat(text)
        try:
            moment = _parts(text, self.order)
        except AmbiguousDateError:
            raise
        except (ValueError, OverflowError):
            moment = None
        if moment is None:
            msg = (
                f"`{text[:40]}` is not a date; use ISO, 31.12.2026, 12/31/2026 5:00 PM or Unix time"
            )
            raise ValueError(msg)
        return moment


def find_date_order(
    values: Iterable[str],
    zone: ZoneInfo,
    format_: str | None,
    column: str,
    *,
    order: str | None = None,
    is_sheet: bool = False,
) -> DateReading:
    """Find a column's order of day and month; raise InvalidInput where it stays ambiguous.

    `order` is known already if the values are of rejected rows. With `is_sheet` they are of a
    spreadsheet, whose real dates are ISO here.
    """
    if format_ is not None:
        return _reading_of_format(zone, format_)
    if order is not None:
        return DateReading(zone, order)
    order_counts: Counter[str | None] = Counter()
    short_years: set[tuple[int, int, int]] = set()
    days_of_iso: set[int] = set()
    for value in values:
        order_counts[_order_of(value)] += 1
        if is_sheet and (iso := _ISO.match(value)):
            days_of_iso.add(int(iso[3]))
        if (match := _NUMERIC.match(value)) and len(match[4]) == 2:
            short_years.add((int(match[1]), int(match[3]), int(match[4])))
    if _may_begin_with_years(short_years):
        detail = (
            f"`{column}` has dates of which the first number may be the year or the day; say which "
            "with `date_format`, such as %y-%m-%d or %d-%m-%y."
        )
        raise InvalidInput(detail)
    _require_whole_column(order_counts, days_of_iso, column)
    return DateReading(zone, _order_shown_by(order_counts, column))


def _reading_of_format(zone: ZoneInfo, format_: str) -> DateReading:
    """Return the reading by the caller's format: an order of day and month, or strptime's signs."""
    return DateReading(zone, format_) if format_ in _ORDERS else DateReading(zone, format=format_)


def _require_whole_column(
    order_counts: Mapping[str | None, int], days_of_iso: Set[int], column: str
) -> None:
    """Refuse a spreadsheet's column in which only dates with a day up to 12 are real dates."""
    in_numbers = (
        order_counts["dmy"] + order_counts["mdy"] + order_counts["dotted"] + order_counts["either"]
    )
    if in_numbers and days_of_iso and max(days_of_iso) <= _MONTHS:
        detail = (
            f"`{column}` has real dates and dates as text, and no real one is after the 12th of a "
            "month: the spreadsheet has read day and month the other way round where it could. "
            "Open the file again with the right order, or read in the CSV that it was made of."
        )
        raise InvalidInput(detail)


def _order_shown_by(order_counts: Mapping[str | None, int], column: str) -> str:
    """Return the order of a column; the argument counts how many dates show each order."""
    first, second, dotted = order_counts["dmy"], order_counts["mdy"], order_counts["dotted"]
    if first and second:
        detail = (
            f"`{column}` has dates of both orders, day first and month first; say which with "
            "`date_format`: `dmy`, `mdy` or a form such as %d/%m/%Y."
        )
        raise InvalidInput(detail)
    if first or (dotted and not second):
        return "dmy"
    if second:
        return "mdy"
    if order_counts["either"]:
        detail = (
            f"`{column}` has dates whose day and month cannot be told apart; say which comes "
            "first with `date_format`: `dmy`, `mdy` or a form such as %d/%m/%Y."
        )
        raise InvalidInput(detail)
    return "iso"


def _may_begin_with_years(dates: Set[tuple[int, int, int]]) -> bool:
    """Tell whether dates of two-digit years may have the year first, and the day last.

    A file covers only a few recent years, but many days of the month.
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
    first, second = int(match[1]), int(match[3])
    if first > 12 >= second:
        return "dmy"
    if second > 12 >= first:
        return "mdy"
    return None if first == second else "either"


def _parts(text: str, order: str) -> dt.datetime | None:
    """Return the moment of a text, without a zone if none is written; None for another form."""
    if (moment := _counted_from_an_origin(text)) is not None:
        return moment
    if match := _ISO.match(text) or _COMPACT.fullmatch(text):
        return _with_clock(int(match[1]), int(match[2]), int(match[3]), match[4] or "")
    if match := _NUMERIC.match(text):
        return _in_numbers(match, order)
    return _by_name(text)


def _counted_from_an_origin(text: str) -> dt.datetime | None:
    """Return the moment of Unix seconds or milliseconds, or of a spreadsheet's days."""
    if _EPOCH.fullmatch(text):
        is_milliseconds = "." not in text and len(text) == len("1700000000000")
        seconds = float(text) / (1000 if is_milliseconds else 1)
        return dt.datetime.fromtimestamp(seconds, dt.UTC)
    if _SERIAL.fullmatch(text):
        serial = float(text.replace(",", "."))
        if _SERIALS[0] <= serial <= _SERIALS[1]:
            return _SERIAL_ORIGIN + dt.timedelta(days=serial)
    return None


def _in_numbers(match: re.Match[str], order: str) -> dt.datetime | None:
    own_order = _order_of(match[0])
    if order == "iso" and own_order == "either":
        # The other dates of the column are ISO, so they do not show the order of this one.
        raise AmbiguousDateError(match[0])
    first, second, year = int(match[1]), int(match[3]), int(match[4])
    year += 2000 if year < 100 else 0
    is_month_first = match[2] != "." and "mdy" in {order, own_order if order == "iso" else order}
    day, month = (second, first) if is_month_first else (first, second)
    return _with_clock(year, month, day, match[5])


def _by_name(text: str) -> dt.datetime | None:
    """Return the moment of a date with the name of its month."""
    if match := _SCRIPT.match(text):
        text = f"{match[2]} {match[1]} {match[3]} {match[4]}"
    for pattern, day_at, month_at in ((_NAMED, 1, 2), (_NAMED_SHORT, 1, 2), (_NAMED_US, 2, 1)):
        if (match := pattern.match(text)) and (
            month_number := month_numbers().get(match[month_at].lower())
        ):
            year = int(match[3]) + (2000 if len(match[3]) == 2 else 0)
            return _with_clock(year, month_number, int(match[day_at]), match[4])
    return None


def _with_clock(year: int, month: int, day: int, clock: str) -> dt.datetime | None:
    date = dt.datetime(year, month, day)  # noqa: DTZ001 - the zone follows
    clock = _AFTER_CLOCK.sub("", _BEFORE_CLOCK.sub("", clock.strip()))
    if not clock:
        return date
    match = _CLOCK.match(clock)
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
    """Return the moment in the zone that is written after it; None if that is not a zone."""
    if not zone:
        return moment
    minutes = _ZONES.get(zone.lower())
    if offset := _OFFSET.match(zone):
        minutes = int(offset[2]) * 60 + int(offset[3] or 0)
        minutes = minutes if offset[1] == "+" else -minutes
    if minutes is None:
        return moment.replace(tzinfo=ZoneInfo(zone)) if "/" in zone and is_zone(zone) else None
    return moment.replace(tzinfo=dt.timezone(dt.timedelta(minutes=minutes)))
