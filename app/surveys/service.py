# SPDX-License-Identifier: Apache-2.0
"""Read, make, change, publish and close surveys."""

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from pydantic import ValidationError
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from app.core.clock import utc_now
from app.core.cursors import newest_first
from app.core.errors import Conflict, InvalidInput, NotFound
from app.core.http import from_validation
from app.core.ids import public_id, uuid7
from app.core.lookup import find_by_reference
from app.core.notices import notify
from app.core.text_types import slug_of
from app.surveys.catalogue import SURVEY_NOTICES
from app.surveys.models import Survey, SurveyLink, SurveyVersion
from app.surveys.question_entries import entry_of, published_entries, write_entries
from app.surveys.reply_schemas import SurveyVersionOut
from app.surveys.schemas import (
    Definition,
    DuplicateIn,
    SurveyIn,
    SurveyPatch,
    SurveyStatus,
)
from app.surveys.templates import template
from app.workspaces.caller import Caller

_NEVER_EMPTY = ("name", "metric", "default_locale", "questions", "texts")


async def find(
    session: AsyncSession, workspace_id: UUID, reference: str, *, lock: bool = False
) -> Survey:
    """Return a survey by its id or key, locked against other changes if asked, or NotFound."""
    return await find_by_reference(session, Survey, workspace_id, reference, lock=lock)


async def read(
    session: AsyncSession, caller: Caller, reference: str
) -> tuple[Survey, Definition, int]:
    """Return a survey, its content and that content's version.

    A publishable key reads only live surveys, their published content, and only its own survey
    where it is bound to one.
    """
    survey = await find(session, caller.workspace_id, reference)
    version = survey.latest_version
    if not caller.trusted:
        is_allowed = caller.may_use_survey(survey.key, survey.id)
        if survey.status != SurveyStatus.LIVE or survey.published_version is None or not is_allowed:
            detail = f"There is no live survey `{reference[:64]}` for this key."
            raise NotFound(detail)
        version = survey.published_version
    return survey, await definition_of(session, survey, version), version


async def keys_of(
    session: AsyncSession, workspace_id: UUID, ids: Iterable[UUID]
) -> dict[UUID, str]:
    """Return the keys of surveys by their ids."""
    rows = await session.exec(
        select(Survey.id, Survey.key).where(
            Survey.workspace_id == workspace_id, col(Survey.id).in_(list(ids))
        )
    )
    return dict(rows.all())


async def names_of(session: AsyncSession, workspace_id: UUID) -> list[tuple[str, str]]:
    """Return the keys and names of all surveys, by name."""
    query = select(Survey.key, Survey.name).where(Survey.workspace_id == workspace_id)
    return list((await session.exec(query.order_by(Survey.name))).all())


async def names_with_status(
    session: AsyncSession, workspace_id: UUID
) -> list[tuple[str, str, str]]:
    """Return the keys, names and statuses of all surveys, live ones first, then by name."""
    query = select(Survey.key, Survey.name, Survey.status).where(
        Survey.workspace_id == workspace_id
    )
    rows = (await session.exec(query.order_by(Survey.name))).all()
    return sorted(rows, key=lambda row: row[2] != SurveyStatus.LIVE)


async def find_only_live_key(session: AsyncSession, workspace_id: UUID, metric: str) -> str | None:
    """Return the key of the only live survey for a metric; None where there is none, or more."""
    query = (
        select(Survey.key)
        .join(
            SurveyVersion,
            (col(SurveyVersion.workspace_id) == Survey.workspace_id)
            & (col(SurveyVersion.survey_id) == Survey.id)
            & (col(SurveyVersion.version) == Survey.published_version),
        )
        .where(Survey.workspace_id == workspace_id, Survey.status == SurveyStatus.LIVE)
        .where(col(SurveyVersion.definition)["metric"].astext == metric)
        .limit(2)
    )
    keys = list(await session.exec(query))
    return keys[0] if len(keys) == 1 else None


