"""Tables of the room."""

import datetime as dt
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKeyConstraint, Index
from sqlmodel import Field, SQLModel

import app.surveys.models  # noqa: F401 - the foreign keys lead to its tables
from app.core.schema import TENANT, Instant, Json


class ImportedRecord(SQLModel, table=True):
    """One row of an import of tickets or customers: what it made.

    `before` is what was there before (interactions of a ticket, what was said of a customer),
    None where the import added it; `after` is what it made. `customer_id` is whom it is about.
    """

    __tablename__ = "import_record"
    __table_args__ = (
        ForeignKeyConstraint(
            ["workspace_id", "import_id"], ["import_run.workspace_id", "import_run.id"]
        ),
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


class ImportedRow(SQLModel, table=True):
    """One row of one import: what it made of a response.

    `content` tells whether the same row says something else later. `seq` is the response's number
    right after; another number means that somebody changed it since. `before` is the response as
    it was, where the import changed it or took it away; None where the import added it.
    """

    __tablename__ = "import_row"
    __table_args__ = (
        ForeignKeyConstraint(
            ["workspace_id", "import_id"], ["import_run.workspace_id", "import_run.id"]
        ),
        Index(None, "workspace_id", "import_id"),
        TENANT,
    )

    workspace_id: UUID = Field(primary_key=True)
    response_id: UUID = Field(primary_key=True)
    import_id: UUID = Field(primary_key=True)
    external_id: str | None = None
    content: str
    seq: int
    before: dict[str, Any] | None = Field(default=None, sa_type=Json)
    at: dt.datetime = Field(sa_type=Instant)
