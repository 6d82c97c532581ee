"""The dashboard's texts, numbers and times in the visitor's language. Pure."""

import datetime as dt

from babel.dates import format_date

from app.core.texts import number_in, shipped_language, texts_of

_MINUTE, _HOUR, _DAY = 60, 3600, 86_400


class DashboardTexts:
    """What the dashboard says in one language; English for any that is not shipped."""

    def __init__(self, locale: str | None) -> None:
        """Choose the language of a locale."""
        self.language = shipped_language(locale)
        self._texts = texts_of("dashboard", self.language)
        self._names = texts_of("names", self.language)

    def __getitem__(self, name: str) -> str:
        """Return a text, or raise KeyError for one that is missing."""
        text: str = self._texts[name] if name in self._texts else self._names[name]
        return text

    def name(self, kind: str, value: str) -> str:
        """Return the name of a value of ours, or the value where it is the company's own."""
        key = f"{kind}.{value}"
        text: str = self._names.get(key) or self._texts.get(key) or value.replace("_", " ")
        return text

    def number(self, value: float | None, digits: int = 0) -> str:
        """Write a number as the language groups and separates it."""
        return "–" if value is None else number_in(self.language, value, digits)

    def duration(self, seconds: float | None) -> str:
        """Write a length of time in its two largest units."""
        if seconds is None:
            return "–"
        if seconds < _HOUR:
            return f"{self.number(seconds / _MINUTE)} min"
        if seconds < 2 * _DAY:
            hours, rest = divmod(int(seconds), _HOUR)
            return f"{hours} h {rest // _MINUTE} min"
        days, rest = divmod(int(seconds), _DAY)
        return f"{days} {self['days_short']} {rest // _HOUR} h"

    def period(self, text: str) -> str:
        """Write a period of a series shortly: a day, or a month with its year."""
        day = dt.date.fromisoformat(text if len(text) > 7 else f"{text}-01")
        form = "MMM y" if len(text) <= 7 else "d MMM"
        return format_date(day, form, locale=self.language)

    def moment(self, at: dt.datetime | str | None, zone: dt.tzinfo) -> str:
        """Write a moment in the workspace's zone; it may stand as the API writes it."""
        try:
            at = dt.datetime.fromisoformat(at) if isinstance(at, str) else at
            return f"{at.astimezone(zone):%Y-%m-%d %H:%M}" if at else "–"
        except OverflowError:
            return "–"
