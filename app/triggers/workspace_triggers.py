# SPDX-License-Identifier: Apache-2.0
"""What deciding needs of a workspace itself: its settings, triggers and surveys, compiled.

They are kept in memory. Before each use one statement checks whether anything has changed since,
so that no process decides by old triggers.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeVar
from uuid import UUID

from cachetools import LRUCache
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from app.core.prepared_statements import PreparedStatement
from app.invitations.invitation_mails import find_live_survey
from app.surveys.compiled import CompiledSurvey
from app.triggers.compiled_trigger import CompiledTrigger
from app.triggers.models import Trigger
from app.workspaces.models import Workspace
from app.workspaces.service import get_workspace

_MAX_CACHED_WORKSPACES = 1000
Row = TypeVar("Row", Trigger, Workspace)


@dataclass(frozen=True)
class WorkspaceTriggers:
    """A workspace with its triggers, those of higher priority first, and live surveys."""

    workspace: Workspace
    triggers: Mapping[UUID | None, CompiledTrigger]
    surveys: Mapping[UUID, CompiledSurvey]

    @cached_property
    def active(self) -> Mapping[UUID, CompiledTrigger]:
        """The triggers that are switched on."""
        return {
            id_: trigger for id_, trigger in self.triggers.items() if id_ and trigger.row.active
        }

    def find_on(self, type_: str) -> Sequence[CompiledTrigger]:
        """Return the triggers on interactions of a type, in the order they decide."""
        return [trigger for trigger in self.active.values() if trigger.row.on_type == type_]


_known: LRUCache[UUID, tuple[tuple[Any, ...], WorkspaceTriggers]] = LRUCache(_MAX_CACHED_WORKSPACES)

# Each change of a row changes its part of the sum, in whatever order the changes are committed. The
# newest time of all would miss a change that is committed after a later one.
_READ_VERSIONS = PreparedStatement("""
select config, throttle::text as throttle, require_consent,
  (select sum(hashtextextended(id::text || updated_at::text, 0))
    from trigger where workspace_id = :workspace_id) as triggers,
  (select sum(hashtextextended(id::text || updated_at::text, 0))
    from survey where workspace_id = :workspace_id) as surveys
from workspace where id = :workspace_id
""")


async def read_triggers(session: AsyncSession, workspace_id: UUID) -> WorkspaceTriggers:
    """Return the triggers of a workspace as they stand in this transaction."""
    (row,) = await _READ_VERSIONS.run(session, workspace_id=workspace_id)
    stamp = tuple(row.values())
    known = _known.get(workspace_id)
    if known is not None and known[0] == stamp:
        return known[1]
    compiled = await _compile(session, workspace_id)
    _known[workspace_id] = stamp, compiled
    return compiled


async def _compile(session: AsyncSession, workspace_id: UUID) -> WorkspaceTriggers:
    rows = await session.exec(
        select(Trigger)
        .where(Trigger.workspace_id == workspace_id)
        .order_by(col(Trigger.priority).desc(), col(Trigger.created_at), col(Trigger.id))
    )
    copies = [_copy_of(trigger) for trigger in rows.all()]
    surveys = {}
    for survey_id in {trigger.survey_id for trigger in copies}:
        survey = await find_live_survey(session, workspace_id, survey_id)
        if survey is not None:
            surveys[survey_id] = survey
    triggers: dict[UUID | None, CompiledTrigger] = {row.id: CompiledTrigger(row) for row in copies}
    workspace = _copy_of(await get_workspace(session, workspace_id))
    return WorkspaceTriggers(workspace, triggers, surveys)


def _copy_of(row: Row) -> Row:
    """Return a row that no session can expire."""
    return type(row)(**row.model_dump())
