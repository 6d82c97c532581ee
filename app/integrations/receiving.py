# SPDX-License-Identifier: Apache-2.0
"""`POST /in/{id}`: verify the raw bytes, store them once, answer fast, work later."""

import datetime as dt
import hashlib
import hmac
from collections.abc import Mapping
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
from fastapi import APIRouter, Query, Request
from pydantic import BaseModel
from sqlalchemy import bindparam, text
from sqlmodel import select
from sqlmodel.ext.asyncio.session import AsyncSession
from starlette.responses import Response

from app.core.clock import utc_now
from app.core.database import Database, run_sql
from app.core.errors import NotFound, Unauthorized
from app.core.http import json_reply, read_body
from app.core.ids import derived_uuid, uuid7
from app.core.jobs import CHANNEL
from app.core.schema import Json
from app.core.settings import Settings
from app.core.signing import SealedBox, hash_secret
from app.core.telemetry import INBOUND
from app.integrations.adapter import InboundWebhook, SourceSettings, UntranslatableError
from app.integrations.bodies import decode_body, plain_body
from app.integrations.events import TRANSLATE_JOB
from app.integrations.inbound_commit import InboundCommit, IntegrationCache, RawWebhook
from app.integrations.mapping import headers_named
from app.integrations.models import Integration
from app.integrations.presets import PRESETS
from app.integrations.registry import ADAPTERS, SourceName
from app.integrations.service import awaits_secret, mapping_of, rule_of
from app.integrations.signatures import SignedRequest, is_signed, refusal_of

routes = APIRouter(tags=["Webhooks in"])

_REMEDY = "Give the sender the integration's `url` and secret again, or rotate them."

# One round trip: the delivery, the job that translates it, and the worker's hint.
_STORE_TIMELESS = text("""
with stored as (
  insert into inbound_event (workspace_id, id, integration_id, delivery, headers, body, verified,
    status, reason, case_ref, waits_for, notes, interactions, received_at)
  values (:workspace_id, :id, :integration_id, :delivery, :headers, :body, :verified,
    'received', :reason, :case_ref, '[]', '[]', '[]', :now)
  on conflict do nothing returning id
),
queued as (
  insert into job (id, workspace_id, kind, payload, dedupe, run_at, attempts, max_attempts,
    created_at)
  select :job_id, :workspace_id, :kind, :payload, stored.id::text, :now, 0, 10, :now from stored
  where :verified on conflict do nothing returning 1
)
select stored.id, (select pg_notify(:channel, :kind)::text from queued) from stored
""").bindparams(bindparam("headers", type_=Json), bindparam("payload", type_=Json))

TOKEN_HEADER = "x-afterword-token"  # noqa: S105 - a header's name
_KEPT_HEADERS = {"content-type", "content-encoding", "user-agent"}
_NEVER_KEPT = {TOKEN_HEADER, "authorization", "cookie", "proxy-authorization"}
_LONGEST_DELIVERY = 200


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
    """Store a delivery whose signature is right; a replay is stored once.

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
        detail = f"The webhook is not believed: {refusal}. {_REMEDY}"
        raise Unauthorized(detail)
    delivery = delivery_of(integration, headers, body)
    case = _timeless_case(integration, headers, body, now=now)
    raw = RawWebhook(
        derived_uuid(str(integration.id), delivery), integration.id, delivery,
        _headers_to_store(integration, headers), body, verified, now,
    )  # fmt: skip
    event_id: UUID | None = raw.id
    if case is None:
        commit: InboundCommit = request.app.state.inbound
        fresh = await commit.store(integration.workspace_id, raw)
    else:
        event_id, fresh = await _store_timeless(request, integration, raw, case)
    INBOUND.labels(integration.source, "received" if fresh else "repeated").inc()
    if (expected := preset.get("reply")) is not None:
        return json_reply(expected)
    return json_reply(
        {"status": "received" if fresh else "known", "id": event_id}, status=202 if fresh else 200
    )


async def _find(request: Request, integration_id: UUID) -> Integration:
    cache: IntegrationCache = request.app.state.integrations
    return await cache.get(integration_id)


async def _store_timeless(
    request: Request, integration: Integration, raw: RawWebhook, case: str
) -> tuple[UUID | None, bool]:
    """Store a delivery whose id depends on the one before it; return its id, and whether new."""
    database: Database = request.app.state.database
    async with database.transaction() as session:
        event_id = await _id_of_timeless(session, integration, raw.delivery, case)
        if event_id is None:
            return None, False
        stored = await run_sql(
            session,
            _STORE_TIMELESS.bindparams(
                workspace_id=integration.workspace_id,
                id=event_id,
                integration_id=integration.id,
                delivery=raw.delivery,
                headers=dict(raw.headers),
                body=raw.body,
                verified=raw.verified,
                reason=None if raw.verified else "no secret is set yet",
                case_ref=case,
                now=raw.at,
                job_id=uuid7(),
                kind=TRANSLATE_JOB,
                payload={"event": str(event_id)},
                channel=CHANNEL,
            ),
        )
        return event_id, stored.first() is not None


async def integration_by_id(session: AsyncSession, integration_id: UUID) -> Integration:
    """Return the sender of an address, or raise NotFound."""
    found = await session.exec(select(Integration).where(Integration.id == integration_id))
    integration = found.first()
    if integration is None:
        raise NotFound("No integration has this address.")
    return integration


def _verify(
    request: Request,
    integration: Integration,
    headers: Mapping[str, str],
    body: bytes,
    *,
    now: dt.datetime,
) -> tuple[bool, str | None]:
    """Tell whether it is verified (not while no secret is set), and why it is refused."""
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
        refusal = refusal_of_delivery(integration, box, headers, body, now=now, uri=uri)
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
        await run_sql(
            session,
            text(
                "update integration set refused_at = :now, refused_reason = :reason where id = :id"
            ).bindparams(now=now, reason=refusal[:200], id=integration.id),
        )


def address_of(settings: Settings, integration: Integration, query: str = "") -> str:
    """Return the URL to which the sender sends."""
    return f"{settings.base_url}/in/{integration.id}" + (f"?{query}" if query else "")


def is_token(integration: Integration, sent: str, *, now: dt.datetime) -> bool:
    """Tell whether a token is the integration's, or the one before while that is good."""
    digest = hash_secret(sent)
    live = [integration.token_hash]
    if integration.old_until is not None and now < integration.old_until:
        live.append(integration.old_token_hash)
    matches = False
    for token_hash in live:
        matches |= token_hash is not None and hmac.compare_digest(digest, token_hash)
    return matches


