# SPDX-License-Identifier: Apache-2.0
"""Undo an import of answers, so that an undo that is interrupted can be started again."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlmodel.ext.asyncio.session import AsyncSession

from app.core.errors import Conflict
from app.imports import row_queries
from app.imports.answer_writing import (
    find_unfit,
    remove_responses,
    remove_responses_with_tombstones,
    restore_responses,
)
from app.imports.models import UNDOING, WRITING, ImportRun
from app.responses.ingest import Ingest
from app.responses.replacement import is_followed_up
from app.responses.writing import MAX_ROWS
from app.surveys.catalogue import find_published
from app.surveys.compiled import CompiledSurvey

_NO_IMPORT = str(UUID(int=0))


async def undo_answers(ingest: Ingest, run: ImportRun) -> tuple[int, list[UUID]]:
    """Undo an import of answers; return how many rows were undone, and the ids that stay.

    What it added is deleted, what it changed or removed is restored. What was changed later
    stays: by a submission, a follow-up, or another import.
    """
    workspace_id, import_id = run.workspace_id, run.id
    async with ingest.database.session() as session:
        rows = await row_queries.find_rows(session, workspace_id, import_id)
        survey = await find_published(session, workspace_id, str(run.survey_id))
        befores, superseded = await _states_before(session, workspace_id, rows)
    if survey is None:
        raise Conflict("The survey has no published version; publish it first.")
    unchanged = [row for row in rows if not row.was_there and not is_changed_since(row)]
    left = [row.response_id for row in rows if not row.was_there and is_changed_since(row)]
    undone = 0
    for start in range(0, len(unchanged), MAX_ROWS):
        chunk = unchanged[start : start + MAX_ROWS]
        failed = await _undo_rows(ingest, survey, import_id, {
            row.response_id: befores[row.response_id] for row in chunk
        })  # fmt: skip
        left += sorted(failed)
        undone += len(chunk) - len(failed)
    async with ingest.database.transaction() as session:
        unchanged_ids = [row.response_id for row in rows if row.was_there]
        await row_queries.drop_rows(session, workspace_id, import_id, unchanged_ids)
        for response_id, undone_id in superseded:
            await row_queries.drop_rows(session, workspace_id, undone_id, [response_id])
    return undone, left


async def _states_before(
    session: AsyncSession, workspace_id: UUID, rows: Sequence[Any]
) -> tuple[dict[UUID, dict[str, Any] | None], list[tuple[UUID, UUID]]]:
    """Return each response as it was before an import; None if nothing is to be restored.

    If an import that was undone wrote the earlier state, restore what that import had found,
    unless somebody has followed it up. The second value names the rows of undone imports that
    this undo supersedes, by response and import.
    """
    changed = [row.response_id for row in rows if row.before is not None]
    undone = await row_queries.find_undone(session, workspace_id, changed)
    befores, superseded = {}, []
    for row in rows:
        before = row.before
        while before is not None and not is_followed_up(before):
            maker = row.response_id, UUID(before["import_id"] or _NO_IMPORT)
            if maker not in undone:
                break
            superseded.append(maker)
            before = undone.pop(maker)
        befores[row.response_id] = before
    return befores, superseded


async def _undo_rows(
    ingest: Ingest,
    survey: CompiledSurvey,
    import_id: UUID,
    befores: Mapping[UUID, dict[str, Any] | None],
) -> set[UUID]:
    """Undo some rows, and delete their import rows last. Return the ids that were not restored.

    `befores` are the responses to restore, None for those that the import added.
    """
    workspace_id = survey.workspace_id
    unfit = find_unfit(survey, [before for before in befores.values() if before is not None])
    # Responses that no longer fit the survey stay as they are.
    ids = [id_ for id_ in befores if id_ not in unfit]
    earlier = [before for id_ in ids if (before := befores[id_]) is not None]
    added = [id_ for id_ in ids if befores[id_] is None]
    async with ingest.database.transaction() as session:
        await row_queries.set_seqs(session, workspace_id, import_id, dict.fromkeys(ids, UNDOING))
    await remove_responses(ingest, workspace_id, added)
    await remove_responses_with_tombstones(
        ingest, workspace_id, [UUID(before["id"]) for before in earlier]
    )
    failed = await restore_responses(ingest, survey, earlier)
    async with ingest.database.transaction() as session:
        done = [id_ for id_ in ids if id_ not in failed]
        await row_queries.drop_rows(session, workspace_id, import_id, done)
    return failed | unfit


def is_changed_since(row: Any) -> bool:
    """Tell whether a response was changed after the import had written or removed it.

    A row whose change or undo was interrupted counts as unchanged.
    """
    if row.was_changed_later:
        return True
    if row.seq in {WRITING, UNDOING} or row.state is None:
        return False
    if row.content == "":
        return bool(row.state != "deleted")
    if row.state == "deleted" or row.seq_now != row.seq:
        return True
    return _is_worked_on(row)


def _is_worked_on(row: Any) -> bool:
    """Tell whether somebody has tagged or followed up a response after the import."""
    if row.tags is not None and sorted(row.tags) != sorted(row.tags_now):
        return True
    now = {"follow_up": row.follow_up, "notes": row.notes}
    before = row.before
    if before is not None and is_followed_up(before):
        return now != {"follow_up": before["follow_up"], "notes": before["notes"]}
    return is_followed_up(now)
