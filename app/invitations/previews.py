# SPDX-License-Identifier: Apache-2.0
"""Preview a survey's mail, or send it as a test."""

from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field
from sqlmodel.ext.asyncio.session import AsyncSession

from app.core.clock import utc_now
from app.core.errors import Conflict
from app.core.ids import uuid7
from app.core.settings import Settings
from app.core.signing import SealedBox
from app.core.text_types import Email, Line
from app.interactions.customer_schemas import AnyLocale, Properties, Short
from app.invitations import service
from app.invitations.invitation_mails import sender_of
from app.invitations.mail import write_mail
from app.invitations.mail_content import Addressee, Links, MailContent
from app.invitations.mailer import Mailer, MailWaitsError
from app.surveys import service as surveys
from app.surveys.catalogue import find_published
from app.workspaces.caller import Caller
from app.workspaces.schemas import Body
from app.workspaces.service import get_workspace

_NO_TOKEN = "preview"  # noqa: S105 - leads nowhere


class MailPreviewIn(Body):
    """The example customer to whom the mail is written."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"example": {"locale": "pl", "name": "Ala Nowak", "order": "1001"}},
    )

    locale: AnyLocale | None = None
    name: Line | None = None
    order: Short | None = None
    ticket: Short | None = None
    properties: Properties = Field(default={})


class TestMailIn(MailPreviewIn):
    """Where the test mail goes."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"example": {"email": "me@shop.example", "locale": "pl"}},
    )

    email: Email


class MailPreviewOut(BaseModel):
    """A mail as it would be sent; the links lead nowhere."""

    subject: str
    text: str
    html: str
    bytes: Annotated[int, Field(description="Size of the whole mail.")]


class TestMailOut(BaseModel):
    """What became of a test mail."""

    outcome: str = Field(description="`sent`, `stored` (no SMTP), `bounced` or `waits`.")
    detail: str | None
    invitation: UUID | None = Field(
        description="The test invitation behind its links; null for a draft, whose links lead "
        "nowhere."
    )


def _addressee(body: MailPreviewIn, *, email: str, id_: UUID) -> Addressee:
    return Addressee(
        invitation_id=id_,
        email=email,
        name=body.name,
        locale=body.locale,
        order=body.order,
        ticket=body.ticket,
        properties=body.properties,
    )


async def preview(
    session: AsyncSession,
    caller: Caller,
    reference: str,
    body: MailPreviewIn,
    *,
    settings: Settings,
) -> MailPreviewOut:
    """Write the mail of a survey's latest content, published or not."""
    survey, definition, _ = await surveys.read(session, caller, reference)
    workspace = await get_workspace(session, caller.workspace_id)
    addressee = _addressee(body, email="preview@example.com", id_=survey.id)
    sender, links = sender_of(workspace, settings), Links(settings.base_url, _NO_TOKEN)
    content = MailContent(definition, addressee, sender=sender, links=links)
    message = write_mail(definition, addressee, sender=sender, links=links)
    return MailPreviewOut(
        subject=message["Subject"],
        text=content.text,
        html=content.html,
        bytes=len(message.as_bytes()),
    )


async def send_test(
    session: AsyncSession,
    caller: Caller,
    reference: str,
    body: TestMailIn,
    *,
    settings: Settings,
    box: SealedBox,
) -> TestMailOut:
    """Send the mail of a survey's latest content to one address."""
    if settings.sending == "paused":
        raise Conflict("Sending is paused (AFTERWORD_SENDING); no mail leaves.")
    _, definition, _ = await surveys.read(session, caller, reference)
    workspace = await get_workspace(session, caller.workspace_id)
    token, invitation = await _test_invitation(session, caller, reference, body, box=box)
    message = write_mail(
        definition,
        _addressee(body, email=body.email, id_=invitation or uuid7()),
        sender=sender_of(workspace, settings),
        links=Links(settings.base_url, token),
        kind="test",
    )
    # The mail server may take its time; the connection to the database is given back before.
    await session.commit()
    try:
        result = await Mailer(settings).send(message)
    except MailWaitsError as error:
        return TestMailOut(outcome="waits", detail=str(error), invitation=invitation)
    return TestMailOut(outcome=str(result.outcome), detail=result.detail, invitation=invitation)


async def _test_invitation(
    session: AsyncSession, caller: Caller, reference: str, body: TestMailIn, *, box: SealedBox
) -> tuple[str, UUID | None]:
    """Make an invitation whose answers are tests; a survey that is not live has none."""
    survey = await find_published(session, caller.workspace_id, reference)
    if survey is None or not survey.live:
        return _NO_TOKEN, None
    customer = {"id": None, "email": body.email, "name": body.name, "locale": body.locale}
    request = service.InvitationRequest(
        survey=survey,
        customer=customer,
        channel="link",
        send_at=utc_now(),
        order=body.order,
        ticket=body.ticket,
        touchpoint=survey.touchpoint,
        context={"properties": dict(body.properties)},
        test=True,
    )
    invitation, token = await service.schedule(session, box, request)
    return token, invitation.id
