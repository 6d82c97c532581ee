"""Table of the room: which login role of the database reads which workspace."""

import datetime as dt
from uuid import UUID

from sqlalchemy import ForeignKeyConstraint
from sqlmodel import Field, SQLModel

from app.core.schema import REFERENCE, Instant


class BiAccess(SQLModel, table=True):
    """One read-only role of a BI tool; the policies of the tables look its workspace up here."""

    __tablename__ = "bi_access"
    __table_args__ = (ForeignKeyConstraint(["workspace_id"], ["workspace.id"]), REFERENCE)

    role: str = Field(primary_key=True)
    workspace_id: UUID
    personal: bool
    created_at: dt.datetime = Field(sa_type=Instant)
