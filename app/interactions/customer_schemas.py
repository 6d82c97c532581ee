# SPDX-License-Identifier: Apache-2.0
"""Bodies of customers."""

import datetime as dt
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

from app.core.clock import MAX_CLOCK_LEAD, utc_now
from app.core.json_values import property_error
from app.core.parameters import PageCursor, PageLimit
from app.core.property_filters import MAX_PROPERTIES
from app.core.text_types import LOCALE, MAX_LOCALE_CHARACTERS, Email, Line
from app.workspaces.schemas import Body, Moment


def _fit(properties: dict[str, Any]) -> dict[str, Any]:
    for name, value in properties.items():
        if reason := property_error(value):
            msg = f"`{name}` {reason}"
            raise ValueError(msg)
    return properties


def _hyphenate(value: str) -> str:
    return value.replace("_", "-")


def _not_ahead(value: dt.datetime) -> dt.datetime:
    if value > utc_now() + MAX_CLOCK_LEAD:
        msg = "is more than 24 hours ahead; check the clock and the zone"
        raise ValueError(msg)
    if value.year < 1900:
        msg = "is before 1900"
        raise ValueError(msg)
    return value


Name = Annotated[str, StringConstraints(min_length=1, max_length=64)]
# Senders write their numbers as numbers, too.
Short = Annotated[
    str, Field(coerce_numbers_to_str=True), StringConstraints(min_length=1, max_length=128)
]
CustomerParam = Annotated[Short, Field(description="The customer's id, or an external id.")]
Properties = Annotated[dict[Name, Any], Field(max_length=MAX_PROPERTIES), AfterValidator(_fit)]
AnyLocale = Annotated[
    str,
    StringConstraints(pattern=LOCALE, max_length=MAX_LOCALE_CHARACTERS),
    AfterValidator(_hyphenate),
]
PastMoment = Annotated[Moment, AfterValidator(_not_ahead)]


class Consent(Body):
    """Whether the customer agreed to be asked, when, and where that was said."""

    surveys: bool
    at: PastMoment | None = None
    source: Line | None = None


class CustomerPatch(Body):
    """What to change of a customer; what is left out stays, properties are added to."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "example": {
                "email": "ala@example.pl",
                "name": "Ala Nowak",
                "locale": "pl",
                "properties": {"plan": "pro"},
                "consent": {"surveys": True, "source": "checkout"},
            }
        },
    )

    email: Email | None = None
    name: Line | None = None
    locale: AnyLocale | None = None
    properties: Properties = Field(default={})
    consent: Consent | None = None
    do_not_survey: bool = Field(default=False, description="Never ask this customer anything.")


class CustomerPut(CustomerPatch):
    """A customer by external id, made or changed."""

    source: Short | None = Field(
        default=None, description="The source that gave the id, such as `shop`."
    )


class CustomerRow(CustomerPut):
    """A customer in a batch: by external id, by e-mail, or both."""

    external_id: Short | None = None
    phone: Annotated[str, StringConstraints(min_length=3, max_length=32)] | None = Field(
        default=None, description="A phone number; it is never used for asking."
    )

    @model_validator(mode="after")
    def _is_named(self) -> Self:
        if self.external_id is None and self.email is None and self.phone is None:
            msg = "needs an `external_id`, an `email` or a `phone`"
            raise ValueError(msg)
        return self


class CustomerMerge(Body):
    """Two customers who are one person."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"example": {"from": "c-17", "into": "c-18"}},
        populate_by_name=True,
    )

    from_: Short = Field(
        alias="from", description="Id or external id of the customer that ends with the merge."
    )
    into: Short = Field(
        description="Id or external id of the customer that keeps the data of both."
    )


class ExternalId(BaseModel):
    """A customer's id at one source."""

    source: str | None
    id: str


class CustomerOut(BaseModel):
    """A customer."""

    id: UUID
    external_ids: list[ExternalId]
    email: str | None
    name: str | None
    locale: str | None
    phone_number: str | None = None
    properties: dict[str, Any]
    consent: dict[str, Any] | None
    do_not_survey: bool
    last_invited_at: dt.datetime | None
    erased_at: dt.datetime | None
    created_at: dt.datetime
    updated_at: dt.datetime


class CustomerFilter(BaseModel):
    """Filters of the list of customers."""

    q: str | None = Field(
        default=None, min_length=1, max_length=255,
        description="A part of the name or of the e-mail address, or the beginning of an id.",
    )  # fmt: skip
    email: str | None = Field(default=None, max_length=255)
    external_id: str | None = Field(default=None, max_length=128)
    source: str | None = Field(
        default=None, max_length=128, description="The source that gave the external id."
    )
    limit: PageLimit = 50
    cursor: PageCursor = None
