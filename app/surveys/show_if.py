# SPDX-License-Identifier: Apache-2.0
"""`show_if`: whether a question is shown, by the answer to an earlier one. Pure.

The same rules hold in the browser; both are held to one file of vectors. A condition on a
question that was not answered with a value is never met, whatever its operator.
"""

from collections.abc import Mapping
from typing import Any, Literal

Operator = Literal["==", "!=", "<", "<=", ">", ">=", "in", "not_in", "contains"]
NUMERIC: frozenset[str] = frozenset({"<", "<=", ">", ">="})


def is_shown(condition: Mapping[str, Any] | None, answers: Mapping[str, Any]) -> bool:
    """Decide on `{question, op, value}` from the answers so far; no condition always shows."""
    if condition is None:
        return True
    answer = answers.get(condition["question"])
    if answer is None or answer == "na":
        return False
    return _holds(condition["op"], answer, condition["value"])


def _holds(operator: str, answer: Any, value: Any) -> bool:
    if operator in NUMERIC:
        return _compares(operator, answer, value)
    if operator == "==":
        return _equals(answer, value)
    if operator == "!=":
        return not _equals(answer, value)
    if operator == "contains":
        return isinstance(answer, list) and value in answer
    within = any(_equals(answer, member) for member in value)
    return within if operator == "in" else not within


def _equals(answer: Any, value: Any) -> bool:
    """Compare without taking true for 1."""
    return isinstance(answer, bool) == isinstance(value, bool) and bool(answer == value)


def _compares(operator: str, answer: Any, value: Any) -> bool:
    if isinstance(answer, bool) or not isinstance(answer, int | float):
        return False
    if operator.startswith("<"):
        return bool(answer < value or (operator == "<=" and answer == value))
    return bool(answer > value or (operator == ">=" and answer == value))
