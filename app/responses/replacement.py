# SPDX-License-Identifier: Apache-2.0
"""What imports need to replace a response as a whole: its stored form, and its follow-up."""

import json
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlmodel.ext.asyncio.session import AsyncSession

from app.core.database import run_sql
from app.core.schema import Json


async def find_documents(
    session: AsyncSession, workspace_id: UUID, ids: Sequence[UUID]
) -> dict[UUID, dict[str, Any]]:
    """Return responses by id, each as one document with all of its columns."""
    rows = await run_sql(
        session,
        text(
            "select id, to_jsonb(r) as whole from response r "
            "where workspace_id = :workspace and id = any(:ids)"
        )
        .columns(whole=Json)
        .bindparams(workspace=workspace_id, ids=list(ids)),
    )
    return {row.id: row.whole for row in rows}


async def remove_tombstones(session: AsyncSession, workspace_id: UUID, ids: Sequence[UUID]) -> None:
    """Remove what is left of deleted responses, so that their ids can be written again."""
    await run_sql(
        session,
        text(
            "delete from response where workspace_id = :workspace and id = any(:ids) "
            "and state = 'deleted'"
        ).bindparams(workspace=workspace_id, ids=list(ids)),
    )


def is_followed_up(document: dict[str, Any]) -> bool:
    """Tell whether somebody has worked on a response."""
    return document["follow_up"] not in {"none", "open"} or bool(document["notes"])


async def restore_follow_ups(
    session: AsyncSession, workspace_id: UUID, responses: Sequence[dict[str, Any]]
) -> None:
    """Restore the follow-up, the notes and the time of creation of rewritten responses."""
    await run_sql(
        session,
        text("""
        update response r set follow_up = n.follow_up, follow_up_opened_at = n.follow_up_opened_at,
          follow_up_closed_at = n.follow_up_closed_at, assignee = n.assignee, due_at = n.due_at,
          notes = n.notes, revisions = n.revisions, created_at = n.created_at
        from json_populate_recordset(null::response, cast(:rows as json)) n
        where r.workspace_id = :workspace and r.id = n.id and r.state <> 'deleted'
        """).bindparams(workspace=workspace_id, rows=json.dumps(list(responses))),
    )
