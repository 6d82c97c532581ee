# SPDX-License-Identifier: Apache-2.0
"""Conditions as data, evaluated to a result that says which one failed. Pure."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any, Literal, get_args

Condition = Mapping[str, Any]
ConditionOperator = Literal[
    "eq", "ne", "in", "not_in", "contains", "not_contains", "gt", "gte", "lt", "lte", "exists"
]
OPERATORS: tuple[ConditionOperator, ...] = get_args(ConditionOperator)
_OF_LISTS = {"in", "not_in"}
_OF_NUMBERS = {"gt", "gte", "lt", "lte"}


@dataclass(frozen=True, slots=True)
class ConditionsMet:
    """All conditions hold."""


@dataclass(frozen=True, slots=True)
class ConditionFailed:
    """A condition does not hold; `detail` says which."""

    detail: str


def check_operand(operator: ConditionOperator, value: Any) -> None:
    """Raise ValueError if an operator cannot compare with this value."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if operator in _OF_LISTS and not isinstance(value, list):
        msg = f"value: `{operator}` takes a list"
    elif operator in _OF_NUMBERS and not is_number:
        msg = f"value: `{operator}` takes a number"
    elif operator not in {*_OF_LISTS, "exists"} and isinstance(value, list | dict | None):
        msg = f"value: `{operator}` takes one value"
    else:
        return
    raise ValueError(msg)


def evaluate(
    where: Sequence[Condition], unless: Sequence[Condition], facts: Mapping[str, Any]
) -> ConditionsMet | ConditionFailed:
    """Check the facts: all of `where` must hold, and `unless` must not hold as a whole."""
    for condition in where:
        if not holds(condition, facts):
            return ConditionFailed(f"where: {_describe(condition)}")
    if unless and all(holds(condition, facts) for condition in unless):
        return ConditionFailed(f"unless: {' and '.join(map(_describe, unless))}")
    return ConditionsMet()


def holds(condition: Condition, facts: Mapping[str, Any]) -> bool:
    """Tell whether a condition holds; an unknown property meets negated conditions only."""
    fact = facts.get(condition["property"])
    value = condition.get("value")
    if condition["op"] == "exists":
        return (fact is not None) is (value is not False)
    name: str = condition["op"]
    negated = name in _NEGATED
    operator = _COMPARISONS[_NEGATED.get(name, name)]
    return negated if fact is None else operator(fact, value) is not negated


def _describe(condition: Condition) -> str:
    value = f" {condition['value']!r}" if "value" in condition else ""
    return f"{condition['property']} {condition['op']}{value}"[:200]


def _number(value: Any) -> Decimal | None:
    if isinstance(value, bool):
        return None
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        return None
    return number if number.is_finite() else None


def _equals(fact: Any, expected: Any) -> bool:
    """Compare as numbers if both are; senders also write numbers and booleans as text."""
    if type(fact) is type(expected) and fact == expected:
        return True
    if isinstance(fact, list) or isinstance(expected, list):
        return bool(fact == expected)
    left, right = _number(fact), _number(expected)
    if left is not None and right is not None:
        return left == right
    return _text(fact) == _text(expected)


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _contains(fact: Any, expected: Any) -> bool:
    if isinstance(fact, list):
        return any(_equals(member, expected) for member in fact)
    return _text(expected) in _text(fact)


def _comparison(compare: Callable[[Decimal, Decimal], bool]) -> Callable[[Any, Any], bool]:
    def check(fact: Any, expected: Any) -> bool:
        left, right = _number(fact), _number(expected)
        return left is not None and right is not None and compare(left, right)

    return check


def _is_among(fact: Any, expected: Any) -> bool:
    facts = fact if isinstance(fact, list) else [fact]
    return any(_equals(fact, other) for fact in facts for other in expected)


_COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "eq": _equals,
    "in": _is_among,
    "contains": _contains,
    "gt": _comparison(lambda left, right: left > right),
    "gte": _comparison(lambda left, right: left >= right),
    "lt": _comparison(lambda left, right: left < right),
    "lte": _comparison(lambda left, right: left <= right),
}
_NEGATED = {"ne": "eq", "not_in": "in", "not_contains": "contains"}