async def definition_of(session: AsyncSession, survey: Survey, version: int) -> Definition:
    """Return the content of one version."""
    return Definition.model_validate((await _version(session, survey, version)).definition)


async def _version(session: AsyncSession, survey: Survey, version: int) -> SurveyVersion:
    rows = await session.exec(
        select(SurveyVersion).where(
            SurveyVersion.workspace_id == survey.workspace_id,
            SurveyVersion.survey_id == survey.id,
            SurveyVersion.version == version,
        )
    )
    return rows.one()


async def versions_of(session: AsyncSession, survey: Survey) -> list[SurveyVersionOut]:
    """Return all versions, the newest first, each with what differs from the one before."""
    rows = await session.exec(
        select(SurveyVersion)
        .where(
            SurveyVersion.workspace_id == survey.workspace_id,
            SurveyVersion.survey_id == survey.id,
        )
        .order_by(col(SurveyVersion.version))
    )
    versions: list[SurveyVersionOut] = []
    before: dict[str, Any] = {}
    for version in rows.all():
        questions = {question["key"]: question for question in version.definition["questions"]}
        both = [key for key in questions if key in before]
        versions.append(
            SurveyVersionOut(
                version=version.version,
                published_at=version.published_at,
                questions=len(questions),
                added=[key for key in questions if key not in before],
                removed=[key for key in before if key not in questions],
                changed=[key for key in both if questions[key] != before[key]],
            )
        )
        before = questions
    return versions[::-1]


async def create(
    session: AsyncSession, workspace_id: UUID, body: SurveyIn
) -> tuple[Survey, Definition]:
    """Make a draft from the given content, a template, or a template with changes."""
    content = template(body.template) if body.template else {}
    definition = _merge(content, body)
    now = utc_now()
    survey = Survey(
        workspace_id=workspace_id,
        id=uuid7(),
        key=body.key or slug_of(definition.name, default="survey"),
        name=definition.name,
        public_id=public_id(),
        status=SurveyStatus.DRAFT,
        latest_version=1,
        created_at=now,
        updated_at=now,
    )
    inserted = await session.exec(
        insert(Survey)
        .values(**survey.model_dump())
        .on_conflict_do_nothing()
        .returning(col(Survey.id))
    )
    if inserted.first() is None:
        detail = f"There is a survey `{survey.key}` already; choose another key."
        raise Conflict(detail)
    session.add(
        SurveyLink(public_id=survey.public_id, workspace_id=workspace_id, survey_id=survey.id)
    )
    session.add(_new_version(survey, definition))
    return survey, definition


async def duplicate(
    session: AsyncSession, workspace_id: UUID, reference: str, body: DuplicateIn
) -> tuple[Survey, Definition]:
    """Make a draft with the content of a survey's latest version."""
    original = await find(session, workspace_id, reference)
    definition = await definition_of(session, original, original.latest_version)
    content = definition.model_dump(exclude_unset=True, by_alias=True, mode="json")
    name = body.name or original.name
    key = body.key
    if key is None:
        keys = await session.exec(select(Survey.key).where(Survey.workspace_id == workspace_id))
        key = slug_of(name, default="survey", keys=set(keys))
    copy = SurveyIn.model_validate(content | {"name": name, "key": key})
    return await create(session, workspace_id, copy)


async def find_page(
    session: AsyncSession,
    workspace_id: UUID,
    *,
    status: SurveyStatus | None,
    limit: int,
    cursor: str | None,
) -> list[tuple[Survey, Definition]]:
    """Return up to `limit + 1` surveys, newest first, with their latest content."""
    query = (
        select(Survey, SurveyVersion)
        .join(
            SurveyVersion,
            (col(SurveyVersion.workspace_id) == Survey.workspace_id)
            & (col(SurveyVersion.survey_id) == Survey.id)
            & (col(SurveyVersion.version) == Survey.latest_version),
        )
        .where(Survey.workspace_id == workspace_id)
    )
    if status:
        query = query.where(Survey.status == status)
    query = newest_first(query, Survey, limit=limit, cursor=cursor)
    rows = await session.exec(query)
    return [(survey, Definition.model_validate(row.definition)) for survey, row in rows]


