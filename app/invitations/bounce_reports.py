# SPDX-License-Identifier: Apache-2.0
"""Read what mail providers report of dead addresses, each in its own format. Pure.

It knows Postmark, Mailgun, SendGrid, Amazon SES, Brevo and Mailjet, and plain addresses. An
address is dead where its provider calls the failure permanent, or somebody complained of spam;
a refusal by policy (5.7.x) says nothing of the address.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from app.core.errors import InvalidInput
from app.core.text_types import normalize_email

Report = Mapping[str, Any]
_MAX_DETAIL_CHARACTERS = 300
_CODE = re.compile(r"(?<![\d.])([245])\.(\d{1,3})\.(\d{1,3})(?![\d.]*\d)")
# Refused by policy or because the mailbox is full, which does not mean that the address is dead.
_OTHER_REASONS = re.compile(r"5\.(7\.|2\.2\b|2\.3\b|3\.4\b)")
_MAILGUN_DEAD = {"bounce", "suppress-bounce", "suppress-complaint"}
# Postmark's types for an address that will never take a mail.
_POSTMARK_DEAD = {"HardBounce", "BadEmailAddress", "ManuallyDeactivated"}
_SENDGRID_DROPPED = ("bounced address", "invalid", "spam reporting address")
_BREVO_DEAD = {"hard_bounce", "hardbounce", "invalid_email", "invalid"}
_MAILJET_BLOCKED = {"user unknown", "invalid domain", "no mail host", "mailbox inactive",
                    "preblocked"}  # fmt: skip


@dataclass(frozen=True, slots=True)
class DeadAddress:
    """A dead address, with the provider's explanation."""

    email: str
    detail: str | None = None


@dataclass(slots=True)
class BounceReport:
    """The dead addresses, and how many reports were ignored."""

    dead: list[DeadAddress] = field(default_factory=list)
    ignored: int = 0


def addresses_of(entries: Sequence[Any]) -> list[str]:
    """Return plain addresses; raise InvalidInput for the first entry that is not an address."""
    addresses = []
    for number, entry in enumerate(entries):
        where: tuple[str | int, ...] = ("body",) if len(entries) == 1 else ("body", number)
        if not isinstance(entry, Mapping):
            raise InvalidInput.at(*where, msg='must be an object such as {"email": "a@b.pl"}')
        if entry.get("email") is None:
            raise InvalidInput.at(*where, "email", msg="is required")
        if odd := set(entry) - {"email"}:
            raise InvalidInput.at(*where, min(odd), msg="is not a field here")
        address = normalize_email(entry["email"]) if isinstance(entry["email"], str) else None
        if address is None:
            msg = "is not an e-mail address such as ala@example.pl"
            raise InvalidInput.at(*where, "email", msg=msg)
        addresses.append(address)
    return addresses


def read_reports(body: Any) -> BounceReport:
    """Read one report or a list of them; entries of no known provider must be plain addresses."""
    entries = body if isinstance(body, list) else [body]
    report, plain = BounceReport(), []
    for entry in entries:
        reader = _reader_of(entry)
        if reader is None:
            plain.append(entry)
            continue
        addresses = [dead for dead in reader(entry) if dead is not None]
        report.dead += addresses
        report.ignored += not addresses
    report.dead += [DeadAddress(email) for email in addresses_of(plain)] if plain else []
    return report


ReportReader = Callable[[Report], Sequence[DeadAddress | None]]


def _reader_of(entry: Any) -> ReportReader | None:
    """Return the reader of a provider's report, known by its fields; None for an address."""
    if not isinstance(entry, Mapping):
        return None
    names = set(entry)
    marks: list[tuple[set[str], ReportReader]] = [
        ({"RecordType"}, _postmark),
        ({"event-data"}, _mailgun),
        ({"sg_event_id", "sg_message_id"}, _sendgrid),
        ({"notificationType", "eventType"}, _ses),
        ({"MessageID", "mj_contact_id", "hard_bounce", "mj_campaign_id"}, _mailjet),
        ({"message-id", "ts_event", "ts_epoch"}, _brevo),
    ]
    for mark, reader in marks:
        if names & mark:
            return reader
    return _brevo if {"event", "email"} <= names else None


def _dead_if_permanent(
    email: Any, detail: Any, *, permanent: bool, code: str | None = None
) -> DeadAddress | None:
    """Return the address as dead if the failure is permanent and not due to policy or space."""
    text = str(detail or "")
    enhanced = code or code_of(text)
    if not permanent or _OTHER_REASONS.match(enhanced or ""):
        return None
    return _dead_address(email, text[:_MAX_DETAIL_CHARACTERS] or enhanced)


