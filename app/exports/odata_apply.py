# SPDX-License-Identifier: Apache-2.0
"""OData's `$apply`: rows narrowed, grouped and summed by the database. Pure.

Groups of fewer answers than the workspace shows (`min_group_size`) keep their names and lose
their numbers, as the figures of the API do.
"""

import re
from dataclasses import dataclass, field, replace
from typing import Any

from app.core.errors import InvalidInput
from app.exports.odata_filter import ODataFilter
from app.exports.odata_language import (
    Aggregate,
    Expression,
    Grouping,
    ODataSyntaxError,
    parse_apply,
)
from app.exports.odata_sets import (
    DATE,
    DECIMAL,
    INTEGER,
    TEXT,
    TRUTH,
    EntitySet,
    property_of,
)

_PARAMETER = "$apply"
_ALIAS = re.compile(r"[A-Za-z_]\w{0,62}", re.ASCII)
_NUMBERS = {INTEGER, DECIMAL}
_ORDERED = {*_NUMBERS, TEXT, DATE}
# Each method: the types that it takes, the type that it gives (None: the same), and its SQL.
_METHODS: dict[str, tuple[set[str], str | None, str]] = {
    "sum": ({INTEGER}, INTEGER, "sum({0})::int8"),
    "min": (_ORDERED, None, "min({0})"),
    "max": (_ORDERED, None, "max({0})"),
    "average": (_NUMBERS, DECIMAL, "avg({0})::float8"),
    "countdistinct": ({*_ORDERED, TRUTH}, INTEGER, "count(distinct {0})"),
}
_ADDITIVE = {"sum", "count"}


@dataclass(frozen=True, slots=True)
class RowSource:
    """Rows as SQL: their name, properties with types, order, and what the SQL binds."""

    name: str
    types: dict[str, str]
    keys: tuple[str, ...]
    source: str
    bound: dict[str, Any] = field(default_factory=dict)


def rows_of(entity_set: EntitySet) -> RowSource:
    """Return the rows of a whole entity set; `:workspace` is to be bound."""
    return RowSource(entity_set.name, entity_set.types, tuple(entity_set.keys), entity_set.source)


def apply_transformations(entity_set: EntitySet, text: str, *, min_group_size: int) -> RowSource:
    """Return what `$apply` makes of an entity set, or raise InvalidInput."""
    try:
        transformations = parse_apply(text)
    except ODataSyntaxError as error:
        raise _refusal_of(str(error)) from None
    rows = rows_of(entity_set)
    narrowed = grouped = False
    for transformation in transformations:
        if isinstance(transformation, Grouping):
            if grouped:
                raise _refusal_of("may hold only one groupby(…); group again in your own tool")
            least = min_group_size if narrowed or transformation.names else 1
            rows = _group(rows, transformation, counted_by=entity_set.counts, least=least)
            grouped = True
        else:
            rows = _narrow(rows, transformation)
            narrowed = True
    if not grouped and min_group_size > 1:
        raise _refusal_of("must end in groupby(…) or aggregate(…), as small groups are hidden here")
    return rows


def _refusal_of(msg: str) -> InvalidInput:
    return InvalidInput.at("query", _PARAMETER, msg=msg)


def _narrow(rows: RowSource, condition: Expression) -> RowSource:
    prefix = f"a{len(rows.bound)}_"
    odata_filter = ODataFilter(
        rows.name, rows.types, condition, parameter=_PARAMETER, prefix=prefix
    )
    source = f"select * from ({rows.source}) n where {odata_filter.condition}"
    return replace(rows, source=source, bound=rows.bound | odata_filter.bound)


def _group(rows: RowSource, grouping: Grouping, *, counted_by: str, least: int) -> RowSource:
    names = list(dict.fromkeys(grouping.names))
    types = {name: property_of(rows.name, rows.types, name, _PARAMETER)[1] for name in names}
    if least > 1 and INTEGER in types.values():
        raise _refusal_of(
            "groups by names and dates, not by counts, as small groups are hidden here"
        )
    columns = [f'"{name}"' for name in names]
    for aggregate in grouping.aggregates:
        sql, kind = _aggregate(rows, aggregate, least)
        if aggregate.alias in types:
            raise _refusal_of(f"names `{aggregate.alias[:64]}` twice")
        types[aggregate.alias] = kind
        if least > 1:
            sql = f"case when sum({counted_by}) >= {least} then {sql} end"
        columns.append(f'{sql} as "{aggregate.alias}"')
    source = f"select {', '.join(columns)} from ({rows.source}) g"
    if names:
        source += f" group by {', '.join(columns[: len(names)])}"
    return RowSource(rows.name, types, tuple(names), source, rows.bound)


def _aggregate(rows: RowSource, aggregate: Aggregate, least: int) -> tuple[str, str]:
    """Return the SQL of one aggregate and its type."""
    if not _ALIAS.fullmatch(aggregate.alias):
        raise _refusal_of(f"`{aggregate.alias[:64]}` is not a name: letters, digits and _")
    if least > 1 and aggregate.method not in _ADDITIVE:
        raise _refusal_of("knows `sum` and `$count` alone, as small groups are hidden here")
    if aggregate.source is None:
        return "count(*)", INTEGER
    if aggregate.method not in _METHODS:
        known = ", ".join(_METHODS)
        raise _refusal_of(f"knows {known} and $count, not `{aggregate.method[:40]}`")
    name, kind = property_of(rows.name, rows.types, aggregate.source, _PARAMETER)
    takes, gives, form = _METHODS[aggregate.method]
    if kind not in takes:
        raise _refusal_of(f"`{aggregate.method}` does not take {name}")
    return form.format(name), gives or kind
