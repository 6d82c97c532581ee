# SPDX-License-Identifier: Apache-2.0
"""What `replace` takes away: the rows of an earlier import that a file no longer holds."""

from collections.abc import Container
from typing import NamedTuple
from uuid import UUID

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from app.core.errors import InvalidInput
from app.imports import row_queries
from app.imports.models import ImportRun


async def find_replaced(
    session: AsyncSession,
    workspace_id: UUID,
    import_id: UUID,
    *,
    kind: str,
    source: str,
    survey_id: UUID | None = None,
) -> ImportRun:
    """Return the import that a file replaces; raise InvalidInput if it is of other rows."""
    run = await session.get(ImportRun, (workspace_id, import_id))
    if run is None or run.status == "undone":
        raise _refusal("is not an import of this workspace, or was undone")
    if (run.kind or "answers") != kind or run.survey_id != survey_id:
        same = "of the same survey" if kind == "answers" else f"of {kind}"
        raise _refusal(f"is an import of another kind; use one {same}")
    if run.source is not None and run.source != source:
        raise _refusal(
            f"names an import of the source `{run.source}`; give the file that `source`, so that "
            "its rows are recognised"
        )
    return run


def _refusal(msg: str) -> InvalidInput:
    return InvalidInput.at("query", "replace", msg=msg)


class MissingRows(NamedTuple):
    """The responses of a replaced import that the file lacks, and how many of them stay.

    Responses that another import's file holds too stay.
    """

    removed: list[UUID]
    shared_rows: int


async def find_missing(
    session: AsyncSession, replaced: ImportRun, own_id: UUID | None, file_ids: Container[UUID]
) -> MissingRows:
    """Return the responses of the replaced import that are not among the new file's `file_ids`.

    Imports that replaced one another count together as one import.
    """
    query = select(ImportRun).where(
        ImportRun.workspace_id == replaced.workspace_id,
        ImportRun.survey_id == replaced.survey_id,
        col(ImportRun.source).is_not_distinct_from(replaced.source),
        ImportRun.status != "undone",
    )
    chain = {replaced.id} | ({own_id} if own_id else set())
    runs = list(await session.exec(query))
    while more := [run for run in runs if run.id not in chain and _is_linked(run, chain, runs)]:
        chain |= {run.id for run in more}
    standing = await row_queries.find_undeleted(session, replaced.workspace_id, sorted(chain))
    missing = {id_: is_elsewhere for id_, is_elsewhere in standing.items() if id_ not in file_ids}
    removed = [id_ for id_, is_elsewhere in missing.items() if not is_elsewhere]
    return MissingRows(removed, len(missing) - len(removed))


def _is_linked(run: ImportRun, chain: set[UUID], runs: list[ImportRun]) -> bool:
    """Tell whether an import has replaced one of the chain, or was replaced by one."""
    return _replaces(run) in chain or any(
        _replaces(other) == run.id for other in runs if other.id in chain
    )


def _replaces(run: ImportRun) -> UUID | None:
    replaced = (run.report or {}).get("replaces")
    return UUID(replaced) if replaced else None
