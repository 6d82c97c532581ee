# SPDX-License-Identifier: Apache-2.0
"""The SQL of `import_record`: what imports made of tickets and customers."""

import json
from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlmodel.ext.asyncio.session import AsyncSession

from app.core.database import run_sql
from app.core.schema import Json


async def find_latest(
    session: AsyncSession, workspace_id: UUID, ids: Sequence[UUID]
) -> dict[UUID, Any]:
    """Return the latest import's record of each row that was read before."""
    rows = await run_sql(
        session,
        text(
            "select distinct on (w.record_id) w.record_id, w.content, w.after "
            "from import_record w where w.workspace_id = :workspace and w.record_id = any(:ids) "
            "order by w.record_id, w.at desc, w.import_id desc"
        )
        .columns(after=Json)
        .bindparams(workspace=workspace_id, ids=list(ids)),
    )
    return {row.record_id: row for row in rows}


async def find_records(session: AsyncSession, workspace_id: UUID, import_id: UUID) -> list[Any]:
    """Return all records of an import; `was_changed_later` tells whether another import did."""
    rows = await run_sql(
        session,
        text("""
        select w.record_id, w.content, w.before, w.after, w.customer_id,
          exists (select from import_record later where later.workspace_id = w.workspace_id
            and later.record_id = w.record_id and (later.at, later.import_id) >
              (w.at, w.import_id)) as was_changed_later
        from import_record w where w.workspace_id = :workspace and w.import_id = :import
        order by w.record_id""")
        .columns(before=Json, after=Json)
        .bindparams(**{"workspace": workspace_id, "import": import_id}),
    )
    return list(rows)


async def find_earlier(
    session: AsyncSession, workspace_id: UUID, import_id: UUID
) -> dict[UUID, list[Any]]:
    """Return what earlier imports made of an import's records, by record, the latest first.

    `is_undone` tells whether that import was undone. Its notes on records that another import had
    changed by then are kept.
    """
    rows = await run_sql(
        session,
        text("""
        select e.record_id, e.import_id, e.before, e.after, n.status = 'undone' as is_undone
        from import_record w
        join import_record e on e.workspace_id = w.workspace_id and e.record_id = w.record_id
          and (e.at, e.import_id) < (w.at, w.import_id)
        join import_run n on n.workspace_id = e.workspace_id and n.id = e.import_id
        where w.workspace_id = :workspace and w.import_id = :import
        order by e.record_id, e.at desc, e.import_id desc""")
        .columns(before=Json, after=Json)
        .bindparams(**{"workspace": workspace_id, "import": import_id}),
    )
    earlier: dict[UUID, list[Any]] = {}
    for row in rows:
        earlier.setdefault(row.record_id, []).append(row)
    return earlier


async def keep_records(
    session: AsyncSession, workspace_id: UUID, import_id: UUID, rows: Iterable[dict[str, Any]]
) -> None:
    """Note what an import has made of records."""
    await run_sql(
        session,
        text("""
        insert into import_record (workspace_id, record_id, import_id, external_id, customer_id,
          content, before, after, at)
        select :workspace, n.record_id, :import, n.external_id, n.customer_id, n.content, n.before,
          n.after, now()
        from json_to_recordset(cast(:rows as json)) n(record_id uuid, external_id text,
          customer_id uuid, content text, before jsonb, after jsonb)
        on conflict (workspace_id, record_id, import_id) do update
        set content = excluded.content, after = excluded.after, at = excluded.at
        """).bindparams(
            **{"workspace": workspace_id, "import": import_id,
               "rows": json.dumps(list(rows), default=str)}
        ),
    )  # fmt: skip


async def drop_records(
    session: AsyncSession, workspace_id: UUID, import_id: UUID, ids: Sequence[UUID]
) -> None:
    """Forget what an import made of records, so that their rows can be read again."""
    await run_sql(
        session,
        text(
            "delete from import_record where workspace_id = :workspace and import_id = :import "
            "and record_id = any(:ids)"
        ).bindparams(**{"workspace": workspace_id, "import": import_id, "ids": list(ids)}),
    )
