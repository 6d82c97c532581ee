# SPDX-License-Identifier: Apache-2.0
"""The SQL of `import_row`: what imports made of responses."""

import datetime as dt
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from app.core.database import RawConnection, run_sql
from app.core.schema import Json
from app.imports.models import ImportRun

_LATEST = """
select distinct on (w.response_id) w.response_id, w.import_id, w.external_id, w.content, w.seq,
  w.before
from import_row w where w.workspace_id = :workspace and w.response_id = any(:ids)
  and not w.was_there
order by w.response_id, w.at desc, w.import_id desc"""


async def find_latest(
    session: AsyncSession, workspace_id: UUID, ids: Sequence[UUID]
) -> dict[UUID, Any]:
    """Return the row of the import that made each response, or changed it last."""
    query = text(_LATEST).columns(before=Json).bindparams(workspace=workspace_id, ids=list(ids))
    return {row.response_id: row for row in await run_sql(session, query)}


async def has_source(
    session: AsyncSession, workspace_id: UUID, source: str, *, is_taken: bool = False
) -> bool:
    """Tell whether a file of this source was imported.

    With `is_taken`, only a file counts that was not undone or refused.
    """
    stands = "and status in ('reading', 'done')" if is_taken else ""
    rows = await run_sql(
        session,
        text(
            "select 1 from import_run where workspace_id = :workspace and source = :source "
            f"{stands} limit 1"
        ).bindparams(workspace=workspace_id, source=source),
    )
    return rows.first() is not None


async def find_last_targets(
    session: AsyncSession, workspace_id: UUID, source: str, survey_id: UUID
) -> set[str]:
    """Return the fields that the columns of a source's last file for a survey were imported as."""
    rows = await run_sql(
        session,
        text("""
        select c ->> 'becomes' as target from (
          select report from import_run where workspace_id = :workspace and source = :source
          and survey_id = :survey and status = 'done' order by created_at desc limit 1) n
        cross join lateral jsonb_array_elements(n.report -> 'columns') c
        where c ->> 'becomes' is not null""").bindparams(
            workspace=workspace_id, source=source, survey=survey_id
        ),
    )
    return set(rows.scalars())


async def has_later_import(session: AsyncSession, run: ImportRun) -> bool:
    """Tell whether a later file of the import's source was imported and not undone or refused."""
    query = select(ImportRun.id).where(
        ImportRun.workspace_id == run.workspace_id,
        ImportRun.source == run.source,
        ImportRun.kind == run.kind,
        col(ImportRun.survey_id).is_not_distinct_from(run.survey_id),
        ImportRun.created_at > run.created_at,
        col(ImportRun.status).in_(("reading", "done")),
    )
    return (await session.exec(query.limit(1))).first() is not None


async def find_rows(session: AsyncSession, workspace_id: UUID, import_id: UUID) -> list[Any]:
    """Return all rows of an import, each with its response as it stands.

    `was_changed_later` tells whether another import has changed the response, `follow_up`, `notes`
    and `tags_now` how it was worked on.
    """
    rows = await run_sql(
        session,
        text("""
        select w.response_id, w.content, w.seq, w.before, w.was_there, w.tags,
          r.seq as seq_now, r.state, r.follow_up, r.notes, r.tags as tags_now,
          exists (select from import_row later where later.workspace_id = w.workspace_id
            and later.response_id = w.response_id and not later.was_there
            and (later.at, later.import_id) > (w.at, w.import_id)) as was_changed_later
        from import_row w left join response r
          on r.workspace_id = w.workspace_id and r.id = w.response_id
        where w.workspace_id = :workspace and w.import_id = :import order by w.response_id""")
        .columns(before=Json, notes=Json, tags=Json, tags_now=Json)
        .bindparams(**{"workspace": workspace_id, "import": import_id}),
    )
    return list(rows)


async def find_row_ids(
    session: AsyncSession, workspace_id: UUID, import_ids: Sequence[UUID]
) -> set[UUID]:
    """Return the responses of all rows of some imports."""
    rows = await run_sql(
        session,
        text(
            "select response_id from import_row where workspace_id = :workspace "
            "and import_id = any(:imports)"
        ).bindparams(workspace=workspace_id, imports=list(import_ids)),
    )
    return {row.response_id for row in rows}


async def find_undone(
    session: AsyncSession, workspace_id: UUID, ids: Sequence[UUID]
) -> dict[tuple[UUID, UUID], dict[str, Any] | None]:
    """Return the state that each undone import had found and would restore, by response and import.

    Their rows stay because another import had changed them when the undo came.
    """
    rows = await run_sql(
        session,
        text("""
        select w.response_id, w.import_id, w.before from import_row w
        join import_run n on n.workspace_id = w.workspace_id and n.id = w.import_id
        where w.workspace_id = :workspace and w.response_id = any(:ids) and n.status = 'undone'
        """)
        .columns(before=Json)
        .bindparams(workspace=workspace_id, ids=list(ids)),
    )
    return {(row.response_id, row.import_id): row.before for row in rows}


