# SPDX-License-Identifier: Apache-2.0
"""Bodies of interactions and tickets."""

import datetime as dt
from decimal import Decimal
from typing import Annotated, Any, Self
from uuid import UUID

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    model_validator,
)

from app.core.parameters import PageCursor, PageLimit
from app.core.text_types import INTERACTION_TYPE, MAX_TYPE_CHARACTERS, Email, Line
from app.interactions.customer_resolver import CustomerReference
from app.interactions.customer_schemas import (
    AnyLocale,
    Consent,
    PastMoment,
    Properties,
    Short,
)
from app.interactions.interaction_recorder import InteractionDraft
from app.interactions.resolution import TicketStatus
from app.interactions.schemas import TouchpointKey
from app.workspaces.schemas import Body, Moment

InteractionType = Annotated[
    str, StringConstraints(pattern=f"^{INTERACTION_TYPE}$", max_length=MAX_TYPE_CHARACTERS)
]
Currency = Annotated[
    str, StringConstraints(pattern=r"^[A-Za-z]{3}$"), AfterValidator(lambda code: code.upper())
]

EXAMPLE: dict[str, Any] = {
    "type": "ticket.solved",
    "source": "helpdesk",
    "external_id": "evt-1",
    "ticket": "4711",
    "touchpoint": "support",
    "customer": {"external_id": "c-17", "email": "ala@example.pl", "locale": "pl"},
    "properties": {"agent": "eva", "tags": ["vip"]},
    "value": {"amount": "129.90", "currency": "PLN"},
}


class InteractionCustomer(Body):
    """The customer; an external id belongs to `source`, else to the interaction's source."""

    external_id: Short | None = None
    source: Short | None = None
    email: Email | None = None
    name: Line | None = None
    locale: AnyLocale | None = None
    properties: Properties = Field(default={})
    consent: Consent | None = None

    @model_validator(mode="after")
    def _is_named(self) -> Self:
        if self.external_id is None and self.email is None:
            msg = "needs an `external_id` or an `email`"
            raise ValueError(msg)
        return self

    def reference(self, source: str | None) -> CustomerReference:
        """Return the reference; an external id without a source belongs to the given source."""
        return CustomerReference(
            external_id=self.external_id,
            source=self.source or source,
            email=self.email,
            name=self.name,
            locale=self.locale,
        )


class Money(Body):
    """An amount of money."""

    amount: Decimal = Field(ge=-(10**15), le=10**15, decimal_places=6)
    currency: Currency


class InteractionIn(Body):
    """One moment that happened."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": EXAMPLE})

    type: InteractionType = Field(
        description="Such as `ticket.solved` or `order.paid`; any dotted name."
    )
    source: Short = Field(description="Who reports it, such as `shop` or `helpdesk`.")
    external_id: Short = Field(description="The source's id of this event.")
    ticket: Short | None = Field(default=None, description="The source's case.")
    order: Short | None = None
    touchpoint: TouchpointKey | None = None
    occurred_at: PastMoment | None = Field(
        default=None, description="Default: the time of receipt."
    )
    customer: InteractionCustomer | None = None
    locale: AnyLocale | None = None
    properties: Properties = Field(default={})
    value: Money | None = None
    test: bool = False

    def draft(self, *, test: bool) -> InteractionDraft:
        """Return it as it is recorded."""
        customer = self.customer
        return InteractionDraft(
            type=self.type,
            source=self.source,
            external_id=self.external_id,
            ticket=self.ticket,
            order=self.order,
            touchpoint=self.touchpoint or "",
            occurred_at=self.occurred_at,
            customer=customer.reference(self.source) if customer else None,
            consent=customer.consent.model_dump(mode="json")
            if customer and customer.consent
            else None,
            customer_properties=customer.properties if customer else {},
            locale=self.locale,
            amount=self.value.amount if self.value else None,
            currency=self.value.currency if self.value else None,
            properties=self.properties,
            test=self.test or test,
        )


class InteractionOut(BaseModel):
    """An interaction with what it inherited from earlier ones of its case."""

    id: UUID
    type: str
    source: str
    external_id: str
    ticket: str | None
    order: str | None
    touchpoint: str | None
    customer_id: UUID | None
    locale: str | None
    value: dict[str, Any] | None
    properties: dict[str, Any]
    test: bool
    occurred_at: dt.datetime
    created_at: dt.datetime


class InteractionFilter(BaseModel):
    """Filters of the list of interactions."""

    source: str | None = Field(default=None, max_length=128)
    type: str | None = Field(default=None, max_length=64)
    ticket: str | None = Field(default=None, max_length=128)
    order: str | None = Field(default=None, max_length=128)
    customer: str | None = Field(
        default=None, max_length=255, description="Id, external id, e-mail address or phone number."
    )
    touchpoint: str | None = Field(default=None, max_length=64)
    since: Moment | None = Field(default=None, description="Occurred at this time or later.")
    until: Moment | None = Field(default=None, description="Occurred before this time.")
    test: bool = False
    limit: PageLimit = 50
    cursor: PageCursor = None


class TicketTimes(BaseModel):
    """Seconds by both clocks; business time is null without business hours."""

    calendar_seconds: int | None
    business_seconds: int | None


class TicketOut(BaseModel):
    """A ticket, computed from its interactions."""

    id: UUID
    source: str
    ticket: str
    status: TicketStatus
    customer_id: UUID | None
    touchpoint: str | None
    agent: str | None
    properties: dict[str, Any]
    opened_at: dt.datetime | None
    first_reply_at: dt.datetime | None
    first_solved_at: dt.datetime | None
    last_solved_at: dt.datetime | None
    reopened: bool
    invalid: bool = Field(
        description="Whether the reported times say that it was solved before it was opened."
    )
    first_resolution: TicketTimes
    full_resolution: TicketTimes
    first_reply: TicketTimes
    created_at: dt.datetime
    updated_at: dt.datetime


class TicketFilter(BaseModel):
    """Filters of the list of tickets."""

    source: str | None = Field(default=None, max_length=128)
    ticket: str | None = Field(default=None, max_length=128)
    status: TicketStatus | None = None
    agent: str | None = Field(default=None, max_length=256, description="The property `agent`.")
    customer: str | None = Field(default=None, max_length=255)
    since: Moment | None = Field(default=None, description="Changed at this time or later.")
    limit: PageLimit = 50
    cursor: PageCursor = None
