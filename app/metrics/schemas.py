# SPDX-License-Identifier: Apache-2.0
"""Replies of metrics, as the documentation describes them."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field


class FigureOut(BaseModel):
    """One figure; each metric adds its parts, such as `counts`, `mean` and `easy_share`."""

    model_config = ConfigDict(extra="allow")

    value: float | None = Field(description="The exact figure; null at n = 0 or where hidden.")
    display: float | None = Field(description="Rounded half away from zero.")
    n: int = Field(description="Valid answers: the denominator.")
    n_missing: int | None = Field(default=None, description="Shown, but skipped.")
    n_na: int | None = Field(default=None, description="Not applicable.")
    ci: list[float] | None = Field(description="95 % interval, low and high.")
    margin: float | None = Field(description="Half the interval's width.")
    reliability: str = Field(description="`none`, `indicative` (n < 30), `ok` or `hidden`.")


class TotalOut(FigureOut):
    """The figure of the whole span, with what it leaves out."""

    excluded: dict[str, int] = Field(default={}, description="Responses in no figure, by reason.")


class RowOut(FigureOut):
    """One period and group."""

    period: str | None = Field(default=None, description="The period's first day.")
    group: dict[str, str | None] = {}
    complete: bool | None = Field(default=None, description="False while the period is not over.")


class ChangeOut(BaseModel):
    """Total minus previous, with its test (Welch's t stands in `z` for means)."""

    delta: float | None
    z: float | None
    p_value: float | None
    significant: bool
    ci: list[float] | None


class MetricOut(BaseModel):
    """A metric's reply."""

    model_config = ConfigDict(
        extra="allow",
        populate_by_name=True,
        json_schema_extra={
            "example": {
                "metric": "nps", "from": "2026-05-01", "to": "2026-06-01", "interval": "none",
                "timezone": "UTC", "count": "all", "group_by": [], "scale": "0-10",
                "source": "rollups", "rows": [],
                "total": {
                    "value": 50.0, "display": 50, "n": 2, "n_missing": 0, "n_na": 0,
                    "ci": [-46.3, 100.0], "margin": 73.2, "reliability": "indicative",
                    "counts": {"promoters": 1, "passives": 1, "detractors": 0},
                    "distribution": {"8": 1, "10": 1},
                    "excluded": {"provisional": 0, "unverified": 0, "quarantined": 0, "test": 0},
                },
            }
        },
    )  # fmt: skip

    metric: str
    from_: str = Field(alias="from")
    to: str
    interval: str
    timezone: str
    count: str
    group_by: list[str]
    scale: str | None = None
    source: str = Field(description="`rollups` or `rows`: where the counts were read.")
    total: TotalOut
    rows: list[RowOut]
    previous: dict[str, Any] | None = None
    change: ChangeOut | None = None
    warnings: list[str] = []
    truncated: bool = False
    recount: dict[str, int] | None = None


class MetricsOut(BaseModel):
    """What can be asked for."""

    metrics: list[dict[str, Any]]
    group_by: list[str]
    segments: list[str]


class JourneyMapOut(BaseModel):
    """A journey with the figures of its steps."""

    model_config = ConfigDict(extra="allow")

    key: str
    name: dict[str, str]
    steps: list[dict[str, Any]]
    elsewhere: list[dict[str, Any]]
