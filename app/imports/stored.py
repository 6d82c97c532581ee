"""The SQL of `import_row`: what imports made of responses."""

import datetime as dt
import json
from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlmodel.ext.asyncio.session import AsyncSession

from app.core.database import RawConnection, run_sql
from app.core.schema import Json

_LATEST = """
select distinct on (w.response_id) w.response_id, w.import_id, w.external_id, w.content, w.seq
from import_row w where w.workspace_id = :workspace and w.response_id = any(:ids)
order by w.response_id, w.at desc, w.import_id desc"""


async def find_latest(
    session: AsyncSession, workspace_id: UUID, ids: Sequence[UUID]
) -> dict[UUID, Any]:
    """Return the latest import's row of each response that an import has made."""
    rows = await run_sql(session, text(_LATEST).bindparams(workspace=workspace_id, ids=list(ids)))
    return {row.response_id: row for row in rows}


async def has_source(session: AsyncSession, workspace_id: UUID, source: str) -> bool:
    """Tell whether a file of this source was ever imported."""
    rows = await run_sql(
        session,
        text(
            "select 1 from import_run where workspace_id = :workspace and source = :source limit 1"
        ).bindparams(workspace=workspace_id, source=source),
    )
    return rows.first() is not None


async def find_rows(session: AsyncSession, workspace_id: UUID, import_id: UUID) -> list[Any]:
    """Return all rows of an import, each with its response as it stands.

    `is_past` tells whether another import came later, `touched` whether somebody followed it up.
    """
    rows = await run_sql(
        session,
        text("""
        select w.response_id, w.content, w.seq, w.before, r.seq as seq_now, r.state,
          coalesce(r.follow_up not in ('none', 'open') or r.notes <> '[]', false) as touched,
          exists (select from import_row later where later.workspace_id = w.workspace_id
            and later.response_id = w.response_id and (later.at, later.import_id) >
              (w.at, w.import_id)) as is_past
        from import_row w left join response r
          on r.workspace_id = w.workspace_id and r.id = w.response_id
        where w.workspace_id = :workspace and w.import_id = :import order by w.response_id""")
        .columns(before=Json)
        .bindparams(**{"workspace": workspace_id, "import": import_id}),
    )
    return list(rows)


async def keep_rows(
    session: AsyncSession, workspace_id: UUID, import_id: UUID, rows: Iterable[dict[str, Any]]
) -> None:
    """Note what an import has made of responses."""
    await run_sql(
        session,
        text("""
        insert into import_row (workspace_id, response_id, import_id, external_id, content, seq,
          before, at)
        select :workspace, n.response_id, :import, n.external_id, n.content, n.seq, n.before, n.at
        from json_to_recordset(cast(:rows as json)) n(response_id uuid, external_id text,
          content text, seq int, before jsonb, at timestamptz)
        on conflict (workspace_id, response_id, import_id) do update
        set content = excluded.content, seq = excluded.seq, at = excluded.at
        """).bindparams(
            **{"workspace": workspace_id, "import": import_id,
               "rows": json.dumps(list(rows), default=str)}
        ),
    )  # fmt: skip


async def add_rows(
    connection: RawConnection, workspace_id: UUID, import_id: UUID, rows: Sequence[dict[str, Any]]
) -> None:
    """Note which responses an import has added; UniqueViolationError where it has noted one before.

    It is `keep_rows` for rows of which nothing is stored, in a fraction of its time.
    """
    await connection.copy_records_to_table(
        "import_row",
        columns=["workspace_id", "response_id", "import_id", "external_id", "content", "seq", "at"],
        records=[
            (workspace_id, row["response_id"], import_id, row["external_id"], row["content"],
             row["seq"], row["at"])
            for row in rows
        ],
    )  # fmt: skip


async def set_seq(session: AsyncSession, workspace_id: UUID, response_id: UUID, seq: int) -> None:
    """Set the number of a response that was put back, in the latest row that made it."""
    await run_sql(
        session,
        text("""
        update import_row set seq = :seq where workspace_id = :workspace and response_id = :id
        and import_id = (select w.import_id from import_row w where w.workspace_id = :workspace
          and w.response_id = :id order by w.at desc, w.import_id desc limit 1)""").bindparams(
            workspace=workspace_id, id=response_id, seq=seq
        ),
    )


async def drop_rows(
    session: AsyncSession, workspace_id: UUID, import_id: UUID, ids: Sequence[UUID]
) -> None:
    """Forget what an import made of responses, so that their ids are free again."""
    await run_sql(
        session,
        text(
            "delete from import_row where workspace_id = :workspace and import_id = :import "
            "and response_id = any(:ids)"
        ).bindparams(**{"workspace": workspace_id, "import": import_id, "ids": list(ids)}),
    )


async def find_responses(
    session: AsyncSession, workspace_id: UUID, ids: Sequence[UUID]
) -> dict[UUID, dict[str, Any]]:
    """Return responses by id, as they are stored."""
    rows = await run_sql(
        session,
        text(
            "select id, seq, state, follow_up not in ('none', 'open') or notes <> '[]' as touched, "
            "to_jsonb(r) as whole from response r where workspace_id = :workspace "
            "and id = any(:ids)"
        )
        .columns(whole=Json)
        .bindparams(workspace=workspace_id, ids=list(ids)),
    )
    return {row.id: dict(row._mapping) for row in rows}


async def remove_deleted(session: AsyncSession, workspace_id: UUID, ids: Sequence[UUID]) -> None:
    """Take away the tombstones of responses, so that their ids can be written again."""
    await run_sql(
        session,
        text(
            "delete from response where workspace_id = :workspace and id = any(:ids) "
            "and state = 'deleted'"
        ).bindparams(workspace=workspace_id, ids=list(ids)),
    )


async def note_progress(
    session: AsyncSession, workspace_id: UUID, import_id: UUID, progress: dict[str, Any]
) -> None:
    """Note how far an import has come, its status and its report."""
    await run_sql(
        session,
        text(
            "update import_run set status = :status, lines_done = :lines_done, "
            "accepted = :accepted, duplicates = :duplicates, rejected = :rejected, "
            "report = cast(:report as jsonb), updated_at = :now "
            "where workspace_id = :workspace and id = :id"
        ).bindparams(
            workspace=workspace_id, id=import_id,
            **progress | {"report": json.dumps(progress["report"], default=str)},
            now=dt.datetime.now(dt.UTC),
        ),
    )  # fmt: skip
