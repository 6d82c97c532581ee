# SPDX-License-Identifier: Apache-2.0
"""Verbs of integrations: register, change, find, rotate secrets."""

import datetime as dt
from dataclasses import dataclass
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from pydantic import ValidationError
from sqlalchemy import text
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from app.core.clock import utc_now
from app.core.cursors import newest_first
from app.core.database import run_sql
from app.core.errors import Conflict, InvalidInput
from app.core.http import from_validation
from app.core.ids import uuid7
from app.core.lookup import find_by_reference
from app.core.notices import notify
from app.core.signing import SealedBox, new_secret
from app.core.tokens import hash_secret
from app.integrations import inbound_events
from app.integrations.adapter import SourceSettings
from app.integrations.mapping_schemas import IntegrationMappingWithMore
from app.integrations.models import Integration, WriteBack
from app.integrations.presets import PRESETS
from app.integrations.registry import ADAPTERS
from app.integrations.schemas import IntegrationIn, IntegrationPatch
from app.integrations.signatures import SignatureRule, rule_of_settings
from app.integrations.statuses import fold_status
from app.workspaces.service import OLD_SECRET_LIFETIME

# Notices that an integration of a workspace has changed.
INTEGRATION_NOTICES = "afterword_integrations"

_MIN_TOKEN_CHARACTERS = 16


@dataclass(frozen=True, slots=True)
class IntegrationWithToken:
    """An integration with the token of its URL, which is shown this once."""

    integration: Integration
    token: str | None = None


def signs(integration: Integration) -> bool:
    """Tell whether its webhooks bear a signature; else its URL carries a token."""
    return rule_of(integration) is not None


def rule_of(integration: Integration) -> SignatureRule | None:
    """Return how it signs, or None where its URL carries a token."""
    settings = integration.signature
    if settings is None and integration.preset is not None:
        settings = PRESETS[integration.preset]["signature"]
    if settings is None:
        return ADAPTERS[integration.source].signature
    rule = rule_of_settings(settings)
    return None if rule.scheme == "token" else rule


def awaits_secret(integration: Integration) -> bool:
    """Tell whether nothing can be verified before its secret is known."""
    rule = rule_of(integration)
    return rule is not None and rule.needs_secret and integration.secret is None


def can_verify(integration: Integration) -> bool:
    """Tell whether its webhooks can be verified: by a signature, or by the token of its URL."""
    if signs(integration):
        return not awaits_secret(integration)
    return integration.token_hash is not None


def mapping_of(integration: Integration) -> dict[str, Any]:
    """Return the whole mapping: the preset's, with the fields that the workspace replaced."""
    preset_mapping = (
        PRESETS[integration.preset]["mapping"] if integration.preset is not None else {}
    )
    return {**preset_mapping, **integration.mapping}


def source_settings(integration: Integration, *, workspace_timezone: str) -> SourceSettings:
    """Return what its adapter needs to know."""
    return SourceSettings(
        mapping=mapping_of(integration),
        timezone=ZoneInfo(integration.timezone or workspace_timezone),
        status_map={
            fold_status(status): meaning for status, meaning in integration.status_map.items()
        },
    )


async def create(
    session: AsyncSession, workspace_id: UUID, body: IntegrationIn, *, box: SealedBox
) -> IntegrationWithToken:
    """Register an integration; raise Conflict if its key is taken."""
    now = utc_now()
    is_generic = body.source == "generic"
    integration = Integration(
        id=uuid7(),
        workspace_id=workspace_id,
        key=body.key or body.preset or str(body.source),
        source=str(body.source),
        preset=body.preset,
        touchpoint=body.touchpoint,
        timezone=body.timezone,
        accept_test=body.accept_test,
        status_map=body.status_map,
        mapping=_checked_mapping(body.preset, body.mapping or {}) if is_generic else {},
        signature=body.signature.as_stored() if body.signature else None,
        created_at=now,
        updated_at=now,
    )
    token = _set_secret(integration, body.secret, box=box)
    inserted = await session.exec(
        insert(Integration)
        .values(**integration.model_dump())
        .on_conflict_do_nothing(index_elements=["workspace_id", "key"])
        .returning(col(Integration.id))
    )
    if inserted.first() is None:
        detail = f"There is an integration `{integration.key}` already; give it another `key`."
        raise Conflict(detail)
    return IntegrationWithToken(integration, token)


def _checked_mapping(preset: str | None, mapping: dict[str, Any]) -> dict[str, Any]:
    """Return a mapping that is right together with its preset, or raise InvalidInput."""
    preset_mapping = PRESETS[preset]["mapping"] if preset is not None else {}
    try:
        IntegrationMappingWithMore.model_validate({**preset_mapping, **mapping})
    except ValidationError as error:
        errors = from_validation(
            list(error.errors()), list(IntegrationMappingWithMore.model_fields)
        )
        raise InvalidInput(
            errors=[{**fault, "loc": ["body", "mapping", *fault["loc"]]} for fault in errors]
        ) from None
    return mapping


