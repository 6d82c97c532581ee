# SPDX-License-Identifier: Apache-2.0
"""Translate by a mapping: its rules read the body and the headers, or are constants. Pure.

`mapping_rules` checks a mapping when it is saved; here it is assumed to be valid.
"""

import datetime as dt
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from app.core.text_types import INTERACTION_TYPE
from app.integrations.adapter import (
    InboundWebhook,
    InteractionBody,
    Interpretation,
    SourceSettings,
    Translation,
    UnmappedStatusError,
    UnreadableTimeError,
    UntranslatableError,
    UnusedWebhook,
)
from app.integrations.mapping_rules import MINOR, PLACEHOLDER
from app.integrations.payload_fields import as_rfc3339, decimal_of, minor_digits, text_of, time_of
from app.integrations.statuses import fold_status, type_of_meaning
from app.triggers.conditions import holds

_TEXTS = ("type", "external_id", "ticket", "order", "touchpoint", "locale")
_TYPE = re.compile(INTERACTION_TYPE)
_TRUE = {"true", "1", "yes", "test", "sandbox"}
_MAX_INTERACTIONS = 1000
_ROOT, _HEADER = "root:", "header:"
_ALL_CASES = "*"
_NO_ELSE = "add it to the `map` of the mapping, give the `map` an `else`, or use `status_map`"


@dataclass(frozen=True, slots=True)
class MappingScope:
    """Where rules look: the member that makes one interaction, the whole body, the headers."""

    member: Any
    root: Any
    headers: Mapping[str, str]
    settings: SourceSettings
    currency: Any = None


def translate(webhook: InboundWebhook, settings: SourceSettings) -> Translation:
    """Make the interactions that the mapping finds; a webhook without any is skipped."""
    bodies: list[InteractionBody] = []
    reasons: list[str] = []
    problems: list[UntranslatableError] = []
    notes: list[str] = []
    for mapping, scope in _scopes(settings.mapping, webhook, settings):
        try:
            body = _translate_member(mapping, scope, reasons, notes)
        except UntranslatableError as error:
            # A faulty member does not stop the others.
            problems.append(error)
            continue
        if body is None:
            continue
        bodies.append(body)
        if len(bodies) > _MAX_INTERACTIONS:
            msg = f"it makes more than {_MAX_INTERACTIONS:,} interactions; let `when` take fewer"
            raise UntranslatableError(msg)
    if bodies or problems:
        return Interpretation(bodies, problems=problems, notes=notes)
    return UnusedWebhook(reasons[0] if reasons else "the mapping's `items` finds nothing in it")


def _translate_member(
    mapping: Mapping[str, Any], scope: MappingScope, reasons: list[str], notes: list[str]
) -> InteractionBody | None:
    """Return the interaction of one member, or None and the reason why it makes none."""
    refused = refusal_of_condition(mapping.get("when"), scope)
    if refused is not None:
        reasons.append(f"when: {refused}")
        return None
    body = _interaction(mapping, scope, notes)
    if body is None:
        reasons.append("the mapping finds no `type` in it")
    elif not {"external_id", "ticket", "order"} & set(body):
        msg = "the mapping finds no `external_id`, `ticket` or `order` in it"
        raise UntranslatableError(msg)
    return body


def timeless_case(webhook: InboundWebhook, settings: SourceSettings) -> str | None:
    """Return the case of a webhook whose mapping finds neither an id nor a time in it."""
    for mapping, scope in _scopes(settings.mapping, webhook, settings):
        values = [find(mapping.get(name), scope) for name in ("external_id", "occurred_at")]
        if any(value is not None for value in values):
            continue
        case = text_of(find([r for name in ("ticket", "order") if (r := mapping.get(name))], scope))
        if case is not None:
            # Webhooks with several cases share one sequence, as any two may share a case.
            return case if settings.mapping.get("items") is None else _ALL_CASES
    return None


