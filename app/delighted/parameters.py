# SPDX-License-Identifier: Apache-2.0
"""What Delighted's clients send: a query, JSON or a form, all read as one document. Pure."""

import datetime as dt
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import parse_qsl

from app.core.errors import InvalidInput
from app.core.json_values import decode_json, property_error
from app.core.property_filters import MAX_PROPERTIES

# Documents whose keys are names that the sender chose.
_FREE_KEY_DOCUMENTS = frozenset({"properties", "person_properties"})
# What of a person's properties is kept: so many, with names and texts of at most this length.
_MAX_NAME_CHARACTERS, _MAX_TEXT_CHARACTERS = 64, 256
_FORM_NAME = re.compile(r"([^\[\]]+)((?:\[[^\[\]]*\])*)")
_LARGEST_PAGE = 100
_USUAL_PAGE = 20
_LAST_SECOND = 32_503_680_000  # the year 3000


def read_body(body: bytes, content_type: str) -> dict[str, Any]:
    """Read a body as JSON where it is an object, else as a form; nothing is an empty document."""
    text = body.strip()
    if not text:
        return {}
    if text.startswith(b"{") or "json" in content_type:
        document = decode_json(text)
        if not isinstance(document, dict):
            raise InvalidInput.at("body", msg="must be an object")
        return document
    try:
        pairs = parse_qsl(text.decode(), keep_blank_values=True, max_num_fields=500)
    except ValueError:
        raise InvalidInput.at("body", msg="is neither JSON nor a form") from None
    return parse_pairs(pairs)


def parse_pairs(pairs: Sequence[tuple[str, str]]) -> dict[str, Any]:
    """Read `properties[key]=value` and `groups[]=value` as the document that they mean."""
    values: dict[str, Any] = {}
    for name, value in pairs:
        if "\x00" in name + value:
            raise InvalidInput.at("body", name.replace("\x00", ""), msg="holds a NUL character")
        match = _FORM_NAME.fullmatch(name)
        if match is None:
            continue
        keys = re.findall(r"\[([^\[\]]*)\]", match[2])
        _put(values, [match[1], *keys], value)
    return {
        name: _with_lists(value, of_names=name in _FREE_KEY_DOCUMENTS)
        for name, value in values.items()
    }


def _put(document: dict[str, Any], keys: Sequence[str], value: str) -> None:
    """Put a value into a document; an empty key is the next place of a list."""
    for key in keys[:-1]:
        inner = document.setdefault(key or str(len(document)), {})
        if not isinstance(inner, dict):
            return
        document = inner
    document[keys[-1] or str(len(document))] = value


def _with_lists(value: Any, *, of_names: bool) -> Any:
    """Return a value in which numbered places are lists, unless they are names of properties."""
    if not isinstance(value, dict):
        return value
    inner = {name: _with_lists(part, of_names=False) for name, part in value.items()}
    is_list = not of_names and all(name.isdecimal() for name in inner)
    return list(inner.values()) if is_list else inner


class Parameters:
    """One request's document; each method reads one value, or raises InvalidInput naming it."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        """Keep the document."""
        self.values = values

    def __contains__(self, name: str) -> bool:
        """Tell whether a value was given that is not null and not empty."""
        return self.values.get(name) not in {None, ""} if _is_plain(self.values.get(name)) else True

    def text(self, name: str) -> str | None:
        """Return a text; numbers are taken as texts."""
        value = self.values.get(name)
        if value is None or value == "":
            return None
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            raise InvalidInput.at("body", name, msg="must be a text")
        return str(value)

    def flag(self, name: str, *, default: bool) -> bool:
        """Return true or false, also where a form says it in words."""
        value = self.values.get(name)
        if value is None:
            return default
        if isinstance(value, bool):
            return value
        if str(value).lower() in {"true", "1"}:
            return True
        if str(value).lower() in {"false", "0", ""}:
            return False
        raise InvalidInput.at("body", name, msg="must be true or false")

    def whole_number(self, name: str) -> int | None:
        """Return a whole number, also where a form says it as text."""
        value = self.values.get(name)
        if value is None or value == "":
            return None
        try:
            number = float(value) if not isinstance(value, bool) else float("nan")
        except (TypeError, ValueError):
            number = float("nan")
        if not number.is_integer() or abs(number) > _LAST_SECOND:
            raise InvalidInput.at("body", name, msg="must be a whole number")
        return int(number)

    def moment(self, name: str) -> dt.datetime | None:
        """Return a time that is given in seconds since 1970."""
        seconds = self.whole_number(name)
        if seconds is not None and seconds < 0:
            raise InvalidInput.at("body", name, msg="must be seconds since 1970")
        return None if seconds is None else dt.datetime.fromtimestamp(seconds, dt.UTC)

    def end(self, name: str) -> dt.datetime | None:
        """Return the exclusive end of a span whose last second is given.

        That second belongs to the span: a client that pulls spans begins the next a second later.
        """
        last = self.moment(name)
        return None if last is None else last + dt.timedelta(seconds=1)

    def names(self, name: str) -> list[str]:
        """Return a list of words, which may be one word, or joined by commas."""
        value = self.values.get(name)
        words = value if isinstance(value, list) else [value] if value else []
        return [part.strip() for word in words for part in str(word).split(",") if part.strip()]

    def page(self) -> tuple[int, int]:
        """Return the number of the page, from 1, and how many rows it has."""
        size = self.whole_number("per_page")
        number = self.whole_number("page")
        if number is not None and not 1 <= number <= 100_000:
            raise InvalidInput.at("body", "page", msg="must be 1 or more")
        return number or 1, _USUAL_PAGE if size is None else min(max(size, 1), _LARGEST_PAGE)

    def properties(self, name: str) -> dict[str, Any]:
        """Return properties; what is null or empty is left out.

        Values that do not fit are left out, too, and long texts are cut: a client that was
        written for Delighted must not fail because of a side field.
        """
        value = self.values.get(name)
        if value is None or value == "":
            return {}
        if not isinstance(value, dict):
            raise InvalidInput.at("body", name, msg="must be an object of names and values")
        fields: dict[str, Any] = {}
        for key, part in value.items():
            fit = part if isinstance(part, str | int | float) else json.dumps(part)
            fit = fit[:_MAX_TEXT_CHARACTERS] if isinstance(fit, str) else fit
            is_empty = part in (None, "", [], {})
            if is_empty or len(str(key)) > _MAX_NAME_CHARACTERS or property_error(fit):
                continue
            fields[str(key)] = fit
        return dict(list(fields.items())[:MAX_PROPERTIES])


def _is_plain(value: Any) -> bool:
    return value is None or isinstance(value, str | int | float)
