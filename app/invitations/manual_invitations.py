# SPDX-License-Identifier: Apache-2.0
"""Invite by hand with `POST /v1/invitations`, under the same rules as triggers."""

import datetime as dt
from typing import Any
from uuid import UUID

from sqlmodel.ext.asyncio.session import AsyncSession

from app.core.clock import utc_now
from app.core.errors import Conflict, Forbidden, InvalidInput, not_found_as_field_error
from app.core.settings import Settings
from app.core.signing import SealedBox
from app.interactions.customer_resolver import resolve_customers
from app.interactions.customers import get_customer, lock_customers
from app.interactions.interaction_recorder import find_interactions, interaction_id
from app.invitations import service
from app.invitations.attribution import attribution_of
from app.invitations.mail_content import Links
from app.invitations.models import Invitation
from app.invitations.refusals import (
    Refusal,
    RefusalReason,
    find_recent_invitations,
    refusal_by_throttle,
    refusal_now,
    throttle_interval,
)
from app.invitations.schemas import MAX_INVITATION_DELAY, InvitationIn
from app.surveys.catalogue import find_published
from app.surveys.compiled import CompiledSurvey
from app.workspaces.caller import Caller
from app.workspaces.scopes import Scope
from app.workspaces.service import get_workspace


async def invite(
    session: AsyncSession, caller: Caller, body: InvitationIn, *, box: SealedBox
) -> tuple[Invitation, str, CompiledSurvey]:
    """Make an invitation; one that is refused is kept as `suppressed` with its reason."""
    if body.ignore_throttle and Scope.ADMIN not in caller.scopes:
        raise Forbidden("Only an `admin` key may set `ignore_throttle`.")
    with not_found_as_field_error("body", "survey"):
        survey = await find_published(session, caller.workspace_id, body.survey)
    if survey is None or not survey.live:
        detail = f"The survey `{body.survey}` is not live; publish it first."
        raise Conflict(detail)
    now = utc_now()
    send_at = max(body.send_at or now, now)
    if send_at > now + MAX_INVITATION_DELAY:
        raise InvalidInput.at("body", "send_at", msg="is more than a year ahead")
    interaction = await _interaction(session, caller.workspace_id, body)
    test = body.test or caller.test
    customer = await _customer(session, caller.workspace_id, body, test=test)
    refusal = Refusal(RefusalReason.TEST) if test and body.channel == "email" else None
    if refusal is None and not test:
        refusal = await _refusal(session, survey, customer, body=body, send_at=send_at)
    request = service.InvitationRequest(
        survey=survey,
        customer=customer,
        channel=body.channel,
        send_at=send_at,
        locale=body.locale or customer["locale"] or interaction.get("locale"),
        interaction_id=interaction.get("id"),
        source=interaction.get("source"),
        ticket=body.ticket or interaction.get("ticket"),
        order=body.order or interaction.get("order_ref"),
        touchpoint=body.touchpoint or interaction.get("touchpoint") or survey.touchpoint,
        context=_context(body, interaction),
        test=test,
    )
    status = "suppressed" if refusal else "scheduled"
    invitation, token = await service.schedule(session, box, request, status=status)
    if refusal:
        service.set_status(invitation, status, reason=str(refusal.reason), detail=refusal.detail)
        session.add(invitation)
    return invitation, token, survey


async def _refusal(
    session: AsyncSession,
    survey: CompiledSurvey,
    customer: dict[str, Any],
    *,
    body: InvitationIn,
    send_at: dt.datetime,
) -> Refusal | None:
    workspace = await get_workspace(session, survey.workspace_id)
    refusal = await refusal_now(session, workspace, customer, by_mail=body.channel == "email")
    if refusal is not None or body.ignore_throttle or workspace.throttle is None:
        return refusal
    since = send_at - throttle_interval(workspace.throttle)
    past_invitations = await find_recent_invitations(
        session, survey.workspace_id, [customer["id"]], since=since
    )
    return refusal_by_throttle(
        past_invitations[customer["id"]], survey, throttle=workspace.throttle, send_at=send_at
    )


async def _customer(
    session: AsyncSession, workspace_id: UUID, body: InvitationIn, *, test: bool
) -> dict[str, Any]:
    """Return the locked customer; a test has none."""
    invitee = body.customer
    if test:
        return {"id": None, "email": invitee.email, "name": invitee.name, "locale": invitee.locale}
    person = invitee.reference(None)
    customer_id = (await resolve_customers(session, workspace_id, [person]))[person]
    await lock_customers(session, workspace_id, [customer_id])
    customer = await get_customer(session, workspace_id, str(customer_id))
    return customer | {"email": invitee.email or customer["email"]}


async def _interaction(
    session: AsyncSession, workspace_id: UUID, body: InvitationIn
) -> dict[str, Any]:
    """Return the interaction that it is about; InvalidInput where there is none."""
    reference = body.interaction
    if reference is None:
        return {}
    id_ = (
        reference
        if isinstance(reference, UUID)
        else interaction_id(workspace_id, reference.source, reference.external_id)
    )
    interactions = await find_interactions(session, workspace_id, [id_])
    if id_ not in interactions:
        raise InvalidInput.at("body", "interaction", msg="is not known here; record it first")
    return interactions[id_]


def _context(body: InvitationIn, interaction: dict[str, Any]) -> dict[str, Any]:
    if not interaction:
        return {"properties": body.properties}
    return attribution_of(
        type_=interaction["type"],
        source=interaction["source"],
        external_id=interaction["external_id"],
        properties=interaction["properties"] | body.properties,
        amount=interaction["amount"],
        currency=interaction["currency"],
    )


def links_of(settings: Settings, survey: CompiledSurvey, token: str) -> tuple[str, dict[str, str]]:
    """Return the page's link, and one link for each score of the main question."""
    links = Links(settings.base_url, token)
    scale = survey.main_scale
    scores = range(scale.low, scale.high + 1) if scale else ()
    return links.page, {str(score): links.score(score) for score in scores}
