"""An invited customer's answer: the response bears the invitation's id, so it is only one."""

import datetime as dt
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlmodel.ext.asyncio.session import AsyncSession

from app.core.clock import utc_now
from app.core.database import Database, run_sql
from app.core.errors import Conflict
from app.core.schema import Json
from app.invitations import service as invitations
from app.invitations.models import Invitation
from app.responses.body import AboutInteraction, ResponseIn
from app.responses.lines import Ingest
from app.responses.replies import refuse
from app.responses.submission import Origin, submission_of
from app.responses.writing import Outcome
from app.surveys.compiled import CompiledSurvey
from app.workspaces.caller import Caller
from app.workspaces.scopes import Scope

EDITABLE_FOR = dt.timedelta(days=14)
_TRIES = 20


async def stored_answers(
    session: AsyncSession, workspace_id: UUID, response_id: UUID
) -> tuple[int, dict[str, Any]]:
    """Return the number and the answers of what was submitted so far."""
    rows = await run_sql(
        session,
        text(
            "select seq, answers from response where workspace_id = :workspace_id and id = :id "
            "and state <> 'deleted'"
        )
        .columns(answers=Json)
        .bindparams(workspace_id=workspace_id, id=response_id),
    )
    row = rows.first()
    return (row.seq, row.answers) if row else (0, {})


async def submit(
    database: Database,
    ingest: Ingest,
    invitation: Invitation,
    *,
    survey: CompiledSurvey,
    answers: dict[str, Any],
) -> str | None:
    """Store an invited customer's answer and return its band.

    Each post is numbered after what is stored; one that another overtook is numbered again.
    Raises InvalidInput for answers that do not fit, Conflict for a deleted or closed one.
    """
    checked = survey.check(answers, complete=True)
    for _ in range(_TRIES):
        async with database.session() as session:
            seq, stored = await stored_answers(session, invitation.workspace_id, invitation.id)
        if stored == checked.answers and seq:
            break
        submission = submission_of(
            _body(invitation, survey, answers, seq=seq + 1),
            survey,
            Origin(caller=_respondent(invitation), now=utc_now()),
            checked=checked,
            customer_id=invitation.customer_id,
        )
        written = await ingest.group.submit(invitation.workspace_id, submission)
        refuse(written.outcome)
        if written.outcome in {Outcome.CREATED, Outcome.UPDATED}:
            break
    else:
        raise Conflict("The answer was changed from elsewhere at the same time; send it again.")
    async with database.transaction() as session:
        found = await invitations.get(session, invitation.workspace_id, invitation.id, lock=True)
        await invitations.note_answered(session, found)
    return str(checked.band) if checked.band else None


def _body(
    invitation: Invitation, survey: CompiledSurvey, answers: dict[str, Any], *, seq: int
) -> ResponseIn:
    context = invitation.context
    reference = context.get("interaction")
    return ResponseIn(
        survey=survey.key,
        channel="email" if invitation.channel == "email" else "web",
        answers=answers,
        touchpoint=invitation.touchpoint or None,
        locale=invitation.locale,
        properties=context.get("properties") or None,
        interaction=AboutInteraction(**reference) if reference else None,
        order=invitation.order_ref,
        ticket=invitation.ticket,
        id=invitation.id,
        seq=seq,
        test=invitation.test,
    )


def _respondent(invitation: Invitation) -> Caller:
    """Return who acts: nobody with a key, but what the invitation says is our own word."""
    return Caller(
        workspace_id=invitation.workspace_id,
        key_id=invitation.id,
        name="respondent",
        scopes=frozenset({Scope.WRITE}),
        test=invitation.test,
        survey=None,
        rate_limit=None,
        bootstrap=False,
        expires_at=None,
        allowed_origins=frozenset(),
    )


def is_editable(invitation: Invitation, *, now: dt.datetime) -> bool:
    """Tell whether the answer may still be given or changed."""
    if invitation.status in {"scheduled", "cancelled", "suppressed"}:
        return False
    if invitation.answered_at is not None:
        return now < invitation.answered_at + EDITABLE_FOR
    return invitation.expires_at is None or now < invitation.expires_at
