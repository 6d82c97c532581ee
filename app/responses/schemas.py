# SPDX-License-Identifier: Apache-2.0
"""Bodies and filters of stored responses."""

import datetime as dt
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    field_validator,
    model_validator,
)

from app.core.parameters import PROPERTY_PARAMETER
from app.core.text_types import Line
from app.responses.body import MAX_TAG_CHARACTERS, MAX_TAGS
from app.responses.follow_ups import FollowUpStatus
from app.responses.states import Integrity
from app.surveys.bands import Band
from app.workspaces.schemas import Body, Moment

# An answer: a number, true or false, a text, options, `na`, or null if it was skipped.
Answer = bool | int | str | list[str] | None


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


class ImportedFrom(BaseModel):
    """The import that made the response, the file's source, and the response's id in it."""

    id: UUID
    source: str | None
    external_id: str | None


class ResponseOut(BaseModel):
    """A response as it is stored."""

    model_config = ConfigDict(populate_by_name=True)

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
    comment: str | None = Field(default=None, description="The free texts, as one.")
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
    import_: ImportedFrom | None = Field(default=None, alias="import")
    follow_up: FollowUpOut
    responded_at: dt.datetime
    created_at: dt.datetime
    updated_at: dt.datetime


class ResponseWithRevisions(ResponseOut):
    """A response with the main scores it had before."""

    revisions: list[RevisionOut]


class FollowUpReply(BaseModel):
    """The reply for a key that may follow up but not read."""

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


_Tag = Annotated[str, StringConstraints(min_length=1, max_length=MAX_TAG_CHARACTERS)]


class ResponsePatch(Body):
    """Tags and follow-up to change; what is left out stays."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "example": {"follow_up": {"status": "contacted", "note": "Called, will be replaced."}}
        },
    )

    tags: list[_Tag] = Field(default=[], max_length=MAX_TAGS)
    follow_up: FollowUpPatch = Field(default_factory=FollowUpPatch)


_Word = Annotated[str, StringConstraints(min_length=1, max_length=128)]


class ResponseFilter(BaseModel):
    """Which responses to list."""

    model_config = ConfigDict(extra="ignore")

    survey: _Word | None = Field(default=None, description="Id or key.")
    touchpoint: _Word | None = None
    channel: _Word | None = None
    locale: _Word | None = None
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
    order_by: Literal["created_at", "updated_at", "responded_at"] = "created_at"
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


class ResponsesPatch(Body):
    """What to change of many responses: those named by `ids`, or all that the query's filters find.

    `add_tags` and `remove_tags` leave other tags as they are.
    """

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "example": {"ids": ["0190b6a0-0000-7000-8000-000000000002"], "add_tags": ["parcel"]}
        },
    )

    ids: list[UUID] | None = Field(default=None, min_length=1, max_length=1000)
    tags: list[_Tag] | None = Field(default=None, max_length=MAX_TAGS)
    add_tags: list[_Tag] = Field(default=[], max_length=MAX_TAGS)
    remove_tags: list[_Tag] = Field(default=[], max_length=MAX_TAGS)
    follow_up: FollowUpPatch | None = None
    restore: bool = Field(default=False, description="Count those that were held back.")
    reject: bool = Field(default=False, description="Take them out of every figure.")

    @model_validator(mode="after")
    def _says_what(self) -> Self:
        if self.restore and self.reject:
            msg = "restore: cannot go with `reject`"
            raise ValueError(msg)
        if self.tags is not None and (self.add_tags or self.remove_tags):
            msg = "tags: cannot be combined with `add_tags` or `remove_tags`"
            raise ValueError(msg)
        if not self.model_fields_set - {"ids"}:
            msg = "says nothing to change"
            raise ValueError(msg)
        return self


class ResponsesPatched(BaseModel):
    """How many responses were found, and how many of them are changed."""

    found: int
    changed: int
