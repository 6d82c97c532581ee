"""What an adapter is, and the small tools that all of them read payloads with. Pure."""

import datetime as dt
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from app.core.clock import rfc3339
from app.core.text import fit_email
from app.integrations.signatures import SignatureRule

Payload = Mapping[str, Any]
# The body of an interaction, without its source.
Told = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Delivery:
    """One webhook as it came: header names in lower case, the decoded body, when it came."""

    headers: Mapping[str, str]
    payload: Payload
    received_at: dt.datetime


@dataclass(frozen=True, slots=True)
class NotUsed:
    """Understood, but nothing to tell."""

    reason: str


Translation = list[Told] | NotUsed


@dataclass(frozen=True, slots=True)
class Adapter:
    """How one source signs, names its deliveries, and what they mean.

    Without a signature the URL carries a token. The first of `delivery_headers` names the
    delivery, else `delivery_field` of the body, else the hash of the body does.
    """

    translate: Callable[[Delivery, Payload], Translation]
    signature: SignatureRule | None = None
    stripe: bool = False
    delivery_headers: tuple[str, ...] = ()
    delivery_field: str | None = None
    hashes_body: bool = False
    properties: Mapping[str, str] = field(default_factory=dict)

    @property
    def signs(self) -> bool:
        """Whether its deliveries bear a signature."""
        return self.signature is not None or self.stripe


def dig(payload: Any, *path: str | int) -> Any:
    """Return what lies at a path, or None where something else stands there."""
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


def words(*values: Any) -> str | None:
    """Join texts and numbers to one text; None where all are empty."""
    parts = [text(value) for value in values]
    return " ".join(part for part in parts if part) or None


def text(value: Any) -> str | None:
    """Return a scalar as text, trimmed; None for anything else and for nothing."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    found = "".join(c for c in str(value) if c.isprintable()).strip()
    return found or None


def moment(value: Any) -> str | None:
    """Return a time as RFC 3339: from RFC 3339 itself, or Unix seconds; None for anything else."""
    found = None
    try:
        if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
            found = dt.datetime.fromtimestamp(value, dt.UTC)
        elif isinstance(value, str) and value.strip():
            found = dt.datetime.fromisoformat(value.strip())
    except (ValueError, OverflowError, OSError):
        return None
    if found is None or not 1900 <= found.year <= 9000:
        return None
    return rfc3339(found if found.tzinfo else found.replace(tzinfo=dt.UTC))


def email(value: Any) -> str | None:
    """Return an address that is one, in its one form."""
    found = text(value)
    return fit_email(found) if found else None


def customer(
    *,
    external_id: Any = None,
    address: Any = None,
    name: str | None = None,
    locale: str | None = None,
) -> dict[str, Any] | None:
    """Return a customer as interactions name one; None where nobody is named."""
    found = {
        "external_id": _cut(text(external_id), 128),
        "email": email(address),
        "name": _cut(name, 200),
        "locale": locale,
    }
    if found["external_id"] is None and found["email"] is None:
        return None
    return {key: value for key, value in found.items() if value}


def _cut(value: str | None, length: int) -> str | None:
    return value[:length] if value else None


def properties(**values: Any) -> dict[str, Any]:
    """Return what is known as properties: short texts, numbers, truth, lists of texts."""
    found: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, bool):
            found[name] = value
        elif isinstance(value, list | tuple):
            members = [t[:256] for t in map(text, value) if t]
            if members:
                found[name] = members[:20]
        elif kept := text(value):
            found[name] = kept[:256]
    return found


def tags(value: Any, *, separator: str | None = ",") -> list[str]:
    """Return tags: a list, a list of objects with a `name` or `tag`, or one text."""
    if isinstance(value, str):
        return [part.strip() for part in value.split(separator) if part.strip()]
    if not isinstance(value, list):
        return []
    named = (dig(v, "tag") or dig(v, "name") if isinstance(v, Mapping) else v for v in value)
    return [found for found in map(text, named) if found]


def told(type_: str, case: str, **more: Any) -> Told:
    """Return an interaction of a ticket or order; what is None is left out."""
    at = more.pop("occurred_at", None)
    kind = type_.rpartition(".")[2]
    number = more.pop("external_id", None) or f"{case}:{kind}" + (f":{at}" if at else "")
    found = {"type": type_, "external_id": number[:128], "occurred_at": at, **more}
    return {key: value for key, value in found.items() if value not in (None, {}, [])}


def with_opening(
    stories: Iterable[Told], ticket: str, opened_at: str | None, **more: Any
) -> list[Told]:
    """Put the opening before, made from the payload's creation time: once a ticket."""
    opening = told(
        "ticket.opened", ticket, ticket=ticket, occurred_at=opened_at,
        external_id=f"{ticket}:opened", **more,
    )  # fmt: skip
    rest = [one for one in stories if one["type"] != "ticket.opened"]
    return [opening, *rest] if opened_at or not rest else rest


LANGUAGES = {
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


def language(value: Any) -> str | None:
    """Return a locale from a code (`pl`, `pt-BR`, `pl_PL`) or a language's name (`Polski`)."""
    found = (text(value) or "").partition("(")[0].strip()
    if named := LANGUAGES.get(found.lower()):
        return named
    code, _, region = found.replace("_", "-").partition("-")
    if 2 <= len(code) <= 3 and code.isascii() and code.isalpha():
        plain = region.isalnum() and 2 <= len(region) <= 8 and region.isascii()
        return f"{code.lower()}-{region}" if plain else code.lower()
    return None
