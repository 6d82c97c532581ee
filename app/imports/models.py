# SPDX-License-Identifier: Apache-2.0
"""Tables of the room."""

import datetime as dt
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKeyConstraint, Index
from sqlmodel import Field, SQLModel

import app.surveys.models  # noqa: F401 - the foreign keys lead to its tables
from app.core.schema import TENANT, Instant, Json


class ImportRun(SQLModel, table=True):
    """One file that was read in: of answers, `tickets` or `customers` (the kind)."""

    __tablename__ = "import_run"
    __table_args__ = (
        ForeignKeyConstraint(["workspace_id", "survey_id"], ["survey.workspace_id", "survey.id"]),
        TENANT,
    )

    workspace_id: UUID = Field(primary_key=True)
    id: UUID = Field(primary_key=True)
    survey_id: UUID | None = None
    kind: str | None = None
    name: str
    status: str
    lines_done: int
    accepted: int
    duplicates: int
    rejected: int
    source: str | None = None
    report: dict[str, Any] | None = Field(default=None, sa_type=Json)
    # The rejected rows as a file, with their reasons.
    rejects: str | None = None
    created_at: dt.datetime = Field(sa_type=Instant)
    updated_at: dt.datetime = Field(sa_type=Instant)


class ImportedRecord(SQLModel, table=True):
    """What one import made of one ticket or customer.

    `before` is the earlier state (interactions of a ticket, fields of a customer), None if the
    import added it; `after` is the new state. `customer_id` is the customer concerned.
    """

    __tablename__ = "import_record"
    __table_args__ = (
        Index(None, "workspace_id", "import_id"),
        TENANT,
    )

    workspace_id: UUID = Field(primary_key=True)
    record_id: UUID = Field(primary_key=True)
    import_id: UUID = Field(primary_key=True)
    external_id: str | None = None
    customer_id: UUID | None = None
    content: str
    before: list[Any] | dict[str, Any] | None = Field(default=None, sa_type=Json)
    after: dict[str, Any] | None = Field(default=None, sa_type=Json)
    at: dt.datetime = Field(sa_type=Instant)


# In `ImportedRow.seq`, while a response is being changed or taken back.
WRITING, UNDOING = 0, -1


class ImportedRow(SQLModel, table=True):
    """What one import made of one response.

    `content` is the row's hash, which shows whether the row differs in a later file; it is empty
    if the import removed the response. `seq` is the response's number after the import; another
    number means that it was changed since. `before` is the response as it was if the import
    changed or removed it, None if the import added it. A row is noted before its response is
    changed, so that an interrupted import loses nothing: `WRITING` and `UNDOING` stand in `seq`
    until the change is complete. `was_there` rows were in the file and needed no change. `tags`
    are those that it wrote; None if it wrote no response, or was made by an earlier version.
    """

    __tablename__ = "import_row"
    __table_args__ = (
        Index(None, "workspace_id", "import_id"),
        TENANT,
    )

    workspace_id: UUID = Field(primary_key=True)
    response_id: UUID = Field(primary_key=True)
    import_id: UUID = Field(primary_key=True)
    external_id: str | None = None
    content: str
    seq: int
    was_there: bool = False
    tags: list[str] | None = Field(default=None, sa_type=Json)
    before: dict[str, Any] | None = Field(default=None, sa_type=Json)
    at: dt.datetime = Field(sa_type=Instant)


class ImportUpload(SQLModel, table=True):
    """A file that was sent to the dashboard, kept until it is imported or an hour is over."""

    __tablename__ = "import_upload"
    __table_args__ = (TENANT,)

    workspace_id: UUID = Field(primary_key=True)
    id: UUID = Field(primary_key=True)
    content: bytes
    created_at: dt.datetime = Field(sa_type=Instant)
