# SPDX-License-Identifier: Apache-2.0
"""From OData's conditions to SQL. Pure: every value is bound."""

import datetime as dt
from collections.abc import Mapping
from typing import Any

from app.core.errors import InvalidInput
from app.exports.odata_language import (
    Call,
    Expression,
    Junction,
    Literal,
    Membership,
    Negation,
    ODataComparison,
    ODataOperand,
    ODataSyntaxError,
    Property,
    parse_filter,
)
from app.exports.odata_sets import DATE, DECIMAL, INTEGER, TEXT, TRUTH, property_of

_COMPARED = {"eq": "=", "ne": "<>", "lt": "<", "le": "<=", "gt": ">", "ge": ">="}
_SEARCHED = {
    "contains": "position({1} in {0}) > 0",
    "startswith": "starts_with({0}, {1})",
    "endswith": "right({0}, length({1})) = {1}",
}
# Functions of one argument: what they take, what they give, and their SQL.
_FUNCTIONS = {
    "tolower": (TEXT, TEXT, "lower({0})"),
    "toupper": (TEXT, TEXT, "upper({0})"),
    "trim": (TEXT, TEXT, "btrim({0})"),
    "length": (TEXT, INTEGER, "length({0})"),
    "year": (DATE, INTEGER, "extract(year from {0})::int"),
    "month": (DATE, INTEGER, "extract(month from {0})::int"),
    "day": (DATE, INTEGER, "extract(day from {0})::int"),
    "date": (DATE, DATE, "{0}"),
}
_NUMBERS = {INTEGER, DECIMAL}
# What a text must look like to be cast to a number; anything else gives null, as OData wants.
# Braces are doubled, as the forms below are filled by `format`.
_WHOLE_NUMBER, _DECIMAL = r"^\s*-?\d{{1,15}}\s*$", r"^\s*-?\d{{1,15}}(\.\d{{1,15}})?\s*$"
_CASTS: dict[str, dict[str, str]] = {
    TEXT: dict.fromkeys((TEXT, DATE, INTEGER, DECIMAL, TRUTH), "({0})::text"),
    INTEGER: {
        TEXT: f"case when {{0}} ~ '{_WHOLE_NUMBER}' then {{0}}::int8 end",
        INTEGER: "{0}",
        DECIMAL: "trunc({0})::int8",
    },
    DECIMAL: {
        TEXT: f"case when {{0}} ~ '{_DECIMAL}' then {{0}}::float8 end",
        INTEGER: "({0})::float8",
        DECIMAL: "{0}",
    },
    DATE: {DATE: "{0}"},
    TRUTH: {TRUTH: "{0}"},
}
_CAST_NAMES = {
    "edm.string": TEXT, "edm.date": DATE, "edm.boolean": TRUTH,
    **dict.fromkeys(("edm.int16", "edm.int32", "edm.int64"), INTEGER),
    **dict.fromkeys(("edm.double", "edm.decimal", "edm.single"), DECIMAL),
}  # fmt: skip
_BOUND_AS = {TEXT: "text", DATE: "date", TRUTH: "bool"}

# An expression as SQL, and its type.
Typed = tuple[str, str]


