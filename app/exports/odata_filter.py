"""From OData's `$filter` to SQL. Pure: every value is bound."""

import datetime as dt
from collections.abc import Callable
from typing import Any

from odata_query import ast
from odata_query.exceptions import ODataException
from odata_query.grammar import ODataLexer, ODataParser

from app.core.errors import InvalidInput
from app.exports.odata_sets import DATE, TEXT, TRUTH, EntitySet, property_of

_LONGEST = 4000
_COMPARED = {
    ast.Eq: "=", ast.NotEq: "<>", ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=",
}  # fmt: skip
_SEARCHED = {
    "contains": "position({1} in {0}) > 0",
    "startswith": "starts_with({0}, {1})",
    "endswith": "right({0}, length({1})) = {1}",
}
_MADE = {
    "tolower": "lower({0})",
    "toupper": "upper({0})",
    "length": "length({0})",
    "year": "extract(year from {0})::int",
    "month": "extract(month from {0})::int",
    "day": "extract(day from {0})::int",
}
_OF_DATES = {"year", "month", "day"}
_NUMBER = "number"
_PLACE_AND_MORE = 2


class Filter:
    """One `$filter` as a condition; `bound` are its values, by parameter name."""

    def __init__(self, entity_set: EntitySet, text: str) -> None:
        """Translate, or raise InvalidInput that says what is not understood."""
        self._set = entity_set
        self.bound: dict[str, Any] = {}
        if len(text) > _LONGEST:
            raise self._refused(f"is longer than {_LONGEST:,} characters")
        try:
            parsed = ODataParser().parse(ODataLexer().tokenize(text))
        except (ODataException, RecursionError, AttributeError, TypeError, ValueError):
            raise self._refused("is no OData filter such as `survey eq 'nps'`") from None
        try:
            self.condition = self._condition(parsed)
        except RecursionError:
            raise self._refused("is nested too deeply") from None

    def _refused(self, msg: str) -> InvalidInput:
        return InvalidInput.at("query", "$filter", msg=msg)

    def _condition(self, node: Any) -> str:
        known: dict[type, Callable[[Any], str]] = {
            ast.BoolOp: self._both,
            ast.UnaryOp: self._negated,
            ast.Compare: self._compared,
            ast.Call: self._searched,
        }
        if type(node) not in known:
            raise self._refused("holds something that is no condition")
        return known[type(node)](node)

    def _both(self, node: ast.BoolOp) -> str:
        word = "and" if isinstance(node.op, ast.And) else "or"
        return f"({self._condition(node.left)} {word} {self._condition(node.right)})"

    def _negated(self, node: ast.UnaryOp) -> str:
        if not isinstance(node.op, ast.Not):
            raise self._refused("holds something that is no condition")
        return f"not coalesce({self._condition(node.operand)}, false)"

    def _compared(self, node: ast.Compare) -> str:
        left, kind = self._value(node.left)
        if isinstance(node.comparator, ast.In):
            if not isinstance(node.right, ast.List):
                raise self._refused("`in` takes a list such as ('a', 'b')")
            parts = [self._literal(one, kind) for one in node.right.val]
            return f"{left} in ({', '.join(parts)})"
        if isinstance(node.right, ast.Null):
            if isinstance(node.comparator, ast.Eq | ast.NotEq):
                # What names a row is the empty text where there is nothing: both find it.
                empty = f"nullif({left}, '')" if kind == TEXT else left
                wanted = "not null" if isinstance(node.comparator, ast.NotEq) else "null"
                return f"{empty} is {wanted}"
            raise self._refused("null is compared by eq or ne")
        if kind == TEXT:
            left = f"coalesce({left}, '')"
        right = self._literal(node.right, kind)
        return f"{left} {_COMPARED[type(node.comparator)]} {right}"

    def _searched(self, node: ast.Call) -> str:
        name = node.func.name.lower()
        if name not in _SEARCHED or len(node.args) != 2:
            raise self._refused(f"knows the conditions {', '.join(_SEARCHED)}, not `{name[:40]}`")
        place, kind = self._value(node.args[0])
        if kind != TEXT:
            raise self._refused(f"`{name}` looks into texts only")
        return "(" + _SEARCHED[name].format(place, self._literal(node.args[1], TEXT)) + ")"

    def _value(self, node: Any) -> tuple[str, str]:
        """Return the SQL of a property, or of a function of one, and its type."""
        if isinstance(node, ast.Identifier):
            return property_of(self._set, ".".join((*node.namespace, node.name)), "$filter")
        if isinstance(node, ast.Call):
            name = node.func.name.lower()
            if name in _MADE and len(node.args) == 1:
                value, kind = self._value(node.args[0])
                if kind != (DATE if name in _OF_DATES else TEXT):
                    raise self._refused(f"`{name}` does not fit `{value}`")
                made = TEXT if name in {"tolower", "toupper"} else _NUMBER
                return _MADE[name].format(value), made
            if name in {"indexof", "substring"} and len(node.args) >= _PLACE_AND_MORE:
                return self._of_place(name, node.args)
        raise self._refused("compares properties with values, the property first")

    def _of_place(self, name: str, arguments: list[Any]) -> tuple[str, str]:
        """Return the SQL of a function that takes more than the property."""
        value, kind = self._value(arguments[0])
        if kind != TEXT:
            raise self._refused(f"`{name}` looks into texts only")
        if name == "indexof":
            return f"(position({self._literal(arguments[1], TEXT)} in {value}) - 1)", _NUMBER
        # OData counts from 0, SQL from 1.
        rest = [self._literal(argument, _NUMBER) for argument in arguments[1:3]]
        length = f", greatest(cast({rest[1]} as int), 0)" if len(rest) > 1 else ""
        return f"substr({value}, cast({rest[0]} as int) + 1{length})", TEXT

    def _literal(self, node: Any, kind: str) -> str:
        if isinstance(node, ast.Call) and node.func.name.lower() == "now" and kind == DATE:
            return "current_date"
        value = self._read(node)
        fits: dict[str, tuple[type, ...]] = {TEXT: (str,), DATE: (dt.date,), TRUTH: (bool,)}
        is_odd = isinstance(value, bool) and kind != TRUTH
        if is_odd or not isinstance(value, fits.get(kind, (int, float))):
            raise self._refused(f"compares {kind.removeprefix('Edm.')} with another type")
        if isinstance(value, dt.datetime):
            value = value.date()
        if isinstance(value, int) and abs(value) >= 1 << 62:
            raise self._refused("holds too large a number")
        name = f"f{len(self.bound)}"
        self.bound[name] = value
        casts = {TEXT: "text", DATE: "date", TRUTH: "bool"}
        cast = casts.get(kind, "float8" if isinstance(value, float) else "int8")
        return f"cast(:{name} as {cast})"

    def _read(self, node: Any) -> Any:
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
            value = self._read(node.operand)
            return -value if isinstance(value, int | float) else value
        try:
            return node.py_val
        except (AttributeError, NotImplementedError, ValueError, OverflowError):
            raise self._refused("holds a value that cannot be read") from None
