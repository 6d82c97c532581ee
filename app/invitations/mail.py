"""The mail that asks: subject, text and headers, in the customer's language. Pure."""

import datetime as dt
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID, uuid4

from app.surveys.schemas import Definition

# The default policy breaks long `List-Unsubscribe` addresses and subjects beyond ASCII.
POLICY = SMTP.clone(max_line_length=998)
TEXTS: dict[str, dict[str, str]] = json.loads(Path(__file__).with_name("texts.json").read_text())
_PLACEHOLDER = re.compile(r"\{\{\s*([a-z_.]+)\s*\}\}")


@dataclass(frozen=True, slots=True)
class Links:
    """The base of all links, and the secret part that names one invitation."""

    base_url: str
    token: str

    @property
    def page(self) -> str:
        """Where the customer answers."""
        return f"{self.base_url}/i/{self.token}"

    @property
    def unsubscribe(self) -> str:
        """Where the customer says: no more."""
        return f"{self.base_url}/u/{self.token}"

    def score(self, score: int) -> str:
        """Where the page opens with this score chosen."""
        return f"{self.page}/{score}"


@dataclass(frozen=True, slots=True)
class Sender:
    """Who writes: the workspace's own words, else the service's."""

    company: str
    address: str
    name: str | None = None
    reply_to: str | None = None
    footer: str | None = None


@dataclass(frozen=True, slots=True)
class Addressee:
    """One customer and what they are asked about."""

    invitation_id: UUID
    email: str
    name: str | None
    locale: str | None
    order: str | None
    ticket: str | None
    properties: Mapping[str, Any]

    @property
    def values(self) -> dict[str, object]:
        """What the survey's texts may name."""
        return values_of(
            name=self.name, order=self.order, ticket=self.ticket, properties=self.properties
        )


def in_language(texts: Mapping[str, str], locale: str | None, default: str) -> str:
    """Return the text in the locale, else its language, else the default, else any."""
    for wanted in (locale or "", (locale or "").partition("-")[0], default):
        if wanted in texts:
            return texts[wanted]
    return next(iter(texts.values()), "")


def values_of(
    *, name: str | None, order: str | None, ticket: str | None, properties: Mapping[str, Any]
) -> dict[str, object]:
    """Return what a survey's texts may name: the customer, the case, the properties."""
    return {
        **{k: v for k, v in properties.items() if isinstance(v, str | int | float)},
        "customer.name": name or "",
        "customer.first_name": first_name(name),
        "order": order or "",
        "ticket": ticket or "",
    }


def fill(text: str, values: Mapping[str, object]) -> str:
    """Replace `{{customer.first_name}}`, `{{order}}`, `{{agent}}`; what is not known is empty."""
    return _PLACEHOLDER.sub(lambda found: str(values.get(found[1], "")), text)


def first_name(name: str | None) -> str:
    """Return the first word of a name."""
    return (name or "").split(" ")[0]


def write_mail(
    definition: Definition, asked: Addressee, *, sender: Sender, links: Links, reminder: bool
) -> EmailMessage:
    """Write the mail of an invitation; the same invitation always has the same Message-ID."""
    phrases = TEXTS[phrases_for(asked.locale, definition.default_locale)]
    subject = phrases["subject"].format(company=sender.company)
    if own := definition.texts.subject:
        subject = fill(in_language(own, asked.locale, definition.default_locale), asked.values)
    if reminder:
        subject = phrases["reminder_subject"].format(subject=subject)
    message = EmailMessage(policy=POLICY)
    host = urlsplit(links.base_url).hostname or "localhost"
    kind = "reminder" if reminder else "invitation"
    message["Message-ID"] = f"<{asked.invitation_id}.{kind}@{host}>"
    message["Date"] = format_datetime(dt.datetime.now(dt.UTC))
    message["From"] = _address(sender.name or sender.company, sender.address)
    message["To"] = _address(asked.name or "", asked.email)
    if sender.reply_to:
        message["Reply-To"] = sender.reply_to
    message["Subject"] = _plain(" ".join(subject.split()))
    message["List-Unsubscribe"] = f"<{links.unsubscribe}>"
    message["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    message["List-ID"] = f"<surveys.{host}>"
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(_text(definition, asked, sender=sender, links=links, phrases=phrases))
    return message


def write_test_mail(sender: Sender, address: str, base_url: str) -> EmailMessage:
    """Write a mail that only shows that mails arrive."""
    message = EmailMessage(policy=POLICY)
    host = urlsplit(base_url).hostname or "localhost"
    message["Message-ID"] = f"<{uuid4()}.test@{host}>"
    message["Date"] = format_datetime(dt.datetime.now(dt.UTC))
    message["From"] = _address(sender.name or sender.company, sender.address)
    message["To"] = _address("", address)
    if sender.reply_to:
        message["Reply-To"] = sender.reply_to
    message["Subject"] = "A test mail (ąęłșț)"
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(f"Mails of {sender.company} arrive. Links will begin with {base_url}.\n")
    return message


def phrases_for(locale: str | None, default: str) -> str:
    """Return the language of the service's own words: the customer's, the survey's or English."""
    for wanted in (locale or "", default):
        language = wanted.partition("-")[0]
        if language in TEXTS:
            return language
    return "en"


def _address(name: str, email: str) -> Address:
    local, _, domain = email.rpartition("@")
    return Address(_plain(name), username=local, domain=_ascii(domain))


def _plain(text: str) -> str:
    """Return text for a header: one line, and nothing that would be decoded into something else."""
    return "".join(c for c in text if c.isprintable()).replace("=?", "= ?")


def _ascii(domain: str) -> str:
    try:
        return domain.encode("idna").decode()
    except UnicodeError:
        return domain


def _text(
    definition: Definition,
    asked: Addressee,
    *,
    sender: Sender,
    links: Links,
    phrases: Mapping[str, str],
) -> str:
    name = first_name(asked.name)
    lines = [phrases["greeting"].format(name=name) if name else phrases["greeting_nobody"], ""]
    if intro := definition.texts.intro:
        lines += [
            fill(in_language(intro, asked.locale, definition.default_locale), asked.values),
            "",
        ]
    elif asked.ticket:
        lines += [phrases["about_ticket"].format(ticket=asked.ticket)]
    elif asked.order:
        lines += [phrases["about_order"].format(order=asked.order)]
    main = definition.main_question or definition.questions[0]
    lines += [
        fill(in_language(main.text, asked.locale, definition.default_locale), asked.values),
        "",
    ]
    lines += [phrases["link"], links.page, "", phrases["thanks"], sender.company, ""]
    lines += ["-- ", phrases["unsubscribe"].format(company=sender.company), links.unsubscribe]
    if sender.footer:
        lines += ["", sender.footer]
    return "\n".join(lines) + "\n"
