# SPDX-License-Identifier: Apache-2.0
"""Make workspaces and API keys, and change a workspace's settings."""

import datetime as dt
import secrets
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from app.core import jobs
from app.core.clock import rfc3339, utc_now
from app.core.config_lock import config_lock_sql
from app.core.cursors import newest_first
from app.core.database import Database, run_sql
from app.core.errors import Conflict, Forbidden, InvalidInput, NotFound
from app.core.ids import uuid7
from app.core.lookup import is_referenced_sql
from app.core.notices import notify
from app.core.settings import Settings
from app.core.signing import SealedBox, new_secret
from app.core.tokens import hash_secret
from app.core.zones import is_known_to_database
from app.workspaces.brand import Image, change_brand, fetch_logo
from app.workspaces.caller import KEY_NOTICES, Caller
from app.workspaces.models import ApiKey, Workspace, WorkspaceConfig
from app.workspaces.schemas import ApiKeyIn, WorkspaceIn, WorkspacePatch
from app.workspaces.scopes import Scope

DEFAULT_WORKSPACE = "default"
OLD_SECRET_LIFETIME = dt.timedelta(hours=24)
RECOUNT_JOB = "responses.recount"
_HINT_LENGTH = 8
_DERIVATION_BYTES = 32
# These settings decide how answers and tickets are counted; changing one starts a recount.
_CONFIGURATION = {"timezone", "segments", "business_hours"}


# An exclusive lock before the row's, on the workspace's node; writers take it as shared.


def lock_out_writers_sql(workspace: str) -> str:
    """Return the statement that no writer of a workspace passes; `workspace` is SQL of its id.

    Lock the row of `workspace_config` after it, never before, or two transactions may deadlock.
    """
    return f"""select pg_advisory_xact_lock({config_lock_sql("workspace_id")})
from workspace_config where workspace_id = {workspace}"""


_LOCK_OUT_WRITERS = text(lock_out_writers_sql(":workspace_id"))


def _new_workspace(key: str, name: str, settings: Settings) -> Workspace:
    configuration = {"timezone": settings.default_timezone, "segments": []}
    return Workspace(
        id=uuid7(),
        key=key,
        name=name,
        default_locale=settings.default_locale,
        allowed_origins=[],
        min_group_size=1,
        derivation_key=secrets.token_bytes(_DERIVATION_BYTES),
        config=1,
        configs={"1": configuration},
        created_at=utc_now(),
    )


def _new_key(workspace_id: UUID, *, name: str, scopes: list[Scope], secret: str) -> ApiKey:
    return ApiKey(
        workspace_id=workspace_id,
        id=uuid7(),
        name=name,
        scopes=[str(scope) for scope in scopes],
        hash=hash_secret(secret),
        hint=secret[:_HINT_LENGTH],
        created_at=utc_now(),
    )


def _config_row(workspace: Workspace) -> WorkspaceConfig:
    return WorkspaceConfig(
        workspace_id=workspace.id, config=workspace.config, configs=workspace.configs
    )


async def ensure_default(session: AsyncSession, settings: Settings) -> str | None:
    """Make the `default` workspace and its bootstrap key; return a key that was generated.

    A bootstrap key that the operator sets replaces the previous one.
    """
    rows = await session.exec(select(Workspace).where(Workspace.key == DEFAULT_WORKSPACE))
    workspace = rows.first()
    if workspace is None:
        workspace = _new_workspace(DEFAULT_WORKSPACE, "Default", settings)
        session.add(workspace)
        await session.flush()
        session.add(_config_row(workspace))
    bootstrap_keys = await session.exec(
        select(ApiKey).where(ApiKey.workspace_id == workspace.id, col(ApiKey.bootstrap))
    )
    key = bootstrap_keys.first()
    configured_secret = (
        settings.bootstrap_key.get_secret_value() if settings.bootstrap_key else None
    )
    if key and (configured_secret is None or key.hash == hash_secret(configured_secret)):
        return None
    if key:
        await session.delete(key)
        await session.flush()
    elif configured_secret is None and await list_keys(session, workspace.id, limit=1, cursor=None):
        return None
    secret = configured_secret or new_secret("sk_")
    fresh = _new_key(workspace.id, name="bootstrap", scopes=[Scope.ADMIN], secret=secret)
    fresh.bootstrap = True
    session.add(fresh)
    await notify(session, KEY_NOTICES, str(workspace.id))
    return None if configured_secret else secret