def refusal_of_delivery(
    integration: Integration,
    box: SealedBox,
    headers: Mapping[str, str],
    body: bytes,
    *,
    now: dt.datetime,
    uri: str,
) -> str | None:
    """Return why a signed delivery is not believed, or None where its signature is right.

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


def delivery_of(integration: Integration, headers: Mapping[str, str], body: bytes) -> str:
    """Return the identity of a delivery: the sender's id, else the body's hash; and its event."""
    adapter = ADAPTERS[integration.source]
    named = [headers[name] for name in adapter.delivery_headers if headers.get(name)]
    parts = named[:1]
    if adapter.delivery_field is not None:
        parts += _field(body, adapter.delivery_field)
    if adapter.hashes_body or not parts:
        parts.append(hashlib.sha256(body).hexdigest())
    events = {*adapter.event_headers, *headers_named(mapping_of(integration))}
    parts += [headers[name] for name in sorted(events) if headers.get(name)]
    identity = ":".join(parts).replace("\x00", "")
    if len(identity) <= _LONGEST_DELIVERY:
        return identity
    return f"{identity[:100]}…{hashlib.sha256(identity.encode()).hexdigest()}"


def _field(body: bytes, name: str) -> list[str]:
    try:
        found = msgspec.json.decode(body)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return []
    value = found.get(name) if isinstance(found, dict) else None
    return [value] if isinstance(value, str) and value else []


def _timeless_case(
    integration: Integration, headers: Mapping[str, str], body: bytes, *, now: dt.datetime
) -> str | None:
    """Return the ticket or order of a delivery that says neither its id nor its time."""
    find_case = ADAPTERS[integration.source].timeless_case
    if find_case is None:
        return None
    try:
        delivery = InboundWebhook(headers, decode_body(headers, body), now)
        found = find_case(delivery, SourceSettings(mapping=mapping_of(integration)))
    except UntranslatableError:
        return None
    return found[:_LONGEST_DELIVERY].replace("\x00", "") if found else None


async def _id_of_timeless(
    session: AsyncSession, integration: Integration, delivery: str, case: str
) -> UUID | None:
    """Return an id made of the delivery and the one before it, or None for an immediate repeat.

    The same content after another content is new: resolved, open, resolved are three deliveries.
    """
    rows = await run_sql(
        session,
        text(
            "select id, delivery from inbound_event where workspace_id = :workspace_id "
            "and integration_id = :integration_id and case_ref = :case_ref "
            "order by received_at desc limit 1"
        ).bindparams(
            workspace_id=integration.workspace_id, integration_id=integration.id, case_ref=case
        ),
    )
    last: Any = rows.first()
    if last is None:
        return derived_uuid(str(integration.id), delivery)
    if last.delivery == delivery:
        return None
    return derived_uuid(str(integration.id), delivery, str(last.id))


def _headers_to_store(integration: Integration, headers: Mapping[str, str]) -> dict[str, str]:
    """Return the headers that translation and a later check need, without tokens and cookies."""
    rule = rule_of(integration)
    needed = _KEPT_HEADERS | (rule.headers if rule else frozenset())
    if integration.source == "generic":
        # A mapping that is written later may name any of them.
        needed |= set(headers)
    return {
        name: value.replace("\x00", "")[:1000]
        for name, value in headers.items()
        if (name in needed or name.startswith("x-")) and name not in _NEVER_KEPT
    }


def bears_proof(
    integration: Integration, headers: Mapping[str, str], query: Mapping[str, str]
) -> bool:
    """Tell whether a delivery bears a signature or token at all, right or wrong."""
    rule = rule_of(integration)
    if rule is None:
        return bool(query.get("token") or headers.get(TOKEN_HEADER))
    return is_signed(rule, headers)
