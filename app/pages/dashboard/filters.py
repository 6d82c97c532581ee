"""The filters of a page: a GET form, so that every view has a URL."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from pydantic import BaseModel, Field
from sqlalchemy import text
from sqlmodel.ext.asyncio.session import AsyncSession

from app.core.database import run_sql
from app.core.http import at
from app.core.routing import PROPERTY_PARAMETER
from app.metrics.parameters import MetricQuery
from app.metrics.periods import Interval
from app.workspaces.models import Workspace

PERIODS = ("30d", "90d", "12mo", "24mo", "this_month", "last_month", "all")
_INTERVALS = {
    "30d": Interval.DAY, "this_month": Interval.DAY, "last_month": Interval.DAY,
    "90d": Interval.WEEK,
}  # fmt: skip
_MOST_VALUES = 200


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
    bound = {"id": workspace.id}
    surveys = await run_sql(
        session,
        text("select key, name from survey where workspace_id = :id order by name").bindparams(
            **bound
        ),
    )
    places = await run_sql(
        session,
        text("select key from touchpoint where workspace_id = :id order by key").bindparams(
            **bound
        ),
    )
    segments = {}
    for name in workspace.segments:
        rows = await run_sql(session, _VALUES.bindparams(**bound, name=name, most=_MOST_VALUES))
        segments[name] = [row.value for row in rows]
    return FilterChoices(
        surveys=[(row.key, row.name) for row in surveys],
        touchpoints=[row.key for row in places],
        segments=segments,
    )


_VALUES = text("""
select distinct value from (
  select value from rollup where workspace_id = :id and segment = :name limit 20000) r
order by 1 limit :most
""")