async def get_workspace(session: AsyncSession, workspace_id: UUID) -> Workspace:
    """Return the caller's workspace."""
    return (await session.exec(select(Workspace).where(Workspace.id == workspace_id))).one()


async def find_workspace_by_id(session: AsyncSession, workspace_id: UUID) -> Workspace | None:
    """Return a workspace that a public address names, or None."""
    return (await session.exec(select(Workspace).where(Workspace.id == workspace_id))).first()


async def find_workspace(session: AsyncSession, key: str) -> Workspace:
    """Return a workspace by its key; for the operator's commands."""
    workspace = (await session.exec(select(Workspace).where(Workspace.key == key))).first()
    if workspace is None:
        detail = f"There is no workspace `{key}`."
        raise NotFound(detail)
    return workspace


async def list_workspaces(session: AsyncSession) -> list[tuple[UUID, str]]:
    """Return the id and the key of every workspace, by key."""
    rows = await session.exec(select(Workspace.id, Workspace.key).order_by(col(Workspace.key)))
    return list(rows)


async def workspace_exists(session: AsyncSession, key: str) -> bool:
    """Tell whether there is a workspace with this key."""
    rows = await session.exec(select(Workspace.id).where(Workspace.key == key))
    return rows.first() is not None


async def create_workspace(
    session: AsyncSession, caller: Caller, *, body: WorkspaceIn, settings: Settings
) -> tuple[Workspace, ApiKey, str]:
    """Make a workspace with its first admin key; only the bootstrap key may."""
    if not caller.bootstrap:
        detail = "Only the bootstrap key may make workspaces."
        raise Forbidden(detail)
    workspace = _new_workspace(body.key, body.name, settings)
    inserted = await session.exec(
        insert(Workspace)
        .values(**workspace.model_dump())
        .on_conflict_do_nothing()
        .returning(col(Workspace.id))
    )
    if inserted.first() is None:
        detail = f"There is a workspace `{body.key}` already; choose another key."
        raise Conflict(detail)
    session.add(_config_row(workspace))
    secret = new_secret("sk_")
    key = _new_key(workspace.id, name="first", scopes=[Scope.ADMIN], secret=secret)
    session.add(key)
    return workspace, key, secret


