# SPDX-License-Identifier: Apache-2.0
"""Texts as we accept and write them: addresses, locales, keys, single lines, cells of CSV. Pure."""

import difflib
import itertools
import re
import unicodedata
from collections.abc import Container, Iterable
from typing import Annotated

from pydantic import AfterValidator, StringConstraints

_FORMULAS = ("=", "@", "\t", "\r", "＝", "＠")
_SIGNED_WORD = re.compile(r"[-+－＋][\w.:-]*", re.ASCII)


def escape_csv_formula(value: str) -> str:
    """Return a text for a CSV cell; a formula is prefixed with a quote.

    A text that begins with a sign but is not a formula, such as -12 or +48600, is not changed.
    """
    is_formula = value.startswith(_FORMULAS)
    is_signed = value.startswith(("+", "-", "＋", "－")) and not _SIGNED_WORD.fullmatch(value)
    return f"'{value}" if is_formula or is_signed else value


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return a hint at the nearest known word, or nothing."""
    near = difflib.get_close_matches(word[:64], list(known), n=1)
    return f"; did you mean `{near[0]}`?" if near else ""


def slug_of(text: str, *, default: str, keys: Container[str] = ()) -> str:
    """Make a key of a text, `default` where no letter of it can be written plainly.

    A key that is taken gets a number: `red-2`, `red-3`.
    """
    plain = unicodedata.normalize("NFKD", text.replace("ł", "l").replace("Ł", "L"))
    words = re.sub(r"[^a-z0-9]+", "-", plain.encode("ascii", "ignore").decode().lower())
    slug = words.strip("-")[:60].strip("-") or default
    numbered = (f"{slug}-{number}" for number in itertools.count(2))
    return next(key for key in itertools.chain([slug], numbered) if key not in keys)


# Characters that change the writing direction of the text after them.
_DIRECTION_MARKS = set("\u2028\u2029\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def _no_controls(value: str) -> str:
    if any(
        ord(character) < 32 or ord(character) == 127 or character in _DIRECTION_MARKS
        for character in value
    ):
        msg = "must not hold control characters"
        raise ValueError(msg)
    return value


def _is_email(value: str) -> str:
    address = normalize_email(value)
    if address is None:
        msg = "is not an e-mail address such as ala@example.pl"
        raise ValueError(msg)
    return address


Email = Annotated[str, StringConstraints(min_length=3, max_length=255), AfterValidator(_is_email)]
Slug = Annotated[
    str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_.-]*$", min_length=1, max_length=64)
]
Line = Annotated[str, StringConstraints(min_length=1, max_length=200), AfterValidator(_no_controls)]


# Nearly all addresses match this, and are normalised already.
_PLAIN_ADDRESS = re.compile(
    r"(?=[^@]{1,64}@[^@]{1,190}$)[\w+-]+(?:\.[\w+-]+)*@[a-z0-9-]+(?:\.[a-z0-9-]+)*", re.ASCII
)
LOCALE, MAX_LOCALE_CHARACTERS = r"^[a-z]{2,3}([-_][A-Za-z0-9]{2,8})*$", 35
# The key of a touchpoint, and the type of an interaction such as `visit` or `ticket.solved`.
TOUCHPOINT_KEY, MAX_TOUCHPOINT_CHARACTERS = r"[A-Za-z0-9][A-Za-z0-9_.-]*", 64
INTERACTION_TYPE, MAX_TYPE_CHARACTERS = r"[a-z][a-z0-9_]*(\.[a-z0-9_]+)*", 64
_NOT_IN_ADDRESSES = set('"(),:;<>[]\\ ')


def normalize_locale(value: str) -> str | None:
    """Return a locale with a small language and a hyphen, such as pl-PL; None for other texts."""
    language, separator, region = value.replace("_", "-").partition("-")
    locale = language.lower() + separator + region
    return locale if len(locale) <= MAX_LOCALE_CHARACTERS and re.fullmatch(LOCALE, locale) else None


def normalize_email(value: str) -> str | None:
    """Return a normalised e-mail address, or None if the text is not one.

    Full-width letters become plain; the domain becomes lower case and loses a final dot. A text
    that a mail header could read otherwise (quotes, brackets, encoded words) is refused.
    """
    if _PLAIN_ADDRESS.fullmatch(value):
        return value
    address = unicodedata.normalize("NFKC", value.strip(" "))
    local, at, domain = address.rpartition("@")
    domain = domain.rstrip(".").lower()
    odd = any(
        unicodedata.category(letter)[0] in "CZ" or letter in _NOT_IN_ADDRESSES for letter in address
    )
    if odd or not at or "=?" in address or "@" in local or ".." in address:
        return None
    if (
        not 0 < len(local) <= 64
        or not 0 < len(domain) <= 190
        or local[0] == "."
        or local[-1] == "."
    ):
        return None
    return f"{local}@{domain}"
