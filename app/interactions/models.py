# SPDX-License-Identifier: Apache-2.0
"""Tables of the room."""

import datetime as dt
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, ForeignKeyConstraint, Index, text
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
    """A person the workspace knows by external id or e-mail.

    `consent` is `{surveys, at, source}`; `told_at` holds the times of the latest `email`, `name`
    and `locale`, so that older statements replace nothing. A merged customer points to the other
    by `merged_into`; an erased customer is an empty pseudonym.
    """

    __table_args__ = (
        Index(None, "workspace_id", "created_at", "id"),
        TENANT,
    )

    workspace_id: UUID = Field(primary_key=True)
    id: UUID = Field(primary_key=True)
    email: str | None = None
    name: str | None = None
    locale: str | None = None
    properties: dict[str, Any] = Field(sa_type=Json)
    consent: dict[str, Any] | None = Field(default=None, sa_type=Json)
    do_not_survey: bool
    told_at: dict[str, str] = Field(sa_type=Json)
    last_invited_at: dt.datetime | None = Field(default=None, sa_type=Instant)
    merged_into: UUID | None = None
    erased_at: dt.datetime | None = Field(default=None, sa_type=Instant)
    created_at: dt.datetime = Field(sa_type=Instant)
    updated_at: dt.datetime = Field(sa_type=Instant)


class CustomerIdentity(SQLModel, table=True):
    """One identity by which a customer is known: `email`, `phone`, or `id` with its source.

    The foreign key is checked at commit: if two writers meet a new person at the same time, the
    writer that gets the identity makes the customer.
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
        Index(None, "workspace_id", "value"),
        TENANT,
    )

    workspace_id: UUID = Field(primary_key=True)
    kind: str = Field(primary_key=True)
    value: str = Field(primary_key=True)
    customer_id: UUID


class ErasedName(SQLModel, table=True):
    """A word of an erased customer's name, as a short keyed hash."""

    __tablename__ = "erased_name"
    __table_args__ = (TENANT,)

    workspace_id: UUID = Field(primary_key=True)
    word_hash: bytes = Field(primary_key=True)
    erased_at: dt.datetime = Field(sa_type=Instant)


class Interaction(SQLModel, table=True):
    """One moment that happened. Its id is derived from source and external id.

    It inherits missing customer, locale, value and properties from the latest earlier one of its
    ticket or order. `contact` is the address and name that it gave: mails about it go there.
    `changed_at` is the time of the last change after it was recorded. `order_source` names the
    shop that numbered the order, None for the workspace's own numbers.
    """

    __table_args__ = (
        Index(
            "ix_interaction_changed",
            "workspace_id",
            text("coalesce(changed_at, created_at)"),
            "id",
        ),
        Index(None, "workspace_id", "created_at", "id"),
        Index(
            None,
            "workspace_id",
            "customer_id",
            "occurred_at",
            postgresql_where=text("customer_id is not null"),
        ),
        Index(
            None,
            "workspace_id",
            "ticket",
            "source",
            "occurred_at",
            postgresql_where=text("ticket is not null"),
        ),
        Index(
            None,
            "workspace_id",
            "order_ref",
            "occurred_at",
            postgresql_where=text("order_ref is not null"),
        ),
        TENANT,
    )

    workspace_id: UUID = Field(primary_key=True)
    id: UUID = Field(primary_key=True)
    type: str
    source: str
    external_id: str
    ticket: str | None = None
    order_ref: str | None = None
    order_source: str | None = None
    changed_at: dt.datetime | None = Field(default=None, sa_type=Instant)
    touchpoint: str
    customer_id: UUID | None = None
    contact: dict[str, str] | None = Field(default=None, sa_type=Json)
    locale: str | None = None
    amount: Decimal | None = None
    currency: str | None = None
    properties: dict[str, Any] = Field(sa_type=Json)
    test: bool
    occurred_at: dt.datetime = Field(sa_type=Instant)
    created_at: dt.datetime = Field(sa_type=Instant)


class Ticket(SQLModel, table=True):
    """A helpdesk case, known from its interactions alone; times to resolution in seconds.

    The times are null while the ticket is open, where its opening is unknown, and where they
    would be negative (`invalid`). Business times need the workspace's business hours.
    `counted_as` is the configuration version under which `ticket_count` holds it.
    """

    __table_args__ = (
        Index(None, "workspace_id", "updated_at", "id"),
        Index(None, "workspace_id", "ticket"),
        Index(None, "workspace_id", "first_solved_at"),
        Index(None, "workspace_id", "last_solved_at"),
        Index(None, "workspace_id", "first_reply_at"),
        Index(None, "workspace_id", "opened_at"),
        TENANT,
    )

    workspace_id: UUID = Field(primary_key=True)
    id: UUID = Field(primary_key=True)
    source: str
    ticket: str
    status: str
    customer_id: UUID | None = None
    touchpoint: str
    properties: dict[str, Any] = Field(sa_type=Json)
    opened_at: dt.datetime | None = Field(default=None, sa_type=Instant)
    first_reply_at: dt.datetime | None = Field(default=None, sa_type=Instant)
    first_solved_at: dt.datetime | None = Field(default=None, sa_type=Instant)
    last_solved_at: dt.datetime | None = Field(default=None, sa_type=Instant)
    reopened: bool
    invalid: bool
    first_seconds: int | None = Field(default=None, sa_type=BigInteger)
    first_business: int | None = Field(default=None, sa_type=BigInteger)
    full_seconds: int | None = Field(default=None, sa_type=BigInteger)
    full_business: int | None = Field(default=None, sa_type=BigInteger)
    reply_seconds: int | None = Field(default=None, sa_type=BigInteger)
    reply_business: int | None = Field(default=None, sa_type=BigInteger)
    counted_as: int
    created_at: dt.datetime = Field(sa_type=Instant)
    updated_at: dt.datetime = Field(sa_type=Instant)


class TicketCount(SQLModel, table=True):
    """Counts of tickets by day, touchpoint and duration: the buckets of a DDSketch.

    `measure` is `first`, `full` or `reply` with a `clock`, or `unresolved`, `reopened`,
    `invalid` without; base rows have `segment = ''`.
    """

    __tablename__ = "ticket_count"
    __table_args__ = ({**TENANT, "postgresql_with": {"fillfactor": "70"}},)

    workspace_id: UUID = Field(primary_key=True)
    measure: str = Field(primary_key=True)
    clock: str = Field(primary_key=True)
    segment: str = Field(primary_key=True)
    local_date: dt.date = Field(primary_key=True)
    source: str = Field(primary_key=True)
    touchpoint: str = Field(primary_key=True)
    value: str = Field(primary_key=True)
    bucket: int = Field(primary_key=True)
    n: int
    seconds: int = Field(sa_type=BigInteger)
