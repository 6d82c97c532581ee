# SPDX-License-Identifier: Apache-2.0
"""Functions with which adapters read payloads of unknown content. Pure."""

import datetime as dt
import math
import re
from collections.abc import Iterable, Mapping
from decimal import Decimal, InvalidOperation
from email.utils import parsedate_to_datetime
from typing import Any
from zoneinfo import ZoneInfo

from app.core.clock import rfc3339
from app.core.text_types import normalize_email
from app.integrations.adapter import InteractionBody, UnreadableTimeError
from app.interactions.known_types import KnownType

# Seconds since 1970 have 10 digits from 2001 to 2286, and milliseconds 13.
_SECONDS_FROM, _MILLISECONDS_FROM, _MAX_DIGITS = 10**9, 10**12, 23
_FIRST_YEAR, _LAST_YEAR = 1900, 9000
_FORMATS = (
    "%d.%m.%Y %H:%M", "%d.%m.%Y %H:%M:%S", "%Y/%m/%d %H:%M", "%Y/%m/%d %H:%M:%S",
    "%B %d, %Y %I:%M %p", "%b %d, %Y %I:%M %p", "%a, %b %d, %Y %I:%M %p", "%d %B %Y %H:%M",
    "%d %b %Y %H:%M", "%d %b, %Y %I:%M %p", "%A, %B %d, %Y %I:%M %p", "%d %b %Y %I:%M %p",
    "%d %B %Y %I:%M %p", "%d %B, %Y %I:%M %p", "%a, %d %b, %Y %I:%M %p", "%a, %d %B, %Y %I:%M %p",
)  # fmt: skip
_MAIL_FORM = re.compile(
    r"([A-Z][a-z]{2}, )?\d{1,2} [A-Z][a-z]{2} \d{4} \d\d:\d\d(:\d\d)?"
    r"( (UTC?|GMT|[ECMP][SD]T|[+-]\d{4}))?"
)
_OFFSET = re.compile(r"\s+(UTC|GMT|Z|[+-]\d\d:?\d\d)$")


def value_at(payload: Any, *path: str | int) -> Any:
    """Return the value at a path, or None if the path does not exist."""
    for step in path:
        if isinstance(step, int):
            if not isinstance(payload, list) or not -len(payload) <= step < len(payload):
                return None
            payload = payload[step]
        elif isinstance(payload, Mapping):
            payload = payload.get(step)
        else:
            return None
    return payload


def join_texts(*values: Any) -> str | None:
    """Join texts and numbers to one text; None where all are empty."""
    parts = [text_of(value) for value in values]
    return " ".join(part for part in parts if part) or None


