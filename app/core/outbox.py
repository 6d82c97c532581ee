# SPDX-License-Identifier: Apache-2.0
"""The outbox: events, written in the transaction of the change that they report.

Consumers read it in the order (`xid`, `id`) and only below the oldest transaction still open,
so that no event can appear behind one that was already read.
"""

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Column, FetchedValue, Index, text
from sqlalchemy.types import UserDefinedType
from sqlmodel import Field, SQLModel
from sqlmodel.ext.asyncio.session import AsyncSession

from app.core.clock import utc_now
from app.core.event_types import EventType
from app.core.expiry import Expiry
from app.core.ids import uuid7
from app.core.prepared_statements import PreparedStatement, as_json
from app.core.schema import TENANT, Instant, Json

KEPT_FOR = dt.timedelta(days=30)
# The numbers of transactions grow with time.
EXPIRY = Expiry("event", KEPT_FOR, key=("xid", "id"), order=("xid", "id"))
# The events that consumers read; a response event only if it names a ticket. The index holds no
# others, so that other responses are written without its cost.
READ_BY_CONSUMERS_SQL = (
    f"(type not in ('{EventType.RESPONSE_CREATED}', '{EventType.RESPONSE_UPDATED}') "
    "or data ->> 'ticket' is not null)"
)


class TransactionId(UserDefinedType[int]):
    """PostgreSQL's `xid8`."""

    cache_ok = True

    def get_col_spec(self, **_: Any) -> str:
        """Return the type's name in SQL."""
        return "xid8"


class Event(SQLModel, table=True):
    """One event: its type (past tense, dotted) and its data, which never changes."""

    __table_args__ = (
        # Events are stored in the order of time, so a small BRIN index finds the old ones.
        Index(None, "created_at", postgresql_using="brin"),
        Index("ix_event_waking", "xid", "id", postgresql_where=text(READ_BY_CONSUMERS_SQL)),
        TENANT,
    )

    workspace_id: UUID = Field(primary_key=True)
    xid: int = Field(
        sa_column=Column(TransactionId, primary_key=True, server_default=FetchedValue())
    )
    id: UUID = Field(primary_key=True)
    type: str
    data: dict[str, Any] = Field(sa_type=Json)
    created_at: dt.datetime = Field(sa_type=Instant)


_EMIT = PreparedStatement("""
insert into event (workspace_id, xid, id, type, data, created_at)
select cast(:workspace_id as uuid), pg_current_xact_id(), n.id, cast(:type as text), n.data,
  cast(:now as timestamptz)
from json_to_recordset(cast(:rows as json)) n(id uuid, data jsonb)
""")


async def emit(
    session: AsyncSession,
    workspace_id: UUID,
    event_type: EventType,
    *,
    data: Sequence[Mapping[str, Any]],
) -> None:
    """Write events of one type, in the transaction of the change that they report."""
    rows = [{"id": uuid7(), "data": document} for document in data]
    if rows:
        await _EMIT.run(
            session, workspace_id=workspace_id, type=event_type, now=utc_now(), rows=as_json(rows)
        )