def headers_named(mapping: Any) -> set[str]:
    """Return the headers, in lower case, that any rule of a mapping reads."""
    if isinstance(mapping, str):
        names = {mapping, *PLACEHOLDER.findall(mapping)}
        return {name.removeprefix(_HEADER).lower() for name in names if name.startswith(_HEADER)}
    parts = mapping.values() if isinstance(mapping, dict) else mapping
    if not isinstance(mapping, dict | list):
        return set()
    return {name for part in parts for name in headers_named(part)}


def _scopes(
    mapping: Mapping[str, Any], webhook: InboundWebhook, settings: SourceSettings
) -> Iterator[tuple[Mapping[str, Any], MappingScope]]:
    """Yield each mapping with the scope of each member that it translates."""
    root = webhook.payload
    for member in _members(mapping, MappingScope(root, root, webhook.headers, settings)):
        scope = MappingScope(member, root, webhook.headers, settings)
        yield mapping, scope
        for other in mapping.get("also") or ():
            for inner in _members(other, scope):
                yield other, MappingScope(inner, root, webhook.headers, settings)


def _members(mapping: Mapping[str, Any], scope: MappingScope) -> list[Any]:
    items = mapping.get("items")
    if items is None:
        return [scope.member]
    value = scope.member if items == "" else find(items, scope)
    if isinstance(value, list):
        return value
    return [] if value is None else [value]


def _interaction(
    mapping: Mapping[str, Any], scope: MappingScope, notes: list[str]
) -> InteractionBody | None:
    currency = find((mapping.get("value") or {}).get("currency"), scope)
    scope = replace(scope, currency=currency)
    body: InteractionBody = {
        name: value for name in _TEXTS if (value := text_of(find(mapping.get(name), scope)))
    }
    if "type" not in body:
        return None
    if not _TYPE.fullmatch(body["type"]):
        msg = f"type: {body['type'][:80]!r} is not a name such as ticket.solved"
        raise UntranslatableError(msg)
    if at := _occurred_at(mapping.get("occurred_at"), scope):
        body["occurred_at"] = at
    is_test = find(mapping.get("test"), scope)
    if is_test is True or str(is_test).lower() in _TRUE:
        body["test"] = True
    for name in ("customer", "value", "properties"):
        rules = mapping.get(name) or {}
        parts = {key: value for key, rule in rules.items() if (value := find(rule, scope)) not in
                 (None, "", {})}  # fmt: skip
        if name == "customer":
            parts = {key: value for key in parts if (value := text_of(parts[key]))}
        if parts and (name != "value" or _is_whole_value(parts, notes)):
            body[name] = parts
    return body


def _is_whole_value(parts: Mapping[str, Any], notes: list[str]) -> bool:
    """Tell whether an amount has its currency; note what is left out where one is alone."""
    if set(parts) == {"amount", "currency"}:
        return True
    (lone,) = parts
    other = "currency" if lone == "amount" else "amount that can be read"
    notes.append(f"left out value: there is a {lone}, but no {other}")
    return False


def _occurred_at(rule: Any, scope: MappingScope) -> str | None:
    value = find(rule, scope)
    return time_of(value, scope.settings.timezone)


def refusal_of_condition(condition: Any, scope: MappingScope) -> str | None:
    """Return the part of a condition that does not hold, or None where all of it does."""
    if not condition:
        return None
    if "op" in condition:
        pointer = condition["pointer"]
        if holds({**condition, "property": pointer}, {pointer: find(pointer, scope)}):
            return None
        value = f" {condition['value']!r}" if "value" in condition else ""
        return f"{pointer} {condition['op']}{value}"[:200]
    for member in condition.get("all", ()):
        if (refused := refusal_of_condition(member, scope)) is not None:
            return refused
    choices = [refusal_of_condition(member, scope) for member in condition.get("any", ())]
    refusals = [refused for refused in choices if refused is not None]
    if choices and len(refusals) == len(choices):
        return f"none of: {'; '.join(refusals)}"[:200]
    return None


def find(rule: Any, scope: MappingScope) -> Any:
    """Return the value that a rule finds; None if there is none, or it is null or empty."""
    if isinstance(rule, str):
        value = _point(rule, scope)
    elif isinstance(rule, list):
        value = next((f for part in rule if (f := find(part, scope)) is not None), None)
    elif isinstance(rule, dict):
        value = _find_by_object(rule, scope)
    else:
        value = None
    return None if value == "" else value


