# SPDX-License-Identifier: Apache-2.0
"""Changing many responses at once: tags, follow-up, restore and reject."""

from collections.abc import Mapping, Sequence
from uuid import UUID

from sqlalchemy import text
from sqlmodel.ext.asyncio.session import AsyncSession

from app.core.database import Database, run_sql
from app.core.errors import Forbidden, InvalidInput
from app.core.schema import Json
from app.responses import queries
from app.responses.body import MAX_TAGS
from app.responses.schemas import ResponseFilter, ResponsePatch, ResponsesPatch, ResponsesPatched
from app.responses.service import annotate, reject_many, restore_many
from app.workspaces.caller import Caller
from app.workspaces.scopes import Scope

MAX_RESPONSES = 1000


async def change_many(  # noqa: PLR0913 - what the route hands on
    database: Database,
    slot: int,
    session: AsyncSession,
    caller: Caller,
    patch: ResponsesPatch,
    *,
    filters: ResponseFilter,
    properties: Mapping[str, list[str]],
) -> ResponsesPatched:
    """Change the responses named, or those that the filter finds, at most 1,000 of them."""
    if (patch.restore or patch.reject) and Scope.WRITE not in caller.scopes:
        raise Forbidden("This key may follow up; restoring and rejecting need the scope `write`.")
    ids = await _find_ids(session, caller, patch, filters, properties)
    changed: set[UUID] = set()
    if patch.restore or patch.reject:
        change = restore_many if patch.restore else reject_many
        for start in range(0, len(ids), 500):
            part = ids[start : start + 500]
            _, done = await change(database, slot, caller.workspace_id, part)
            changed.update(done)
    changed_fields = patch.model_fields_set & {"tags", "add_tags", "remove_tags", "follow_up"}
    if changed_fields:
        # A response that was deleted meanwhile has none, and is left out.
        tags_by_id = await _tags(session, caller.workspace_id, ids)
        for id_, tags in sorted(tags_by_id.items()):
            await annotate(session, caller, id_, _patch_for(patch, tags))
            changed.add(id_)
    return ResponsesPatched(found=len(ids), changed=len(changed))


async def _find_ids(
    session: AsyncSession,
    caller: Caller,
    patch: ResponsesPatch,
    filters: ResponseFilter,
    properties: Mapping[str, list[str]],
) -> list[UUID]:
    """Return the ids of the responses to change, sorted, so that two changes cannot deadlock."""
    narrowed = bool(_is_narrowed(filters) or properties)
    if patch.ids is not None:
        if narrowed:
            raise InvalidInput.at("body", "ids", msg="cannot be combined with filters in the query")
        tags_by_id = await _tags(session, caller.workspace_id, patch.ids)
        for index, id_ in enumerate(patch.ids):
            if id_ not in tags_by_id:
                msg = "is not a response of this workspace"
                raise InvalidInput.at("body", "ids", index, msg=msg)
        return sorted(set(patch.ids))
    if not narrowed:
        raise InvalidInput.at("body", "ids", msg="is required where the query has no filter")
    if Scope.READ not in caller.scopes:
        raise Forbidden("A filter needs the scope `read`; name the responses by `ids`.")
    all_of_them = filters.model_copy(update={"limit": MAX_RESPONSES, "cursor": None})
    rows = await queries.find_page(session, caller.workspace_id, all_of_them, properties=properties)
    if len(rows) > MAX_RESPONSES:
        msg = f"finds more than {MAX_RESPONSES:,} responses; narrow it"
        raise InvalidInput.at("query", "filter", msg=msg)
    return sorted(row["id"] for row in rows)


def _is_narrowed(filters: ResponseFilter) -> bool:
    """Tell whether a filter is set; refuse what only a list takes."""
    for name in ("limit", "cursor"):
        if name in filters.model_fields_set:
            msg = "is for lists; all responses that the filters find are changed, leave it out"
            raise InvalidInput.at("query", name, msg=msg)
    return filters.test or not filters.model_fields_set <= {"order_by", "test"}


async def _tags(
    session: AsyncSession, workspace_id: UUID, ids: Sequence[UUID]
) -> dict[UUID, list[str]]:
    """Return the tags of the responses that exist."""
    rows = await run_sql(
        session,
        text(
            "select id, tags from response where workspace_id = :workspace and id = any(:ids) "
            "and state <> 'deleted'"
        )
        .columns(tags=Json)
        .bindparams(workspace=workspace_id, ids=list(ids)),
    )
    return {row.id: row.tags for row in rows}


def _patch_for(patch: ResponsesPatch, tags: Sequence[str]) -> ResponsePatch:
    """Return what the change means for one response with these tags."""
    changes: dict[str, object] = {}
    if patch.tags is not None:
        changes["tags"] = patch.tags
    elif patch.add_tags or patch.remove_tags:
        new_tags = [tag for tag in [*tags, *patch.add_tags] if tag not in patch.remove_tags]
        unique = list(dict.fromkeys(new_tags))
        if len(unique) > MAX_TAGS:
            msg = f"would give a response {len(unique)} tags; {MAX_TAGS} are the most"
            raise InvalidInput.at("body", "add_tags", msg=msg)
        changes["tags"] = unique
    if patch.follow_up is not None:
        changes["follow_up"] = patch.follow_up.model_dump(exclude_unset=True)
    return ResponsePatch.model_validate(changes)
