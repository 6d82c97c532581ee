# SPDX-License-Identifier: Apache-2.0
"""Tables of the room: who reads which workspace by SQL, and who was erased."""

import datetime as dt
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKeyConstraint, Index
from sqlmodel import Field, SQLModel

from app.core.schema import REFERENCE, TENANT, Instant, Json


class BiAccess(SQLModel, table=True):
    """One read-only login of a BI tool.

    The functions that the row-level policies call are generated from these rows.
    """

    __tablename__ = "bi_access"
    __table_args__ = (ForeignKeyConstraint(["workspace_id"], ["workspace.id"]), REFERENCE)

    role: str = Field(primary_key=True)
    workspace_id: UUID
    personal: bool
    created_at: dt.datetime = Field(sa_type=Instant)


class Erasure(SQLModel, table=True):
    """One customer's erasure: whose pseudonym stays, why, and how much went.

    `reason` is `asked` or `retention`; a copy of older data erases them again.
    """

    __table_args__ = (
        ForeignKeyConstraint(["workspace_id"], ["workspace.id"]),
        Index(None, "workspace_id", "created_at", "id"),
        TENANT,
    )

    workspace_id: UUID = Field(primary_key=True)
    id: UUID = Field(primary_key=True)
    customer_id: UUID
    reason: str
    erased: dict[str, Any] = Field(sa_type=Json)
    created_at: dt.datetime = Field(sa_type=Instant)