def _find_by_object(rule: Mapping[str, Any], scope: MappingScope) -> Any:
    value: Any
    if "const" in rule:
        value = rule["const"]
    elif "template" in rule:
        value = _fill(rule["template"], scope)
    else:
        value = find(rule["pointer"] if "pointer" in rule else rule["of"], scope)
    if value is not None and "map" in rule:
        value = _look_up(rule, value, scope)
    if value is not None and "scale" in rule:
        number, scale = decimal_of(value), rule["scale"]
        power = -minor_digits(scope.currency) if scale == MINOR else scale
        value = None if number is None else f"{number.scaleb(power):f}"
    if value is not None and "time" in rule:
        zone = ZoneInfo(rule["timezone"]) if "timezone" in rule else scope.settings.timezone
        value = _read_time(value, rule["time"], zone)
    return value


def _point(pointer: str, scope: MappingScope) -> Any:
    if not pointer.startswith(("/", _ROOT, _HEADER)):
        # Mappings of earlier versions could say a constant without `const`.
        return pointer
    if pointer.startswith(_HEADER):
        return scope.headers.get(pointer.removeprefix(_HEADER).lower())
    if pointer.startswith(_ROOT):
        return follow(pointer.removeprefix(_ROOT), scope.root)
    return follow(pointer, scope.member)


def follow(pointer: str, payload: Any) -> Any:
    """Follow an RFC 6901 JSON pointer; None where nothing lies there."""
    for step in pointer.split("/")[1:]:
        name = step.replace("~1", "/").replace("~0", "~")
        if isinstance(payload, dict):
            payload = payload.get(name)
        elif isinstance(payload, list) and name.isdecimal() and int(name) < len(payload):
            payload = payload[int(name)]
        else:
            return None
    return payload


def _fill(template: str, scope: MappingScope) -> str | None:
    """Fill a template; with a missing part it finds nothing."""
    parts = {}
    for placeholder in PLACEHOLDER.findall(template):
        value = _point(placeholder, scope)
        parts[placeholder] = _name_of_value(value) if isinstance(value, bool) else text_of(value)
    if any(part is None for part in parts.values()):
        return None
    return PLACEHOLDER.sub(lambda placeholder: parts[placeholder[1]] or "", template)


def _name_of_value(value: Any) -> str:
    """Return any value as a table names it: 9.0 as 9, true as true, a list as its JSON."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return text_of(value) or json.dumps(value, ensure_ascii=False, default=str)[:80]


def _look_up(rule: Mapping[str, Any], value: Any, scope: MappingScope) -> Any:
    """Return the mapped value; raise UnmappedStatusError if the map lacks it."""
    key = _name_of_value(value)
    if key in rule["map"]:
        return rule["map"][key]
    if "else" in rule:
        return find(rule["else"], scope)
    if (meaning := scope.settings.status_map.get(fold_status(key))) is not None:
        return type_of_meaning(meaning)
    raise UnmappedStatusError(key, _NO_ELSE)


def _read_time(value: Any, form: str, zone: ZoneInfo) -> str:
    try:
        at = _parse_time(value, form)
    except (ValueError, OverflowError, OSError, TypeError):
        raise UnreadableTimeError(value) from None
    return as_rfc3339(at, zone, value=value)


def _parse_time(value: Any, form: str) -> dt.datetime:
    if form in {"epoch", "epoch_ms"}:
        number = decimal_of(value)
        if number is None:
            raise ValueError(value)
        return dt.datetime.fromtimestamp(
            float(number / (1000 if form == "epoch_ms" else Decimal(1))), dt.UTC
        )
    if form == "iso":
        return dt.datetime.fromisoformat(str(value).strip())
    # Zone-less on purpose: the caller says whose local time it is.
    return dt.datetime.strptime(str(value).strip(), form)  # noqa: DTZ007 - the caller gives the zone
