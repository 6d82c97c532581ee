# SPDX-License-Identifier: Apache-2.0
"""Check the rules and conditions of a mapping, when it is saved. Pure."""

import datetime as dt
import re
from collections.abc import Mapping as Table
from typing import Any

from app.core.zones import is_zone
from app.triggers.conditions import OPERATORS, check_operand

SOURCES = ("pointer", "const", "template", "of")
_KEYS = {*SOURCES, "map", "else", "scale", "time", "timezone"}
# An amount in the minor units of its currency: cents, but whole yen.
MINOR = "minor"
_TIMES = {"iso", "epoch", "epoch_ms"}
_MAX_DEPTH, _MAX_PARTS, _MAX_ENTRIES, _MAX_CHARACTERS = 8, 20, 500, 300
_HEADER = re.compile(r"^header:[A-Za-z0-9-]{1,100}$")
_ODD_ESCAPE = re.compile(r"~(?![01])")
PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
_FURTHEST_SCALE = 12


def check_pointer(pointer: str) -> str:
    """Return a valid pointer, or raise ValueError that says what to write."""
    is_pointer = pointer.startswith(("/", "root:/")) or pointer == "root:"
    is_pointer &= not _ODD_ESCAPE.search(pointer)
    if len(pointer) > _MAX_CHARACTERS or not (is_pointer or _HEADER.match(pointer)):
        msg = (
            f"{pointer[:60]!r} is not a pointer: begin it with `/`, `root:/` or `header:`; "
            'a text that is always the same is {"const": "…"}'
        )
        raise ValueError(msg)
    return pointer


def check_rule(rule: Any, depth: int = 0) -> Any:
    """Return a valid rule, or raise ValueError that says what is wrong with it."""
    if depth > _MAX_DEPTH:
        msg = "is nested too deeply"
        raise ValueError(msg)
    if isinstance(rule, str):
        return check_pointer(rule)
    if isinstance(rule, list):
        if not 0 < len(rule) <= _MAX_PARTS:
            msg = f"a list of rules holds 1 to {_MAX_PARTS} of them"
            raise ValueError(msg)
        return [check_rule(part, depth + 1) for part in rule]
    if not isinstance(rule, dict):
        msg = 'must be a pointer, an object such as {"const": "…"}, or a list of rules'
        raise ValueError(msg)  # noqa: TRY004 - pydantic turns it into a field's error
    _check_object(rule, depth)
    return rule


def _check_object(rule: Table[str, Any], depth: int) -> None:
    if odd := sorted(set(rule) - _KEYS):
        msg = f"`{odd[0]}` is not part of a rule; these are: {', '.join(sorted(_KEYS))}"
        raise ValueError(msg)
    sources = [name for name in SOURCES if name in rule]
    if len(sources) != 1:
        msg = f"needs exactly one of {', '.join(f'`{name}`' for name in SOURCES)}"
        raise ValueError(msg)
    _check_source(rule, sources[0], depth)
    _check_table(rule, depth)
    _check_reading(rule)


def _check_source(rule: Table[str, Any], name: str, depth: int) -> None:
    value = rule[name]
    if name == "of":
        check_rule(value, depth + 1)
    elif name == "const":
        if not isinstance(value, str | int | float | bool) or len(str(value)) > _MAX_CHARACTERS:
            text = f"a text of at most {_MAX_CHARACTERS} characters"
            msg = f"const: must be {text}, a number or true/false"
            raise ValueError(msg)
    elif not isinstance(value, str):
        msg = f"{name}: must be a text"
        raise ValueError(msg)
    elif name == "pointer":
        check_pointer(value)
    else:
        _check_template(value)


def _check_template(template: str) -> None:
    pointers = PLACEHOLDER.findall(template)
    text = PLACEHOLDER.sub("", template)
    if len(template) > _MAX_CHARACTERS or not pointers or "{" in text or "}" in text:
        msg = "template: put each pointer in braces, such as `{/id}:{/status}`"
        raise ValueError(msg)
    for pointer in pointers:
        check_pointer(pointer)


def _check_table(rule: Table[str, Any], depth: int) -> None:
    if "map" in rule:
        table = rule["map"]
        fits = isinstance(table, dict) and 0 < len(table) <= _MAX_ENTRIES
        if not fits or not all(
            isinstance(value, str | int | float | bool) for value in table.values()
        ):
            msg = f"map: must be an object of 1 to {_MAX_ENTRIES} texts, such as {{'9': 'paid'}}"
            raise ValueError(msg)
    elif "else" in rule:
        msg = "else: stands only beside a `map`"
        raise ValueError(msg)
    if rule.get("else") is not None:
        try:
            check_rule(rule["else"], depth + 1)
        except ValueError as error:
            msg = f"else: {error}"
            raise ValueError(msg) from None


def _check_reading(rule: Table[str, Any]) -> None:
    scale = rule.get("scale", 0)
    is_power = isinstance(scale, int) and not isinstance(scale, bool)
    if scale != MINOR and not (is_power and abs(scale) <= _FURTHEST_SCALE):
        msg = "scale: must be a power of ten such as -2, or `minor` for the currency's own"
        raise ValueError(msg)
    form = rule.get("time")
    if form is not None and form not in _TIMES:
        _check_format(form)
    zone = rule.get("timezone")
    if zone is not None and (form is None or not isinstance(zone, str) or not is_zone(zone)):
        msg = "timezone: must be an IANA zone such as Europe/Warsaw, beside a `time`"
        raise ValueError(msg)


def _check_format(form: Any) -> None:
    msg = "time: must be iso, epoch, epoch_ms, or signs with a year such as `%d.%m.%Y %H:%M`"
    if not isinstance(form, str) or not re.search("%[Yy]", form) or len(form) > _MAX_CHARACTERS:
        raise ValueError(msg)
    if "%Z" in form:
        msg = "time: `%Z` is ambiguous; use `%z`, or `timezone` beside it"
        raise ValueError(msg)
    try:
        sample = dt.datetime(2026, 3, 4, 15, 6, 7, tzinfo=dt.UTC).strftime(form)
        dt.datetime.strptime(sample, form)  # noqa: DTZ007 - only whether it can be read
    except ValueError:
        raise ValueError(msg) from None


def check_condition(condition: Any, depth: int = 0) -> Any:
    """Return a valid condition: `all`, `any`, or a pointer with `op` and `value`."""
    if not isinstance(condition, dict) or depth > _MAX_DEPTH:
        msg = 'must be an object such as {"pointer": "/status", "op": "eq", "value": "paid"}'
        raise ValueError(msg)
    if set(condition) <= {"all", "any"} and condition:
        for name, members in condition.items():
            if not isinstance(members, list) or not 0 < len(members) <= _MAX_PARTS:
                msg = f"{name}: must be a list of 1 to {_MAX_PARTS} conditions"
                raise ValueError(msg)
            for member in members:
                check_condition(member, depth + 1)
        return condition
    if odd := sorted(set(condition) - {"pointer", "op", "value"}):
        msg = f"`{odd[0]}` is not part of a condition; write `all`, `any`, or pointer, op and value"
        raise ValueError(msg)
    if not isinstance(condition.get("pointer"), str):
        msg = "pointer: is required"
        raise ValueError(msg)  # noqa: TRY004 - pydantic turns it into a field's error
    check_pointer(condition["pointer"])
    _check_comparison(condition)
    return condition


def _check_comparison(condition: Table[str, Any]) -> None:
    operator, value = condition.get("op"), condition.get("value")
    if operator not in OPERATORS:
        msg = f"op: must be one of {', '.join(OPERATORS)}"
        raise ValueError(msg)
    check_operand(operator, value)
