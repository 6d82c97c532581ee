# SPDX-License-Identifier: Apache-2.0
"""Tables of the room: subscribers' endpoints, and one event on its way to each."""

import datetime as dt
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, ForeignKeyConstraint, Index, text
from sqlmodel import Field, SQLModel

from app.core.schema import TENANT, Instant, Json


class WebhookEndpoint(SQLModel, table=True):
    """A subscriber's URL. Secrets are sealed; the old one signs too until `old_until`.

    `headers` are sent along: their values are sealed like secrets. It gets the events from
    `listens_from` on: since it was made, or last enabled. `failing_since` is the first failure
    after the last success; an endpoint with `disabled_at` gets nothing until somebody enables it.
    """

    __tablename__ = "webhook_endpoint"
    __table_args__ = (
        ForeignKeyConstraint(["workspace_id"], ["workspace.id"]),
        Index(None, "workspace_id", "created_at", "id"),
        TENANT,
    )

    workspace_id: UUID = Field(primary_key=True)
    id: UUID = Field(primary_key=True)
    url: str
    format: str
    events: list[str] = Field(sa_type=Json)
    filter: dict[str, Any] = Field(sa_type=Json)
    include_personal: bool
    headers: bytes | None = None
    header_names: list[str] = Field(sa_type=Json)
    secret: bytes
    old_secret: bytes | None = None
    old_until: dt.datetime | None = Field(default=None, sa_type=Instant)
    listens_from: dt.datetime = Field(sa_type=Instant)
    failing_since: dt.datetime | None = Field(default=None, sa_type=Instant)
    disabled_at: dt.datetime | None = Field(default=None, sa_type=Instant)
    disabled_reason: str | None = None
    created_at: dt.datetime = Field(sa_type=Instant)
    updated_at: dt.datetime = Field(sa_type=Instant)


class Delivery(SQLModel, table=True):
    """One event on its way to one endpoint; `attempts` is its log.

    The id is derived from endpoint and event: an event is delivered once. The body is made from
    the event named by `event_xid` and `event_id`, whose data only an erasure changes; a test has a
    `sample` instead. Deliveries with `once` are not tried again. A claim moves `next_at` forward,
    so that the deliveries of a killed worker are sent again soon.
    """

    __table_args__ = (
        ForeignKeyConstraint(
            ["workspace_id", "endpoint_id"],
            ["webhook_endpoint.workspace_id", "webhook_endpoint.id"],
            ondelete="CASCADE",
        ),
        Index(None, "workspace_id", "endpoint_id", "created_at", "id"),
        Index(
            "ix_delivery_pending",
            "workspace_id",
            "endpoint_id",
            "next_at",
            postgresql_where=text("status = 'pending'"),
        ),
        Index(
            "ix_delivery_failed",
            "workspace_id",
            "endpoint_id",
            postgresql_where=text("status = 'failed'"),
        ),
        Index(None, "workspace_id", "created_at"),
        TENANT,
    )

    workspace_id: UUID = Field(primary_key=True)
    id: UUID = Field(primary_key=True)
    endpoint_id: UUID
    type: str
    webhook_id: UUID
    event_xid: int | None = Field(default=None, sa_type=BigInteger)
    event_id: UUID | None = None
    sample: dict[str, Any] | None = Field(default=None, sa_type=Json)
    once: bool
    status: str
    attempts: list[dict[str, Any]] = Field(sa_type=Json)
    tries: int
    next_at: dt.datetime = Field(sa_type=Instant)
    created_at: dt.datetime = Field(sa_type=Instant)
    updated_at: dt.datetime = Field(sa_type=Instant)
