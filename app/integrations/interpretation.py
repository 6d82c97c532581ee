# SPDX-License-Identifier: Apache-2.0
"""Turn a webhook into interactions, checked by the API's own rules; nothing is stored."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError

from app.core.clock import rfc3339
from app.core.json_values import property_error
from app.core.property_filters import MAX_PROPERTIES
from app.integrations.adapter import (
    InboundWebhook,
    InteractionBody,
    Interpretation,
    SourceSettings,
    UntranslatableError,
    UnusedWebhook,
)
from app.integrations.models import Integration
from app.integrations.payload_fields import event_id_of
from app.integrations.registry import ADAPTERS
from app.interactions.interaction_schemas import InteractionIn

_KINDS = {
    type(None): "empty", list: "a list", str: "a text", bool: "true or false",
    int: "a number", float: "a number",
}  # fmt: skip
# These fields are left out if they cannot be read; a fault in any other field is an error.
_SIDE_FIELDS = {"customer", "locale", "value", "touchpoint"}


@dataclass(slots=True)
class CheckedInterpretation:
    """The interactions of a webhook, ready to be recorded, and notes on what was left out.

    `problems` say why parts of the webhook make no interaction.
    """

    interactions: list[InteractionIn] = field(default_factory=list)
    skipped: str | None = None
    order_names: tuple[str, ...] = ()
    needs_order: bool = False
    timeless: bool = False
    problems: list[UntranslatableError] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def interpret(
    integration: Integration, webhook: InboundWebhook, settings: SourceSettings
) -> CheckedInterpretation:
    """Translate a webhook; raises UntranslatableError where it makes no interaction."""
    if integration.source != "generic" and not isinstance(webhook.payload, dict):
        msg = f"the body is {_KINDS[type(webhook.payload)]}, not a JSON object"
        raise UntranslatableError(msg)
    try:
        translation = ADAPTERS[integration.source].translate(webhook, settings)
    except (TypeError, ValueError, LookupError, AttributeError, ArithmeticError) as error:
        msg = f"a field of the body has an unexpected type: {error}"
        raise UntranslatableError(msg) from error
    if isinstance(translation, UnusedWebhook):
        return CheckedInterpretation(skipped=translation.reason)
    result = CheckedInterpretation(
        order_names=translation.order_names,
        needs_order=translation.needs_order,
        problems=list(translation.problems),
        notes=list(translation.notes),
    )
    for body in _complete_bodies(integration, webhook, translation, result):
        try:
            result.interactions.append(_validate(body, result.notes))
        except UntranslatableError as error:
            result.problems.append(error)
    if not result.interactions and len(result.problems) == 1:
        raise result.problems[0]
    return result


def _complete_bodies(
    integration: Integration,
    webhook: InboundWebhook,
    translation: Interpretation,
    result: CheckedInterpretation,
) -> Iterable[InteractionBody]:
    """Fill in what the workspace has set, and the time of receipt if there is no other."""
    for interaction in translation.interactions:
        body = {**interaction, "source": integration.key}
        if integration.accept_test:
            body["test"] = False
        if integration.touchpoint and "touchpoint" not in body:
            body["touchpoint"] = integration.touchpoint
        if "occurred_at" not in body:
            result.timeless |= not body.get("external_id")
            body["occurred_at"] = rfc3339(webhook.received_at)
        if not body.get("external_id"):
            # Events of one case are distinguished by their time, or else by that of receipt.
            case = body.get("ticket") or body.get("order") or ""
            body["external_id"] = event_id_of(case, body["type"], body["occurred_at"])
        yield body


def _validate(body: InteractionBody, notes: list[str]) -> InteractionIn:
    """Return the interaction; invalid side fields are left out and noted."""
    if "properties" in body:
        body["properties"] = _fit_properties(body["properties"], notes)
    try:
        return InteractionIn.model_validate(body)
    except ValidationError as error:
        faults = [(fault["loc"], fault["msg"].removeprefix("Value error, "))
               for fault in error.errors()]  # fmt: skip
    for loc, message in faults:
        if loc[0] not in _SIDE_FIELDS:
            msg = f"{'.'.join(map(str, loc))}: {message}"
            raise UntranslatableError(msg)
        _leave_out(body, loc)
        notes.append(f"left out {'.'.join(map(str, loc))}: {message}")
    try:
        return InteractionIn.model_validate(body)
    except ValidationError as error:
        first = error.errors()[0]
        msg = f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
        raise UntranslatableError(msg) from None


def _leave_out(body: InteractionBody, loc: Sequence[int | str]) -> None:
    """Remove a part; an amount goes with its currency, a customer without an id altogether."""
    name = str(loc[0])
    part = body.get(name)
    if name == "customer" and isinstance(part, dict) and len(loc) > 1:
        members = {key: value for key, value in part.items() if key != loc[1]}
        if {"external_id", "email"} & set(members):
            body[name] = members
            return
    body.pop(name, None)


def _fit_properties(properties: Any, notes: list[str]) -> dict[str, Any]:
    """Return valid properties; long texts are cut, invalid values are left out with a note."""
    fields: dict[str, Any] = {}
    for name, value in properties.items():
        fitted = _fit(value)
        reason = property_error(fitted)
        if reason is None and len(fields) >= MAX_PROPERTIES:
            reason = f"there are more than {MAX_PROPERTIES} properties"
        if reason is None:
            fields[name] = fitted
        else:
            notes.append(f"left out properties.{name}: {reason}")
    return fields


def _fit(value: Any) -> Any:
    if isinstance(value, str):
        return value[:256]
    if isinstance(value, list):
        texts = [str(entry)[:256] for entry in value if isinstance(entry, str | int | float)]
        return texts[:20] if len(texts) == len(value) else value
    return value