async def change_workspace(
    session: AsyncSession, workspace_id: UUID, patch: WorkspacePatch, *, allow_private: bool = False
) -> Workspace:
    """Change settings; another zone or other segments start a recount in the background.

    The row is locked FOR UPDATE, so every writer of responses waits for this change. A response
    is therefore counted under the new configuration, or the recount finds it.
    """
    # First, while the session holds no connection: a foreign server may take its time.
    picture = await _new_logo(session, workspace_id, patch, allow_private=allow_private)
    if patch.timezone and not await is_known_to_database(session, patch.timezone):
        msg = "is not known to the database; choose a neighbouring zone"
        raise InvalidInput.at("body", "timezone", msg=msg)
    # Counted before the lock, so that no answer waits for the counting.
    recounts = patch.model_fields_set & _CONFIGURATION
    answers = await _count_answers(session, workspace_id) if recounts else 0
    config_row = await lock_config(session, workspace_id)
    rows = await session.exec(
        select(Workspace).where(Workspace.id == workspace_id).with_for_update()
    )
    workspace = rows.one()
    changes = patch.model_dump(mode="json", include=patch.model_fields_set)
    for name in changes.keys() - _CONFIGURATION - {"brand", "mail"}:
        setattr(workspace, name, changes[name])
    if "mail" in changes:
        mail = patch.mail.model_dump(mode="json", include=patch.mail.model_fields_set)
        workspace.mail = workspace.mail | mail
    if "brand" in changes:
        await change_brand(session, workspace, patch.brand, picture=picture)
    configuration: dict[str, Any] = {
        "timezone": workspace.timezone,
        "segments": workspace.segments,
        "business_hours": workspace.business_hours,
    }
    changed = configuration | {name: changes[name] for name in changes.keys() & _CONFIGURATION}
    if len(set(changed["segments"])) < len(changed["segments"]):
        raise InvalidInput.at("body", "segments", msg="names a segment twice")
    if changed != configuration:
        workspace.config += 1
        workspace.configs = workspace.configs | {str(workspace.config): changed}
        workspace.recount = {"done": 0, "of": answers}
        config_row.config, config_row.configs = workspace.config, workspace.configs
        session.add(config_row)
        await jobs.enqueue(session, RECOUNT_JOB, workspace_id=workspace_id)
    session.add(workspace)
    await notify(session, KEY_NOTICES, str(workspace_id))
    return workspace


