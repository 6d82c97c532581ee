# SPDX-License-Identifier: Apache-2.0
"""Rewrite history: a corrected file replaces or withdraws interactions of an earlier file.

A withdrawn interaction keeps its row as a test for a week, so that exports can report it as
deleted; a ticket without interactions keeps its row as deleted, without times.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlmodel.ext.asyncio.session import AsyncSession

from app.core.clock import utc_now
from app.core.database import run_sql
from app.core.schema import Json
from app.interactions.inherited_fields import COLUMNS, TYPES

_REWRITTEN = tuple(
    name
    for name in COLUMNS.split(", ")
    if name not in {"id", "source", "external_id", "created_at"}
)


@dataclass(frozen=True)
class Rewrite:
    """The interactions that are replaced, withdrawn or restored, and their tickets."""

    replaced: frozenset[UUID] = frozenset()
    withdrawn: frozenset[UUID] = frozenset()
    restored: tuple[Mapping[str, Any], ...] = ()
    tickets: frozenset[tuple[str, str]] = frozenset()


async def read_as_stored(
    session: AsyncSession, workspace_id: UUID, ids: Iterable[UUID]
) -> list[dict[str, Any]]:
    """Return interactions that count, as they are stored, so that they can be put back."""
    rows = await run_sql(
        session,
        text(
            f"select to_jsonb(n) as whole from (select {COLUMNS} from interaction "
            "where workspace_id = :workspace_id and id = any(:ids) and not test) n"
        )
        .columns(whole=Json)
        .bindparams(workspace_id=workspace_id, ids=list(ids)),
    )
    return [row.whole for row in rows]


async def rewrite(
    session: AsyncSession, workspace_id: UUID, rows: Sequence[Mapping[str, Any]], change: Rewrite
) -> set[UUID]:
    """Replace and withdraw interactions whose tickets are locked; return the ids replaced.

    A withdrawn interaction may be recorded again, also after its row was deleted; an interaction
    from another sender stays as it is.
    """
    withdrawn = text(
        "update interaction set test = true, changed_at = :now "
        "where workspace_id = :workspace_id and id = any(:ids) and not test"
    ).bindparams(workspace_id=workspace_id, ids=list(change.withdrawn), now=utc_now())
    if change.withdrawn:
        await run_sql(session, withdrawn)
    restored = {UUID(str(row["id"])) for row in change.restored}
    assignments = ", ".join(f"{name} = n.{name}" for name in _REWRITTEN)
    replaced = await run_sql(
        session,
        text(
            f"update interaction i set {assignments}, changed_at = :now "
            f"from json_to_recordset(cast(:rows as json)) n({TYPES}) "
            "where i.workspace_id = :workspace_id and i.id = n.id "
            "and (i.id = any(:replaced) or (i.test and not n.test)) returning i.id"
        ).bindparams(
            workspace_id=workspace_id, now=utc_now(), replaced=[*change.replaced, *restored],
            rows=json.dumps([*rows, *change.restored], default=str),
        ),
    )  # fmt: skip
    written = {row.id for row in replaced}
    return written | await _insert_again(session, workspace_id, change.restored)


async def _insert_again(
    session: AsyncSession, workspace_id: UUID, rows: Sequence[Mapping[str, Any]]
) -> set[UUID]:
    """Insert restored interactions whose withdrawn rows were deleted; return their ids."""
    if not rows:
        return set()
    inserted = await run_sql(
        session,
        text(
            f"insert into interaction (workspace_id, {COLUMNS}, changed_at) "
            f"select cast(:workspace_id as uuid), {COLUMNS}, cast(:now as timestamptz) "
            f"from json_to_recordset(cast(:rows as json)) n({TYPES}) order by id "
            "on conflict (workspace_id, id) do nothing returning id"
        ).bindparams(workspace_id=workspace_id, now=utc_now(), rows=json.dumps(rows, default=str)),
    )
    return {row.id for row in inserted}


async def mark_empty_tickets(
    session: AsyncSession, workspace_id: UUID, ids: Sequence[UUID]
) -> None:
    """Mark locked tickets that have no interactions any more as deleted."""
    await run_sql(
        session,
        text(
            "update ticket t set status = 'deleted', updated_at = :now "
            "where t.workspace_id = :workspace_id and t.id = any(:ids) and not exists ("
            "select from interaction i where i.workspace_id = t.workspace_id "
            "and i.source = t.source and i.ticket = t.ticket and not i.test)"
        ).bindparams(workspace_id=workspace_id, ids=list(ids), now=utc_now()),
    )
