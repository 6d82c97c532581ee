# SPDX-License-Identifier: Apache-2.0
"""Routes of invitations, unsubscribes and bounces."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import Query, Request
from starlette.responses import HTMLResponse

from app.core.errors import InvalidInput, NotFound, not_found_as_field_error
from app.core.http import require_content_type
from app.core.json_values import decode_json
from app.core.paging import Page, page_of
from app.core.parameters import PageCursor, PageLimit
from app.core.routing import BoxDep, SessionDep, router
from app.core.settings import Settings
from app.interactions.customers import find_customer, require_customer
from app.invitations import bounces, manual_invitations, previews, service, suppression
from app.invitations.bounce_reports import addresses_of, read_reports
from app.invitations.invitation_mails import token_of
from app.invitations.mail_content import Links
from app.invitations.models import Invitation
from app.invitations.previews import MailPreviewIn, MailPreviewOut, TestMailIn, TestMailOut
from app.invitations.schemas import (
    RAW_ADDRESSES,
    AddressesIn,
    AddressesReport,
    AddressIn,
    InvitationFilter,
    InvitationIn,
    InvitationOut,
    NewInvitationOut,
    SuppressedOut,
    invitation_body,
)
from app.invitations.sns import (
    confirm_subscription,
    is_notification,
    read_message,
    verify_notification,
)
from app.invitations.suppression import SuppressionKind
from app.surveys import service as surveys
from app.workspaces.admission import BounceReporter, Reader, Writer
from app.workspaces.schemas import Locale
from app.workspaces.scopes import Scope

routes = router("Invitations")


async def _make_reply(session: SessionDep, row: Invitation) -> InvitationOut:
    survey = await surveys.find(session, row.workspace_id, str(row.survey_id))
    return InvitationOut.model_validate(invitation_body(row, survey=survey.key))


@routes.post("/v1/invitations", status_code=201, summary="Ask a customer")
async def create_invitation(
    request: Request, session: SessionDep, caller: Writer, box: BoxDep, body: InvitationIn
) -> NewInvitationOut:
    """Ask one customer one survey, by our mail or by a link that you send.

    Consent, unsubscribes and the workspace's throttle hold: a refused one is `suppressed`, with
    the reason.
    """
    settings: Settings = request.app.state.settings
    row, token, survey = await manual_invitations.invite(session, caller, body, box=box)
    url, score_urls = manual_invitations.links_of(settings, survey, token)
    return NewInvitationOut(
        **invitation_body(row, survey=survey.key), url=url, score_urls=score_urls
    )


@routes.get("/v1/invitations", summary="List invitations")
async def list_invitations(
    session: SessionDep, caller: Reader, filters: Annotated[InvitationFilter, Query()]
) -> Page[InvitationOut]:
    """Return invitations, newest first."""
    narrowed: dict[str, Any] = {"test": filters.test}
    if filters.status is not None:
        narrowed["status"] = str(filters.status)
    if filters.survey is not None:
        with not_found_as_field_error("query", "survey"):
            survey = await surveys.find(session, caller.workspace_id, filters.survey)
        narrowed["survey_id"] = survey.id
    if filters.customer is not None:
        await require_customer(session, caller.workspace_id, filters.customer)
        customer = await find_customer(session, caller.workspace_id, filters.customer)
        narrowed["customer_id"] = customer["id"] if customer else UUID(int=0)
    if filters.trigger is not None:
        await service.require_trigger(session, caller.workspace_id, filters.trigger)
    for name, column in (("trigger", "trigger_id"), ("order", "order_ref"), ("ticket", "ticket")):
        if getattr(filters, name) is not None:
            narrowed[column] = getattr(filters, name)
    rows = await service.find_page(
        session, caller.workspace_id, limit=filters.limit, cursor=filters.cursor, narrowed=narrowed
    )
    keys = await surveys.keys_of(session, caller.workspace_id, {row.survey_id for row in rows})
    return page_of(
        rows,
        filters.limit,
        position=lambda row: (row.created_at, row.id),
        show=lambda row: InvitationOut.model_validate(
            invitation_body(row, survey=keys[row.survey_id])
        ),
    )


@routes.get("/v1/invitations/{invitation_id}", summary="Read an invitation")
async def get_invitation(
    request: Request, session: SessionDep, caller: Reader, box: BoxDep, invitation_id: UUID
) -> InvitationOut:
    """Return one invitation; keys that may write also get the `url` of a link."""
    row = await service.get(session, caller.workspace_id, invitation_id)
    reply = await _make_reply(session, row)
    if row.channel == "link" and Scope.WRITE in caller.scopes and row.token:
        settings: Settings = request.app.state.settings
        reply.url = Links(settings.base_url, await token_of(session, box, row)).page
    return reply


@routes.post("/v1/invitations/{invitation_id}/cancel", summary="Cancel an invitation")
async def cancel_invitation(
    session: SessionDep, caller: Writer, invitation_id: UUID
) -> InvitationOut:
    """Cancel one that is not sent yet."""
    return await _make_reply(
        session, await service.cancel(session, caller.workspace_id, invitation_id)
    )


@routes.post(
    "/v1/invitations/{invitation_id}/remind", status_code=202, summary="Remind of an invitation"
)
async def remind_invitation(
    session: SessionDep, caller: Writer, invitation_id: UUID
) -> InvitationOut:
    """Send the only reminder of an invitation that was mailed and is not answered."""
    return await _make_reply(
        session, await service.remind(session, caller.workspace_id, invitation_id)
    )


@routes.post("/v1/surveys/{survey}/mail-preview", status_code=200, summary="Preview the mail")
async def preview_mail(
    request: Request, session: SessionDep, caller: Reader, survey: str, body: MailPreviewIn
) -> MailPreviewOut:
    """Write the mail of a survey's latest content, published or not; nothing is sent."""
    settings: Settings = request.app.state.settings
    return await previews.preview(session, caller, survey, body, settings=settings)


