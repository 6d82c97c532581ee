# SPDX-License-Identifier: Apache-2.0
"""The query of a metric: parsed, checked against what the workspace knows, and made definite."""

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Annotated, Literal, NoReturn, get_args
from uuid import UUID
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import text
from sqlmodel.ext.asyncio.session import AsyncSession

from app.core.clock import utc_now
from app.core.database import run_sql
from app.core.errors import InvalidInput
from app.core.parameters import PROPERTY_PARAMETER
from app.core.property_filters import PROPERTY
from app.core.text_types import did_you_mean
from app.core.zones import is_known_to_database, is_zone
from app.interactions.filter_values import require_among
from app.interactions.schemas import Stage
from app.metrics.periods import (
    Bound,
    Interval,
    Span,
    default_span,
    first_local_day,
    moment_of,
    named_span,
    span_before,
    window_start,
)
from app.metrics.registry import METRICS
from app.metrics.request import FILTERS, GROUPS, MAX_GROUPS, MAX_ROWS, MetricRequest
from app.responses.body import Channel
from app.responses.filter_values import find_surveys, require_known
from app.surveys.question_types import QuestionType, traits_of
from app.workspaces.models import Workspace

_Many = Annotated[list[str], Field(max_length=100)]


class MetricQuery(BaseModel):
    """The parameters that every metric takes; a repeated or comma-separated value is `any of`."""

    model_config = ConfigDict(extra="ignore", populate_by_name=True)

    from_: str | None = Field(
        default=None, alias="from", max_length=40, description="Date in `timezone`, or time."
    )
    to: str | None = Field(default=None, max_length=40, description="Exclusive.")
    period: str | None = Field(
        default=None,
        max_length=20,
        description="Instead of `from` and `to`: `24mo`, `12w`, `90d`, `this_month`, `last_week` "
        "or `all`.",
    )
    window: str | None = Field(
        default=None, max_length=10, description="Each row pools so long a time, such as `P30D`."
    )
    interval: Interval = Interval.NONE
    timezone: str | None = Field(default=None, max_length=64)
    group_by: _Many = Field(
        default=[],
        description=f"Up to three of {', '.join(GROUPS)}, property.NAME. `resolution_time` is that "
        "of the answer's ticket, from opened to last solved; to first solved while it is open "
        "again.",
    )
    order_by: Literal["period", "value", "n", "group", "-period", "-value", "-n", "-group"] = Field(
        default="period", description="A leading `-` reverses the order."
    )
    limit: int = Field(default=MAX_ROWS, ge=1, le=MAX_ROWS)
    min_n: int = Field(default=0, ge=0, le=1_000_000_000)
    survey: _Many = []
    question: _Many = []
    touchpoint: _Many = []
    channel: _Many = []
    locale: _Many = []
    stage: _Many = []
    driver: _Many = []
    pillar: _Many = []
    module: _Many = []
    source: _Many = Field(
        default=[], description="The source that reported the ticket, such as `helpdesk`."
    )
    clock: Literal["calendar", "business"] = Field(
        default="calendar", description="For times of tickets: by the workspace's business hours."
    )
    scale: str | None = Field(
        default=None, max_length=20, description="`0-10`, `yes_no`, or the number of points."
    )
    count: Literal["all", "latest_per_customer"] = "all"
    compare: Literal["previous_period", "previous_year"] | None = None
    format: Literal["json", "csv"] | None = None
    property_value: str | None = Field(
        default=None,
        alias=PROPERTY_PARAMETER,
        max_length=256,
        description="Value of a property, by its name, such as `property.store=WAW-1`.",
    )


def _split(values: Iterable[str]) -> list[str]:
    return [part.strip() for value in values for part in value.split(",") if part.strip()]


async def resolve(
    session: AsyncSession,
    workspace: Workspace,
    metric: str,
    query: MetricQuery,
    properties: Mapping[str, list[str]],
) -> MetricRequest:
    """Check the query and make it definite; raise InvalidInput naming the parameter and remedy."""
    zone = await _zone(session, query.timezone or workspace.timezone)
    today = utc_now().astimezone(zone).date()
    filters = {name: _split(getattr(query, name)) for name in FILTERS}
    request = MetricRequest(
        workspace=workspace,
        metric=metric,
        span=await _span(session, workspace.id, metric, query, (zone, today)),
        interval=query.interval,
        zone=zone,
        groups=_groups(query, workspace.segments),
        filters={name: values for name, values in filters.items() if values},
        properties={name: _split(values) or values for name, values in properties.items()},
        window=query.window,
        scale=_scale(query.scale),
        latest=query.count == "latest_per_customer",
        order_by=query.order_by,
        limit=query.limit,
        min_n=query.min_n,
        compare=query.compare,
        clock=query.clock,
        today=today,
    )
    if request.compare:
        try:
            span_before(request.span, request.compare, request.zone)
        except (ValueError, OverflowError):
            _refuse("compare", "would reach before the year 1; choose a shorter time")
    if request.window:
        if window_start(today, request.window) is None:
            _refuse("window", "must be a duration such as P30D, P12W, P3M or P1Y")
        if request.interval is Interval.NONE:
            _refuse("window", "needs an `interval`: each of its rows pools the window ending there")
    return await _with_known_filters(session, request)


def _refuse(name: str, msg: str) -> NoReturn:
    raise InvalidInput.at("query", name, msg=msg)


