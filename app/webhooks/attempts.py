# SPDX-License-Identifier: Apache-2.0
"""One delivery attempt: build the request, send it, and interpret the reply."""

import asyncio
import datetime as dt
import json
import logging
from dataclasses import dataclass
from typing import Any

from app.core.clock import rfc3339, utc_now
from app.core.guarded_http import GuardedClient, HttpReply, RefusedAddressError, UnreachableError
from app.invitations.mail import write_company_mail
from app.invitations.mail_content import MailSender
from app.invitations.mailer import Mailer, MailOutcome, MailWaitsError
from app.surveys.schemas import Definition
from app.webhooks.delighted_form import as_delighted
from app.webhooks.formats import MessageStyle, as_mail, as_slack, as_teams
from app.webhooks.models import WebhookEndpoint
from app.webhooks.schemas import EndpointFormat
from app.webhooks.service import MAILTO
from app.webhooks.signing import delighted_signature, signature_headers
from app.webhooks.subscriber_events import SubscriberEvent, encode_body, event_body

logger = logging.getLogger(__name__)

_GONE = 410
_MAX_MAIL_SECONDS = 15
_MAX_REPLY_BYTES = 4096


@dataclass(frozen=True, slots=True)
class Attempt:
    """The result of one try; `requested_wait` is the wait that the receiver asked for."""

    at: dt.datetime
    duration_ms: int
    status_code: int | None = None
    error: str | None = None
    reply: str | None = None
    requested_wait: dt.timedelta | None = None

    @property
    def is_gone(self) -> bool:
        """Whether the receiver wants no more deliveries."""
        return self.status_code == _GONE

    def log_entry(self) -> dict[str, Any]:
        """Return the attempt as the log keeps it."""
        return {
            "at": rfc3339(self.at),
            "status_code": self.status_code,
            "duration_ms": self.duration_ms,
            "error": self.error,
            "reply": self.reply,
        }


def body_of(
    endpoint: WebhookEndpoint,
    event: SubscriberEvent,
    style: MessageStyle,
    *,
    definition: Definition | None,
) -> bytes:
    """Return the body in the endpoint's format."""
    if endpoint.format == EndpointFormat.SLACK:
        message = as_slack(event, style)
    elif endpoint.format == EndpointFormat.TEAMS:
        message = as_teams(event, style)
    elif endpoint.format == EndpointFormat.DELIGHTED:
        message = as_delighted(
            event, personal=style.personal, base_url=style.base_url, definition=definition
        )
    else:
        return encode_body(event_body(event, personal=style.personal))
    return json.dumps(message, ensure_ascii=False).encode()


async def post(
    client: GuardedClient, endpoint: WebhookEndpoint, event: SubscriberEvent, body: bytes, *,
    secrets: list[str], extra: dict[str, str] | None,
) -> Attempt:  # fmt: skip
    """Send an event to a URL with the endpoint's own headers; all but a 2xx is an error."""
    began = utc_now()
    if not secrets or extra is None:
        return _failed_attempt(
            began,
            error="the endpoint's secret cannot be decrypted with the configured secret keys; "
            "rotate it",
        )
    is_delighted = endpoint.format == EndpointFormat.DELIGHTED
    headers = {
        **extra,
        "Content-Type": "application/json",
        "User-Agent": "Afterword-Webhooks/1",
        **signature_headers(event.id, int(began.timestamp()), body, secrets),
        **(delighted_signature(body, secrets) if is_delighted else {}),
    }
    try:
        reply = await client.send(
            "POST", endpoint.url, headers=headers, content=body, max_kept_bytes=_MAX_REPLY_BYTES
        )
    except (RefusedAddressError, UnreachableError) as error:
        return _failed_attempt(began, error=str(error))
    return _attempt_of_reply(began, reply)


def _attempt_of_reply(began: dt.datetime, reply: HttpReply) -> Attempt:
    # PostgreSQL's text holds no NUL.
    text = reply.body.decode("utf-8", "replace").replace("\x00", "") or None
    good = 200 <= reply.status < 300
    error = None if good else f"the receiver answered {reply.status}"
    if 300 <= reply.status < 400:
        error = f"the receiver answered {reply.status}; redirects are not followed"
    return Attempt(
        began, _ms_since(began), reply.status, error, text, None if good else reply.retry_after
    )


def _failed_attempt(began: dt.datetime, *, error: str | None) -> Attempt:
    return Attempt(began, _ms_since(began), error=error)


def _ms_since(began: dt.datetime) -> int:
    return int((utc_now() - began).total_seconds() * 1000)


async def mail(
    mailer: Mailer,
    endpoint: WebhookEndpoint,
    event: SubscriberEvent,
    style: MessageStyle,
    *,
    sender: MailSender,
) -> Attempt:
    """Send an event as a mail; a mailbox that does not exist counts like the status 410."""
    began = utc_now()
    subject, text = as_mail(event, style)
    address = endpoint.url.removeprefix(MAILTO)
    customer = event.data.get("customer") or {}
    about = event.data.get("customer_id") or customer.get("id")
    message = write_company_mail(
        sender, address, style.base_url, subject=subject, text=text, about=about
    )
    try:
        async with asyncio.timeout(_MAX_MAIL_SECONDS):
            result = await mailer.send(message)
    except (MailWaitsError, TimeoutError) as error:
        # The log of a workspace does not show what the operator's mail server replied.
        logger.warning("a webhook's mail waits", extra={"why": str(error)})
        return _failed_attempt(began, error="the mail server could not take it now")
    if result.outcome is MailOutcome.BOUNCED:
        code = _GONE if result.address_is_dead else None
        return Attempt(began, _ms_since(began), code, result.detail)
    return Attempt(began, _ms_since(began), None, None, result.detail)
