# SPDX-License-Identifier: Apache-2.0
"""The dashboard's texts, numbers and times in the reader's language. Pure."""

import datetime as dt
import re

from babel.dates import format_date, format_datetime, get_day_names
from babel.units import format_unit

from app.core.clock import utc_now
from app.core.property_filters import PROPERTY
from app.core.texts import days_in, duration_in, number_in, shipped_language, texts_of
from app.interactions.schedule import WEEKDAYS
from app.metrics.registry import METRICS

_UNTIL, _SAMPLED = re.compile(r"until (\S+)"), re.compile(r"(\d+(?:\.(\d+))?)% are asked")
_COUNTED, _UNITS = re.compile(r"(\d{1,4})(d|w|mo)"), {"d": "day", "w": "week", "mo": "month"}


class DashboardTexts:
    """The dashboard's texts in one language; English for languages that are not shipped."""

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
        """Return the name of a built-in value, or the value itself if it is the company's own."""
        key = f"{kind}.{value}"
        text: str = self._names.get(key) or self._texts.get(key) or value.replace("_", " ")
        return text

    def action(self, request: str) -> str:
        """Say in words what a request of the API did: `POST /v1/alerts` made an alert."""
        method, _, path = request.partition(" ")
        subject, *tail = [part for part in path.split("/")[2:] if not part.startswith("{")] or [""]
        verb = self.name("audit_verb", tail[-1] if tail else method)
        return f"{self.name('audit_subject', subject)}: {verb}"

    def counted_by(self, metric: str) -> str:
        """Return the noun of what a metric counts: answers, tickets, invitations or follow-ups."""
        return self[METRICS[metric].counter.noun.replace("-", "_")]

    def field(self, name: str) -> str:
        """Say what a column of a file becomes: a field, a property, or the answer to a question."""
        if name.startswith(PROPERTY):
            return self["field_property"].format(name=name.removeprefix(PROPERTY))
        known = self._texts.get(f"field.{name}")
        return known or self["field_question"].format(name=name)

    def weekdays(self) -> list[tuple[str, str]]:
        """Return the days of a week, each by its short name in the API and its name in words."""
        names = get_day_names("wide", locale=self.language)
        return [(day, names[index]) for index, day in enumerate(WEEKDAYS)]

    def detail(self, detail: str | None, zone: dt.tzinfo) -> str:
        """Write what a decision says beside its reason in the reader's language and zone.

        A detail that is an English sentence is left out in other languages.
        """
        if not detail:
            return ""
        if match := _UNTIL.fullmatch(detail):
            at = dt.datetime.fromisoformat(match[1])
            return self["detail.until"].format(at=self.moment(at, zone))
        if match := _SAMPLED.fullmatch(detail):
            share = self.number(float(match[1]), len(match[2] or ""))
            return self["detail.sampled"].format(share=f"{share} %")
        return detail if self.language == "en" or " " not in detail else ""

    def number(self, value: float | None, digits: int = 0) -> str:
        """Write a number as the language groups and separates it."""
        return "–" if value is None else number_in(self.language, value, digits)

    def duration(self, seconds: float | None) -> str:
        """Write a length of time in its two largest units."""
        return "–" if seconds is None else duration_in(self.language, seconds)

    def time_span(self, name: str) -> str:
        """Return the name of a span such as `last_month`, or write one such as `14d` in words."""
        if f"period.{name}" not in self._texts and (counted := _COUNTED.fullmatch(name)):
            unit = _UNITS[counted[2]]
            return format_unit(int(counted[1]), unit, length="long", locale=self.language)
        return self.name("period", name)

    def period(self, text: str) -> str:
        """Write a period of a series shortly: a day, or a month with its year."""
        day = dt.date.fromisoformat(text if len(text) > 7 else f"{text}-01")
        form = "MMM y" if len(text) <= 7 else "d MMM"
        return format_date(day, form, locale=self.language)

    def days(self, span: tuple[dt.date, dt.date]) -> str:
        """Write a span of days, both inclusive."""
        return days_in(self.language, *span)

    def moment(self, at: dt.datetime | str | None, zone: dt.tzinfo) -> str:
        """Write a moment in the workspace's zone; `at` may also be a text of the API."""
        try:
            at = dt.datetime.fromisoformat(at) if isinstance(at, str) else at
            if at is None:
                return "–"
            local = at.astimezone(zone)
            is_this_year = local.year == utc_now().astimezone(zone).year
            form = "d MMM, HH:mm" if is_this_year else "d MMM y, HH:mm"
            written = format_datetime(local, form, locale=self.language)
            # In one piece, so that it takes one line of a table.
            return written.replace(" ", "\u00a0")
        except OverflowError:
            return "–"
