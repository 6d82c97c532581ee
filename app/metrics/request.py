# SPDX-License-Identifier: Apache-2.0
"""A metric's query made definite: what to count, when, and how to group it."""

import datetime as dt
from dataclasses import dataclass, field, replace
from uuid import UUID
from zoneinfo import ZoneInfo

from app.core.clock import utc_now
from app.core.property_filters import PROPERTY
from app.metrics.periods import Interval, Span
from app.workspaces.models import Workspace

TAGS = ("driver", "pillar", "module")
GROUPS = (
    *("survey", "question", "touchpoint", "stage", "channel", "locale", *TAGS, "scale"),
    *("resolution_time", "source"),
)
FILTERS = ("survey", "question", "touchpoint", "channel", "locale", "stage", *TAGS, "source")
MAX_GROUPS = 3
MAX_ROWS = 10_000


@dataclass(frozen=True)
class MetricRequest:
    """One figure to compute.

    Groups and filters are names of `GROUPS` and `FILTERS`, or `property.NAME`; `survey_ids` are
    the surveys that the filter `survey` names. `span` is where the answers lie, `today` decides
    which period is not over.
    """

    workspace: Workspace
    metric: str
    span: Span
    interval: Interval
    zone: ZoneInfo
    groups: list[str]
    filters: dict[str, list[str]]
    properties: dict[str, list[str]]
    survey_ids: list[UUID] = field(default_factory=list)
    window: str | None = None
    scale: str | None = None
    latest: bool = False
    order_by: str = "period"
    limit: int = MAX_ROWS
    min_n: int = 0
    compare: str | None = None
    clock: str = "calendar"
    today: dt.date = field(default_factory=lambda: utc_now().date())

    @property
    def timezone(self) -> str:
        """The name of the zone."""
        return self.zone.key

    @property
    def property_names(self) -> set[str]:
        """The properties that it groups or filters by."""
        grouped = {
            group.removeprefix(PROPERTY) for group in self.groups if group.startswith(PROPERTY)
        }
        return grouped | set(self.properties)

    @property
    def needs_more_than_daily_counts(self) -> bool:
        """Whether counts by day do not suffice: other days, properties, or a recount that runs."""
        names = self.property_names
        return (
            self.workspace.recount is not None
            or self.timezone != self.workspace.timezone
            or not self.span.whole_days
            or len(names) > 1
            or not names <= set(self.workspace.segments)
        )

    def without_groups(self) -> "MetricRequest":
        """Return the same for all groups together."""
        return replace(self, groups=[])

    def hides(self, n: int) -> bool:
        """Tell whether a part of so few answers is shown without its value."""
        narrowed = bool(self.groups or self.filters or self.properties)
        return narrowed and 0 < n < self.workspace.min_group_size
