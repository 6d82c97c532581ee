# SPDX-License-Identifier: Apache-2.0
"""`POST /in/{id}`: verify the raw bytes, store them once, answer fast, work later."""

import datetime as dt
from collections.abc import Mapping
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel
from starlette.responses import Response

from app.core.clock import utc_now
from app.core.database import Database
from app.core.errors import Unauthorized
from app.core.http import json_reply, read_body
from app.core.ids import derived_uuid
from app.core.settings import Settings
from app.core.signing import SealedBox
from app.core.telemetry import INBOUND
from app.integrations.inbound_commit import InboundCommit, IntegrationCache, RawWebhook
from app.integrations.models import Integration
from app.integrations.presets import PRESETS
from app.integrations.registry import ADAPTERS, SourceName
from app.integrations.service import awaits_secret, note_refusal, rule_of
from app.integrations.verification import TOKEN_HEADER, address_of, is_token, refusal_of_webhook
from app.integrations.webhook_identity import identity_of, timeless_case

routes = APIRouter(tags=["Webhooks in"])

_REMEDY = "Give the sender the integration's `url` and secret again, or rotate them."

_KEPT_HEADERS = {"content-type", "content-encoding", "user-agent"}
_NEVER_KEPT = {TOKEN_HEADER, "authorization", "cookie", "proxy-authorization"}


class ProbeReply(BaseModel):
    """The address of an integration is right."""

    status: Literal["ok"]
    challenge: str | None = None


class WebhookReply(BaseModel):
    """What became of a webhook."""

    status: Literal["received", "known", "pong"]
    id: UUID | None = None


@routes.get("/in/{integration_id}", summary="Is the address right?", response_model=ProbeReply)
async def probe_integration(
    request: Request,
    integration_id: UUID,
    challenge: Annotated[str | None, Query(max_length=500, description="Sent back.")] = None,
) -> Response:
    """Answer 200 to a sender that only checks the address."""
    await _find(request, integration_id)
    reply = {"status": "ok"} | ({"challenge": challenge} if challenge else {})
    return json_reply(reply)


@routes.post(
    "/in/{integration_id}",
    status_code=202,
    summary="Take a webhook",
    response_model=WebhookReply,
    responses={200: {"model": WebhookReply, "description": "A ping, or known already."}},
    openapi_extra={
        "requestBody": {
            "description": "As the sender writes it; its signature covers the raw bytes.",
            "content": {"application/json": {"schema": {}, "example": {"event": "ticket.solved"}}},
        }
    },
)
async def receive_webhook(request: Request, integration_id: UUID) -> Response:
    """Store a webhook whose signature is right; a replay is stored once.

    A job translates it. A wrong signature is 401 and nothing is stored.
    """
    integration = await _find(request, integration_id)
    body = await read_body(request)
    headers = {name.lower(): value for name, value in request.headers.items()}
    ping = ADAPTERS[SourceName(integration.source)].ping
    if ping is not None and body.startswith(ping):
        return json_reply({"status": "pong"})
    preset = PRESETS[integration.preset] if integration.preset else {}
    if challenge := headers.get(preset.get("challenge_header", "")):
        # The sender only asks whether the address is right.
        return json_reply({"challenge": challenge[:1000]})
    now = utc_now()
    verified, refusal = _verify(request, integration, headers, body, now=now)
    if refusal is not None:
        await _note_refusal(request, integration, refusal, now)
        detail = f"The webhook could not be verified: {refusal}. {_REMEDY}"
        raise Unauthorized(detail)
    identity = identity_of(integration, headers, body)
    raw = RawWebhook(
        derived_uuid(str(integration.id), identity), integration.id, identity,
        _headers_to_store(integration, headers), body, verified, now,
        timeless_case(integration, headers, body, now=now),
    )  # fmt: skip
    commit: InboundCommit = request.app.state.inbound
    event_id: UUID | None = raw.id
    if raw.case is None:
        fresh = await commit.store(integration.workspace_id, raw)
    else:
        event_id, fresh = await commit.store_in_sequence(integration.workspace_id, raw)
    INBOUND.labels(integration.source, "received" if fresh else "repeated").inc()
    if (expected := preset.get("reply")) is not None:
        return json_reply(expected)
    return json_reply(
        {"status": "received" if fresh else "known", "id": event_id}, status=202 if fresh else 200
    )


async def _find(request: Request, integration_id: UUID) -> Integration:
    cache: IntegrationCache = request.app.state.integrations
    return await cache.get(integration_id)


def _verify(
    request: Request,
    integration: Integration,
    headers: Mapping[str, str],
    body: bytes,
    *,
    now: dt.datetime,
) -> tuple[bool, str | None]:
    """Return whether the webhook is verified, and why it is refused, if so.

    It is neither while the integration has no secret.
    """
    box: SealedBox = request.app.state.box
    refusal = None
    if rule_of(integration) is None:
        sent = request.query_params.get("token") or headers.get(TOKEN_HEADER, "")
        if not is_token(integration, sent, now=now):
            refusal = "the token is missing or wrong"
    elif awaits_secret(integration):
        return False, None
    else:
        settings: Settings = request.app.state.settings
        uri = address_of(settings, integration, request.url.query)
        refusal = refusal_of_webhook(integration, box, headers, body, now=now, uri=uri)
    return refusal is None, refusal


async def _note_refusal(
    request: Request, integration: Integration, refusal: str, now: dt.datetime
) -> None:
    """Let the owner see that somebody sends with a wrong secret; once a minute is enough."""
    INBOUND.labels(integration.source, "refused").inc()
    cache: IntegrationCache = request.app.state.integrations
    if not cache.is_first_refusal(integration.id):
        return
    database: Database = request.app.state.database
    async with database.transaction() as session:
        await note_refusal(session, integration.id, refusal, now)


def _headers_to_store(integration: Integration, headers: Mapping[str, str]) -> dict[str, str]:
    """Return the headers that translation and a later check need, without tokens and cookies."""
    rule = rule_of(integration)
    needed = _KEPT_HEADERS | (rule.headers if rule else frozenset())
    if integration.source == "generic":
        # A mapping that is added later may read any header.
        needed |= set(headers)
    return {
        name: value.replace("\x00", "")[:1000]
        for name, value in headers.items()
        if (name in needed or name.startswith("x-")) and name not in _NEVER_KEPT
    }
