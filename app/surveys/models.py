# SPDX-License-Identifier: Apache-2.0
"""Tables of the room: surveys, their versions, and the questions that figures are read by."""

import datetime as dt
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, ForeignKeyConstraint, UniqueConstraint
from sqlmodel import Field, SQLModel

from app.core.schema import REFERENCE, TENANT, Instant, Json, Small


class Survey(SQLModel, table=True):
    """What is asked; its content lies in its versions.

    `tags_changed_at` is when published questions last got other tags: their answers read
    differently since, and exports tell of it.
    """

    __table_args__ = (
        UniqueConstraint("workspace_id", "key"),
        ForeignKeyConstraint(["workspace_id"], ["workspace.id"]),
        TENANT,
    )

    workspace_id: UUID = Field(primary_key=True)
    id: UUID = Field(primary_key=True)
    key: str
    name: str
    public_id: str
    status: str
    published_version: int | None = Field(default=None, sa_type=Small)
    latest_version: int = Field(sa_type=Small)
    created_at: dt.datetime = Field(sa_type=Instant)
    updated_at: dt.datetime = Field(sa_type=Instant)
    tags_changed_at: dt.datetime | None = Field(default=None, sa_type=Instant)


class SurveyVersion(SQLModel, table=True):
    """One version of a survey's content; a published one never changes."""

    __tablename__ = "survey_version"
    __table_args__ = (
        ForeignKeyConstraint(
            ["workspace_id", "survey_id"],
            ["survey.workspace_id", "survey.id"],
            ondelete="CASCADE",
        ),
        TENANT,
    )

    workspace_id: UUID = Field(primary_key=True)
    survey_id: UUID = Field(primary_key=True)
    version: int = Field(primary_key=True, sa_type=Small)
    definition: dict[str, Any] = Field(sa_type=Json)
    published_at: dt.datetime | None = Field(default=None, sa_type=Instant)


class QuestionEntry(SQLModel, table=True):
    """A question as last published: its scale never changes, its tags are the latest.

    `recommends` marks the yes/no question that is the main one of an `nps` survey. `metric` is the
    one that reads it, `low` its lowest score; scores from `favourable_from` on are favourable, and
    those up to `unfavourable_to` unfavourable. These four are derived from the type. `versions`
    are the published versions that ask it, empty if an older program published the question.
    """

    __tablename__ = "question"
    __table_args__ = (
        ForeignKeyConstraint(
            ["workspace_id", "survey_id"],
            ["survey.workspace_id", "survey.id"],
            ondelete="CASCADE",
        ),
        TENANT,
    )

    workspace_id: UUID = Field(primary_key=True)
    survey_id: UUID = Field(primary_key=True)
    key: str = Field(primary_key=True)
    type: str
    scale: str
    high: int = Field(sa_type=Small)
    main: bool
    recommends: bool
    reverse: bool
    driver: str | None = None
    pillar: str | None = None
    module: str | None = None
    touchpoint: str | None = None
    options: list[dict[str, Any]] = Field(sa_type=Json)
    metric: str | None = None
    low: int | None = Field(default=None, sa_type=Small)
    favourable_from: int | None = Field(default=None, sa_type=Small)
    unfavourable_to: int | None = Field(default=None, sa_type=Small)
    versions: list[int] = Field(default_factory=list, sa_type=ARRAY(Small))


class SurveyPreview(SQLModel, table=True):
    """A draft as it stood in the editor, which somebody looks at."""

    __tablename__ = "survey_preview"
    __table_args__ = (TENANT,)

    workspace_id: UUID = Field(primary_key=True)
    id: UUID = Field(primary_key=True)
    survey_id: UUID
    locale: str
    definition: dict[str, Any] = Field(sa_type=Json)
    created_at: dt.datetime = Field(sa_type=Instant)


class SurveyLink(SQLModel, table=True):
    """The public id of a survey, unique in the whole service."""

    __tablename__ = "survey_link"
    __table_args__ = (REFERENCE,)

    public_id: str = Field(primary_key=True)
    workspace_id: UUID
    survey_id: UUID