async def lock_config(session: AsyncSession, workspace_id: UUID) -> WorkspaceConfig:
    """Lock the configuration exclusively: no answer is written until the transaction ends.

    The advisory lock comes first, so that a steady stream of writers cannot starve this
    transaction. All code must take the two locks in this order, or it can deadlock.
    """
    await run_sql(session, _LOCK_OUT_WRITERS.bindparams(workspace_id=workspace_id))
    rows = await session.exec(
        select(WorkspaceConfig)
        .where(WorkspaceConfig.workspace_id == workspace_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    return rows.one()


async def _new_logo(
    session: AsyncSession, workspace_id: UUID, patch: WorkspacePatch, *, allow_private: bool
) -> Image | None:
    """Fetch a logo whose address is new, before anything is locked."""
    url = patch.brand.logo_url
    if url is None:
        return None
    database: Database = session.info["database"]
    async with database.session() as reading:
        # The column alone: the row itself is read anew under its lock.
        rows = await reading.exec(select(Workspace.brand).where(Workspace.id == workspace_id))
        brand = rows.one()
    if brand.get("logo_url") == url and brand.get("logo"):
        return None
    return await fetch_logo(url, allow_private=allow_private)


async def _count_answers(session: AsyncSession, workspace_id: UUID) -> int:
    rows = await run_sql(
        session,
        text("select count(*) from response where workspace_id = :id").bindparams(id=workspace_id),
    )
    return int(rows.one()[0])


async def create_key(
    session: AsyncSession, workspace_id: UUID, body: ApiKeyIn
) -> tuple[ApiKey, str]:
    """Make a key and return it with its secret, which is not kept."""
    if body.survey is not None:
        await _require_survey(session, workspace_id, body.survey)
    public = body.scopes == [Scope.COLLECT]
    secret = new_secret("pk_" if public else "sk_")
    key = _new_key(workspace_id, name=body.name, scopes=body.scopes, secret=secret)
    key.expires_at = body.expires_at
    key.test, key.survey, key.rate_limit = body.test, body.survey, body.rate_limit
    session.add(key)
    await notify(session, KEY_NOTICES, str(workspace_id))
    return key, secret


async def _require_survey(session: AsyncSession, workspace_id: UUID, reference: str) -> None:
    """Raise InvalidInput if a key is to be bound to an unknown survey."""
    rows = await run_sql(
        session,
        text(
            "select 1 from survey where workspace_id = :id "
            f"and {is_referenced_sql('survey', ':reference')}"
        ).bindparams(id=workspace_id, reference=reference),
    )
    if rows.first() is None:
        msg = f"`{reference[:64]}` is not a survey of this workspace"
        raise InvalidInput.at("body", "survey", msg=msg)


async def ensure_public_key(
    session: AsyncSession, workspace_id: UUID, *, name: str, secret: str
) -> None:
    """Make a publishable key with the given secret, unless it exists."""
    rows = await session.exec(
        select(ApiKey.id).where(
            ApiKey.workspace_id == workspace_id, ApiKey.hash == hash_secret(secret)
        )
    )
    if rows.first() is None:
        session.add(_new_key(workspace_id, name=name, scopes=[Scope.COLLECT], secret=secret))
        await notify(session, KEY_NOTICES, str(workspace_id))


async def list_keys(
    session: AsyncSession, workspace_id: UUID, *, limit: int, cursor: str | None
) -> list[ApiKey]:
    """Return up to `limit + 1` keys, newest first."""
    query = select(ApiKey).where(ApiKey.workspace_id == workspace_id)
    query = newest_first(query, ApiKey, limit=limit, cursor=cursor)
    return list(await session.exec(query))


async def get_key(
    session: AsyncSession, workspace_id: UUID, key_id: UUID, *, lock: bool = False
) -> ApiKey:
    """Return one key; with `lock`, another change of it waits for the end of the transaction."""
    query = select(ApiKey).where(ApiKey.workspace_id == workspace_id, ApiKey.id == key_id)
    rows = await session.exec(query.with_for_update() if lock else query)
    key = rows.first()
    if key is None:
        raise NotFound.in_workspace("key")
    return key


async def rotate_identity_secret(
    session: AsyncSession, workspace_id: UUID, box: SealedBox
) -> tuple[str, dt.datetime | None]:
    """Make a new identity secret; the one before lives for 24 hours more."""
    workspace = await get_workspace(session, workspace_id)
    secret = new_secret("is_")
    if workspace.identity_secret is not None:
        workspace.old_identity_secret = workspace.identity_secret
        workspace.old_identity_until = utc_now() + OLD_SECRET_LIFETIME
    workspace.identity_secret = box.seal(secret.encode())
    session.add(workspace)
    await notify(session, KEY_NOTICES, str(workspace_id))
    return secret, workspace.old_identity_until


async def rotate_key(session: AsyncSession, workspace_id: UUID, key_id: UUID) -> tuple[ApiKey, str]:
    """Give the key a new secret; the old one lives for 24 hours more."""
    key = await get_key(session, workspace_id, key_id, lock=True)
    if key.old_until and key.old_until > utc_now():
        detail = (
            f"This key was rotated already, and its old secret is good until "
            f"{rfc3339(key.old_until)}; until then make a new key instead."
        )
        raise Conflict(detail)
    secret = new_secret(key.hint[:3])
    key.old_hash, key.old_until = key.hash, utc_now() + OLD_SECRET_LIFETIME
    key.hash, key.hint = hash_secret(secret), secret[:_HINT_LENGTH]
    session.add(key)
    await notify(session, KEY_NOTICES, str(workspace_id))
    return key, secret


async def delete_key(session: AsyncSession, workspace_id: UUID, key_id: UUID) -> None:
    """Delete a key; the last admin key stays, or nobody could make another."""
    key = await get_key(session, workspace_id, key_id)
    if Scope.ADMIN in key.scopes:
        # Locked, so that of two deletions at once the second one sees the first.
        admins = await session.exec(
            select(ApiKey)
            .where(ApiKey.workspace_id == workspace_id, col(ApiKey.scopes).op("@>")('["admin"]'))
            .order_by(col(ApiKey.id))
            .with_for_update()
        )
        now = utc_now()
        if not any(
            other.id != key_id and (other.expires_at is None or other.expires_at > now)
            for other in admins
        ):
            detail = "This is the last admin key; make another before you delete it."
            raise Conflict(detail)
    await session.delete(key)
    await notify(session, KEY_NOTICES, str(workspace_id))