async def find_undeleted(
    session: AsyncSession, workspace_id: UUID, import_ids: Sequence[UUID]
) -> dict[UUID, bool]:
    """Return the undeleted responses of these imports; True if another import's file has one."""
    rows = await run_sql(
        session,
        text("""
        select distinct w.response_id, exists (select from import_row o
            join import_run n on n.workspace_id = o.workspace_id and n.id = o.import_id
            where o.workspace_id = w.workspace_id and o.response_id = w.response_id
              and o.import_id <> all(:imports) and o.content <> '' and n.status = 'done')
          as is_elsewhere
        from import_row w
        join response r on r.workspace_id = w.workspace_id and r.id = w.response_id
        where w.workspace_id = :workspace and w.import_id = any(:imports) and w.content <> ''
          and r.state <> 'deleted'
        order by w.response_id""").bindparams(workspace=workspace_id, imports=list(import_ids)),
    )
    return {row.response_id: row.is_elsewhere for row in rows}


async def keep_rows(
    session: AsyncSession, workspace_id: UUID, import_id: UUID, rows: Iterable[dict[str, Any]]
) -> None:
    """Note what an import makes of responses; the state before an interrupted change stays."""
    await run_sql(
        session,
        text("""
        insert into import_row (workspace_id, response_id, import_id, external_id, content, seq,
          before, was_there, tags, at)
        select :workspace, n.response_id, :import, n.external_id, n.content, n.seq, n.before,
          coalesce(n.was_there, false), n.tags, n.at
        from json_to_recordset(cast(:rows as json)) n(response_id uuid, external_id text,
          content text, seq int, before jsonb, was_there boolean, tags jsonb, at timestamptz)
        on conflict (workspace_id, response_id, import_id) do update
        set content = excluded.content, seq = excluded.seq, at = excluded.at,
          before = coalesce(import_row.before, excluded.before),
          was_there = excluded.was_there, tags = excluded.tags
        """).bindparams(
            **{"workspace": workspace_id, "import": import_id,
               "rows": json.dumps(list(rows), default=str)}
        ),
    )  # fmt: skip


async def add_rows(
    connection: RawConnection, workspace_id: UUID, import_id: UUID, rows: Sequence[dict[str, Any]]
) -> None:
    """Note rows that change no response; UniqueViolationError if the import has noted one before.

    It is much faster than `keep_rows`.
    """
    await connection.copy_records_to_table(
        "import_row",
        columns=["workspace_id", "response_id", "import_id", "external_id", "content", "seq",
                 "was_there", "tags", "at"],
        records=[
            (workspace_id, row["response_id"], import_id, row["external_id"], row["content"],
             row["seq"], row.get("was_there", False), json.dumps(row["tags"]), row["at"])
            for row in rows
        ],
    )  # fmt: skip


async def set_seqs(
    session: AsyncSession, workspace_id: UUID, import_id: UUID, seqs: Mapping[UUID, int]
) -> None:
    """Set `seq` of an import's rows: the responses' present number, or `WRITING` or `UNDOING`."""
    await run_sql(
        session,
        text("""
        update import_row w set seq = n.seq
        from unnest(cast(:ids as uuid[]), cast(:seqs as int[])) n(id, seq)
        where w.workspace_id = :workspace and w.import_id = :import and w.response_id = n.id
        """).bindparams(
            **{"workspace": workspace_id, "import": import_id, "ids": list(seqs),
               "seqs": list(seqs.values())}
        ),
    )  # fmt: skip


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


async def lock_source(session: AsyncSession, workspace_id: UUID, source: str) -> None:
    """Let imports of one source begin one after the other, until the transaction ends."""
    await run_sql(
        session,
        text("select pg_advisory_xact_lock(hashtextextended(:name, 8))").bindparams(
            name=f"import:{workspace_id}:{source}"
        ),
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


async def touch_run(session: AsyncSession, workspace_id: UUID, import_id: UUID) -> None:
    """Note that an import goes on, without any progress."""
    await run_sql(
        session,
        text(
            "update import_run set updated_at = :now "
            "where workspace_id = :workspace and id = :id and status = 'reading'"
        ).bindparams(workspace=workspace_id, id=import_id, now=dt.datetime.now(dt.UTC)),
    )


async def keep_rejects(
    session: AsyncSession, workspace_id: UUID, import_id: UUID, rejects: str | None
) -> None:
    """Keep the rejected rows of an import as a file."""
    await run_sql(
        session,
        text(
            "update import_run set rejects = :rejects where workspace_id = :workspace and id = :id"
        ).bindparams(workspace=workspace_id, id=import_id, rejects=rejects),
    )
