"""Bodies and filters of stored responses."""

import datetime as dt
from enum import StrEnum
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, field_validator

from app.core.routing import PROPERTY_PARAMETER
from app.core.text import Line
from app.surveys.scales import Band
from app.workspaces.schemas import Body, Moment

# What an answer may be: a number, true or false, a text, options; `na`, or null for skipped.
Answer = bool | int | str | list[str] | None


class Integrity(StrEnum):
    """Whether an answer counts, and if not, why."""

    OK = "ok"
    PROVISIONAL = "provisional"
    UNVERIFIED = "unverified"
    QUARANTINED = "quarantined"
    SUPERSEDED = "superseded"
    REJECTED = "rejected"


class FollowUpStatus(StrEnum):
    """How far somebody has come in calling the customer back."""

    NONE = "none"
    OPEN = "open"
    CONTACTED = "contacted"
    RESOLVED = "resolved"


class NoteOut(BaseModel):
    """One note on a follow-up."""

    text: str
    by: str
    at: dt.datetime


class FollowUpOut(BaseModel):
    """The follow-up of a response."""

    status: FollowUpStatus
    assignee: str | None
    due_at: dt.datetime | None
    opened_at: dt.datetime | None
    closed_at: dt.datetime | None
    notes: list[NoteOut]


class RespondentOut(BaseModel):
    """Who answered; `claimed` is what a public page said and nobody has proved."""

    id: UUID | None
    external_ids: list[dict[str, str | None]] = []
    email: str | None = None
    name: str | None = None
    claimed: dict[str, str] | None = None


class RevisionOut(BaseModel):
    """A main score that was replaced later."""

    seq: int
    score: int | None
    at: dt.datetime


class ResponseOut(BaseModel):
    """A response as it is stored."""

    id: UUID
    survey: str
    survey_id: UUID
    survey_version: int
    seq: int
    channel: str
    touchpoint: str | None
    locale: str
    score: int | None
    band: Band | None
    complete: bool
    integrity: Integrity
    test: bool
    answers: dict[str, Answer] = Field(description="By the question's key.")
    properties: dict[str, Any]
    customer: RespondentOut | None
    order: str | None
    ticket: str | None
    interaction: dict[str, str] | None
    claimed: bool = Field(
        description="Whether a public page gave it: its order, ticket and customer are claims."
    )
    external_id: str | None
    tags: list[str]
    imported: bool
    follow_up: FollowUpOut
    responded_at: dt.datetime
    created_at: dt.datetime
    updated_at: dt.datetime


class ResponseWithRevisions(ResponseOut):
    """A response with the main scores it had before."""

    revisions: list[RevisionOut]


class FollowUpReply(BaseModel):
    """What a key learns that may follow up but not read."""

    model_config = ConfigDict(extra="forbid")

    id: UUID
    follow_up: FollowUpOut


class FollowUpPatch(Body):
    """What to change of the follow-up; a note is appended, with who and when."""

    status: FollowUpStatus = FollowUpStatus.NONE
    assignee: Line | None = None
    due_at: Moment | None = None
    note: Annotated[str, StringConstraints(min_length=1, max_length=4000)] = ""

    @field_validator("due_at")
    @classmethod
    def _is_near(cls, value: dt.datetime | None) -> dt.datetime | None:
        if value is not None and not 2000 <= value.year <= 2200:
            msg = "must lie between the years 2000 and 2200"
            raise ValueError(msg)
        return value


class ResponsePatch(Body):
    """Tags and follow-up to change; what is left out stays."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "example": {"follow_up": {"status": "contacted", "note": "Called, will be replaced."}}
        },
    )

    tags: list[Annotated[str, StringConstraints(min_length=1, max_length=64)]] = Field(
        default=[], max_length=20
    )
    follow_up: FollowUpPatch = Field(default_factory=FollowUpPatch)


_Word = Annotated[str, StringConstraints(min_length=1, max_length=128)]


class ResponseFilter(BaseModel):
    """Which responses to list."""

    model_config = ConfigDict(extra="ignore")

    survey: _Word | None = Field(default=None, description="Id or key.")
    touchpoint: _Word | None = None
    channel: _Word | None = None
    customer: _Word | None = Field(default=None, description="Id, external id or e-mail.")
    order: _Word | None = None
    ticket: _Word | None = None
    band: Band | None = None
    integrity: Integrity | None = None
    follow_up: FollowUpStatus | None = None
    assignee: _Word | None = None
    overdue: bool | None = Field(
        default=None, description="An open follow-up is past its due time."
    )
    tag: _Word | None = None
    min_score: int | None = Field(default=None, ge=0, le=10)
    max_score: int | None = Field(default=None, ge=0, le=10)
    since: dt.datetime | None = Field(default=None, description="Answered at or after.")
    until: dt.datetime | None = Field(default=None, description="Answered before.")
    updated_since: dt.datetime | None = None
    has_comment: bool | None = None
    q: _Word | None = Field(default=None, description="Part of a comment.")
    test: bool = Field(default=False, description="List test responses instead.")
    order_by: Literal["created_at", "updated_at"] = "created_at"
    limit: Annotated[int, Field(ge=1, le=500, description="Rows a page.")] = 50
    cursor: str | None = Field(
        default=None, max_length=200, description="`next_cursor` of the page before."
    )
    property_value: str | None = Field(
        default=None,
        alias=PROPERTY_PARAMETER,
        max_length=256,
        description="Value of any property, by its name, such as `property.store=WAW-1`.",
    )

    @field_validator("since", "until", "updated_since")
    @classmethod
    def _zone(cls, value: dt.datetime | None) -> dt.datetime | None:
        if value is None:
            return None
        value = value if value.tzinfo else value.replace(tzinfo=dt.UTC)
        if not 1900 <= value.year <= 9998:
            msg = "is out of range"
            raise ValueError(msg)
        return value