async def change(
    session: AsyncSession, workspace_id: UUID, reference: str, patch: SurveyPatch
) -> tuple[Survey, Definition]:
    """Change the draft; a published version gets a draft of the next number first."""
    survey = await _find_locked(session, workspace_id, reference)
    latest = await _version(session, survey, survey.latest_version)
    definition = _merge(latest.definition, patch)
    await _require_same_scales(session, survey, definition)
    if latest.published_at is None:
        latest.definition = definition.model_dump(mode="json")
        session.add(latest)
    else:
        survey.latest_version += 1
        session.add(_new_version(survey, definition))
    survey.name, survey.updated_at = definition.name, utc_now()
    session.add(survey)
    return survey, definition


async def publish(
    session: AsyncSession, workspace_id: UUID, reference: str
) -> tuple[Survey, Definition]:
    """Make the latest version the one that is answered; a closed survey opens again."""
    survey = await _find_locked(session, workspace_id, reference)
    latest = await _version(session, survey, survey.latest_version)
    definition = Definition.model_validate(latest.definition)
    now = utc_now()
    if latest.published_at is None:
        latest.published_at = now
        session.add(latest)
        if await write_entries(session, survey, definition):
            survey.tags_changed_at = now
    survey.published_version, survey.status = survey.latest_version, SurveyStatus.LIVE
    survey.updated_at = now
    session.add(survey)
    await notify(session, SURVEY_NOTICES, str(workspace_id))
    return survey, definition


async def close(
    session: AsyncSession, workspace_id: UUID, reference: str
) -> tuple[Survey, Definition]:
    """Take no new responses; those that exist may still grow."""
    survey = await _find_locked(session, workspace_id, reference)
    if survey.status == SurveyStatus.DRAFT:
        detail = "This survey was never published; delete it, or publish it first."
        raise Conflict(detail)
    survey.status, survey.updated_at = SurveyStatus.CLOSED, utc_now()
    session.add(survey)
    await notify(session, SURVEY_NOTICES, str(workspace_id))
    return survey, await definition_of(session, survey, survey.latest_version)


async def _find_locked(session: AsyncSession, workspace_id: UUID, reference: str) -> Survey:
    return await find(session, workspace_id, reference, lock=True)


def _new_version(survey: Survey, definition: Definition) -> SurveyVersion:
    return SurveyVersion(
        workspace_id=survey.workspace_id,
        survey_id=survey.id,
        version=survey.latest_version,
        definition=definition.model_dump(mode="json"),
    )


def _merge(content: dict[str, Any], patch: SurveyPatch | SurveyIn) -> Definition:
    """Apply a patch to the content of a survey, and validate the result."""
    changes = patch.model_dump(mode="json", exclude_unset=True, exclude={"key", "template"})
    changes = {
        key: value for key, value in changes.items() if value is not None or key not in _NEVER_EMPTY
    }
    try:
        return Definition.model_validate(content | changes)
    except ValidationError as error:
        raise InvalidInput(errors=from_validation(error.errors())) from None


async def _require_same_scales(
    session: AsyncSession, survey: Survey, definition: Definition
) -> None:
    """Refuse another type or length under a key that was published, so no histogram mixes them."""
    main = definition.main_question
    published = await published_entries(session, survey)
    for question in definition.questions:
        entry = entry_of(question, main=main, metric=definition.metric)
        known = published.get(question.key)
        if known and (known.type, known.high) != (entry["type"], entry["high"]):
            detail = (
                f"The question `{question.key}` was published as {known.type} with another scale; "
                "use a new key for it."
            )
            raise Conflict(detail)
