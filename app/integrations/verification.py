# SPDX-License-Identifier: Apache-2.0
"""Verify whom a webhook comes from: by its token, or by the signature over its raw bytes."""

import datetime as dt
import hmac
from collections.abc import Mapping
from uuid import UUID

from sqlmodel import select
from sqlmodel.ext.asyncio.session import AsyncSession

from app.core.errors import NotFound
from app.core.settings import Settings
from app.core.signing import SealedBox
from app.core.tokens import hash_secret
from app.integrations.adapter import UntranslatableError
from app.integrations.bodies import plain_body
from app.integrations.models import Integration
from app.integrations.service import rule_of
from app.integrations.signatures import SignedRequest, is_signed, refusal_of

TOKEN_HEADER = "x-afterword-token"  # noqa: S105 - a header's name


async def integration_by_id(session: AsyncSession, integration_id: UUID) -> Integration:
    """Return the sender of an address, or raise NotFound."""
    rows = await session.exec(select(Integration).where(Integration.id == integration_id))
    integration = rows.first()
    if integration is None:
        raise NotFound("No integration has this address.")
    return integration


def address_of(settings: Settings, integration: Integration, query: str = "") -> str:
    """Return the URL to which the sender sends."""
    return f"{settings.base_url}/in/{integration.id}" + (f"?{query}" if query else "")


def is_token(integration: Integration, sent: str, *, now: dt.datetime) -> bool:
    """Tell whether a token is the integration's, or its old one before that expires."""
    digest = hash_secret(sent)
    live = [integration.token_hash]
    if integration.old_until is not None and now < integration.old_until:
        live.append(integration.old_token_hash)
    matches = False
    for token_hash in live:
        matches |= token_hash is not None and hmac.compare_digest(digest, token_hash)
    return matches


def refusal_of_webhook(
    integration: Integration,
    box: SealedBox,
    headers: Mapping[str, str],
    body: bytes,
    *,
    now: dt.datetime,
    uri: str,
) -> str | None:
    """Return why a signed webhook is not believed, or None where its signature is right.

    A sender that compresses may have signed the bytes before or after.
    """
    sealed = [integration.secret]
    if integration.old_until is not None and now < integration.old_until:
        sealed.append(integration.old_secret)
    secrets = [plain for secret in sealed if secret and (plain := box.unseal(secret))]
    rule = rule_of(integration)
    if rule is None:
        return "it is not signed"
    refusal = refusal_of(rule, SignedRequest(headers, body, uri=uri), secrets=secrets, now=now)
    if refusal is not None and headers.get("content-encoding"):
        try:
            plain = plain_body(headers, body)
        except UntranslatableError:
            return refusal
        request = SignedRequest(headers, plain, uri=uri)
        return refusal_of(rule, request, secrets=secrets, now=now)
    return refusal


def has_credentials(
    integration: Integration, headers: Mapping[str, str], query: Mapping[str, str]
) -> bool:
    """Tell whether a webhook bears a signature or token at all, right or wrong."""
    rule = rule_of(integration)
    if rule is None:
        return bool(query.get("token") or headers.get(TOKEN_HEADER))
    return is_signed(rule, headers)
