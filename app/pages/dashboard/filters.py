"""The filters of a page: a GET form, so that every view has a URL."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from pydantic import BaseModel, Field
from sqlmodel.ext.asyncio.session import AsyncSession

from app.core.http import at
from app.core.routing import PROPERTY_PARAMETER
from app.interactions import service as interactions
from app.metrics.parameters import MetricQuery
from app.metrics.periods import Interval
from app.responses.queries import segment_values
from app.surveys import service as surveys
from app.workspaces.models import Workspace

PERIODS = ("30d", "90d", "12mo", "24mo", "this_month", "last_month", "all")
_INTERVALS = {
    "30d": Interval.DAY, "this_month": Interval.DAY, "last_month": Interval.DAY,
    "90d": Interval.WEEK,
}  # fmt: skip


class PageFilter(BaseModel):
    """What a page is narrowed to; an empty choice of the form means all."""

    period: str = Field(default="90d", max_length=10)
    metric: str = Field(default="", max_length=10)
    survey: str = Field(default="", max_length=64)
    touchpoint: str = Field(default="", max_length=64)
    channel: str = Field(default="", max_length=20)
    property_value: str | None = Field(default=None, alias=PROPERTY_PARAMETER, max_length=256)

    @property
    def interval(self) -> Interval:
        """How fine the trend of this period is."""
        return _INTERVALS.get(self.period, Interval.MONTH)

    def query(self, **more: Any) -> MetricQuery:
        """Return the metric's query of this view."""
        asked: dict[str, Any] = {"period": self.period}
        for name in ("survey", "touchpoint", "channel"):
            if value := getattr(self, name):
                asked[name] = [value]
        return MetricQuery.model_validate(asked | more)

    def link(self, path: str, properties: Mapping[str, Sequence[str]], **more: str) -> str:
        """Return the address of another page with the same filters."""
        said = {name: getattr(self, name) for name in ("survey", "touchpoint", "channel")}
        said |= {f"property.{name}": values[-1] for name, values in properties.items()}
        kept = {"period": self.period} | said | more
        return f"{at(path)}?{urlencode({n: v for n, v in kept.items() if v})}"


def chosen(properties: Mapping[str, list[str]]) -> dict[str, list[str]]:
    """Return the properties that are chosen; an empty choice means all."""
    return {name: [v for v in values if v] for name, values in properties.items() if any(values)}


@dataclass(frozen=True, slots=True)
class FilterChoices:
    """What the form offers."""

    surveys: Sequence[tuple[str, str]]
    touchpoints: Sequence[str]
    segments: Mapping[str, Sequence[str]]
    periods: Sequence[str] = PERIODS
    channels: Sequence[str] = ("web", "email", "widget", "kiosk", "api", "import")


async def choices_of(session: AsyncSession, workspace: Workspace) -> FilterChoices:
    """Read the surveys, touchpoints and segment values that there are."""
    return FilterChoices(
        surveys=await surveys.names_of(session, workspace.id),
        touchpoints=await interactions.touchpoint_keys(session, workspace.id),
        segments={
            name: await segment_values(session, workspace.id, name) for name in workspace.segments
        },
    )
