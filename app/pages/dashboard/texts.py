"""The dashboard's own words and numbers in the visitor's language. Pure."""

import datetime as dt
import json
from importlib.resources import files

from app.surveys.words import language_of

_WORDS: dict[str, dict[str, str]] = json.loads(
    files("app.pages.dashboard").joinpath("words.json").read_text()
)
LANGUAGES = ("en", "pl", "ro")
_MINUTE, _HOUR, _DAY = 60, 3600, 86_400


class DashboardTexts:
    """What the dashboard says in one language; English for any that is not shipped."""

    def __init__(self, locale: str | None) -> None:
        """Choose the language of a locale."""
        language = language_of(locale)
        self.language = language if language in LANGUAGES else "en"

    def __getitem__(self, name: str) -> str:
        """Return a text, or raise KeyError for one that is missing."""
        return _WORDS[name][self.language]

    def name(self, kind: str, value: str) -> str:
        """Return the name of a value of ours, or the value where it is the company's own."""
        texts = _WORDS.get(f"{kind}.{value}")
        return texts[self.language] if texts else value.replace("_", " ")

    def number(self, value: float | None, digits: int = 0) -> str:
        """Write a number: groups of three, and the language's own comma."""
        if value is None:
            return "–"
        text = f"{value:,.{digits}f}".replace("-", "−")
        if self.language == "en":
            return text
        group = "\N{NO-BREAK SPACE}" if self.language == "pl" else "."
        return text.replace(",", "\0").replace(".", ",").replace("\0", group)

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

    def moment(self, at: dt.datetime | None, zone: dt.tzinfo) -> str:
        """Write a moment in the workspace's zone."""
        try:
            return f"{at.astimezone(zone):%Y-%m-%d %H:%M}" if at else "–"
        except OverflowError:
            return "–"
