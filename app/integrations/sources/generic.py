"""Any other sender: a mapping says where in its body lies what, a rule how it signs."""

from typing import Any

from app.integrations.adapter import (
    Adapter,
    Delivery,
    NotUsed,
    Payload,
    Told,
    Translation,
    moment,
    text,
)

_SCALARS = ("type", "external_id", "ticket", "order", "touchpoint", "locale")


def translate(delivery: Delivery, mapping: Payload) -> Translation:
    """Translate by JSON pointers; a rule that is no pointer is the value itself."""
    payload = delivery.payload
    found: Told = {}
    for name in _SCALARS:
        value = resolve(mapping.get(name), payload)
        if value is not None:
            found[name] = value if isinstance(value, str) else str(value)
    if "type" not in found:
        return NotUsed("the mapping finds no `type` in it")
    if at := moment(resolve(mapping.get("occurred_at"), payload)):
        found["occurred_at"] = at
    found |= _parts(mapping, payload)
    return [found]


def _parts(mapping: Payload, payload: Payload) -> Told:
    """Return customer, value and properties, each where it says enough."""
    found: Told = {}
    for name in ("customer", "value", "properties"):
        parts = {key: resolve(rule, payload) for key, rule in (mapping.get(name) or {}).items()}
        found[name] = {key: value for key, value in parts.items() if value not in (None, "", {})}
    named = {key: text(value) for key, value in found["customer"].items()}
    found["customer"] = {key: value for key, value in named.items() if value}
    if not {"external_id", "email"} & set(found["customer"]):
        del found["customer"]
    if set(found["value"]) != {"amount", "currency"}:
        del found["value"]
    return found


def resolve(rule: Any, payload: Any) -> Any:
    """Return what a rule finds: a pointer's value, a constant, or either through a table."""
    if isinstance(rule, dict):
        value = resolve(rule.get("pointer") or rule.get("const"), payload)
        table = rule.get("map")
        return table.get(str(value)) if table else value
    if isinstance(rule, str) and rule.startswith("/"):
        return point(rule, payload)
    return rule


def point(pointer: str, payload: Any) -> Any:
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


ADAPTER = Adapter(translate, hashes_body=True, properties={"…": "what your mapping names"})
