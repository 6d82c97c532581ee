# SPDX-License-Identifier: Apache-2.0
"""Bodies of endpoints, deliveries and the event feed."""

import datetime as dt
from collections.abc import Iterable
from enum import StrEnum
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

from app.core.event_types import EventType
from app.core.text_types import Slug
from app.interactions.schemas import TouchpointKey
from app.workspaces.schemas import Body, Moment

Url = Annotated[str, StringConstraints(pattern=r"^[^\s\x00-\x20]+$", min_length=8, max_length=2000)]
Score = Annotated[int, Field(ge=0, le=10, strict=True)]
EventName = Annotated[str, StringConstraints(min_length=1, max_length=64)]
_OWN_HEADERS = {"host", "content-length", "content-type", "transfer-encoding", "connection",
                "user-agent", "webhook-id", "webhook-timestamp", "webhook-signature"}  # fmt: skip


def _is_free(headers: dict[str, str]) -> dict[str, str]:
    for name in headers:
        if name.lower() in _OWN_HEADERS:
            msg = f"`{name}` is set by us; choose another name"
            raise ValueError(msg)
    if len({name.lower() for name in headers}) < len(headers):
        msg = "names one header twice"
        raise ValueError(msg)
    return headers


Headers = Annotated[
    dict[
        Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}$")],
        Annotated[str, StringConstraints(pattern=r"^[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?$",
                                         max_length=1000)],
    ],
    Field(max_length=10),
    AfterValidator(_is_free),
]  # fmt: skip


class EndpointFormat(StrEnum):
    """How events are written: signed JSON, as a chat shows them, or as Delighted wrote them."""

    STANDARD = "standard"
    SLACK = "slack"
    TEAMS = "teams"
    DELIGHTED = "delighted"


# The events that have an equivalent in Delighted's webhooks.
DELIGHTED_EVENTS = frozenset(
    {EventType.RESPONSE_CREATED, EventType.RESPONSE_UPDATED, EventType.CUSTOMER_UNSUBSCRIBED}
)


def check_format(format_: EndpointFormat, events: Iterable[EventType]) -> None:
    """Raise ValueError where a format cannot say one of the events."""
    if format_ is EndpointFormat.DELIGHTED and (odd := set(events) - DELIGHTED_EVENTS):
        known = ", ".join(sorted(DELIGHTED_EVENTS))
        msg = f"events: `{min(odd)}` has no equivalent among Delighted's webhooks; use {known}"
        raise ValueError(msg)


class EndpointFilter(Body):
    """Which events are sent; kinds of events that lack a field are not filtered by it."""

    survey: Slug | None = Field(default=None, description="Key of the survey.")
    touchpoint: TouchpointKey | None = None
    max_score: Score | None = Field(default=None, description="Of `response.low_score`, too.")
    min_score: Score | None = None
    type: EventName | Annotated[list[EventName], Field(min_length=1, max_length=50)] | None = Field(
        default=None, description="Types of interactions, for `interaction.created`."
    )

    @model_validator(mode="after")
    def _is_a_range(self) -> Self:
        if None not in {self.min_score, self.max_score} and self.min_score > self.max_score:  # type: ignore[operator]
            msg = "min_score: must not be above max_score"
            raise ValueError(msg)
        return self


Events = Annotated[list[EventType], Field(min_length=1, max_length=len(EventType))]


class EndpointIn(Body):
    """A new endpoint: an https URL, or `mailto:` for people who read mail."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "example": {
                "url": "https://hooks.example.com/afterword",
                "events": ["response.completed", "response.low_score"],
                "filter": {"survey": "checkout-csat", "max_score": 3},
            }
        },
    )

    url: Url
    events: Events
    format: EndpointFormat = EndpointFormat.STANDARD
    filter: EndpointFilter = Field(default_factory=EndpointFilter)
    include_personal: bool = Field(
        default=True, description="False: of a customer the id alone is sent."
    )
    headers: Headers = Field(
        default={}, description="Sent along, such as `Authorization`; values are not shown again."
    )

    @model_validator(mode="after")
    def _format_knows_events(self) -> Self:
        check_format(self.format, self.events)
        return self


class EndpointPatch(Body):
    """What to change; what is left out stays."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": {"active": True}})

    url: Url = ""
    events: Events = Field(default=[])
    format: EndpointFormat = EndpointFormat.STANDARD
    filter: EndpointFilter = Field(default_factory=EndpointFilter)
    include_personal: bool = True
    headers: Headers = Field(default={}, description="Replaces all of them.")
    active: bool = Field(
        default=True, description="True enables it again; what it missed comes by `replay`."
    )


class EndpointOut(BaseModel):
    """An endpoint; its secret is shown once, when it is made."""

    id: UUID
    url: str
    events: list[EventType]
    format: EndpointFormat
    filter: EndpointFilter
    include_personal: bool
    headers: list[str] = Field(description="Names of the headers that are sent along.")
    active: bool
    disabled_at: dt.datetime | None
    disabled_reason: str | None
    failing_since: dt.datetime | None = Field(description="First failure after the last success.")
    pending: int = Field(description="Deliveries that wait or are tried again.")
    failed: int = Field(description="Deliveries of the last 30 days that were given up.")
    old_secret_until: dt.datetime | None
    created_at: dt.datetime
    updated_at: dt.datetime


class EndpointWithSecret(EndpointOut):
    """A new endpoint with its signing secret, this once."""

    secret: str = Field(description="`whsec_…`: the key of Standard Webhooks' signatures.")


class SecretOut(BaseModel):
    """The new signing secret; for 24 hours the old one signs too."""

    secret: str


class TestIn(Body):
    """Which event to send a sample of."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"example": {"event": "response.completed"}}
    )

    event: EventType | None = Field(default=None, description="Default: the endpoint's first.")


class ReplayIn(Body):
    """From when to send again; events are kept for 30 days."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"example": {"since": "2026-11-20T08:00:00Z"}}
    )

    since: Moment


class ReplayOut(BaseModel):
    """How many events are sent again, once each."""

    events: int
    since: dt.datetime


class DeliveryStatus(StrEnum):
    """What became of a delivery."""

    PENDING = "pending"
    DELIVERED = "delivered"
    FAILED = "failed"


class AttemptOut(BaseModel):
    """One try."""

    at: dt.datetime
    status_code: int | None
    duration_ms: int
    error: str | None
    reply: str | None = Field(default=None, description="The beginning of what was answered.")


class DeliveryOut(BaseModel):
    """One event on its way, with every attempt, oldest first."""

    id: UUID
    endpoint: UUID
    event: EventType
    webhook_id: UUID = Field(description="The header `webhook-id`, the same over all attempts.")
    status: DeliveryStatus
    kind: Literal["event", "test", "single"] = Field(
        description="`single`: replayed or redelivered, and not tried again."
    )
    attempts: list[AttemptOut]
    next_attempt_at: dt.datetime | None
    created_at: dt.datetime
    updated_at: dt.datetime


class EventOut(BaseModel):
    """One event, the same as a webhook delivers it; `id` is its `webhook-id`."""

    id: UUID
    type: EventType
    timestamp: dt.datetime
    data: dict[str, Any]


class EventFeed(BaseModel):
    """Events oldest first."""

    data: list[EventOut]
    next_cursor: str = Field(
        description="Pass it as `after`; it is never null, so you can keep polling."
    )
