# SPDX-License-Identifier: Apache-2.0
"""Verbs of triggers: make, change, find, delete."""

from typing import Any
from uuid import UUID

from sqlalchemy.dialects.postgresql import insert
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from app.core.clock import utc_now
from app.core.cursors import newest_first
from app.core.errors import Conflict, not_found_as_field_error
from app.core.ids import uuid7
from app.core.lookup import find_by_reference
from app.core.text_types import did_you_mean
from app.interactions.known_types import KnownType
from app.surveys import service as surveys
from app.triggers.models import Trigger
from app.triggers.schemas import TriggerIn, TriggerOut, TriggerPatch

_TRIGGER_COLUMNS = {"key", "name", "on", "survey", "priority", "active"}


async def create(session: AsyncSession, workspace_id: UUID, body: TriggerIn) -> Trigger:
    """Make a trigger; Conflict where its key is taken."""
    with not_found_as_field_error("body", "survey"):
        survey = await surveys.find(session, workspace_id, body.survey)
    now = utc_now()
    trigger = Trigger(
        workspace_id=workspace_id,
        id=uuid7(),
        key=body.key,
        name=body.name,
        on_type=body.on,
        survey_id=survey.id,
        active=body.active,
        priority=body.priority,
        rules=_rules(body),
        created_at=now,
        updated_at=now,
    )
    inserted = await session.exec(
        insert(Trigger)
        .values(**trigger.model_dump())
        .on_conflict_do_nothing(index_elements=["workspace_id", "key"])
        .returning(col(Trigger.id))
    )
    if inserted.first() is None:
        detail = f"There is a trigger `{body.key}` already; choose another key."
        raise Conflict(detail)
    return trigger


def _rules(patch: TriggerPatch) -> dict[str, Any]:
    """Return the rules that were given; without a throttle, the workspace's applies."""
    return patch.model_dump(
        mode="json", by_alias=True, exclude_unset=True, exclude=_TRIGGER_COLUMNS
    )


async def change(
    session: AsyncSession, workspace_id: UUID, reference: str, patch: TriggerPatch
) -> Trigger:
    """Change what is given; invitations that wait are decided anew when they are due."""
    trigger = await find(session, workspace_id, reference)
    fields = patch.model_fields_set
    if "survey" in fields:
        with not_found_as_field_error("body", "survey"):
            trigger.survey_id = (await surveys.find(session, workspace_id, patch.survey)).id
    if "on" in fields:
        trigger.on_type = patch.on
    for name in fields & {"name", "priority", "active"}:
        setattr(trigger, name, getattr(patch, name))
    trigger.rules = trigger.rules | _rules(patch)
    trigger.updated_at = utc_now()
    session.add(trigger)
    return trigger


async def find(session: AsyncSession, workspace_id: UUID, reference: str) -> Trigger:
    """Return a trigger by id or key, or raise NotFound."""
    return await find_by_reference(session, Trigger, workspace_id, reference)


async def find_page(
    session: AsyncSession, workspace_id: UUID, *, limit: int, cursor: str | None
) -> list[Trigger]:
    """Return up to `limit + 1` triggers, newest first."""
    query = select(Trigger).where(Trigger.workspace_id == workspace_id)
    query = newest_first(query, Trigger, limit=limit, cursor=cursor)
    return list(await session.exec(query))


async def delete(session: AsyncSession, workspace_id: UUID, reference: str) -> None:
    """Delete a trigger; its decisions stay, and what waits is not sent."""
    await session.delete(await find(session, workspace_id, reference))


def _warnings(on_type: str) -> list[str]:
    """Return a hint if the type is unknown but similar to a known one."""
    hint = "" if on_type in set(KnownType) else did_you_mean(on_type, list(KnownType))
    return [f"on: no built-in source sends `{on_type}`{hint}"] if hint else []


async def triggers_out(session: AsyncSession, triggers: list[Trigger]) -> list[TriggerOut]:
    """Return triggers as the API shows them."""
    if not triggers:
        return []
    keys = await surveys.keys_of(
        session, triggers[0].workspace_id, {trigger.survey_id for trigger in triggers}
    )
    return [
        TriggerOut.model_validate(
            {
                **trigger.rules,
                "id": trigger.id,
                "key": trigger.key,
                "name": trigger.name,
                "on": trigger.on_type,
                "survey": keys[trigger.survey_id],
                "priority": trigger.priority,
                "active": trigger.active,
                "warnings": _warnings(trigger.on_type),
                "created_at": trigger.created_at,
                "updated_at": trigger.updated_at,
            }
        )
        for trigger in triggers
    ]