def text_of(value: Any) -> str | None:
    """Return a scalar as text, trimmed; None for anything else and for nothing."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    text = "".join(character for character in str(value) if character.isprintable()).strip()
    return text or None


def time_of(value: Any, zone: ZoneInfo) -> str | None:
    """Return a time as RFC 3339; None where none is given.

    Read are ISO 8601, Unix seconds and milliseconds, RFC 2822 and a few common forms; one
    without a zone is local time in `zone`. Anything else raises UnreadableTimeError.
    """
    if value in (None, "", 0, "0") or (isinstance(value, str) and not value.strip()):
        return None
    moment = _from_number(value) if isinstance(value, int | float) else _from_text(value)
    if moment is None:
        raise UnreadableTimeError(value)
    return as_rfc3339(moment, zone, value=value)


def as_rfc3339(at: dt.datetime, zone: ZoneInfo, *, value: object) -> str:
    """Write a time as RFC 3339, in `zone` where it has none; refuse a year that cannot be."""
    if not _FIRST_YEAR <= at.year <= _LAST_YEAR:
        raise UnreadableTimeError(value)
    return rfc3339(at if at.tzinfo else at.replace(tzinfo=zone))


def _from_number(value: float) -> dt.datetime | None:
    if isinstance(value, bool) or not math.isfinite(value):
        return None
    if not any(low <= value < 10 * low for low in (_SECONDS_FROM, _MILLISECONDS_FROM)):
        return None
    seconds = value / 1000 if value >= _MILLISECONDS_FROM else value
    return dt.datetime.fromtimestamp(seconds, dt.UTC)


def _from_text(value: Any) -> dt.datetime | None:
    if not isinstance(value, str):
        return None
    text = value.strip()
    if re.fullmatch(r"\d+(\.\d{1,9})?", text):
        return _from_number(float(text)) if len(text) <= _MAX_DIGITS else None
    compact = _OFFSET.sub(lambda m: "Z" if m[1] in {"UTC", "GMT"} else m[1], text)
    for reads, form in (
        (dt.datetime.fromisoformat, compact),
        (_from_common_form, compact),
        (_from_mail_form, text),
    ):
        try:
            return reads(form)
        except (ValueError, TypeError, IndexError):
            continue
    return None


def _from_mail_form(value: str) -> dt.datetime:
    """Read RFC 2822; the standard library would overlook what it does not understand."""
    if not _MAIL_FORM.fullmatch(value):
        raise ValueError(value)
    return parsedate_to_datetime(value)


def _from_common_form(value: str) -> dt.datetime:
    plain = value.replace(" at ", " ").replace("\u202f", " ")
    for form in _FORMATS:
        try:
            # Zone-less on purpose: the caller says whose local time it is.
            return dt.datetime.strptime(plain, form)  # noqa: DTZ007 - the caller gives the zone
        except ValueError:
            continue
    raise ValueError(value)


def email_of(value: Any) -> str | None:
    """Return a normalised e-mail address, or None if it is invalid."""
    text = text_of(value)
    return normalize_email(text) if text else None


def build_customer(
    *,
    external_id: Any = None,
    address: Any = None,
    name: str | None = None,
    locale: str | None = None,
) -> dict[str, Any] | None:
    """Return a customer as interactions name one; None where nobody is named."""
    fields = {
        "external_id": _cut(text_of(external_id), 128),
        "email": email_of(address),
        "name": _cut(name, 200),
        "locale": locale,
    }
    if fields["external_id"] is None and fields["email"] is None:
        return None
    return {key: value for key, value in fields.items() if value}


def _cut(value: str | None, length: int) -> str | None:
    return value[:length] if value else None


def build_properties(**values: Any) -> dict[str, Any]:
    """Return what is known as properties: short texts, numbers, truth, lists of texts."""
    properties: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, bool):
            properties[name] = value
        elif isinstance(value, list | tuple):
            members = [member[:256] for member in map(text_of, value) if member]
            if members:
                properties[name] = members[:20]
        elif text := text_of(value):
            properties[name] = text[:256]
    return properties


def tags_of(value: Any, *, separator: str | None = ",") -> list[str]:
    """Return tags: a list, a list of objects with a `name` or `tag`, or one text."""
    if isinstance(value, str):
        return [part.strip() for part in value.split(separator) if part.strip()]
    if not isinstance(value, list):
        return []
    members = (
        value_at(entry, "tag") or value_at(entry, "name") if isinstance(entry, Mapping) else entry
        for entry in value
    )
    return [tag for tag in map(text_of, members) if tag]


_MAX_POWERS = 30


def decimal_of(value: Any) -> Decimal | None:
    """Return a finite decimal number, or None."""
    try:
        number = Decimal(text_of(value) or "")
    except InvalidOperation:
        return None
    return number if number.is_finite() and abs(number.adjusted()) <= _MAX_POWERS else None


def money_of(amount: Any, currency: Any) -> dict[str, str] | None:
    """Return an amount with its currency, or None where either is missing or odd."""
    number, code = decimal_of(amount), text_of(currency)
    if number is None or code is None or not re.fullmatch(r"[A-Za-z]{3}", code):
        return None
    return {"amount": f"{number:f}", "currency": code.upper()}


_WITHOUT_MINOR_UNITS = frozenset(
    ["BIF", "CLP", "DJF", "GNF", "JPY", "KMF", "KRW", "MGA", "PYG", "RWF", "UGX", "VND", "VUV",
     "XAF", "XOF", "XPF"]
)  # fmt: skip
_WITH_THREE_DIGITS = frozenset(["BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"])


def minor_digits(currency: Any) -> int:
    """Return how many digits of a currency's amounts are minor units: 2 of EUR, 0 of JPY."""
    code = (text_of(currency) or "").upper()
    return 0 if code in _WITHOUT_MINOR_UNITS else 3 if code in _WITH_THREE_DIGITS else 2


