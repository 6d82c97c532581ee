# SPDX-License-Identifier: Apache-2.0
"""The query of an insight: the metrics' period and filters, and each insight's own parameters."""

import datetime as dt
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from sqlmodel.ext.asyncio.session import AsyncSession

from app.core.clock import utc_now
from app.core.durations import duration_of
from app.core.errors import InvalidInput
from app.core.parameters import PROPERTY_PARAMETER
from app.insights.kinds import KINDS, InsightName
from app.insights.request import InsightRequest
from app.metrics.parameters import MetricQuery, resolve, with_plus
from app.workspaces.models import Workspace

_Many = Annotated[list[str], Field(max_length=100)]
_DAY = dt.timedelta(days=1)
_MAX_WITHIN = dt.timedelta(days=3650)
_WITHIN = dt.timedelta(days=90)
_SPAN_OF_SPENDING = dt.timedelta(days=365)
# Insights read ratings of every metric; this metric stands for all of them.
_ANY_RATING = "rating"


def _is_duration(value: str) -> str:
    duration = duration_of(value)
    if duration is None or duration % _DAY:
        msg = "must be days or weeks, such as P90D or P12W"
        raise ValueError(msg)
    if not _DAY <= duration <= _MAX_WITHIN:
        msg = "must be from P1D to P3650D"
        raise ValueError(msg)
    return value


class InsightQuery(BaseModel):
    """The parameters that insights take; each insight refuses those it has no use for."""

    model_config = ConfigDict(extra="ignore", populate_by_name=True)

    from_: str | None = Field(
        default=None, alias="from", max_length=40, description="Date in `timezone`, or time."
    )
    to: str | None = Field(default=None, max_length=40, description="Exclusive.")
    period: str | None = Field(
        default=None, max_length=20, description="Instead of `from` and `to`, such as `12mo`."
    )
    timezone: str | None = Field(default=None, max_length=64)
    survey: _Many = []
    touchpoint: _Many = []
    question: _Many = Field(
        default=[],
        max_length=100,
        description="drivers, pillars, modules: the tagged questions; others: the main question.",
    )
    channel: _Many = []
    locale: _Many = []
    stage: _Many = []
    count: Literal["all", "latest_per_customer"] = "all"
    outcome: str | None = Field(
        default=None, max_length=64, description="drivers: the question to explain."
    )
    weights: Literal["equal", "johnson"] | None = Field(
        default=None, description="pillars: the weights of the index."
    )
    within: Annotated[str, AfterValidator(_is_duration)] | None = Field(
        default=None, description="recovery, spending: how long after the answer, such as P90D."
    )
    a: float | None = Field(
        default=None, ge=0, le=1000, allow_inf_nan=False,
        description="word-of-mouth: how many people one satisfied customer tells.",
    )  # fmt: skip
    b: float | None = Field(
        default=None, ge=0, le=1000, allow_inf_nan=False,
        description="word-of-mouth: how many people one dissatisfied customer tells.",
    )  # fmt: skip
    currency: str | None = Field(
        default=None, pattern=r"^[A-Z]{3}$", description="spending: such as `EUR`."
    )
    side: Literal["low", "high"] | None = Field(
        default=None, description="comments: only the terms of low or of high scorers."
    )
    limit: int | None = Field(
        default=None, ge=1, le=1000, description="comments: at most so many terms."
    )
    format: Literal["json", "csv"] | None = None
    property_value: str | None = Field(
        default=None,
        alias=PROPERTY_PARAMETER,
        max_length=256,
        description="Value of a property, by its name, such as `property.store=WAW-1`.",
    )


async def resolve_insight(
    session: AsyncSession,
    workspace: Workspace,
    insight: InsightName,
    query: InsightQuery,
    properties: Mapping[str, list[str]],
) -> InsightRequest:
    """Check the query and make it definite; raise InvalidInput naming the parameter and remedy."""
    own = KINDS[insight].parameters
    for name in {name for kind in KINDS.values() for name in kind.parameters} - set(own):
        if getattr(query, name) is not None:
            takes = ", ".join(f"`{n}`" for n in own) or "no parameter of its own"
            msg = f"is not for `{insight}`, which takes {takes}; leave it out"
            raise InvalidInput.at("query", name, msg=msg)
    options: dict[str, Any] = {name: getattr(query, name) for name in own}
    if "within" in options:
        options["within"] = duration_of(query.within) if query.within else _WITHIN
    if "limit" in options:
        options["limit"] = query.limit or 100
    metric_params = query.model_dump(
        include={"to", "period", "timezone", "survey", "touchpoint", "question", "channel",
                 "locale", "stage", "count"}
    ) | {"from_": query.from_}  # fmt: skip
    if insight is InsightName.SPENDING and not query.period:
        metric_params |= _span_of_spending(query, utc_now() - options["within"])
    metric_request = await resolve(
        session, workspace, _ANY_RATING, MetricQuery(**metric_params), properties
    )
    return InsightRequest(insight, metric_request, options)


def _span_of_spending(query: InsightQuery, latest_end: dt.datetime) -> dict[str, str]:
    """Return `from_` and `to` of answers with time to buy afterwards; by default a year."""
    to = query.to or latest_end.replace(minute=0, second=0, microsecond=0).isoformat()
    if query.from_:
        return {"from_": query.from_, "to": to}
    try:
        end = dt.datetime.fromisoformat(with_plus(to))
        return {"from_": (end - _SPAN_OF_SPENDING).isoformat(), "to": to}
    except (ValueError, OverflowError):
        # The metric's own check reports what is wrong with `to`.
        return {"to": to}
