# SPDX-License-Identifier: Apache-2.0
"""Replies of insights, as the documentation describes them."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field


class RefusedOut(BaseModel):
    """Why the data cannot carry what was asked."""

    reason: str = Field(
        description="`too_few_answers`, `nothing_tagged`, `no_outcome`, `no_orders` or "
        "`no_customers`."
    )
    needed_n: int | None = Field(description="How many answers are needed.")
    n: int
    detail: str = Field(description="What to do about it.")


class OutcomeOut(BaseModel):
    """The question that is explained."""

    question: str | None = Field(description="Its key, where the surveys have one.")
    metric: str | None


class InsightOut(BaseModel):
    """An insight's reply; each insight adds its figures, such as `r2`, `index` and `control`."""

    model_config = ConfigDict(extra="allow", populate_by_name=True)

    insight: str
    from_: str = Field(alias="from")
    to: str
    timezone: str
    count: str
    n: int = Field(description="The answers that it is made of.")
    survey: str | None = Field(description="The survey's key, where it is made of one.")
    outcome: OutcomeOut | None
    rows: list[dict[str, Any]]
    assumptions: dict[str, Any]
    warnings: list[str]
    refused: RefusedOut | None = Field(description="Set where there are no rows, with the reason.")
