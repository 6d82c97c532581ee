# SPDX-License-Identifier: Apache-2.0
"""JSON as we accept it: UTF-8, bounded depth, no NUL, no lone surrogate, no huge number."""

from collections.abc import Iterable
from typing import Any

import msgspec

from app.core.errors import InvalidInput

_MAX_DEPTH = 32
_HUGE = 1 << 63


def decode_json(body: bytes) -> Any:
    """Decode a JSON body, or raise InvalidInput that says what is wrong with it."""
    try:
        value = msgspec.json.decode(body)
    except (msgspec.MsgspecError, UnicodeError) as error:
        raise InvalidInput.at("body", msg=f"is not valid JSON: {error}") from None
    except RecursionError:
        raise InvalidInput.at("body", msg="is nested too deeply") from None
    refuse_unstorable(value, ("body",))
    return value


def storage_error(value: Any, depth: int) -> str | None:
    """Say why PostgreSQL could not store the value, or None where it can."""
    kind = type(value)
    if kind is str:
        return "holds a NUL character" if "\x00" in value else None
    if kind is int:
        return None if -_HUGE <= value < _HUGE else "is too large a number"
    if kind is list or kind is dict:
        if depth >= _MAX_DEPTH:
            return "is nested too deeply"
        parts: Iterable[Any] = value if kind is list else (*value.keys(), *value.values())
        for part in parts:
            if reason := storage_error(part, depth + 1):
                return reason
    return None


def refuse_unstorable(value: Any, loc: tuple[str | int, ...]) -> None:
    """Raise InvalidInput, naming the field, where the value cannot be stored."""
    if not (reason := storage_error(value, len(loc))):
        return
    if isinstance(value, dict) and len(loc) < _MAX_DEPTH:
        for key, part in value.items():
            refuse_unstorable(key, (*loc, "key"))
            refuse_unstorable(part, (*loc, key))
    elif isinstance(value, list) and len(loc) < _MAX_DEPTH:
        for index, part in enumerate(value):
            refuse_unstorable(part, (*loc, index))
    raise InvalidInput.at(*loc, msg=reason)


_MAX_VALUE_CHARACTERS = 256
_MAX_LIST_MEMBERS = 20


def property_error(value: Any) -> str | None:
    """Say why a value cannot be a property, or None: a scalar, or a list of short texts."""
    if isinstance(value, list):
        if len(value) > _MAX_LIST_MEMBERS or not all(isinstance(member, str) for member in value):
            return f"a list may hold at most {_MAX_LIST_MEMBERS} texts"
        return next((reason for member in value if (reason := property_error(member))), None)
    if isinstance(value, str):
        too_long = len(value) > _MAX_VALUE_CHARACTERS
        return f"is longer than {_MAX_VALUE_CHARACTERS} characters" if too_long else None
    if isinstance(value, int | float):
        return None if -_HUGE < value < _HUGE else "is too large a number"
    return "must be a text, a number, true or false, or a list of texts"
