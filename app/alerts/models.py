# SPDX-License-Identifier: Apache-2.0
"""Tables of the room."""

import datetime as dt
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKeyConstraint, UniqueConstraint
from sqlmodel import Field, SQLModel

from app.core.schema import TENANT, Instant, Json


class Alert(SQLModel, table=True):
    """A figure that is watched.

    `rules` are metric, filter, group, interval and rule as the API got them. `raised` maps each
    group (`""` without one) to what raised it, until it clears. `seen_until` is the moment up to
    which answers were looked at, None before the first look. `problem` says why it cannot be
    evaluated.
    """

    __table_args__ = (
        ForeignKeyConstraint(["workspace_id"], ["workspace.id"]),
        UniqueConstraint("workspace_id", "key"),
        TENANT,
    )

    workspace_id: UUID = Field(primary_key=True)
    id: UUID = Field(primary_key=True)
    key: str | None = None
    name: str
    active: bool
    rules: dict[str, Any] = Field(sa_type=Json)
    raised: dict[str, Any] = Field(sa_type=Json)
    seen_until: dt.datetime | None = Field(default=None, sa_type=Instant)
    problem: str | None = None
    created_at: dt.datetime = Field(sa_type=Instant)
    updated_at: dt.datetime = Field(sa_type=Instant)
