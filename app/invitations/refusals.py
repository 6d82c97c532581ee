# SPDX-License-Identifier: Apache-2.0
"""Decide whether a customer may be asked now, by the same reasons for triggers and the API."""

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlmodel.ext.asyncio.session import AsyncSession

from app.core.clock import rfc3339
from app.core.prepared_statements import PreparedStatement
from app.invitations.suppression import SuppressionKind, find_suppressions
from app.surveys.compiled import CompiledSurvey
from app.workspaces.models import Workspace


class RefusalReason(StrEnum):
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
    """A reason with its details."""

    reason: RefusalReason
    detail: str | None = None


def refusal_of_customer(
    customer: Mapping[str, Any] | None,
    *,
    suppressed_as: SuppressionKind | None,
    by_mail: bool,
    needs_consent: bool,
) -> Refusal | None:
    """Return why this customer may not be asked, or None where they may."""
    if customer is None or customer["erased_at"] is not None:
        return Refusal(RefusalReason.NO_ADDRESS, "no customer is known")
    if by_mail and not customer["email"]:
        return Refusal(RefusalReason.NO_ADDRESS, "the customer has no e-mail")
    if customer["do_not_survey"]:
        return Refusal(RefusalReason.OPTED_OUT, "the customer is marked `do_not_survey`")
    if refusal := _by_consent(customer["consent"], needed=needs_consent):
        return refusal
    if suppressed_as is not None:
        return Refusal(RefusalReason(str(suppressed_as)), "the address is on the suppression list")
    return None


def _by_consent(consent: Mapping[str, Any] | None, *, needed: bool) -> Refusal | None:
    if consent is not None and not consent["surveys"]:
        return Refusal(RefusalReason.NO_CONSENT, "the customer does not want surveys")
    if needed and consent is None:
        return Refusal(RefusalReason.NO_CONSENT, "the workspace requires consent and there is none")
    return None


async def refusal_now(
    session: AsyncSession,
    workspace: Workspace,
    customer: Mapping[str, Any] | None,
    *,
    by_mail: bool,
) -> Refusal | None:
    """Return why this one customer may not be asked now, or None where they may."""
    email = customer["email"] if customer else None
    suppressions = await find_suppressions(session, workspace.id, [email] if email else [])
    return refusal_of_customer(
        customer,
        suppressed_as=suppressions.get(email) if email else None,
        by_mail=by_mail,
        needs_consent=workspace.require_consent,
    )


@dataclass(frozen=True, slots=True)
class PastInvitation:
    """An invitation that was sent, or will be: when, and which survey."""

    at: dt.datetime
    survey_id: UUID
    metric: str


_RECENT = PreparedStatement("""
select i.customer_id, coalesce(i.sent_at, i.send_at) as at, i.survey_id,
  v.definition ->> 'metric' as metric from invitation i
join survey s on s.workspace_id = i.workspace_id and s.id = i.survey_id
join survey_version v on v.workspace_id = i.workspace_id and v.survey_id = s.id
  and v.version = s.published_version
where i.workspace_id = :workspace_id and i.customer_id = any(:customers)
  and i.status in ('scheduled', 'sent', 'stored', 'opened', 'answered', 'expired')
  and (i.sent_at is not null or i.status <> 'expired') and not i.test
  and coalesce(i.sent_at, i.send_at) > :since and i.trigger_id is distinct from :excluded_trigger
""")


async def find_recent_invitations(
    session: AsyncSession,
    workspace_id: UUID,
    customers: Iterable[UUID],
    *,
    since: dt.datetime,
    excluded_trigger: UUID | None = None,
) -> dict[UUID, list[PastInvitation]]:
    """Return the invitations that were sent to customers since then, or are scheduled.

    The customers must be locked, so that of two transactions that ask at the same time the second
    sees the first. Invitations of the trigger `excluded_trigger` are left out.
    """
    rows = await _RECENT.run(
        session,
        workspace_id=workspace_id,
        customers=list(set(customers)),
        since=since,
        # No trigger has the nil UUID, so nothing is excluded.
        excluded_trigger=excluded_trigger or UUID(int=0),
    )
    by_customer: dict[UUID, list[PastInvitation]] = defaultdict(list)
    for row in rows:
        past = PastInvitation(row["at"], row["survey_id"], row["metric"])
        by_customer[row["customer_id"]].append(past)
    return by_customer


def throttle_interval(throttle: Mapping[str, Any] | None) -> dt.timedelta:
    """Return the least time between two invitations."""
    return dt.timedelta(days=throttle["days"]) if throttle else dt.timedelta()


def refusal_by_throttle(
    past_invitations: Iterable[PastInvitation],
    survey: CompiledSurvey,
    *,
    throttle: Mapping[str, Any] | None,
    send_at: dt.datetime,
) -> Refusal | None:
    """Return a refusal that says until when the throttle holds, or None if it allows the time."""
    if throttle is None:
        return None
    pause, scope = throttle_interval(throttle), throttle.get("scope", "workspace")
    near = [
        past.at
        for past in past_invitations
        if abs(past.at - send_at) < pause
        and (scope != "survey" or past.survey_id == survey.id)
        and (scope != "metric" or past.metric == str(survey.metric))
    ]
    return Refusal(RefusalReason.THROTTLED, f"until {rfc3339(max(near) + pause)}") if near else None
