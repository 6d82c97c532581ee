# SPDX-License-Identifier: Apache-2.0
"""Bodies of alerts, their charts and previews."""

import datetime as dt
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    model_validator,
)

from app.core.property_filters import PROPERTY
from app.core.text_types import Line, Slug
from app.metrics.registry import METRICS, MetricName
from app.workspaces.schemas import Body

_FILTERS = ("survey", "touchpoint", "channel", "locale")
_RANGE_OF_UNIT = {
    "points": (-100.0, 100.0), "percent": (0.0, 100.0), "duration": (0.0, 100.0),
    "score": (0.0, 10.0),
}  # fmt: skip
_MEMBER = r"^member:[^\s@]+@[^\s@]+$"
_Value = Annotated[str, StringConstraints(min_length=1, max_length=256)]
_Group = Annotated[str, StringConstraints(min_length=1, max_length=80, pattern=r"^[^,]+$")]
MemberAddress = Annotated[str, StringConstraints(pattern=_MEMBER, max_length=320)]


def _is_watched(metric: MetricName) -> MetricName:
    if not METRICS[metric].can_be_watched:
        watchable = ", ".join(name for name, known in METRICS.items() if known.can_be_watched)
        msg = f"has no single figure that an alert can watch; use {watchable}"
        raise ValueError(msg)
    return metric


def _is_filter(value: dict[str, str]) -> dict[str, str]:
    for name in value:
        if name not in _FILTERS and not (name.startswith(PROPERTY) and name != PROPERTY):
            msg = f"`{name[:64]}` is not a filter; use {', '.join(_FILTERS)} or property.NAME"
            raise ValueError(msg)
    return value


class ShiftRule(Body):
    """The figure leaves the course of its baseline, by more than chance explains."""

    kind: Literal["shift"]


class LimitRule(Body):
    """The figure of one period is below or above a value."""

    kind: Literal["below", "above"]
    value: float = Field(allow_inf_nan=False, description="In the metric's unit.")
    min_n: int = Field(
        default=30, ge=1, le=1_000_000, description="Periods with fewer answers are ignored."
    )


class BaselineSpan(Body):
    """The days of the baseline, instead of the first 20 periods."""

    from_: dt.date = Field(alias="from")
    to: dt.date = Field(description="Exclusive.")

    @model_validator(mode="after")
    def _is_a_span(self) -> Self:
        if self.from_ >= self.to:
            msg = "to: must be later than `from`; it is exclusive"
            raise ValueError(msg)
        return self


class AlertRules(Body):
    """What is watched, and what raises the alert."""

    metric: Annotated[MetricName, AfterValidator(_is_watched)]
    filter: Annotated[dict[str, _Value], AfterValidator(_is_filter)] = Field(
        default={},
        max_length=8,
        description="Of survey, touchpoint, channel, locale, property.NAME.",
    )
    group_by: _Group | None = Field(default=None, description="One name: a chart for each group.")
    interval: Literal["day", "week"] = "day"
    rule: Annotated[ShiftRule | LimitRule, Field(discriminator="kind")]
    direction: Literal["down", "up", "both"] = Field(
        default="both", description="Of a shift: the direction that raises the alert."
    )
    baseline: BaselineSpan | None = None

    @model_validator(mode="after")
    def _can_be_reached(self) -> Self:
        if isinstance(self.rule, LimitRule):
            unit = METRICS[str(self.metric)].unit
            low, high = unit.ends or _RANGE_OF_UNIT[unit.kind]
            if not low <= self.rule.value <= high:
                msg = f"rule.value: must be from {low:g} to {high:g}, which {self.metric} can reach"
                raise ValueError(msg)
        return self


class AlertIn(AlertRules):
    """A new alert."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "example": {
                "name": "NPS of the checkout", "metric": "nps",
                "filter": {"touchpoint": "checkout"}, "rule": {"kind": "shift"},
                "direction": "down", "notify": [],
            }
        },
    )  # fmt: skip

    key: Slug | None = None
    name: Line
    notify: list[MemberAddress] = Field(
        default=[], max_length=20, description="Members who get a mail, as `member:EMAIL`."
    )
    active: bool = True


class AlertPatch(Body):
    """What to change; what is left out stays. The metric and its filter cannot be changed."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": {"active": False}})

    name: Line | None = None
    rule: Annotated[ShiftRule | LimitRule, Field(discriminator="kind")] | None = None
    direction: Literal["down", "up", "both"] | None = None
    notify: list[MemberAddress] | None = Field(default=None, max_length=20)
    active: bool | None = None


class RaisedOut(BaseModel):
    """What raised an alert, of one group."""

    group: dict[str, str | None] | None
    period: dt.date
    value: float
    n: int
    expected: float | None = Field(description="The baseline's mean, or the value of the rule.")
    z: float | None


class AlertOut(BaseModel):
    """An alert, with what is raised now."""

    id: UUID
    key: str | None
    name: str
    metric: str
    filter: dict[str, str]
    group_by: str | None
    interval: str
    rule: dict[str, Any]
    direction: str
    baseline: dict[str, Any] | None
    notify: list[str]
    active: bool
    raised: list[RaisedOut]
    problem: str | None = Field(description="Why it cannot be evaluated; null if it can.")
    created_at: dt.datetime
    updated_at: dt.datetime


class ChartBaselineOut(BaseModel):
    """The course from which a shift is measured."""

    mean: float | None
    n_periods: int


class ChartRowOut(BaseModel):
    """One period; z and limit are null within the baseline."""

    period: dt.date
    group: dict[str, str | None] | None = None
    value: float | None
    n: int
    z: float | None
    limit: float | None
    signal: bool


class ChartOut(BaseModel):
    """The chart of an alert; with groups, `baselines` has the course of each."""

    baseline: ChartBaselineOut
    baselines: list[dict[str, Any]] | None = None
    unit: str = Field(description="`points`, `percent` or `score`; times have `percent`.")
    rows: list[ChartRowOut]


class PreviewRowOut(BaseModel):
    """One time the alert would have been raised."""

    period: dt.date
    group: dict[str, str | None] | None = None
    value: float
    z: float | None


class PreviewOut(BaseModel):
    """When the rule would have raised the alert in the last year."""

    periods: int
    raised: int
    rows: list[PreviewRowOut]
