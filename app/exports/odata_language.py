# SPDX-License-Identifier: Apache-2.0
"""The expressions of OData's `$filter` and `$apply`, read into a small tree. Pure.

The grammar is the part of OData 4.01's ABNF that our entity sets can answer: comparisons, `in`,
`and`, `or`, `not`, functions, literals, and `filter`, `groupby` and `aggregate` for `$apply`.
"""

import datetime as dt
import re
from collections.abc import Sequence
from dataclasses import dataclass

MAX_CHARACTERS = 4000
_MAX_DEPTH = 50
_TOKEN = re.compile(
    r"""\s*(?:
    (?P<text>'(?:[^']|'')*')
  | (?P<time>\d{4}-\d{2}-\d{2}
      (?:T\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?(?:Z|[+-]\d{2}:\d{2})?)?)(?![\w.-])
  | (?P<number>-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)(?![\w.])
  | (?P<word>\$?[A-Za-z_][\w.]*)
  | (?P<mark>[(),/-])
  )""",
    re.VERBOSE,
)
_COMPARISONS = frozenset({"eq", "ne", "lt", "le", "gt", "ge"})
_WORDS = {"true": True, "false": False, "null": None}

ODataOperand = str | int | float | bool | dt.date | dt.datetime | None


class ODataSyntaxError(ValueError):
    """The text is not an expression of this grammar; the message says what is wrong."""


@dataclass(frozen=True, slots=True)
class Literal:
    """A value that stands in the text."""

    value: ODataOperand


@dataclass(frozen=True, slots=True)
class Property:
    """The name of a property."""

    name: str


@dataclass(frozen=True, slots=True)
class Call:
    """A function with its arguments."""

    name: str
    arguments: tuple["Expression", ...]


@dataclass(frozen=True, slots=True)
class ODataComparison:
    """Two values and what is said of them: `eq`, `ne`, `lt`, `le`, `gt` or `ge`."""

    operator: str
    left: "Expression"
    right: "Expression"


@dataclass(frozen=True, slots=True)
class Membership:
    """Whether a value is in a list."""

    operand: "Expression"
    members: tuple["Expression", ...]


@dataclass(frozen=True, slots=True)
class Junction:
    """Two conditions joined by `and` or `or`."""

    operator: str
    left: "Expression"
    right: "Expression"


@dataclass(frozen=True, slots=True)
class Negation:
    """A condition that must not hold."""

    operand: "Expression"


Expression = Literal | Property | Call | ODataComparison | Membership | Junction | Negation


@dataclass(frozen=True, slots=True)
class Aggregate:
    """One aggregate: `source` by `method` as `alias`; `$count` has no source."""

    method: str
    source: str | None
    alias: str


@dataclass(frozen=True, slots=True)
class Grouping:
    """`groupby((names), aggregate(…))`, or `aggregate(…)` alone where there are no names."""

    names: tuple[str, ...]
    aggregates: tuple[Aggregate, ...]


Transformation = Expression | Grouping


def parse_filter(text: str) -> Expression:
    """Read a `$filter`, or raise ODataSyntaxError."""
    reader = _Parser(text)
    expression = reader.disjunction()
    reader.require_end()
    return expression


def parse_apply(text: str) -> list[Transformation]:
    """Read an `$apply`: its transformations in their order, or raise ODataSyntaxError."""
    reader = _Parser(text)
    transformations = [reader.transformation()]
    while reader.take("/"):
        transformations.append(reader.transformation())
    reader.require_end()
    return transformations


