# SPDX-License-Identifier: Apache-2.0
"""Tables of the room: registered senders, and what they have sent."""

import datetime as dt
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKeyConstraint, Index, UniqueConstraint, text
from sqlmodel import Field, SQLModel

from app.core.schema import REFERENCE, TENANT, Instant, Json


class Integration(SQLModel, table=True):
    """A registered sender, found by its id alone.

    Secrets are sealed, tokens of URLs are hashed; the old ones are good until `old_until`.
    """

    __table_args__ = (
        UniqueConstraint("workspace_id", "key"),
        ForeignKeyConstraint(["workspace_id"], ["workspace.id"]),
        REFERENCE,
    )

    id: UUID = Field(primary_key=True)
    workspace_id: UUID
    key: str
    source: str
    preset: str | None = None
    touchpoint: str | None = None
    timezone: str | None = None
    accept_test: bool = False
    status_map: dict[str, str] = Field(sa_type=Json)
    mapping: dict[str, Any] = Field(sa_type=Json)
    signature: dict[str, Any] | None = Field(default=None, sa_type=Json)
    secret: bytes | None = None
    old_secret: bytes | None = None
    token_hash: bytes | None = None
    old_token_hash: bytes | None = None
    old_until: dt.datetime | None = Field(default=None, sa_type=Instant)
    write_back: bytes | None = None
    refused_at: dt.datetime | None = Field(default=None, sa_type=Instant)
    refused_reason: str | None = None
    created_at: dt.datetime = Field(sa_type=Instant)
    updated_at: dt.datetime = Field(sa_type=Instant)


class InboundEvent(SQLModel, table=True):
    """One webhook as it came: its raw bytes are kept, so that nothing is lost.

    Its id is derived from the sender's own: a replay is the same row. `case_ref` is the ticket or
    order of a webhook without an id and a time. `waits_for` names what it waits for: a status
    that is not mapped yet (`status:…`), an order that is not known yet (`order:…`), or a change
    of its ticket after which it is new (`end:…`, `reopening:…`). `notes` say what was left
    out because it could not be read.
    """

    __tablename__ = "inbound_event"
    __table_args__ = (
        Index(None, "workspace_id", "integration_id", "received_at", "id"),
        Index(None, "workspace_id", "received_at"),
        Index(
            "ix_inbound_event_open",
            "workspace_id",
            "integration_id",
            "status",
            postgresql_where=text("status in ('received', 'failed')"),
        ),
        Index(
            "ix_inbound_event_case",
            "workspace_id",
            "integration_id",
            "case_ref",
            "received_at",
            postgresql_where=text("case_ref is not null"),
        ),
        Index(
            "ix_inbound_event_waiting",
            "workspace_id",
            "integration_id",
            postgresql_where=text("waits_for <> '[]'"),
        ),
        Index(
            "ix_inbound_event_waits_for",
            "waits_for",
            postgresql_using="gin",
            postgresql_where=text("waits_for <> '[]'"),
        ),
        TENANT,
    )

    workspace_id: UUID = Field(primary_key=True)
    id: UUID = Field(primary_key=True)
    integration_id: UUID
    delivery: str
    headers: dict[str, str] = Field(sa_type=Json)
    body: bytes
    verified: bool
    status: str
    reason: str | None = None
    case_ref: str | None = None
    waits_for: list[str] = Field(sa_type=Json)
    notes: list[str] = Field(sa_type=Json)
    interactions: list[str] = Field(sa_type=Json)
    received_at: dt.datetime = Field(sa_type=Instant)
    translated_at: dt.datetime | None = Field(default=None, sa_type=Instant)


class OrderName(SQLModel, table=True):
    """A further name of an order at one source, such as the id of its payment."""

    __tablename__ = "order_name"
    __table_args__ = TENANT

    workspace_id: UUID = Field(primary_key=True)
    source: str = Field(primary_key=True)
    name: str = Field(primary_key=True)
    order_ref: str
    created_at: dt.datetime = Field(sa_type=Instant)


class WriteBack(SQLModel, table=True):
    """One answer on its way onto its ticket; `attempts` is its log."""

    __tablename__ = "write_back"
    __table_args__ = (
        Index(None, "workspace_id", "integration_id", "created_at"),
        TENANT,
    )

    workspace_id: UUID = Field(primary_key=True)
    response_id: UUID = Field(primary_key=True)
    integration_id: UUID
    ticket: str
    status: str
    attempts: list[dict[str, Any]] = Field(sa_type=Json)
    created_at: dt.datetime = Field(sa_type=Instant)
    updated_at: dt.datetime = Field(sa_type=Instant)
