"""Tables of the room."""

import datetime as dt
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKeyConstraint, Index
from sqlmodel import Field, SQLModel

from app.core.schema import TENANT, Instant, Json


class Touchpoint(SQLModel, table=True):
    """A kind of moment; one that a response named without a declaration is `declared: false`."""

    __table_args__ = (ForeignKeyConstraint(["workspace_id"], ["workspace.id"]), TENANT)

    workspace_id: UUID = Field(primary_key=True)
    key: str = Field(primary_key=True)
    name: dict[str, str] = Field(sa_type=Json)
    stage: str | None = None
    area: str | None = None
    online: bool | None = None
    owner: str | None = None
    controlled: bool | None = None
    declared: bool
    created_at: dt.datetime = Field(sa_type=Instant)


class Journey(SQLModel, table=True):
    """The ordered path of touchpoints."""

    __table_args__ = (ForeignKeyConstraint(["workspace_id"], ["workspace.id"]), TENANT)

    workspace_id: UUID = Field(primary_key=True)
    key: str = Field(primary_key=True)
    name: dict[str, str] = Field(sa_type=Json)
    steps: list[dict[str, Any]] = Field(sa_type=Json)
    created_at: dt.datetime = Field(sa_type=Instant)


class Customer(SQLModel, table=True):
    """A person the workspace knows by external id or e-mail."""

    __table_args__ = (ForeignKeyConstraint(["workspace_id"], ["workspace.id"]), TENANT)

    workspace_id: UUID = Field(primary_key=True)
    id: UUID = Field(primary_key=True)
    email: str | None = None
    name: str | None = None
    locale: str | None = None
    created_at: dt.datetime = Field(sa_type=Instant)
    updated_at: dt.datetime = Field(sa_type=Instant)


class CustomerIdentity(SQLModel, table=True):
    """One name by which a customer is known: `email`, or `id` with the source that gave it.

    The foreign key is checked at commit, because of two writers who meet a person at once the
    one who gets the identity makes the customer.
    """

    __tablename__ = "customer_identity"
    __table_args__ = (
        ForeignKeyConstraint(
            ["workspace_id", "customer_id"],
            ["customer.workspace_id", "customer.id"],
            ondelete="CASCADE",
            deferrable=True,
            initially="DEFERRED",
        ),
        Index(None, "workspace_id", "customer_id"),
        TENANT,
    )

    workspace_id: UUID = Field(primary_key=True)
    kind: str = Field(primary_key=True)
    value: str = Field(primary_key=True)
    customer_id: UUID
