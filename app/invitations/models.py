# SPDX-License-Identifier: Apache-2.0
"""Tables of the room: invitations, and the addresses that must not be written to."""

import datetime as dt
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKeyConstraint, Index, UniqueConstraint, text
from sqlmodel import Field, SQLModel

from app.core.schema import TENANT, Instant, Json


class Invitation(SQLModel, table=True):
    """One request to one customer to answer one survey; its answer bears the same id.

    `context` is frozen when it is decided: touchpoint, properties, order, ticket, source and
    interaction. The token is kept as a hash, to find the row, and sealed, to be sent; `queued`
    tells that a job will send it. `hits` are the latest times when its page was opened or sent,
    by a person or a program.
    """

    __table_args__ = (
        ForeignKeyConstraint(["workspace_id", "survey_id"], ["survey.workspace_id", "survey.id"]),
        UniqueConstraint("workspace_id", "token_hash"),
        Index(None, "workspace_id", "created_at", "id"),
        Index(None, "workspace_id", "sent_at"),
        Index(
            None,
            "workspace_id",
            "customer_id",
            "send_at",
            postgresql_where=text("customer_id is not null"),
        ),
        Index(
            "ix_invitation_waiting",
            "workspace_id",
            "send_at",
            postgresql_where=text("status = 'scheduled' and not queued"),
        ),
        Index(
            "ix_invitation_open",
            "workspace_id",
            "expires_at",
            postgresql_where=text("status in ('sent', 'stored', 'opened')"),
        ),
        Index("ix_invitation_email", "workspace_id", text("lower(email)")),
        Index(None, "workspace_id", "ticket", postgresql_where=text("ticket is not null")),
        Index(None, "workspace_id", "order_ref", postgresql_where=text("order_ref is not null")),
        TENANT,
    )

    workspace_id: UUID = Field(primary_key=True)
    id: UUID = Field(primary_key=True)
    survey_id: UUID
    customer_id: UUID | None = None
    channel: str
    status: str
    reason: str | None = None
    detail: str | None = None
    email: str | None = None
    name: str | None = None
    locale: str | None = None
    token_hash: bytes
    token: bytes
    trigger_id: UUID | None = None
    interaction_id: UUID | None = None
    source: str | None = None
    ticket: str | None = None
    order_ref: str | None = None
    touchpoint: str
    context: dict[str, Any] = Field(sa_type=Json)
    test: bool
    send_at: dt.datetime = Field(sa_type=Instant)
    queued: bool
    sent_at: dt.datetime | None = Field(default=None, sa_type=Instant)
    opened_at: dt.datetime | None = Field(default=None, sa_type=Instant)
    answered_at: dt.datetime | None = Field(default=None, sa_type=Instant)
    expires_seconds: int
    expires_at: dt.datetime | None = Field(default=None, sa_type=Instant)
    remind_seconds: int | None = None
    remind_at: dt.datetime | None = Field(default=None, sa_type=Instant)
    reminded_at: dt.datetime | None = Field(default=None, sa_type=Instant)
    hits: list[dict[str, Any]] = Field(default_factory=list, sa_type=Json)
    created_at: dt.datetime = Field(sa_type=Instant)
    updated_at: dt.datetime = Field(sa_type=Instant)


class Suppression(SQLModel, table=True):
    """An address that gets no mails: `unsubscribed` or `bounced`.

    It is found by the hash of the address, so that it outlives the erasure of its customer.
    """

    __table_args__ = (
        ForeignKeyConstraint(["workspace_id"], ["workspace.id"]),
        Index(None, "workspace_id", "created_at"),
        TENANT,
    )

    workspace_id: UUID = Field(primary_key=True)
    kind: str = Field(primary_key=True)
    address_hash: bytes = Field(primary_key=True)
    email: str | None = None
    detail: str | None = None
    created_at: dt.datetime = Field(sa_type=Instant)
