# SPDX-License-Identifier: Apache-2.0
"""Preview what a webhook would become; nothing is stored."""

import json
from typing import Any, Literal
from uuid import UUID

from sqlmodel.ext.asyncio.session import AsyncSession

from app.core.clock import utc_now
from app.core.settings import Settings
from app.core.signing import SealedBox
from app.integrations.adapter import InboundWebhook, UntranslatableError
from app.integrations.bodies import decode_body
from app.integrations.interpretation import CheckedInterpretation, interpret
from app.integrations.models import Integration
from app.integrations.schemas import PreviewedInteraction, WebhookPreviewIn, WebhookPreviewOut
from app.integrations.service import rule_of, source_settings
from app.integrations.verification import (
    TOKEN_HEADER,
    address_of,
    has_credentials,
    is_token,
    refusal_of_webhook,
)
from app.interactions.interaction_schemas import InteractionIn
from app.workspaces.service import get_workspace

SignatureState = Literal["ok", "wrong", "absent"]


async def preview(
    session: AsyncSession,
    integration: Integration,
    request_body: WebhookPreviewIn,
    *,
    box: SealedBox,
    settings: Settings,
) -> WebhookPreviewOut:
    """Translate a webhook without storing it; its signature is only looked at."""
    headers = {name.lower(): value for name, value in request_body.headers.items()}
    text = isinstance(request_body.body, str)
    body = (
        request_body.body.encode()
        if text
        else json.dumps(request_body.body, ensure_ascii=False).encode()
    )
    if not text:
        headers["content-type"] = "application/json"
    state = _signature_state(integration, box, settings, headers, body)
    zone = await _zone(session, integration.workspace_id)
    try:
        webhook = InboundWebhook(headers, decode_body(headers, body), utc_now())
        interpretation = interpret(
            integration, webhook, source_settings(integration, workspace_timezone=zone)
        )
    except UntranslatableError as error:
        interpretation = CheckedInterpretation(skipped=str(error))
    problems = [str(problem) for problem in interpretation.problems]
    return WebhookPreviewOut(
        interactions=[
            _previewed_interaction(body, interpretation) for body in interpretation.interactions
        ],
        skipped=interpretation.skipped
        or (problems[0] if problems and not interpretation.interactions else None),
        notes=[*interpretation.notes, *(problems if interpretation.interactions else problems[1:])],
        signature=state,
    )


async def _zone(session: AsyncSession, workspace_id: UUID) -> str:
    return (await get_workspace(session, workspace_id)).timezone


def _signature_state(
    integration: Integration,
    box: SealedBox,
    settings: Settings,
    headers: dict[str, str],
    body: bytes,
) -> SignatureState:
    if not has_credentials(integration, headers, {}):
        return "absent"
    if rule_of(integration) is None:
        right = is_token(integration, headers.get(TOKEN_HEADER, ""), now=utc_now())
        return "ok" if right else "wrong"
    refusal = refusal_of_webhook(
        integration, box, headers, body, now=utc_now(), uri=address_of(settings, integration)
    )
    return "ok" if refusal is None else "wrong"


def _previewed_interaction(
    body: InteractionIn, interpretation: CheckedInterpretation
) -> PreviewedInteraction:
    fields: dict[str, Any] = body.model_dump(mode="json", exclude_none=True)
    customer = fields.get("customer")
    if customer is not None:
        customer = {name: value for name, value in customer.items() if value not in (None, {})}
    order = body.order
    if order is None and interpretation.needs_order:
        order = interpretation.order_names[0] if interpretation.order_names else None
    return PreviewedInteraction(
        type=body.type,
        source=body.source,
        external_id=body.external_id,
        ticket=body.ticket,
        order=order,
        touchpoint=body.touchpoint,
        occurred_at=body.occurred_at or utc_now(),
        customer=customer,
        locale=body.locale,
        value=fields.get("value"),
        properties=body.properties,
        test=body.test,
    )
