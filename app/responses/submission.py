"""From a checked body to the row that is written: ids, defaults, scores. Pure."""

import datetime as dt
import hashlib
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import msgspec

from app.core.errors import Conflict, Forbidden, InvalidInput
from app.core.ids import derived_uuid, uuid7
from app.interactions.directory import Person
from app.responses.body import CustomerIn, ResponseIn
from app.responses.statements import Json, Row
from app.responses.writing import Submission
from app.surveys.compiled import CompiledSurvey
from app.workspaces.caller import Caller

PUBLIC_CHANNELS = frozenset({"web", "widget", "kiosk"})
PUBLIC_EDITING = dt.timedelta(days=14)
_encode = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a submission comes from: the caller, an idempotency key, a line of an import."""

    caller: Caller
    now: dt.datetime
    idempotency_key: str | None = None
    body_hash: bytes = b""
    import_id: UUID | None = None
    line: int | None = None


def survey_for(caller: Caller, survey: CompiledSurvey | None, reference: str) -> CompiledSurvey:
    """Return the survey if it may be answered by this caller; Conflict for a draft."""
    if survey is None:
        detail = f"The survey `{reference[:64]}` is a draft; publish it first."
        raise Conflict(detail)
    if caller.survey is not None and caller.survey not in {survey.key, str(survey.id)}:
        detail = f"This key is bound to the survey `{caller.survey}`."
        raise Forbidden(detail)
    return survey


def refuse_untrusted(body: ResponseIn) -> None:
    """Refuse what a publishable key may not say: it is no secret, so it is believed little."""
    if body.channel not in PUBLIC_CHANNELS:
        msg = "a publishable key answers as `web`, `widget` or `kiosk`"
        raise InvalidInput.at("body", "channel", msg=msg)
    said = {
        "responded_at": body.responded_at,
        "tags": body.tags,
        "external_id": body.external_id,
        "imported": body.imported,
    }
    for name, value in said.items():
        if value:
            raise InvalidInput.at("body", name, msg="is not for publishable keys; leave it out")


def person_of(customer: CustomerIn) -> Person:
    """Return the person whom a trusted caller names."""
    return Person(
        external_id=customer.external_id,
        source=customer.source,
        email=customer.email,
        name=customer.name,
        locale=customer.locale,
    )


def submission_of(
    body: ResponseIn, survey: CompiledSurvey, origin: Origin, *, customer_id: UUID | None
) -> Submission:
    """Check the answers and make the row; raise InvalidInput for answers that do not fit."""
    checked = survey.check(body.answers, complete=body.complete)
    caller = origin.caller
    test = body.test or caller.test
    opens = checked.low and not test and not body.imported and origin.import_id is None
    id_, request_hash = _identify(body, survey, origin)
    claimed = None
    if body.customer and customer_id is None:
        claimed = _json({k: v for k, v in msgspec.structs.asdict(body.customer).items() if v})
    row = Row(
        id=id_,
        survey_id=survey.id,
        survey_version=survey.version,
        seq=body.seq,
        channel=body.channel,
        touchpoint=body.touchpoint or survey.touchpoint,
        locale=(body.locale or survey.locale).replace("_", "-"),
        complete=body.complete,
        test=test,
        state="test" if test else "counted",
        score=checked.score,
        band=checked.band,
        answers=_json(checked.answers),
        scores=_json(checked.scores),
        comment=checked.comment,
        properties=_json(body.properties or {}),
        customer_id=customer_id,
        claimed=claimed,
        order_ref=body.order,
        ticket_ref=body.ticket,
        interaction_ref=_json(body.interaction) if body.interaction else None,
        external_id=body.external_id,
        tags=_json(body.tags),
        imported=body.imported or origin.import_id is not None,
        import_id=origin.import_id,
        follow_up="open" if opens else "none",
        responded_at=body.responded_at or origin.now,
        request_hash=request_hash,
        event_id=uuid7(),
        editable_from=None if caller.trusted else origin.now - PUBLIC_EDITING,
    )
    return Submission(row, must_exist=not survey.live)


def _identify(
    body: ResponseIn, survey: CompiledSurvey, origin: Origin
) -> tuple[UUID, bytes | None]:
    """Return the id by which repeats are known, and the hash of key and body if a key was sent.

    An id is the caller's own, or derived: from the external id, from the order, ticket or
    customer where the survey takes one answer per such, from the idempotency key; or a new one.
    """
    key = origin.idempotency_key
    request_hash = None
    if key is not None:
        request_hash = hashlib.sha256(key.encode()).digest()[:8] + origin.body_hash[:16]
    workspace = str(survey.workspace_id)
    if body.id is not None:
        return body.id, request_hash
    if body.external_id is not None:
        return derived_uuid(workspace, "external_id", body.external_id), request_hash
    if survey.one_answer_per and (case := _case(body, survey.one_answer_per)):
        return derived_uuid(workspace, str(survey.id), survey.one_answer_per, *case), request_hash
    if origin.import_id is not None:
        return derived_uuid(workspace, str(origin.import_id), str(origin.line)), None
    if key is not None:
        number = () if origin.line is None else (str(origin.line),)
        return derived_uuid(workspace, "idempotency_key", key, *number), request_hash
    return uuid7(), None


def _case(body: ResponseIn, per: str) -> tuple[str, ...] | None:
    if per == "order":
        return (body.order,) if body.order else _interaction(body)
    if per == "ticket":
        return (body.ticket,) if body.ticket else None
    customer = body.customer
    if customer is None:
        return None
    return ("id", customer.external_id) if customer.external_id else ("email", customer.email or "")


def _interaction(body: ResponseIn) -> tuple[str, ...] | None:
    named = body.interaction
    return ("interaction", named.source, named.external_id) if named else None


def _json(value: Any) -> Json:
    return Json(_encode(value).decode())
