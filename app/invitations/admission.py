"""May this customer be asked now? One order of reasons, for triggers and invitations alike."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlmodel.ext.asyncio.session import AsyncSession

from app.core.clock import rfc3339
from app.core.database import run_sql
from app.invitations.suppression import suppressed
from app.surveys.compiled import CompiledSurvey


class Reason(StrEnum):
    """Why a customer was not asked, or will not be."""

    CONDITION = "condition"
    THROTTLED = "throttled"
    UNSUBSCRIBED = "unsubscribed"
    BOUNCED = "bounced"
    SAMPLED_OUT = "sampled_out"
    NO_ADDRESS = "no_address"
    NO_CONSENT = "no_consent"
    OPTED_OUT = "opted_out"
    DUPLICATE = "duplicate"
    TOO_OLD = "too_old"
    SURVEY_NOT_LIVE = "survey_not_live"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    INACTIVE = "inactive"
    TEST = "test"


@dataclass(frozen=True, slots=True)
class Refusal:
    """A reason with what there is to say of it."""

    reason: Reason
    detail: str | None = None


async def refusal_of_customer(
    session: AsyncSession,
    workspace_id: UUID,
    customer: Mapping[str, Any] | None,
    *,
    by_mail: bool,
    needs_consent: bool,
) -> Refusal | None:
    """Return why this customer may not be asked, or None where they may."""
    if customer is None or customer["erased_at"] is not None:
        return Refusal(Reason.NO_ADDRESS, "nobody is known to ask")
    if by_mail and not customer["email"]:
        return Refusal(Reason.NO_ADDRESS, "the customer has no e-mail")
    if customer["do_not_survey"]:
        return Refusal(Reason.OPTED_OUT, "the customer is marked `do_not_survey`")
    return _by_consent(customer["consent"], needed=needs_consent) or (
        await _by_suppression(session, workspace_id, customer["email"])
    )


def _by_consent(consent: Mapping[str, Any] | None, *, needed: bool) -> Refusal | None:
    if consent is not None and not consent["surveys"]:
        return Refusal(Reason.NO_CONSENT, "the customer does not want surveys")
    if needed and consent is None:
        return Refusal(Reason.NO_CONSENT, "the workspace requires consent and there is none")
    return None


async def _by_suppression(
    session: AsyncSession, workspace_id: UUID, email: str | None
) -> Refusal | None:
    kind = await suppressed(session, workspace_id, email) if email else None
    return Refusal(Reason(str(kind)), "the address is on the suppression list") if kind else None


async def refusal_by_throttle(
    session: AsyncSession,
    survey: CompiledSurvey,
    customer_id: UUID,
    *,
    throttle: Mapping[str, Any] | None,
    send_at: dt.datetime,
) -> Refusal | None:
    """Return until when the throttle holds, or None where an invitation may be sent then.

    The customer's row must be locked: so of two that ask at once, the second sees the first.
    What was never sent holds nobody back.
    """
    if throttle is None:
        return None
    pause = dt.timedelta(days=throttle["days"])
    scopes = {
        "workspace": "",
        "survey": "and i.survey_id = :survey_id",
        "metric": "and exists (select from survey_version v where v.workspace_id = i.workspace_id "
        "and v.survey_id = i.survey_id and v.definition ->> 'metric' = :metric)",
    }
    bound: dict[str, Any] = {
        "workspace_id": survey.workspace_id,
        "customer_id": customer_id,
        "earliest": send_at - pause,
        "latest": send_at + pause,
    }
    if throttle["scope"] == "survey":
        bound["survey_id"] = survey.id
    if throttle["scope"] == "metric":
        bound["metric"] = str(survey.metric)
    rows = await run_sql(
        session,
        text(
            "select max(coalesce(i.sent_at, i.send_at)) from invitation i "
            "where i.workspace_id = :workspace_id and i.customer_id = :customer_id "
            "and i.status in ('scheduled', 'sent', 'stored', 'opened', 'answered', 'expired') "
            "and (i.sent_at is not null or i.status <> 'expired') and not i.test "
            "and coalesce(i.sent_at, i.send_at) > :earliest "
            f"and coalesce(i.sent_at, i.send_at) < :latest {scopes[throttle['scope']]}"
        ).bindparams(**bound),
    )
    last: dt.datetime | None = rows.one()[0]
    if last is None:
        return None
    return Refusal(Reason.THROTTLED, f"until {rfc3339(last + pause)}")
