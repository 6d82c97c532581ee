"""What senders of mail report: plain addresses, Postmark's and Mailgun's bounce webhooks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlmodel.ext.asyncio.session import AsyncSession

from app.core.clock import utc_now
from app.core.database import run_sql
from app.core.errors import InvalidInput
from app.core.outbox import emit
from app.core.text import fit_email
from app.invitations.schemas import AddressIn

# Postmark's types that mean: this address will never take a mail.
_DEAD_TYPES = {"HardBounce", "BadEmailAddress", "ManuallyDeactivated", "SpamComplaint"}


@dataclass(frozen=True, slots=True)
class Dead:
    """An address that is dead, and what was said of it."""

    email: str
    detail: str | None = None


def addresses_of(entries: Sequence[AddressIn]) -> list[str]:
    """Return plain addresses, or raise InvalidInput naming the first entry that is none."""
    for number, entry in enumerate(entries):
        where: tuple[str | int, ...] = ("body",) if len(entries) == 1 else ("body", number)
        if entry.email is None:
            raise InvalidInput.at(*where, "email", msg="is required")
        if odd := set(entry.model_extra or {}):
            raise InvalidInput.at(*where, min(odd), msg="is no field here")
    return [entry.email for entry in entries if entry.email]


def dead_addresses_of(entries: Sequence[AddressIn]) -> tuple[list[Dead], int]:
    """Return the dead addresses, and how many reports say nothing of the kind."""
    dead, ignored, plain = [], 0, []
    for entry in entries:
        extra = entry.model_extra or {}
        if "RecordType" in extra:
            found = _from_postmark(extra)
        elif "event-data" in extra:
            found = _from_mailgun(extra["event-data"])
        else:
            plain.append(entry)
            continue
        if found is None:
            ignored += 1
        else:
            dead.append(found)
    return [*dead, *(Dead(email) for email in addresses_of(plain))], ignored


def _from_postmark(report: Mapping[str, Any]) -> Dead | None:
    email, kind = report.get("Email"), report.get("Type")
    is_dead = report["RecordType"] == "Bounce" and str(kind) in _DEAD_TYPES
    is_dead |= report["RecordType"] == "SpamComplaint"
    address = fit_email(email) if isinstance(email, str) else None
    if not is_dead or address is None:
        return None
    return Dead(address, str(report.get("Details") or report.get("Description"))[:300])


def _from_mailgun(report: Any) -> Dead | None:
    if not isinstance(report, Mapping) or report.get("severity") != "permanent":
        return None
    status = report.get("delivery-status")
    status = status if isinstance(status, Mapping) else {}
    email, enhanced = report.get("recipient"), str(status.get("enhanced-code") or "5.1")
    address = fit_email(email) if isinstance(email, str) else None
    if address is None or not enhanced.startswith("5.1"):
        return None
    return Dead(address, f"{status.get('code')} {enhanced} {status.get('message')}"[:300])


async def mark_bounced(session: AsyncSession, workspace_id: UUID, dead: Sequence[Dead]) -> None:
    """Mark the latest invitation to each address as bounced, and cancel what was to be sent."""
    for one in dead:
        rows = await run_sql(
            session,
            text(
                "update invitation set status = 'bounced', reason = 'bounced', detail = :detail, "
                "updated_at = :now where workspace_id = :workspace_id and lower(email) = :email "
                "and (status = 'scheduled' or id = (select id from invitation "
                "where workspace_id = :workspace_id and lower(email) = :email "
                "and status = 'sent' order by sent_at desc limit 1)) "
                "returning id, survey_id, customer_id, channel, order_ref, ticket"
            ).bindparams(
                workspace_id=workspace_id,
                email=one.email.lower(),
                detail=one.detail,
                now=utc_now(),
            ),
        )
        news = [dict(row._mapping) | {"status": "bounced"} for row in rows]
        await emit(session, workspace_id, "invitation.bounced", data=news)
