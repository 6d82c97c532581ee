# SPDX-License-Identifier: Apache-2.0
"""Storing what a page sends: every post is a partial save, and one page is one response."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, get_args
from uuid import UUID

import msgspec

from app.core.clock import utc_now
from app.core.errors import Conflict, InvalidInput
from app.invitations.models import Invitation
from app.invitations.votes import HoldState
from app.pages.survey_form import unasked_questions
from app.responses.body import AboutInteraction, ResponseIn
from app.responses.ingest import Ingest
from app.responses.queries import StoredAnswers, find_stored
from app.responses.states import COUNTED, HOLD_STATES, ResponseState
from app.responses.submission import SubmissionOrigin, submission_of
from app.responses.writing import WriteOutcome
from app.surveys.compiled import CompiledSurvey
from app.workspaces.caller import Caller
from app.workspaces.scopes import Scope

EDITABLE_FOR = dt.timedelta(days=14)
_TRIES = 20
_LAST_SEQ = 2_147_483_647
# An unconfirmed answer may replace only answers of equal or lower trust.
_REPLACEABLE_STATES: Mapping[HoldState | None, frozenset[ResponseState | None]] = {
    "provisional": frozenset({None, "provisional"}),
    "unverified": frozenset({None, "provisional", "unverified"}),
}
_NEVER_CONFIRMED: frozenset[ResponseState | None] = frozenset({None, *HOLD_STATES})
_ANY_STATE: frozenset[ResponseState | None] = frozenset({None, *get_args(ResponseState)})


@dataclass(frozen=True, slots=True)
class PendingResponse:
    """The response that one respondent is giving; its answers come with each post."""

    survey: CompiledSurvey
    body: ResponseIn
    origin: SubmissionOrigin
    customer_id: UUID | None = None

    @property
    def response_id(self) -> UUID:
        """The id of the response to which every post of this page belongs."""
        assert self.body.id is not None  # noqa: S101 - every page names its response
        return self.body.id


async def save(
    ingest: Ingest,
    pending: PendingResponse,
    answers: Mapping[str, Any],
    *,
    hold_state: HoldState | None,
    gesture: bool = False,
    opened: bool = False,
) -> StoredAnswers:
    """Add answers to what was submitted so far, and return what is stored then.

    An answer from an `opened` link never changes a confirmed one. Without a `gesture`, a post only
    adds to confirmed answers. If another post was stored meanwhile, this one is numbered again.
    Raises InvalidInput for answers that do not fit, Conflict for a deleted or closed one.
    """
    survey = pending.survey
    origin = msgspec.structs.replace(pending.origin, hold_state=hold_state, gesture=gesture)
    replaceable = _REPLACEABLE_STATES.get(hold_state, _NEVER_CONFIRMED if opened else _ANY_STATE)
    for _ in range(_TRIES):
        async with ingest.database.session() as session:
            stored = await find_stored(session, survey.workspace_id, pending.response_id)
        fitting = _still_valid_answers(survey, stored.answers)
        only_adds = stored.gesture and not gesture
        merged = fitting | dict(answers)
        if only_adds:
            merged |= {key: value for key, value in fitting.items() if value is not None}
        complete = not unasked_questions(survey.definition, merged)
        checked = survey.check(merged, complete=complete)
        if stored.seq >= _LAST_SEQ:
            break
        if stored.state not in replaceable or (only_adds and hold_state):
            return stored
        same = (checked.answers, complete) == (stored.answers, stored.complete)
        known = stored.gesture or not gesture
        if same and known and stored.seq and _state(hold_state) == _state(stored.state):
            return stored
        body = msgspec.structs.replace(
            pending.body, answers=merged, seq=stored.seq + 1, complete=complete
        )
        submission = submission_of(
            body, survey, origin, checked=checked, customer_id=pending.customer_id
        )
        written = await ingest.take(survey.workspace_id, submission)
        if (
            written.outcome in {WriteOutcome.CREATED, WriteOutcome.UPDATED}
            and written.stored is not None
        ):
            return StoredAnswers(
                seq=written.stored.seq,
                answers=checked.answers,
                state=written.stored.state,
                band=checked.band,
                complete=complete,
                responded_at=written.stored.responded_at,
                gesture=gesture,
            )
    raise Conflict("The answer was changed from elsewhere at the same time; send it again.")


def _still_valid_answers(survey: CompiledSurvey, stored: Mapping[str, Any]) -> dict[str, Any]:
    """Return what was answered before and still fits: the survey may be of a newer version."""
    answers = dict(stored)
    try:
        survey.check(answers, complete=False)
    except InvalidInput as error:
        for wrong in error.errors:
            answers.pop(str(wrong["loc"][2]), None)
    return answers


def _state(state: str | None) -> str:
    return "counted" if state is None or state in COUNTED else state


def pending_response_of(invitation: Invitation, survey: CompiledSurvey) -> PendingResponse:
    """Return the response of an invitation, which bears the invitation's id."""
    context = invitation.context
    reference = context.get("interaction")
    body = ResponseIn(
        survey=survey.key,
        channel="email" if invitation.channel == "email" else "web",
        answers={},
        touchpoint=invitation.touchpoint or None,
        locale=invitation.locale,
        properties=context.get("properties") or None,
        interaction=AboutInteraction(**reference) if reference else None,
        order=invitation.order_ref,
        ticket=invitation.ticket,
        id=invitation.id,
        test=invitation.test,
    )
    # There is no key here, but the properties of an invitation are our own and are trusted.
    caller = respondent_caller(invitation.workspace_id, invitation.id, scope=Scope.WRITE)
    return PendingResponse(
        survey,
        body,
        SubmissionOrigin(caller=caller, now=utc_now()),
        customer_id=invitation.customer_id,
    )


def respondent_caller(workspace_id: UUID, key_id: UUID, *, scope: Scope) -> Caller:
    """Return the caller of a respondent, with the trust of the scope."""
    return Caller.without_key(workspace_id, "respondent", {scope}, id_=key_id)


def is_editable(invitation: Invitation, *, now: dt.datetime) -> bool:
    """Tell whether the answer may still be given or changed."""
    if invitation.status in {"scheduled", "cancelled", "suppressed"}:
        return False
    if invitation.answered_at is not None:
        return now < invitation.answered_at + EDITABLE_FOR
    return invitation.expires_at is None or now < invitation.expires_at
