# SPDX-License-Identifier: Apache-2.0
"""Routes of workspaces and API keys."""

from typing import Annotated
from uuid import UUID

from fastapi import Depends, Request

from app.core.paging import Page, page_of
from app.core.parameters import PageCursor, PageLimit
from app.core.routing import BoxDep, SessionDep, SettingsDep, TransactionDep, router
from app.workspaces import service
from app.workspaces.admission import Admin, AnyCaller
from app.workspaces.caller import Keyring
from app.workspaces.models import ApiKey, Workspace
from app.workspaces.schemas import (
    ApiKeyIn,
    ApiKeyOut,
    ApiKeyWithSecret,
    Brand,
    IdentitySecretOut,
    MeOut,
    MyKey,
    MyWorkspace,
    NewKey,
    NewWorkspaceOut,
    WorkspaceIn,
    WorkspaceOut,
    WorkspacePatch,
)

routes = router("Workspaces and keys")


def _keyring(request: Request) -> Keyring:
    keyring: Keyring = request.app.state.keyring
    return keyring


KeyringDep = Annotated[Keyring, Depends(_keyring)]


def _workspace_out(workspace: Workspace) -> WorkspaceOut:
    values = workspace.model_dump() | {
        "timezone": workspace.timezone,
        "segments": workspace.segments,
        "business_hours": workspace.business_hours,
        "brand": {name: workspace.brand.get(name) for name in Brand.model_fields},
    }
    return WorkspaceOut.model_validate(values)


def _with_secret(key: ApiKey, secret: str) -> ApiKeyWithSecret:
    return ApiKeyWithSecret.model_validate(
        key.model_dump() | {"secret": secret, "old_secret_until": key.old_until}
    )


@routes.get("/v1/me", summary="Who am I?")
async def get_me(session: SessionDep, caller: AnyCaller) -> MeOut:
    """Return the key that calls, and its workspace; every key may ask."""
    workspace = await service.get_workspace(session, caller.workspace_id)
    return MeOut(
        workspace=MyWorkspace.model_validate(workspace, from_attributes=True),
        key=MyKey(
            id=caller.key_id,
            name=caller.name,
            scopes=sorted(caller.scopes),
            test=caller.test,
            survey=caller.survey,
            expires_at=caller.expires_at,
        ),
    )


@routes.get("/v1/workspace", summary="Read the workspace")
async def get_workspace(session: SessionDep, caller: Admin) -> WorkspaceOut:
    """Return the caller's workspace with its settings."""
    return _workspace_out(await service.get_workspace(session, caller.workspace_id))


@routes.patch("/v1/workspace", summary="Change the workspace")
async def update_workspace(
    transaction: TransactionDep,
    caller: Admin,
    keyring: KeyringDep,
    settings: SettingsDep,
    body: WorkspacePatch,
) -> WorkspaceOut:
    """Change settings. Another time zone or other segments recount in the background."""
    transaction.after_commit.append(keyring.forget)
    changed = await service.change_workspace(
        transaction.session,
        caller.workspace_id,
        body,
        allow_private=settings.allow_private_webhooks,
    )
    return _workspace_out(changed)


@routes.post("/v1/workspace/identity-secret", status_code=201, summary="Make an identity secret")
async def create_identity_secret(
    transaction: TransactionDep, caller: Admin, keyring: KeyringDep, box: BoxDep
) -> IdentitySecretOut:
    """Make the secret with which your backend signs who a browser's customer is.

    A publishable key's `customer` is believed only with `proof`: the hex HMAC-SHA256 of the
    external id (else the e-mail) under this secret. The one before is good for 24 hours more.
    """
    transaction.after_commit.append(keyring.forget)
    secret, until = await service.rotate_identity_secret(
        transaction.session, caller.workspace_id, box
    )
    return IdentitySecretOut(secret=secret, old_secret_until=until)


@routes.post("/v1/workspaces", status_code=201, summary="Make a workspace")
async def create_workspace(
    session: SessionDep, caller: Admin, settings: SettingsDep, body: WorkspaceIn
) -> NewWorkspaceOut:
    """Make a workspace with its first admin key. Only the bootstrap key may."""
    workspace, key, secret = await service.create_workspace(
        session, caller, body=body, settings=settings
    )
    new_key = NewKey(id=key.id, scopes=key.scopes, secret=secret)
    return NewWorkspaceOut(**_workspace_out(workspace).model_dump(), api_key=new_key)


@routes.post("/v1/api-keys", status_code=201, summary="Make a key")
async def create_api_key(
    transaction: TransactionDep, caller: Admin, keyring: KeyringDep, body: ApiKeyIn
) -> ApiKeyWithSecret:
    """Make a key. Its secret is shown this once; a `collect` key is publishable (`pk_`)."""
    transaction.after_commit.append(keyring.forget)
    key, secret = await service.create_key(transaction.session, caller.workspace_id, body)
    return _with_secret(key, secret)


@routes.get("/v1/api-keys", summary="List the keys")
async def list_api_keys(
    session: SessionDep, caller: Admin, limit: PageLimit = 50, cursor: PageCursor = None
) -> Page[ApiKeyOut]:
    """Return all keys without their secrets, newest first."""
    rows = await service.list_keys(session, caller.workspace_id, limit=limit, cursor=cursor)
    return page_of(
        rows,
        limit,
        position=lambda key: (key.created_at, key.id),
        show=lambda key: ApiKeyOut.model_validate(key, from_attributes=True),
    )


@routes.get("/v1/api-keys/{key_id}", summary="Read a key")
async def get_api_key(session: SessionDep, caller: Admin, key_id: UUID) -> ApiKeyOut:
    """Return one key without its secret."""
    key = await service.get_key(session, caller.workspace_id, key_id)
    return ApiKeyOut.model_validate(key, from_attributes=True)


@routes.post("/v1/api-keys/{key_id}/rotate", summary="Rotate a key")
async def rotate_api_key(
    transaction: TransactionDep, caller: Admin, keyring: KeyringDep, key_id: UUID
) -> ApiKeyWithSecret:
    """Give the key a new secret; the old one stays good for 24 hours."""
    transaction.after_commit.append(keyring.forget)
    key, secret = await service.rotate_key(transaction.session, caller.workspace_id, key_id)
    return _with_secret(key, secret)


@routes.delete("/v1/api-keys/{key_id}", status_code=204, summary="Delete a key")
async def delete_api_key(
    transaction: TransactionDep, caller: Admin, keyring: KeyringDep, key_id: UUID
) -> None:
    """Delete a key; it stops working at once."""
    transaction.after_commit.append(keyring.forget)
    await service.delete_key(transaction.session, caller.workspace_id, key_id)