class ODataFilter:
    """One condition over the properties of some rows; `bound` are its values, by parameter."""

    def __init__(
        self,
        name: str,
        types: Mapping[str, str],
        condition: str | Expression,
        *,
        parameter: str = "$filter",
        prefix: str = "f",
    ) -> None:
        """Translate, or raise InvalidInput at the query's `parameter` that says what is wrong.

        `name` is what the rows are called, `types` their properties with their types; the names
        of bound values begin with `prefix`.
        """
        self._name, self._types = name, types
        self._parameter, self._prefix = parameter, prefix
        self.bound: dict[str, Any] = {}
        if isinstance(condition, str):
            try:
                condition = parse_filter(condition)
            except ODataSyntaxError as error:
                raise self._refusal_of(f"{error}; a filter reads like `survey eq 'nps'`") from None
        self.condition = self._condition(condition)

    def _refusal_of(self, msg: str) -> InvalidInput:
        return InvalidInput.at("query", self._parameter, msg=msg)

    def _condition(self, node: Expression) -> str:
        match node:
            case Junction(operator, left, right):
                return f"({self._condition(left)} {operator} {self._condition(right)})"
            case Negation(operand):
                return f"not coalesce({self._condition(operand)}, false)"
            case ODataComparison(operator, left, right):
                return self._comparison(operator, left, right)
            case Membership(operand, members):
                sql, kind = self._value(operand)
                return f"{sql} in ({', '.join(self._literal(member, kind) for member in members)})"
            case Property(_):
                sql, kind = self._value(node)
                if kind == TRUTH:
                    return f"coalesce({sql}, false)"
            case Call(name, _) if name in _SEARCHED:
                return self._search(node)
        raise self._refusal_of("holds something that is not a condition")

    def _comparison(self, operator: str, left: Expression, right: Expression) -> str:
        if isinstance(left, Literal) and not isinstance(right, Literal):
            mirrored = {"lt": "gt", "le": "ge", "gt": "lt", "ge": "le"}
            return self._comparison(mirrored.get(operator, operator), right, left)
        if isinstance(left, Call) and left.name in _SEARCHED:
            truth_sql = self._literal(right, TRUTH)
            return f"({self._search(left)}) {_COMPARED[operator]} {truth_sql}"
        sql, kind = self._value(left)
        if isinstance(right, Literal) and right.value is None:
            if operator not in {"eq", "ne"}:
                raise self._refusal_of("null is compared by eq or ne")
            # A key column without a value holds the empty text, so `eq null` must match that too.
            empty = f"nullif({sql}, '')" if kind == TEXT else sql
            return f"{empty} is {'null' if operator == 'eq' else 'not null'}"
        if kind == TEXT:
            sql = f"coalesce({sql}, '')"
        return f"{sql} {_COMPARED[operator]} {self._right_side_sql(right, kind)}"

    def _right_side_sql(self, node: Expression, kind: str) -> str:
        """Return the right side of a comparison: a literal, or another property of one type."""
        if isinstance(node, Literal) or (isinstance(node, Call) and node.name == "now"):
            return self._literal(node, kind)
        sql, other = self._value(node)
        if other != kind and not {other, kind} <= _NUMBERS:
            raise self._refusal_of(f"compares {_short_type(kind)} with {_short_type(other)}")
        return f"coalesce({sql}, '')" if kind == TEXT else sql

    def _search(self, call: Call) -> str:
        if len(call.arguments) != 2:
            raise self._refusal_of(f"`{call.name}` takes a property and a text")
        sql, kind = self._value(call.arguments[0])
        if kind != TEXT:
            raise self._refusal_of(f"`{call.name}` looks into texts only")
        sought = self._literal(call.arguments[1], TEXT)
        return "(" + _SEARCHED[call.name].format(sql, sought) + ")"

    def _value(self, node: Expression) -> Typed:
        """Return a property, or a function of one, as SQL with its type."""
        match node:
            case Property(name):
                return property_of(self._name, self._types, name, self._parameter)
            case Call("cast", (operand, target)):
                return self._cast(operand, target)
            case Call("indexof" | "substring", arguments) if len(arguments) >= 2:
                return self._part(node)
            case Call(name, (operand,)) if name in _FUNCTIONS:
                takes, gives, form = _FUNCTIONS[name]
                sql, kind = self._value(operand)
                if kind != takes:
                    raise self._refusal_of(
                        f"`{name}` takes {_short_type(takes)}, not {_short_type(kind)}"
                    )
                return form.format(sql), gives
            case Call(name, _):
                known = ", ".join(sorted({*_SEARCHED, *_FUNCTIONS, "cast", "indexof", "substring"}))
                raise self._refusal_of(
                    f"does not know `{name[:40]}` in this form; it knows {known}"
                )
        raise self._refusal_of("compares properties with values")

    def _cast(self, operand: Expression, target: Expression) -> Typed:
        name = target.name if isinstance(target, Property) else ""
        if isinstance(target, Literal):
            name = str(target.value)
        target_kind = _CAST_NAMES.get(name.lower())
        if target_kind is None:
            known = "Edm.String, Edm.Int64, Edm.Double, Edm.Date and Edm.Boolean"
            raise self._refusal_of(f"casts to {known}, not to `{name[:40]}`")
        sql, kind = self._value(operand)
        form = _CASTS[target_kind].get(kind)
        if form is None:
            raise self._refusal_of(f"cannot cast {_short_type(kind)} to {_short_type(target_kind)}")
        return f"({form.format(sql)})", target_kind

    def _part(self, call: Call) -> Typed:
        """Return the SQL of `indexof(text, part)` or `substring(text, start, length)`."""
        sql, kind = self._value(call.arguments[0])
        if kind != TEXT:
            raise self._refusal_of(f"`{call.name}` looks into texts only")
        if call.name == "indexof":
            return f"(position({self._literal(call.arguments[1], TEXT)} in {sql}) - 1)", INTEGER
        # OData counts from 0, SQL from 1.
        start, *length = (self._literal(argument, INTEGER) for argument in call.arguments[1:3])
        upto = f", greatest(cast({length[0]} as int), 0)" if length else ""
        return f"substr({sql}, cast({start} as int) + 1{upto})", TEXT

    def _literal(self, node: Expression, kind: str) -> str:
        if isinstance(node, Call) and node == Call("now", ()) and kind == DATE:
            return "current_date"
        if not isinstance(node, Literal):
            raise self._refusal_of("compares properties with values")
        value = self._fit_value(node.value, kind)
        name = f"{self._prefix}{len(self.bound)}"
        self.bound[name] = value
        cast = _BOUND_AS.get(kind, "float8" if isinstance(value, float) else "int8")
        return f"cast(:{name} as {cast})"

    def _fit_value(self, value: ODataOperand, kind: str) -> ODataOperand:
        """Return a value as a type holds it, or raise InvalidInput where it is of another type."""
        fits: dict[str, tuple[type, ...]] = {TEXT: (str,), DATE: (dt.date,), TRUTH: (bool,)}
        is_odd = isinstance(value, bool) and kind != TRUTH
        if is_odd or not isinstance(value, fits.get(kind, (int, float))):
            raise self._refusal_of(f"compares {_short_type(kind)} with another type")
        if isinstance(value, dt.datetime):
            return value.date()
        if isinstance(value, int) and abs(value) >= 1 << 62:
            raise self._refusal_of("holds too large a number")
        return value


def _short_type(kind: str) -> str:
    return kind.removeprefix("Edm.")