async def _zone(session: AsyncSession, name: str) -> ZoneInfo:
    if not is_zone(name) or not await is_known_to_database(session, name):
        _refuse("timezone", "is not an IANA time zone, such as Europe/Warsaw")
    return ZoneInfo(name)


def _scale(name: str | None) -> str | None:
    aliases = {"nps": "0-10", "11": "0-10"} | {
        f"1-{number}": str(number) for number in range(2, 11)
    }
    in_words = [str(type_) for type_ in QuestionType if traits_of(type_).has_fixed_answers]
    known = {"0-10", *in_words, *map(str, range(2, 11))}
    scale = aliases.get(name, name) if name else None
    if scale is not None and scale not in known:
        _refuse(
            "scale",
            f"must be `0-10`, `{'`, `'.join(in_words)}`, or a number of points from 2 to 10",
        )
    return scale


def _groups(query: MetricQuery, segments: list[str]) -> list[str]:
    """Return the groups asked for.

    A property must be declared as a segment, because another one could identify a person.
    """
    groups = list(dict.fromkeys(_split(query.group_by)))
    if len(groups) > MAX_GROUPS:
        _refuse("group_by", f"takes at most {MAX_GROUPS} names")
    known = [*GROUPS, *(PROPERTY + name for name in segments)]
    for name in groups:
        if name not in known:
            hint = did_you_mean(name, known)
            if name.startswith(PROPERTY):
                hint = "; declare it among the workspace's `segments`" + hint
            _refuse("group_by", f"`{name[:64]}` is not a group{hint}")
    return groups


def require_segments(workspace: Workspace, properties: Iterable[str]) -> None:
    """Refuse undeclared properties to a key that may see figures but no person.

    A segment identifies nobody. Another property might, and the figure of a single person would
    reveal the score.
    """
    for name in properties:
        if name not in workspace.segments:
            hint = did_you_mean(name, workspace.segments)
            msg = f"is not a segment of this workspace, and this key sees figures only{hint}"
            _refuse(PROPERTY + name[:64], msg)


async def _span(
    session: AsyncSession,
    workspace_id: UUID,
    metric: str,
    query: MetricQuery,
    zone_and_today: tuple[ZoneInfo, dt.date],
) -> Span:
    zone, today = zone_and_today
    if query.period is not None:
        if query.from_ or query.to:
            _refuse("period", "cannot be combined with `from` or `to`; use one or the other")
        if query.period == "all":
            return await _all_time(session, workspace_id, metric, zone_and_today)
        span = named_span(query.period, today)
        if span is None:
            _refuse(
                "period",
                "must be such as 24mo, 90d, this_week, last_week, this_month, last_month or all",
            )
        return span
    usual = default_span(today)
    end = _read_bound("to", query.to, zone) if query.to else usual.end
    if query.from_:
        start = _read_bound("from", query.from_, zone)
    elif query.to:
        # The usual span is of two dates, never of a date and a moment.
        start = first_local_day(end, zone) - (usual.end - usual.start)  # type: ignore[operator]
    else:
        start = usual.start
    if moment_of(start, zone) >= moment_of(end, zone):
        _refuse("to", "must be later than `from`; it is exclusive")
    return Span(start, end)


async def _all_time(
    session: AsyncSession, workspace_id: UUID, metric: str, zone_and_today: tuple[ZoneInfo, dt.date]
) -> Span:
    """Return the span from the metric's first row to today, or to its last row if that is later."""
    zone, today = zone_and_today
    extent = text(METRICS[metric].counter.extent).bindparams(id=workspace_id)
    rows = await run_sql(session, extent)
    row = rows.one()
    first = row.first.astimezone(zone).date() if row.first else today
    last = max(today, row.last.astimezone(zone).date()) if row.last else today
    return Span(first, last + dt.timedelta(days=1))


def with_plus(moment: str) -> str:
    """Return a moment whose offset's plus was not escaped in the URL and became a blank."""
    return moment.replace(" ", "+")


def _read_bound(name: str, value: str, zone: ZoneInfo) -> Bound:
    try:
        if len(value) <= 10:
            bound: Bound = dt.date.fromisoformat(value)
        else:
            moment = dt.datetime.fromisoformat(with_plus(value))
            moment = moment if moment.tzinfo else moment.replace(tzinfo=zone)
            local = moment.astimezone(zone)
            bound = local.date() if local.time() == dt.time() else moment
    except (ValueError, OverflowError):
        _refuse(name, "must be a date such as 2026-11-01, or a time such as 2026-11-01T10:00:00Z")
    if not 1900 <= bound.year <= 9000:
        _refuse(name, "must lie between the years 1900 and 9000")
    return bound


async def _with_known_filters(session: AsyncSession, request: MetricRequest) -> MetricRequest:
    """Find the surveys of the filter; raise InvalidInput for unknown values of any filter."""
    filters, workspace_id = request.filters, request.workspace.id
    survey_ids = []
    if surveys := filters.get("survey"):
        survey_ids = await find_surveys(session, workspace_id, surveys)
    for name in ("touchpoint", "question"):
        if name in filters:
            await require_known(session, workspace_id, name, filters[name])
    require_among("stage", filters.get("stage", []), Stage)
    require_among("channel", filters.get("channel", []), get_args(Channel))
    return replace(request, survey_ids=survey_ids)
