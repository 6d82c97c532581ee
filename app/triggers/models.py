# SPDX-License-Identifier: Apache-2.0
"""Tables of the room."""

import datetime as dt
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKeyConstraint, Index, UniqueConstraint, text
from sqlmodel import Field, SQLModel

from app.core.schema import TENANT, Instant, Json


class Trigger(SQLModel, table=True):
    """A rule: on interactions of this type, under these conditions, ask that survey."""

    __table_args__ = (
        ForeignKeyConstraint(["workspace_id", "survey_id"], ["survey.workspace_id", "survey.id"]),
        UniqueConstraint("workspace_id", "key"),
        Index(None, "workspace_id", "on_type"),
        TENANT,
    )

    workspace_id: UUID = Field(primary_key=True)
    id: UUID = Field(primary_key=True)
    key: str | None = None
    name: str
    on_type: str
    survey_id: UUID
    active: bool
    priority: int
    rules: dict[str, Any] = Field(sa_type=Json)
    created_at: dt.datetime = Field(sa_type=Instant)
    updated_at: dt.datetime = Field(sa_type=Instant)


class Decision(SQLModel, table=True):
    """What one trigger decided of one interaction.

    For each `once_key`, a trigger has at most one decision to invite.
    """

    __table_args__ = (
        Index(None, "workspace_id", "at", "id"),
        Index(None, "workspace_id", "invitation_id"),
        Index(
            "uq_decision_once",
            "workspace_id",
            "once_key",
            "trigger_id",
            unique=True,
            postgresql_where=text("outcome = 'invited'"),
        ),
        Index(
            "ix_decision_invited_order",
            "workspace_id",
            "order_ref",
            postgresql_where=text("outcome = 'invited' and order_ref is not null"),
        ),
        TENANT,
    )

    workspace_id: UUID = Field(primary_key=True)
    interaction_id: UUID = Field(primary_key=True)
    trigger_id: UUID = Field(primary_key=True)
    id: UUID
    outcome: str
    reason: str | None = None
    detail: str | None = None
    invitation_id: UUID | None = None
    once_key: str
    customer_id: UUID | None = None
    ticket: str | None = None
    order_ref: str | None = None
    at: dt.datetime = Field(sa_type=Instant)
