# SPDX-License-Identifier: Apache-2.0
"""The filters of a page: a GET form, so that every view has a URL."""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, get_args
from urllib.parse import urlencode

from pydantic import BaseModel, Field
from sqlmodel.ext.asyncio.session import AsyncSession

from app.core.clock import rfc3339, utc_now
from app.core.http import public_path
from app.core.parameters import PROPERTY_PARAMETER
from app.interactions import service as interactions
from app.metrics.parameters import MetricQuery, resolve
from app.metrics.periods import Interval, moment_of, named_span
from app.responses.body import Channel
from app.responses.queries import locales_seen, segment_values
from app.surveys import service as surveys
from app.workspaces.models import Workspace

if TYPE_CHECKING:
    from app.pages.dashboard.visit import DashboardVisit

_FILTER_NAMES = ("survey", "touchpoint", "channel", "locale")
# Filters of lists alone.
_LIST_FILTERS = ("band", "tag", "q")
OWN_DATES, _USUAL_PERIOD = "dates", "90d"
PERIODS = (
    "7d", "30d", "90d", "12mo", "24mo", "this_week", "last_week", "this_month", "last_month", "all",
    OWN_DATES,
)  # fmt: skip
_MONTH = dt.timedelta(days=30)


class PageFilter(BaseModel):
    """What a page is narrowed to; an empty choice of the form means all."""

    period: str = Field(default=_USUAL_PERIOD, max_length=10)
    # The period that the form showed. If another one is chosen, it is used instead of the dates.
    form_period: str = Field(default="", alias="was", max_length=10)
    metric: str = Field(default="", max_length=20)
    survey: str = Field(default="", max_length=64)
    touchpoint: str = Field(default="", max_length=64)
    channel: str = Field(default="", max_length=20)
    locale: str = Field(default="", max_length=35)
    from_: str = Field(default="", alias="from", max_length=10)
    to: str = Field(default="", max_length=10)
    property_value: str | None = Field(default=None, alias=PROPERTY_PARAMETER, max_length=256)

    @property
    def has_dates(self) -> bool:
        """Whether own dates are chosen or given, and no period was chosen instead of them."""
        if self.period == OWN_DATES:
            return True
        is_period_chosen = bool(self.form_period) and self.period != self.form_period
        return not is_period_chosen and (_is_day(self.from_) or _is_day(self.to))

    @property
    def shown_period(self) -> str:
        """The period that the form shows as chosen."""
        return OWN_DATES if self.has_dates else self.period

    @property
    def days(self) -> tuple[dt.date, dt.date]:
        """The first and the last day, both inclusive; a missing one is a month from the other."""
        last = dt.date.fromisoformat(self.to) if _is_day(self.to) else utc_now().date()
        first = dt.date.fromisoformat(self.from_) if _is_day(self.from_) else last - _MONTH
        return min(first, last), max(first, last)

    @property
    def dates(self) -> dict[str, str]:
        """The time span as parameters of the API: own dates, or a period.

        The page's last day is inclusive, the API's `to` is exclusive.
        """
        if not self.has_dates:
            return {"period": self.period}
        first, last = self.days
        # Without an end it goes on until today, which may be tomorrow in the workspace's zone.
        days_after = 1 if _is_day(self.to) else 2
        end = last + dt.timedelta(days=days_after)
        return {"from": first.isoformat(), "to": end.isoformat()}

    @property
    def interval(self) -> Interval:
        """How fine the trend of this period is."""
        if self.has_dates:
            first, last = self.days
            days = (last - first).days
        elif span := named_span(self.period, utc_now().date()):
            # A named span is of two dates, never of a date and a moment.
            days = (span.end - span.start).days  # type: ignore[operator]
        else:
            return Interval.MONTH
        return Interval.DAY if days <= 45 else Interval.WEEK if days <= 180 else Interval.MONTH

    def query(self, **more: Any) -> MetricQuery:
        """Return the metric's query of this view."""
        values: dict[str, Any] = dict(self.dates)
        for name in _FILTER_NAMES:
            if value := getattr(self, name):
                values[name] = [value]
        return MetricQuery.model_validate(values | more)

    def api_params(self, properties: Mapping[str, Sequence[str]]) -> dict[str, Any]:
        """Return the view as parameters of the API's figures."""
        params = {name: getattr(self, name) for name in _FILTER_NAMES}
        params |= {f"property.{name}": list(values) for name, values in properties.items()}
        return self.dates | {name: value for name, value in params.items() if value}

    async def period_bounds(self, visit: "DashboardVisit") -> tuple[dt.datetime, dt.datetime]:
        """Return the beginning and the end of the period, exclusive."""
        query = MetricQuery.model_validate(dict(self.dates))
        request = await resolve(visit.session, visit.workspace, "rating", query, {})
        return moment_of(request.span.start, request.zone), moment_of(
            request.span.end, request.zone
        )

    async def list_filters(
        self, visit: "DashboardVisit", properties: Mapping[str, Sequence[str]]
    ) -> dict[str, Any]:
        """Return the view as parameters of the API's lists: the period as two moments."""
        params = {name: getattr(self, name) for name in _FILTER_NAMES}
        params |= {f"property.{name}": list(values) for name, values in properties.items()}
        if self.period != "all" or self.has_dates:
            since, until = await self.period_bounds(visit)
            params |= {"since": rfc3339(since), "until": rfc3339(until)}
        return {name: value for name, value in params.items() if value}

    def is_narrowed(self, properties: Mapping[str, Sequence[str]]) -> bool:
        """Tell whether anything but the time is chosen."""
        return bool(properties) or any(getattr(self, name) for name in _FILTER_NAMES)

    def is_narrowed_beside_survey(self, properties: Mapping[str, Sequence[str]]) -> bool:
        """Tell whether anything but the time and the survey is chosen."""
        return self.model_copy(update={"survey": ""}).is_narrowed(properties)

    def page_params(self, properties: Mapping[str, Sequence[str]]) -> dict[str, str]:
        """Return the view as parameters of a page."""
        params = {name: getattr(self, name) for name in (*_FILTER_NAMES, "metric")}
        params |= {f"property.{name}": values[-1] for name, values in properties.items()}
        first, last = (day.isoformat() for day in self.days)
        dates = {"period": self.period}
        if self.has_dates:
            dates = {"from": first, "to": last} if _is_day(self.to) else {"from": self.from_}
        return {name: value for name, value in (dates | params).items() if value}

    def link(self, path: str, properties: Mapping[str, Sequence[str]], **more: str) -> str:
        """Return the address of another page with the same filters."""
        params = self.page_params(properties) | more
        given_params = {name: value for name, value in params.items() if value}
        return f"{public_path(path)}?{urlencode(given_params)}"

    def chips(
        self, path: str, properties: Mapping[str, Sequence[str]], **more: str
    ) -> list[tuple[str, str, str]]:
        """Return what the view is narrowed to: a name, its value, and the address without it."""
        chips = [
            (name, getattr(self, name), self.link(path, properties, **more, **{name: ""}))
            for name in _FILTER_NAMES
            if getattr(self, name)
        ]
        for name, values in properties.items():
            others = {other: value for other, value in properties.items() if other != name}
            chips.append((name, values[-1], self.link(path, others, **more)))
        for name in (name for name in _LIST_FILTERS if name in more):
            without = {other: value for other, value in more.items() if other != name}
            chips.append((name, more[name], self.link(path, properties, **without)))
        return chips


