# SPDX-License-Identifier: Apache-2.0
"""Bodies of triggers and decisions."""

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

from app.core.durations import duration_of
from app.core.parameters import PageCursor, PageLimit
from app.core.text_types import Line, Slug
from app.interactions.interaction_schemas import InteractionOut, InteractionType
from app.invitations.refusals import RefusalReason
from app.invitations.schemas import MAX_INVITATION_DELAY
from app.triggers.conditions import ConditionOperator, check_operand
from app.workspaces.schemas import Body, ClockTime, Moment, Throttle, Weekday


def _require_duration(value: str) -> str:
    duration = duration_of(value)
    if duration is None:
        msg = "must be an ISO 8601 duration such as PT2H or P7D"
        raise ValueError(msg)
    if duration > MAX_INVITATION_DELAY:
        msg = "is longer than a year"
        raise ValueError(msg)
    return value


Duration = Annotated[str, StringConstraints(max_length=20), AfterValidator(_require_duration)]
ConditionValue = str | int | float | bool

# What a trigger may ask about only once, and what became of a decision.
OncePer = Literal["interaction", "resolution", "order", "customer"]
DecisionOutcome = Literal["invited", "skipped"]


class ConditionIn(Body):
    """One condition on what is known of an interaction."""

    property: Annotated[str, StringConstraints(min_length=1, max_length=80)] = Field(
        description="A property's name, or `customer.NAME`, `value.amount`, `value.currency`, "
        "`touchpoint`, `ticket`, `order`, `source`, `locale`."
    )
    op: ConditionOperator
    value: ConditionValue | list[ConditionValue] | None = None

    @model_validator(mode="after")
    def _value_fits(self) -> Self:
        check_operand(self.op, self.value)
        return self


class SendWindow(Body):
    """When mails may leave, in the workspace's time."""

    days: list[Weekday] = Field(min_length=1, max_length=7)
    from_: ClockTime = Field(alias="from")
    to: ClockTime

    @model_validator(mode="after")
    def _opens_before_it_closes(self) -> Self:
        if not self.from_ < self.to or self.to == "24:00":
            msg = "to: must be later than `from`, and at most 23:59"
            raise ValueError(msg)
        return self


class TriggerRules(Body):
    """What a trigger asks, when, and of whom."""

    where: list[ConditionIn] = Field(default=[], max_length=50, description="All must hold.")
    unless: list[ConditionIn] = Field(
        default=[],
        max_length=50,
        description="If all hold, nobody is asked. Customers are also not asked about a ticket "
        "whose property `opened_by` is `admin` or `bot`: the company opened it.",
    )
    channel: Literal["email", "link"] = "email"
    delay: Duration = "PT0S"
    send_window: SendWindow | None = None
    sample_rate: float = Field(default=1.0, ge=0, le=1, description="Stable per customer.")
    throttle: Throttle | None = Field(
        default=None, description="Null: none; left out: the workspace's."
    )
    cancel_on: list[InteractionType] | None = Field(
        default=None,
        max_length=20,
        description="Types of the same ticket or order that cancel the invitation; default "
        "`ticket.reopened` for tickets, `order.refunded` and `order.cancelled` for orders. A "
        "partial refund never cancels it; a deleted or merged ticket always does.",
    )
    once_per: OncePer | None = Field(
        default=None,
        description="Default: `resolution` for a ticket's end, `order` for orders, else "
        "`interaction`.",
    )
    max_age: Duration | None = None
    expires_after: Duration = "P30D"
    reminder_after: Duration | None = None


EXAMPLE: dict[str, Any] = {
    "key": "ces-after-solve",
    "name": "Effort after a solved ticket",
    "on": "ticket.solved",
    "survey": "support-ces",
    "channel": "email",
    "delay": "PT2H",
    "where": [{"property": "tags", "op": "not_contains", "value": "no-survey"}],
    "throttle": {"days": 30, "scope": "workspace"},
    "max_age": "P7D",
    "expires_after": "P14D",
}


class TriggerPatch(TriggerRules):
    """What to change of a trigger; what is left out stays."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": {"active": False}})

    name: Line = ""
    on: InteractionType = ""
    survey: Annotated[str, StringConstraints(min_length=1, max_length=64)] = ""
    priority: int = Field(default=0, ge=-1000, le=1000, description="Higher decides first.")
    active: bool = True


class TriggerIn(TriggerPatch):
    """A new trigger."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": EXAMPLE})

    key: Slug | None = None
    name: Line
    on: InteractionType
    survey: Annotated[str, StringConstraints(min_length=1, max_length=64)]


class TriggerOut(TriggerRules):
    """A trigger."""

    model_config = ConfigDict(extra="forbid")

    id: UUID
    key: str | None
    name: str
    on: str
    survey: str
    priority: int
    active: bool
    warnings: list[str] = Field(description="What looks like a mistake.")
    created_at: dt.datetime
    updated_at: dt.datetime


class DecisionOut(BaseModel):
    """What one trigger decided of one interaction, and why."""

    trigger: UUID
    interaction: UUID | None
    outcome: DecisionOutcome
    reason: RefusalReason | None
    detail: str | None = Field(
        description="Which condition failed, or until when the throttle holds."
    )
    invitation: UUID | None
    at: dt.datetime


class DryRunOut(DecisionOut):
    """What would be decided now; nothing is stored."""

    send_at: dt.datetime | None


class HistoryDecisionOut(BaseModel):
    """One interaction of the past, and what the trigger would have decided."""

    interaction: UUID
    occurred_at: dt.datetime
    outcome: DecisionOutcome
    reason: str | None
    detail: str | None


class HistoryDryRunOut(BaseModel):
    """Whom a trigger would have asked over some time; nothing is stored."""

    trigger: UUID
    since: dt.datetime
    until: dt.datetime
    interactions: int = Field(description="Of the trigger's type.")
    invited: int
    skipped: dict[str, int] = Field(description="How many were not asked, by reason.")
    examples: list[HistoryDecisionOut]


class InteractionWithDecisions(InteractionOut):
    """An interaction with what the triggers decided of it."""

    decisions: list[DecisionOut]


class DecisionFilter(BaseModel):
    """Filters of decisions."""

    interaction: UUID | None = None
    ticket: str | None = Field(default=None, max_length=128)
    order: str | None = Field(default=None, max_length=128)
    customer: str | None = Field(default=None, max_length=255)
    trigger: str | None = Field(default=None, max_length=64, description="Id or key.")
    outcome: DecisionOutcome | None = None
    reason: RefusalReason | None = None
    since: Moment | None = None
    until: Moment | None = None


class DecisionListFilter(DecisionFilter):
    """Filters of the list of decisions."""

    limit: PageLimit = 50
    cursor: PageCursor = None


class DecisionCount(BaseModel):
    """How often one trigger came to one decision."""

    trigger: UUID
    outcome: str
    reason: str | None
    n: int


class DecisionSummary(BaseModel):
    """The decisions in numbers."""

    total: int
    invited: int
    skipped: int
    reasons: dict[str, int]
    data: list[DecisionCount]
