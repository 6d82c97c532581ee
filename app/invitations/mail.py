# SPDX-License-Identifier: Apache-2.0
"""Write the mail of an invitation with its headers; its content is in `mail_content`. Pure."""

import datetime as dt
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from typing import Literal
from urllib.parse import urlsplit
from uuid import uuid4

import idna

from app.invitations.mail_content import Addressee, Links, MailContent, MailSender
from app.surveys.schemas import Definition

# The default policy breaks long `List-Unsubscribe` addresses and subjects beyond ASCII.
POLICY = SMTP.clone(max_line_length=998)
MailKind = Literal["invitation", "reminder", "test"]


def write_mail(
    definition: Definition,
    addressee: Addressee,
    *,
    sender: MailSender,
    links: Links,
    kind: MailKind = "invitation",
) -> EmailMessage:
    """Write the mail of an invitation; the same invitation always has the same Message-ID."""
    content = MailContent(definition, addressee, sender=sender, links=links)
    subject = content.subject
    if kind == "reminder":
        subject = content.phrases["reminder_subject"].format(subject=subject)
    if kind == "test":
        subject = f"[Test] {subject}"
    host = urlsplit(links.base_url).hostname or "localhost"
    message = _envelope(sender, _address(addressee.name or "", addressee.email))
    message["Message-ID"] = f"<{addressee.invitation_id}.{kind}@{host}>"
    message["Subject"] = _header_text(" ".join(subject.split()))
    message["List-Unsubscribe"] = f"<{links.unsubscribe}>"
    message["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    message["List-ID"] = f"<surveys.{host}>"
    message.set_content(content.text, cte="quoted-printable")
    message.add_alternative(content.html, subtype="html", cte="quoted-printable")
    return message


def _envelope(sender: MailSender, to: Address) -> EmailMessage:
    # A local part with letters beyond ASCII cannot be encoded, only sent as UTF-8 (RFC 6532).
    plain = (to.username + sender.address).isascii()
    message = EmailMessage(policy=POLICY if plain else POLICY.clone(utf8=True))
    message["Date"] = format_datetime(dt.datetime.now(dt.UTC))
    message["From"] = _address(sender.name or sender.company, sender.address)
    message["To"] = to
    if sender.reply_to:
        message["Reply-To"] = sender.reply_to
    message["Auto-Submitted"] = "auto-generated"
    return message


def write_test_mail(sender: MailSender, address: str, base_url: str) -> EmailMessage:
    """Write a mail that only shows that mails arrive."""
    host = urlsplit(base_url).hostname or "localhost"
    message = _envelope(sender, _address("", address))
    message["Message-ID"] = f"<{uuid4()}.test@{host}>"
    message["Subject"] = "A test mail (ąęłșț)"
    message.set_content(f"Mails of {sender.company} arrive. Links will begin with {base_url}.\n")
    return message


def write_company_mail(
    sender: MailSender,
    address: str,
    base_url: str,
    *,
    subject: str,
    text: str,
    about: object | None,
) -> EmailMessage:
    """Write a plain mail to somebody of the company, such as an event or a link to sign in.

    `about` is the customer whose data it holds, if any, so that an erasure finds a stored mail.
    """
    host = urlsplit(base_url).hostname or "localhost"
    message = _envelope(sender, _address("", address))
    message["Message-ID"] = f"<{uuid4()}.notice@{host}>"
    message["Subject"] = _header_text(" ".join(subject.split()))
    if about is not None:
        message["X-Afterword-About"] = str(about)
    message.set_content(text, cte="quoted-printable")
    return message


def _address(name: str, email: str) -> Address:
    local, _, domain = email.rpartition("@")
    return Address(_header_text(name), username=local, domain=_ascii(domain))


def _header_text(text: str) -> str:
    """Return text for a header: one line, and nothing that would be decoded into something else."""
    return "".join(character for character in text if character.isprintable()).replace("=?", "= ?")


def _ascii(domain: str) -> str:
    try:
        return idna.encode(domain, uts46=True).decode()
    except idna.IDNAError:
        return domain