def _set_secret(integration: Integration, secret: str | None, *, box: SealedBox) -> str | None:
    """Keep the secret sealed, or as a token's hash; return the token of the URL."""
    if signs(integration):
        if secret is not None:
            integration.secret = box.seal(secret.encode())
        return None
    if secret is not None and len(secret) < _MIN_TOKEN_CHARACTERS:
        msg = f"is the only protection of its URL: at least {_MIN_TOKEN_CHARACTERS} characters"
        raise InvalidInput.at("body", "secret", msg=msg)
    token = secret or new_secret("in_")
    integration.token_hash = hash_secret(token)
    return token


async def change(
    session: AsyncSession, workspace_id: UUID, reference: str, patch: IntegrationPatch,
    *, box: SealedBox,
) -> IntegrationWithToken:  # fmt: skip
    """Change what is given. With the first secret, webhooks that wait for it are translated."""
    integration = await find(session, workspace_id, reference)
    changed_fields = patch.model_fields_set
    if changed_fields & {"mapping", "signature"} and integration.source != "generic":
        name = min(changed_fields & {"mapping", "signature"})
        raise InvalidInput.at("body", name, msg="is only for `generic`")
    for name in changed_fields & {"touchpoint", "timezone", "accept_test", "status_map"}:
        setattr(integration, name, getattr(patch, name))
    if "mapping" in changed_fields:
        integration.mapping = _checked_mapping(integration.preset, patch.mapping)
    token = _change_proof(integration, patch, box=box)
    if changed_fields & {"secret", "signature"}:
        await inbound_events.enqueue_unverified(session, integration)
    if changed_fields & {"status_map", "mapping"}:
        await inbound_events.enqueue_waiting(
            session,
            integration,
            prefixes=[inbound_events.WAITS_FOR_STATUS, inbound_events.WAITS_FOR_TURN],
        )
    integration.updated_at = utc_now()
    session.add(integration)
    await notify(session, INTEGRATION_NOTICES, str(workspace_id))
    return IntegrationWithToken(integration, token)


def _change_proof(
    integration: Integration, patch: IntegrationPatch, *, box: SealedBox
) -> str | None:
    """Change how the sender proves itself; return the new token of its URL, if there is one."""
    fields = patch.model_fields_set
    if "signature" in fields:
        integration.signature = patch.signature.as_stored() if patch.signature else None
    if "secret" in fields:
        return _set_secret(integration, patch.secret, box=box)
    if rule_of(integration) is None and integration.token_hash is None:
        # It signed before, and from now on its URL must carry a token.
        return _set_secret(integration, None, box=box)
    return None


async def rotate(
    session: AsyncSession, workspace_id: UUID, reference: str, secret: str | None, *, box: SealedBox
) -> IntegrationWithToken:
    """Replace the secret or token; the previous one stays valid for 24 hours."""
    integration = await find(session, workspace_id, reference)
    rule = rule_of(integration)
    if rule is not None and not rule.needs_secret:
        raise InvalidInput.at("body", "secret", msg="is not used: a public key verifies it")
    if rule is not None and secret is None:
        raise InvalidInput.at("body", "secret", msg="is required: the sender makes it")
    integration.old_secret = integration.secret
    integration.old_token_hash = integration.token_hash
    integration.old_until = utc_now() + OLD_SECRET_LIFETIME
    token = _set_secret(integration, secret, box=box)
    integration.updated_at = utc_now()
    session.add(integration)
    await notify(session, INTEGRATION_NOTICES, str(workspace_id))
    return IntegrationWithToken(integration, token)


async def note_refusal(
    session: AsyncSession, integration_id: UUID, reason: str, now: dt.datetime
) -> None:
    """Note that a webhook was refused, and why, for its owner to see."""
    await run_sql(
        session,
        text(
            "update integration set refused_at = :now, refused_reason = :reason where id = :id"
        ).bindparams(now=now, reason=reason[:200], id=integration_id),
    )


async def find(session: AsyncSession, workspace_id: UUID, reference: str) -> Integration:
    """Return an integration by id or key, or raise NotFound."""
    return await find_by_reference(session, Integration, workspace_id, reference)


async def find_page(
    session: AsyncSession, workspace_id: UUID, *, limit: int, cursor: str | None
) -> list[Integration]:
    """Return up to `limit + 1` integrations, newest first."""
    query = select(Integration).where(Integration.workspace_id == workspace_id)
    query = newest_first(query, Integration, limit=limit, cursor=cursor)
    return list(await session.exec(query))


async def delete(session: AsyncSession, workspace_id: UUID, reference: str) -> None:
    """Delete an integration with its inbound events; the interactions stay."""
    integration = await find(session, workspace_id, reference)
    for table in ("inbound_event", "write_back"):
        await run_sql(
            session,
            text(
                f"delete from {table} where workspace_id = :workspace_id "
                "and integration_id = :integration_id"
            ).bindparams(workspace_id=workspace_id, integration_id=integration.id),
        )
    await session.delete(integration)
    await notify(session, INTEGRATION_NOTICES, str(workspace_id))


async def find_write_backs(
    session: AsyncSession, integration: Integration, *, limit: int, cursor: str | None
) -> list[WriteBack]:
    """Return up to `limit + 1` write-backs, newest first."""
    query = select(WriteBack).where(
        WriteBack.workspace_id == integration.workspace_id,
        WriteBack.integration_id == integration.id,
    )
    query = newest_first(query, WriteBack, limit=limit, cursor=cursor, key="response_id")
    return list(await session.exec(query))