def event_id_of(case: str, type_: str, at: str) -> str:
    """Return an id for an event of a ticket or order whose sender gives none."""
    return f"{case[:80]}:{type_.rpartition('.')[2]}:{at}"


def build_interaction(type_: str, case: str, **more: Any) -> InteractionBody:
    """Return an interaction of a ticket or order; what is None is left out.

    Its `external_id` is made of the case, the type and the time. Without a time none is made, and
    the time of receipt must distinguish the events of the case.
    """
    at, given_id = more.pop("occurred_at", None), more.pop("external_id", None)
    if given_id is None and at is not None:
        given_id = event_id_of(case, type_, at)
    body = {"type": str(type_), "external_id": _cut(given_id, 128), "occurred_at": at, **more}
    return {key: value for key, value in body.items() if value not in (None, "", {}, [])}


def with_opening(
    interactions: Iterable[InteractionBody], ticket: str, opened_at: str | None, **more: Any
) -> list[InteractionBody]:
    """Put the ticket's opening in front, once, made from the payload's creation time."""
    bodies = list(interactions)
    later_bodies = [body for body in bodies if body["type"] != KnownType.TICKET_OPENED]
    if opened_at is None and len(later_bodies) == len(bodies):
        return bodies
    opening = build_interaction(
        KnownType.TICKET_OPENED, ticket, ticket=ticket, occurred_at=opened_at,
        external_id=f"{ticket}:opened", **more,
    )  # fmt: skip
    return [opening, *later_bodies]


LANGUAGE_CODE_BY_NAME = {
    "english": "en", "polski": "pl", "polish": "pl", "română": "ro", "romanian": "ro",
    "deutsch": "de", "german": "de", "français": "fr", "french": "fr", "español": "es",
    "spanish": "es", "italiano": "it", "italian": "it", "português": "pt", "portuguese": "pt",
    "nederlands": "nl", "dutch": "nl", "čeština": "cs", "czech": "cs", "slovenčina": "sk",
    "slovak": "sk", "magyar": "hu", "hungarian": "hu", "українська": "uk", "ukrainian": "uk",
    "русский": "ru", "russian": "ru", "svenska": "sv", "swedish": "sv", "dansk": "da",
    "danish": "da", "norsk": "no", "norwegian": "no", "suomi": "fi", "finnish": "fi",
    "ελληνικά": "el", "greek": "el", "türkçe": "tr", "turkish": "tr", "български": "bg",
    "bulgarian": "bg", "hrvatski": "hr", "croatian": "hr", "עברית": "he", "hebrew": "he",
    "العربية": "ar", "arabic": "ar", "日本語": "ja", "japanese": "ja", "中文": "zh",
}  # fmt: skip


def locale_of(value: Any) -> str | None:
    """Return a locale from a code (`pl`, `pt-BR`, `pl_PL`) or a language's name (`Polski`)."""
    text = (text_of(value) or "").partition("(")[0].strip()
    if language := LANGUAGE_CODE_BY_NAME.get(text.lower()):
        return language
    code, _, region = text.replace("_", "-").partition("-")
    if 2 <= len(code) <= 3 and code.isascii() and code.isalpha():
        plain = region.isalnum() and 2 <= len(region) <= 8 and region.isascii()
        return f"{code.lower()}-{region}" if plain else code.lower()
    return None