def _complaint_of(email: Any) -> DeadAddress | None:
    """Return the address of somebody who complained of spam, whatever the status code is."""
    return _dead_address(email, "a complaint of spam")


def _dead_address(email: Any, detail: str | None) -> DeadAddress | None:
    """Return the address as dead, or None if it is not an address."""
    address = normalize_email(email) if isinstance(email, str) else None
    return None if address is None else DeadAddress(address, detail)


def code_of(text: str) -> str | None:
    """Return the enhanced status code (RFC 3463) in an SMTP reply, such as `5.1.1`."""
    match = _CODE.search(text)
    return match[0] if match else None


def _mapping(value: Any) -> Report:
    return value if isinstance(value, Mapping) else {}


def _members(value: Any) -> list[Report]:
    return [_mapping(member) for member in value] if isinstance(value, list) else []


def _postmark(report: Report) -> Sequence[DeadAddress | None]:
    kind, detail = report["RecordType"], report.get("Details") or report.get("Description")
    is_bounce = kind == "Bounce" and str(report.get("Type")) in _POSTMARK_DEAD
    if kind == "SpamComplaint" or report.get("Type") == "SpamComplaint":
        return [_complaint_of(report.get("Email"))]
    return [_dead_if_permanent(report.get("Email"), detail, permanent=is_bounce)]


def _mailgun(report: Report) -> Sequence[DeadAddress | None]:
    data = _mapping(report["event-data"])
    if data.get("event") == "complained":
        return [_complaint_of(data.get("recipient"))]
    status = _mapping(data.get("delivery-status"))
    detail = f"{status.get('code')} {status.get('enhanced-code') or ''} {status.get('message')}"
    enhanced = status.get("enhanced-code") or code_of(str(status.get("message")))
    # Mailgun calls a failure permanent whatever its reason was.
    reason = data.get("reason")
    about_address = str(enhanced or "5.1").startswith(("5.1", "5.0"))
    if reason is not None:
        about_address = str(reason) in _MAILGUN_DEAD
    permanent = data.get("severity") == "permanent" and about_address
    return [_dead_if_permanent(data.get("recipient"), detail, permanent=permanent)]


def _sendgrid(report: Report) -> Sequence[DeadAddress | None]:
    event, detail = report.get("event"), str(report.get("reason") or "")
    if event == "spamreport":
        return [_complaint_of(report.get("email"))]
    permanent = event == "bounce" and report.get("type", "bounce") == "bounce"
    permanent |= event == "dropped" and detail.lower().startswith(_SENDGRID_DROPPED)
    code = report.get("status")
    enhanced = code if isinstance(code, str) and code_of(code) else None
    return [
        _dead_if_permanent(report.get("email"), detail or event, permanent=permanent, code=enhanced)
    ]


def _ses(report: Report) -> Sequence[DeadAddress | None]:
    if (report.get("notificationType") or report.get("eventType")) == "Complaint":
        complaint = _mapping(report.get("complaint"))
        if complaint.get("complaintFeedbackType") == "not-spam":
            return []
        people = _members(complaint.get("complainedRecipients"))
        return [_complaint_of(recipient.get("emailAddress")) for recipient in people]
    bounce = _mapping(report.get("bounce"))
    recipients = _members(bounce.get("bouncedRecipients"))
    permanent = bounce.get("bounceType") == "Permanent"
    return [
        _dead_if_permanent(
            recipient.get("emailAddress"),
            recipient.get("diagnosticCode")
            or f"{bounce.get('bounceSubType')} {recipient.get('status') or ''}",
            permanent=permanent,
            code=recipient.get("status") if isinstance(recipient.get("status"), str) else None,
        )
        for recipient in recipients
    ]


def _brevo(report: Report) -> Sequence[DeadAddress | None]:
    event = str(report.get("event")).lower()
    if event in {"spam", "complaint"}:
        return [_complaint_of(report.get("email"))]
    permanent = event in _BREVO_DEAD
    detail = report.get("reason") or report.get("event")
    return [_dead_if_permanent(report.get("email"), detail, permanent=permanent)]


def _mailjet(report: Report) -> Sequence[DeadAddress | None]:
    event, error = report.get("event"), str(report.get("error") or "")
    if event == "spam":
        return [_complaint_of(report.get("email"))]
    hard = str(report.get("hard_bounce")).lower() in {"true", "1"}
    permanent = event == "bounce" and hard
    permanent |= event == "blocked" and error in _MAILJET_BLOCKED
    detail = report.get("comment") or error or event
    return [_dead_if_permanent(report.get("email"), detail, permanent=permanent)]
