# SPDX-License-Identifier: Apache-2.0
"""The conditions in SQL that a request's span, filters and properties put on a table's rows."""

import datetime as dt
from collections.abc import Sequence
from typing import Any

from app.core.property_filters import property_among_sql
from app.metrics.periods import Bound, Interval, Span
from app.metrics.request import MetricRequest


class RequestConditions:
    """The conditions of one statement, and the values that are bound in them by name."""

    def __init__(self, request: MetricRequest) -> None:
        """Begin with the workspace, which is bound as `workspace`."""
        self.request = request
        self.bound: dict[str, Any] = {"workspace": request.workspace.id}
        self.conditions: list[str] = []

    def bind(self, value: Any) -> str:
        """Bind a value and return its parameter."""
        name = f"b{len(self.bound)}"
        self.bound[name] = value
        return f":{name}"

    def bind_texts(self, values: Sequence[str]) -> str:
        """Bind texts and return their array."""
        return f"cast({self.bind(values)} as text[])"

    def bind_zone(self) -> str:
        """Bind the request's zone and return its parameter."""
        self.bound["zone"] = self.request.timezone
        return ":zone"

    def moment(self, bound: Bound) -> str:
        """Return a bound of a span; a local midnight is found by the database."""
        if isinstance(bound, dt.datetime):
            return f"cast({self.bind(bound)} as timestamptz)"
        return f"(cast({self.bind(bound)} as date) ::timestamp at time zone {self.bind_zone()})"

    def period_of_day(self, interval: Interval, day: str) -> str:
        """Return the first day of the period in which a day lies; null without periods."""
        if interval is Interval.NONE:
            return "null::date"
        return f"date_trunc('{interval}', {day}::timestamp)::date"

    def period_of_moment(self, interval: Interval, moment: str) -> str:
        """Return the first local day of the period in which a moment lies; null without periods."""
        if interval is Interval.NONE:
            return "null::date"
        return self.period_of_day(interval, f"({moment} at time zone {self.bind_zone()})")

    def narrow_to_span(self, span: Span, moment: str) -> None:
        """Keep the rows whose moment lies in a span."""
        self.conditions.append(f"{moment} >= {self.moment(span.start)}")
        self.conditions.append(f"{moment} < {self.moment(span.end)}")

    def narrow_to_surveys(self, survey_id: str) -> None:
        """Keep the rows of the surveys that the request's filter names, if it names some."""
        if "survey" in self.request.filters:
            self.conditions.append(f"{survey_id} = any({self.bind(self.request.survey_ids)})")

    def narrow_to_values(self, expression: str, values: Sequence[str]) -> None:
        """Keep the rows of which an expression is one of some texts."""
        self.conditions.append(f"{expression} = any({self.bind_texts(values)})")

    def narrow_to_properties(self, column: str) -> None:
        """Keep the rows whose properties, an object in a column, are those of the request."""
        for name, values in self.request.properties.items():
            condition = property_among_sql(column, self.bind(name), self.bind(values))
            self.conditions.append(condition)

    def where(self, *more: str) -> str:
        """Return all conditions, with further ones."""
        return " and ".join([*self.conditions, *more])
