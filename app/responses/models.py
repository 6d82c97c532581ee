# SPDX-License-Identifier: Apache-2.0
"""Tables of the room: responses, and the rollups counted from them."""

import datetime as dt
from typing import Any
from uuid import UUID

from sqlalchemy import Index, text
from sqlmodel import Field, SQLModel

from app.core.schema import TENANT, Instant, Json, Small


class Response(SQLModel, table=True):
    """One submission, whole or still growing.

    `state` is `counted`, or why it is in no figure: `test`, `provisional`, `unverified`,
    `quarantined`, `superseded` (a claim replaced by a trusted answer), `rejected`, `deleted`.
    `scores` maps each scored question to its number, -1 for skipped and -2 for not applicable;
    `counted_as` is the workspace's configuration version under which the rollups hold it. `told`
    is set when the response is first counted: from then on its events are emitted. `settled` is
    set when it is final, which one event reports. `public` ones came by a publishable key or the
    survey's own page; such callers may change no other responses, and what they state about an
    order, ticket or customer is a claim. `gesture` tells whether our page saw a gesture of a
    person; None without such a page.
    """

    __table_args__ = (
        Index(None, "workspace_id", "created_at", "id"),
        Index(None, "workspace_id", "updated_at", "id"),
        Index(None, "workspace_id", "responded_at", "id"),
        Index(
            "ix_response_open",
            "workspace_id",
            "responded_at",
            "id",
            postgresql_where=text("follow_up = 'open'"),
        ),
        Index(None, "workspace_id", "survey_id", "responded_at"),
        Index(
            None,
            "workspace_id",
            "customer_id",
            "responded_at",
            postgresql_where=text("customer_id is not null"),
        ),
        Index(None, "workspace_id", "order_ref", postgresql_where=text("order_ref is not null")),
        Index(None, "workspace_id", "ticket_ref", postgresql_where=text("ticket_ref is not null")),
        Index(
            "ix_response_about",
            "workspace_id",
            text("(interaction_ref ->> 'external_id')"),
            postgresql_where=text("interaction_ref is not null"),
        ),
        Index(
            None,
            "workspace_id",
            "follow_up_opened_at",
            postgresql_where=text("follow_up_opened_at is not null"),
        ),
        Index(
            None,
            "workspace_id",
            "state",
            "responded_at",
            postgresql_where=text("state not in ('counted', 'deleted')"),
        ),
        Index(
            "ix_response_claimed",
            "workspace_id",
            "created_at",
            postgresql_where=text("claimed is not null"),
        ),
        Index(
            "ix_response_unsettled",
            "workspace_id",
            "updated_at",
            postgresql_where=text("not settled and state = 'counted'"),
        ),
        Index(None, "workspace_id", "import_id", postgresql_where=text("import_id is not null")),
        TENANT,
    )

    workspace_id: UUID = Field(primary_key=True)
    id: UUID = Field(primary_key=True)
    survey_id: UUID
    survey_version: int = Field(sa_type=Small)
    seq: int
    channel: str
    touchpoint: str
    locale: str
    complete: bool
    test: bool
    state: str
    score: int | None = Field(default=None, sa_type=Small)
    band: str | None = None
    answers: dict[str, Any] = Field(sa_type=Json)
    scores: dict[str, int] = Field(sa_type=Json)
    comment: str | None = None
    properties: dict[str, Any] = Field(sa_type=Json)
    customer_id: UUID | None = None
    claimed: dict[str, str] | None = Field(default=None, sa_type=Json)
    order_ref: str | None = None
    ticket_ref: str | None = None
    interaction_ref: dict[str, str] | None = Field(default=None, sa_type=Json)
    external_id: str | None = None
    tags: list[str] = Field(sa_type=Json)
    imported: bool
    import_id: UUID | None = None
    follow_up: str
    follow_up_opened_at: dt.datetime | None = Field(default=None, sa_type=Instant)
    follow_up_closed_at: dt.datetime | None = Field(default=None, sa_type=Instant)
    assignee: str | None = None
    due_at: dt.datetime | None = Field(default=None, sa_type=Instant)
    notes: list[dict[str, Any]] = Field(sa_type=Json)
    revisions: list[dict[str, Any]] = Field(sa_type=Json)
    request_hash: bytes | None = None
    counted_as: int
    told: bool
    settled: bool
    public: bool
    gesture: bool | None = None
    responded_at: dt.datetime = Field(sa_type=Instant)
    created_at: dt.datetime = Field(sa_type=Instant)
    updated_at: dt.datetime = Field(sa_type=Instant)


class Rollup(SQLModel, table=True):
    """Counts of each score by day, touchpoint, channel, locale and question.

    Base rows have `segment = ''`; segment rows leave `channel` and `locale` empty. `slot` is
    the process that wrote: one slot's counter may be negative, only sums mean something.
    """

    __table_args__ = ({**TENANT, "postgresql_with": {"fillfactor": "70"}},)

    workspace_id: UUID = Field(primary_key=True)
    survey_id: UUID = Field(primary_key=True)
    question: str = Field(primary_key=True)
    segment: str = Field(primary_key=True)
    local_date: dt.date = Field(primary_key=True)
    touchpoint: str = Field(primary_key=True)
    channel: str = Field(primary_key=True)
    locale: str = Field(primary_key=True)
    value: str = Field(primary_key=True)
    slot: int = Field(primary_key=True, sa_type=Small)
    n0: int
    n1: int
    n2: int
    n3: int
    n4: int
    n5: int
    n6: int
    n7: int
    n8: int
    n9: int
    n10: int
    n_missing: int
    n_na: int
