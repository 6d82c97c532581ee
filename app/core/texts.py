# SPDX-License-Identifier: Apache-2.0
"""The product's own texts: one file a language, with plurals and numbers by CLDR."""

import datetime as dt
import json
from decimal import ROUND_HALF_UP, Decimal
from functools import cache
from importlib.resources import files
from typing import Any

from babel import Locale
from babel.dates import format_date
from babel.numbers import format_decimal

LANGUAGES = ("en", "pl", "ro")
_HOUR_SECONDS, _DAY_SECONDS = 3600, 86_400
FALLBACK = "en"
# Sections of a catalogue: around surveys, in mails, names of emotions and tags, the dashboard, and
# what is wrong with files.
SECTIONS = ("survey", "mail", "emotions", "names", "dashboard", "file_reasons")


@cache
def _texts_file(language: str) -> dict[str, dict[str, Any]]:
    texts: dict[str, dict[str, Any]] = json.loads(
        files("app").joinpath("texts", f"{language}.json").read_text()
    )
    return texts


def texts_of(section: str, language: str) -> dict[str, Any]:
    """Return the texts of a section by name; a text with plurals is an object of its forms."""
    return _texts_file(language)[section]


def language_of(locale: str | None) -> str:
    """Return the language of a locale, `pl` of `pl-PL`."""
    return (locale or FALLBACK).replace("_", "-").partition("-")[0].lower()


def shipped_language(*locales: str | None) -> str:
    """Return the first language of the locales that is shipped, else English."""
    for locale in locales:
        if locale and (language := language_of(locale)) in LANGUAGES:
            return language
    return FALLBACK


def plural_of(language: str, n: int) -> str:
    """Return CLDR's category of a whole number: `one`, `few`, `many` or `other`."""
    return str(_locale(language).plural_form(n))


def days_in(language: str, first: dt.date, last: dt.date) -> str:
    """Write a span of days, both inclusive."""
    ends = format_date(last, "d MMM y", locale=language)
    if first == last:
        return ends
    form = "d MMM" if first.year == last.year else "d MMM y"
    return f"{format_date(first, form, locale=language)} – {ends}"


def number_in(language: str, value: float, digits: int = 0) -> str:
    """Write a number with so many decimals, as the language groups and separates it.

    Halves are rounded away from zero, as the API does.
    """
    pattern = "#,##0" + ("." + "0" * digits if digits else "")
    exact = Decimal(str(round(value, 9))).quantize(Decimal(1).scaleb(-digits), ROUND_HALF_UP)
    return format_decimal(exact + 0, pattern, locale=_locale(language)).replace("-", "−")


def duration_in(language: str, seconds: float) -> str:
    """Write a length of time in its two largest units; a negative one with its sign."""
    if abs(seconds) < _HOUR_SECONDS:
        return f"{number_in(language, seconds / 60)} min"
    if seconds < 0:
        return f"−{duration_in(language, -seconds)}"
    hours, minutes = divmod(int(seconds) // 60, 60)
    if seconds < 2 * _DAY_SECONDS:
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    days, hours = divmod(hours, 24)
    days_text = f"{days} {texts_of('dashboard', language)['days_short']}"
    return f"{days_text} {hours} h" if hours else days_text


@cache
def _locale(language: str) -> Locale:
    return Locale.parse(language)
