# SPDX-License-Identifier: Apache-2.0
"""From a checked body to the row that is written: ids, defaults, scores. Pure."""

import datetime as dt
from typing import Any
from uuid import UUID

import msgspec
from msgspec import Raw

from app.core.ids import derived_uuid, keyed_uuid, uuid7
from app.invitations.votes import HoldState
from app.responses.answer_rules import one_answer_case
from app.responses.body import CustomerIn, ResponseIn
from app.responses.cases import Case
from app.responses.rows import ResponseRow
from app.responses.writing import FormerId, Submission
from app.surveys.compiled import CheckedAnswers, CompiledSurvey
from app.workspaces.caller import Caller

PUBLIC_EDITING = dt.timedelta(days=14)
_CLAIMED = ("claimed",)
_BY_KEY = "idempotency_key"
_NO_CASE = Case("", None, None, {}, {})
_encode = msgspec.json.Encoder().encode


class SubmissionOrigin(msgspec.Struct, frozen=True):
    """Where a submission comes from: the caller, an idempotency key, a line of an import.

    `hold_state` says why the answer is not counted: no person is known to have given it. `gesture`
    tells whether the page that sent it saw a person move; None where no page of ours did.
    """

    caller: Caller
    now: dt.datetime
    idempotency_key: str | None = None
    body_hash: bytes = b""
    import_id: UUID | None = None
    line: int | None = None
    case: Case | None = None
    hold_state: HoldState | None = None
    gesture: bool | None = None


def submission_of(
    body: ResponseIn,
    survey: CompiledSurvey,
    origin: SubmissionOrigin,
    *,
    checked: CheckedAnswers,
    customer_id: UUID | None,
) -> Submission:
    """Make the row of checked answers."""
    caller = origin.caller
    test = body.test or caller.test
    is_fresh = not body.imported and origin.import_id is None
    opens = checked.low and not test and is_fresh and origin.hold_state is None
    id_, request_hash, former = _response_identity(body, survey, origin, customer_id)
    case = origin.case or _NO_CASE
    of_case = case.properties if caller.trusted else case.segments
    if customer_id is None and caller.trusted:
        customer_id = case.customer_id
    row = ResponseRow(
        id=id_,
        survey_id=survey.id,
        survey_version=survey.version,
        seq=body.seq,
        channel=body.channel,
        touchpoint=body.touchpoint or case.touchpoint or survey.touchpoint,
        locale=(body.locale or case.locale or survey.locale).replace("_", "-"),
        complete=body.complete,
        test=test,
        state=origin.hold_state or ("test" if test else "counted"),
        score=checked.score,
        band=checked.band,
        answers=_json(checked.answers),
        scores=_json(checked.scores),
        comment=checked.comment,
        properties=_json({**of_case, **(body.properties or {})}),
        customer_id=customer_id,
        claimed=_claim_of(body.customer) if customer_id is None else None,
        order_ref=body.order,
        ticket_ref=body.ticket,
        interaction_ref=_json(body.interaction) if body.interaction else None,
        external_id=body.external_id,
        tags=_json(body.tags),
        imported=body.imported or origin.import_id is not None,
        import_id=origin.import_id,
        follow_up="open" if opens else "none",
        responded_at=(body.responded_at or origin.now).astimezone(dt.UTC),
        request_hash=request_hash,
        # An import emits no events, so its rows need no event id.
        event_id=uuid7() if origin.import_id is None else id_,
        editable_from=None if caller.trusted else origin.now - PUBLIC_EDITING,
        about=_json(case.about) if case.about else None,
        gesture=origin.gesture,
    )
    return Submission(
        row,
        must_exist=not survey.live,
        former=former,
        case_kind=survey.one_answer_per,
        claims=() if body.test else claim_ids(body, survey),
    )


def _claim_of(customer: CustomerIn | None) -> msgspec.Raw | None:
    """Return what a customer without a proof says of themselves."""
    if customer is None:
        return None
    fields = msgspec.structs.asdict(customer)
    return _json({key: value for key, value in fields.items() if value and key != "proof"})


def claim_ids(body: ResponseIn, survey: CompiledSurvey) -> list[UUID]:
    """Return the ids under which public answers about the body's case are stored.

    There are none if the survey takes any number of answers, or the body names no such case; two
    if the answer may be stored under its former id.
    """
    case = one_answer_case(body, survey, None)
    if case is None:
        return []
    names = (str(survey.id), *_CLAIMED, *case)
    former = [derived_uuid(str(survey.workspace_id), *names)] if survey.derivation.since else []
    return [keyed_uuid(survey.derivation.key, *names), *former]


def _response_identity(
    body: ResponseIn, survey: CompiledSurvey, origin: SubmissionOrigin, customer_id: UUID | None
) -> tuple[UUID, str | None, FormerId | None]:
    """Return the id by which repeats are recognised, the hash of the body, and the former id.

    An id is the caller's own, or derived: from the external id, from the order, ticket or
    customer if the survey takes one answer for each, from the line of an import, or from the
    idempotency key, for which the body is hashed too; else it is new. Ids from a publishable key
    are derived separately, so that they never match a trusted response.
    """
    if body.id is not None:
        return body.id, None, None
    names = _names(body, survey, origin, customer_id)
    if names is None:
        return uuid7(), None, None
    derivation = survey.derivation
    former = None
    if derivation.since is not None:
        former = FormerId(derived_uuid(str(survey.workspace_id), *names), derivation.since)
    by_key = names[0] == _BY_KEY
    request_hash = "\\x" + origin.body_hash.hex() if by_key else None
    return keyed_uuid(derivation.key, *names), request_hash, former


def _names(
    body: ResponseIn, survey: CompiledSurvey, origin: SubmissionOrigin, customer_id: UUID | None
) -> tuple[str, ...] | None:
    """Return the names from which the response's id is derived; None if a new id is needed."""
    prefix = () if origin.caller.trusted else _CLAIMED
    if body.external_id is not None:
        return "external_id", body.external_id
    if case := one_answer_case(body, survey, customer_id):
        return str(survey.id), *prefix, *case
    if origin.import_id is not None:
        return str(origin.import_id), str(origin.line)
    if (key := origin.idempotency_key) is not None:
        number = () if origin.line is None else (str(origin.line),)
        key_id = (str(origin.caller.key_id),) if prefix else ()
        return _BY_KEY, *key_id, key, *number
    return None


def _json(value: Any) -> Raw:
    return Raw(_encode(value))