def _is_day(text: str) -> bool:
    """Tell whether a text is a day that can be compared with the days around it."""
    try:
        return dt.date(1900, 1, 1) <= dt.date.fromisoformat(text) <= dt.date(9000, 1, 1)
    except ValueError:
        return False


def without_empty(properties: Mapping[str, list[str]]) -> dict[str, list[str]]:
    """Return the properties that are chosen; an empty choice means all."""
    return {
        name: [value for value in values if value]
        for name, values in properties.items()
        if any(values)
    }


@dataclass(frozen=True, slots=True)
class FilterChoices:
    """What the form offers: keys with their names, and segments with their values."""

    surveys: Mapping[str, str]
    touchpoints: Mapping[str, str]
    segments: Mapping[str, Sequence[str]]
    locales: Sequence[str] = ()
    periods: Sequence[str] = PERIODS
    channels: Sequence[str] = get_args(Channel)


async def read_choices(session: AsyncSession, workspace: Workspace, language: str) -> FilterChoices:
    """Read the surveys, touchpoints and segment values that there are."""
    return FilterChoices(
        surveys=dict(await surveys.names_of(session, workspace.id)),
        touchpoints=await interactions.touchpoint_names(session, workspace.id, language),
        segments={
            name: await segment_values(session, workspace.id, name) for name in workspace.segments
        },
        locales=await locales_seen(session, workspace.id),
    )