@routes.get(
    "/v1/surveys/{survey}/email-preview", summary="See the mail", response_class=HTMLResponse
)
async def get_email_preview(
    request: Request,
    session: SessionDep,
    caller: Reader,
    survey: str,
    lang: Annotated[Locale | None, Query(description="Language of the mail.")] = None,
) -> HTMLResponse:
    """Return the HTML of a survey's mail, of its latest content; its links lead nowhere."""
    settings: Settings = request.app.state.settings
    body = MailPreviewIn(locale=lang)
    preview = await previews.preview(session, caller, survey, body, settings=settings)
    # Opened in a browser, it may load nothing but pictures and run nothing at all.
    policy = "default-src 'none'; img-src *; style-src 'unsafe-inline'; sandbox"
    return HTMLResponse(preview.html, headers={"Content-Security-Policy": policy})


@routes.post("/v1/surveys/{survey}/test-mail", status_code=200, summary="Send a test mail")
async def send_test_mail(
    request: Request,
    session: SessionDep,
    caller: Writer,
    box: BoxDep,
    survey: str,
    body: TestMailIn,
) -> TestMailOut:
    """Send a survey's mail to yourself; what is answered by its links is a test."""
    settings: Settings = request.app.state.settings
    return await previews.send_test(session, caller, survey, body, settings=settings, box=box)


@routes.get("/v1/unsubscribes", summary="List unsubscribes")
async def list_unsubscribes(
    session: SessionDep, caller: Reader, limit: PageLimit = 50, cursor: PageCursor = None
) -> Page[SuppressedOut]:
    """Return who wants no more mails, newest first."""
    return await _list_suppressed(
        session, caller.workspace_id, SuppressionKind.UNSUBSCRIBED, limit, cursor
    )


@routes.post("/v1/unsubscribes", status_code=201, summary="Unsubscribe addresses")
async def create_unsubscribes(
    session: SessionDep, caller: Writer, body: AddressesIn
) -> AddressesReport:
    """Send no more mails to these addresses."""
    emails = addresses_of([entry.model_dump(exclude_unset=True) for entry in body.entries])
    added = await suppression.suppress(
        session, caller.workspace_id, emails, kind=SuppressionKind.UNSUBSCRIBED, detail="by the API"
    )
    return AddressesReport(added=added)


@routes.delete("/v1/unsubscribes", status_code=204, summary="Subscribe an address again")
async def delete_unsubscribe(
    session: SessionDep,
    caller: Writer,
    email: Annotated[str | None, Query(max_length=255)] = None,
    body: AddressIn | None = None,
) -> None:
    """Remove an address from the list of unsubscribed ones; do so only if its owner asked.

    It is named in the query or in the body.
    """
    if email is None and body is None:
        raise InvalidInput.at("query", "email", msg="is required")
    entry = {"email": email} if email else (body or AddressIn()).model_dump(exclude_unset=True)
    for address in addresses_of([entry]):
        if not await suppression.release(
            session, caller.workspace_id, address, kind=SuppressionKind.UNSUBSCRIBED
        ):
            raise NotFound("This address is not on the list.")


@routes.get("/v1/bounces", summary="List bounces")
async def list_bounces(
    session: SessionDep, caller: Reader, limit: PageLimit = 50, cursor: PageCursor = None
) -> Page[SuppressedOut]:
    """Return the addresses that are dead, newest first."""
    return await _list_suppressed(
        session, caller.workspace_id, SuppressionKind.BOUNCED, limit, cursor
    )


@routes.post("/v1/bounces", status_code=201, summary="Report bounces", openapi_extra=RAW_ADDRESSES)
async def create_bounces(
    request: Request, session: SessionDep, caller: BounceReporter
) -> AddressesReport:
    """Note dead addresses. Webhooks of Postmark, Mailgun, SendGrid, SES, Brevo and Mailjet fit.

    Amazon's notifications come as `text/plain`, are verified, and a subscription is confirmed.
    """
    require_content_type(request, "application/json", "text/plain")
    body = decode_json(await request.body())
    if is_notification(body):
        await verify_notification(body, request.app.state.sns_certificates)
        await confirm_subscription(body)
        body = read_message(body)
        if body is None:
            return AddressesReport(added=0, ignored=1)
    report = read_reports(body)
    dead = report.dead
    added = await suppression.suppress(
        session, caller.workspace_id, [bounce.email for bounce in dead],
        kind=SuppressionKind.BOUNCED,
        detail=dead[0].detail if len(dead) == 1 else None,
    )  # fmt: skip
    await bounces.mark_bounced(session, caller.workspace_id, dead)
    return AddressesReport(added=added, ignored=report.ignored)


async def _list_suppressed(
    session: SessionDep, workspace_id: UUID, kind: SuppressionKind, limit: int, cursor: str | None
) -> Page[SuppressedOut]:
    rows = await suppression.find_page(session, workspace_id, kind=kind, limit=limit, cursor=cursor)
    return page_of(
        rows,
        limit,
        position=lambda row: (row["created_at"], row["address_hash"].hex()),
        show=SuppressedOut.model_validate,
    )