class _Parser:
    """Reads tokens from left to right; each method takes what it names."""

    def __init__(self, text: str) -> None:
        if len(text) > MAX_CHARACTERS:
            msg = f"is longer than {MAX_CHARACTERS:,} characters"
            raise ODataSyntaxError(msg)
        self._tokens = _tokens(text)
        self._at = 0
        self._depth = 0

    def _peek(self) -> tuple[str, str]:
        return self._tokens[self._at] if self._at < len(self._tokens) else ("end", "")

    def _take_token(self) -> tuple[str, str]:
        token = self._peek()
        self._at += 1
        return token

    def take(self, word: str) -> bool:
        """Take a mark or word where it stands next."""
        kind, lexeme = self._peek()
        is_next = kind in {"mark", "word"} and lexeme.lower() == word
        self._at += is_next
        return is_next

    def require(self, word: str) -> None:
        """Take a mark or word that must stand next."""
        if not self.take(word):
            msg = f"has {self._peek()[1]!r} where `{word}` was expected"
            raise ODataSyntaxError(msg)

    def require_end(self) -> None:
        """Make sure that nothing is left."""
        if self._at < len(self._tokens):
            msg = f"has {self._peek()[1]!r} where it should end"
            raise ODataSyntaxError(msg)

    def disjunction(self) -> Expression:
        """Read conditions joined by `or`."""
        self._depth += 1
        if self._depth > _MAX_DEPTH:
            msg = "is nested too deeply"
            raise ODataSyntaxError(msg)
        expression = self._conjunction()
        while self.take("or"):
            expression = Junction("or", expression, self._conjunction())
        self._depth -= 1
        return expression

    def _conjunction(self) -> Expression:
        expression = self._negation()
        while self.take("and"):
            expression = Junction("and", expression, self._negation())
        return expression

    def _negation(self) -> Expression:
        negated = False
        while self.take("not"):
            negated = not negated
        expression = self._comparison()
        return Negation(expression) if negated else expression

    def _comparison(self) -> Expression:
        left = self._operand()
        kind, lexeme = self._peek()
        if kind == "word" and lexeme.lower() in _COMPARISONS:
            self._at += 1
            return ODataComparison(lexeme.lower(), left, self._operand())
        if self.take("in"):
            self.require("(")
            return Membership(left, self._list())
        return left

    def _list(self) -> tuple[Expression, ...]:
        """Read what stands between a bracket that was opened and the one that closes it."""
        expressions = [self.disjunction()]
        while self.take(","):
            expressions.append(self.disjunction())
        self.require(")")
        return tuple(expressions)

    def _operand(self) -> Expression:
        kind, lexeme = self._take_token()
        if kind == "mark" and lexeme == "(":
            expression = self.disjunction()
            self.require(")")
            return expression
        if kind == "word":
            if lexeme.lower() in _WORDS:
                return Literal(_WORDS[lexeme.lower()])
            if not self.take("("):
                return Property(lexeme)
            return Call(lexeme.lower(), () if self.take(")") else self._list())
        if kind in {"text", "time", "number"}:
            return Literal(_value(kind, lexeme))
        msg = f"has {lexeme!r} where a value was expected" if lexeme else "ends too early"
        raise ODataSyntaxError(msg)

    def transformation(self) -> Transformation:
        """Read one part of `$apply`."""
        if self.take("filter"):
            self.require("(")
            (condition,) = self._exactly_one()
            return condition
        if self.take("aggregate"):
            return Grouping((), self._aggregates())
        if self.take("groupby"):
            return self._grouping()
        msg = f"knows filter(…), groupby(…) and aggregate(…), not {self._peek()[1]!r}"
        raise ODataSyntaxError(msg)

    def _exactly_one(self) -> tuple[Expression]:
        expressions = self._list()
        if len(expressions) != 1:
            msg = "has a filter(…) with more than one condition"
            raise ODataSyntaxError(msg)
        return (expressions[0],)

    def _grouping(self) -> Grouping:
        self.require("(")
        self.require("(")
        names = [self._name()]
        while self.take(","):
            names.append(self._name())
        self.require(")")
        aggregates: tuple[Aggregate, ...] = ()
        if self.take(","):
            self.require("aggregate")
            aggregates = self._aggregates()
        self.require(")")
        return Grouping(tuple(names), aggregates)

    def _aggregates(self) -> tuple[Aggregate, ...]:
        self.require("(")
        aggregates = [self._aggregate()]
        while self.take(","):
            aggregates.append(self._aggregate())
        self.require(")")
        return tuple(aggregates)

    def _aggregate(self) -> Aggregate:
        source: str | None = self._name()
        if source == "$count":
            method, source = "count", None
        else:
            self.require("with")
            method = self._name().lower()
        self.require("as")
        return Aggregate(method, source, self._name())

    def _name(self) -> str:
        kind, lexeme = self._take_token()
        if kind != "word":
            msg = f"has {lexeme!r} where a name was expected"
            raise ODataSyntaxError(msg)
        return lexeme


def _tokens(text: str) -> Sequence[tuple[str, str]]:
    tokens: list[tuple[str, str]] = []
    text = text.rstrip()
    at = 0
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None or match.lastgroup is None:
            msg = f"has {text[at : at + 20]!r}, which is not understood"
            raise ODataSyntaxError(msg)
        tokens.append((match.lastgroup, match[match.lastgroup]))
        at = match.end()
    return tokens


def _value(kind: str, lexeme: str) -> ODataOperand:
    if kind == "text":
        return lexeme[1:-1].replace("''", "'")
    if kind == "number":
        return int(lexeme) if lexeme.removeprefix("-").isdigit() else float(lexeme)
    try:
        if "T" not in lexeme:
            return dt.date.fromisoformat(lexeme)
        return dt.datetime.fromisoformat(lexeme)
    except ValueError:
        msg = f"holds {lexeme!r}, which is not a date"
        raise ODataSyntaxError(msg) from None
