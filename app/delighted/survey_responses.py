# SPDX-License-Identifier: Apache-2.0
"""Survey responses: listed, made, read and changed as Delighted's clients do."""

from typing import Any, cast
from uuid import UUID

from app.core.clock import utc_now
from app.core.errors import Conflict, InvalidInput, NotFound
from app.core.ids import as_uuid, uuid7
from app.delighted.people import find_person
from app.delighted.request import DelightedRequest
from app.delighted.shapes import person, survey_response
from app.interactions import customers
from app.responses import queries, service
from app.responses.body import MAX_TAG_CHARACTERS, MAX_TAGS, Channel, ResponseIn, check_response
from app.responses.schemas import ResponseOut, ResponsePatch
from app.responses.submission import SubmissionOrigin, submission_of
from app.surveys.compiled import CompiledSurvey
from app.surveys.question_types import TextAnswers
from app.webhooks.delighted_form import comment_question

_ORDERS = {
    "asc": ("responded_at", "asc"), "desc": ("responded_at", "desc"),
    "asc:updated_at": ("updated_at", "asc"), "desc:updated_at": ("updated_at", "desc"),
    "asc:created_at": ("responded_at", "asc"), "desc:created_at": ("responded_at", "desc"),
}  # fmt: skip

_MAX_COMMENT_CHARACTERS = TextAnswers().longest
# Our fields by the names that Delighted's clients know.
_GIVEN_AS = {"responded_at": "created_at", "properties": "person_properties"}


async def list_responses(request: DelightedRequest) -> list[dict[str, Any]]:
    """Return the responses of the key's survey, the oldest first unless said otherwise."""
    parameters = request.parameters
    number, size = parameters.page()
    order = parameters.text("order") or "asc"
    if order not in _ORDERS:
        msg = f"must be one of {', '.join(_ORDERS)}"
        raise InvalidInput.at("body", "order", msg=msg)
    survey = await request.survey()
    try:
        customer_id = await _person_asked(request)
    except NotFound:
        return []
    rows = await queries.find_survey_responses(
        request.session,
        request.caller.workspace_id,
        survey.id,
        queries.SurveyResponseFilter(
            since=parameters.moment("since"),
            until=parameters.end("until"),
            updated_since=parameters.moment("updated_since"),
            updated_until=parameters.end("updated_until"),
            customer_id=customer_id,
            segment=await _trend(request),
        ),
        order=_ORDERS[order],
        limit=size,
        offset=(number - 1) * size,
    )
    responses = await service.responses_out(request.session, request.caller.workspace_id, rows)
    expand = {*parameters.names("expand"), *parameters.names("expand[]")}
    return await _shapes(request, survey, responses, expanded="person" in expand)


async def _person_asked(request: DelightedRequest) -> UUID | None:
    """Return the customer that a filter names, None without one; raise NotFound if unknown."""
    parameters = request.parameters
    reference = parameters.text("person_id")
    if reference is None and (email := parameters.text("person_email")):
        reference = f"email:{email}"
    if reference is None:
        return None
    customer_id: UUID = (await find_person(request, reference))["id"]
    return customer_id


async def _trend(request: DelightedRequest) -> tuple[list[str], str] | None:
    """Return the segments and the value of a trend, if one is asked for."""
    value = request.parameters.text("trend")
    if value is None:
        return None
    segments = await queries.segments_with(request.session, request.caller.workspace_id, value)
    return segments, value


async def _shapes(
    request: DelightedRequest,
    survey: CompiledSurvey,
    responses: list[Any],
    *,
    expanded: bool,
) -> list[dict[str, Any]]:
    ids = [
        response.customer.id
        for response in responses
        if response.customer is not None and response.customer.id
    ]
    known = await customers.find_customers_by_id(
        request.session, request.caller.workspace_id, ids
    ) if expanded else {}  # fmt: skip
    return [_shape(request, survey, response, known, expanded=expanded) for response in responses]


def _shape(
    request: DelightedRequest,
    survey: CompiledSurvey,
    response: ResponseOut,
    known: dict[UUID, dict[str, Any]],
    *,
    expanded: bool,
) -> dict[str, Any]:
    customer_id = response.customer.id if response.customer else None
    customer: Any = str(customer_id) if customer_id else None
    if expanded and customer_id in known:
        customer = person(known[customer_id])
    link = f"{request.settings.base_url}/responses/{response.id}"
    return survey_response(response, survey.definition, person_=customer, permalink=link)


async def _read(request: DelightedRequest, response_id: UUID, *, expanded: bool) -> dict[str, Any]:
    survey = await request.survey()
    response = await service.read(request.session, request.caller.workspace_id, response_id)
    if response.survey_id != survey.id:
        raise NotFound("There is no such survey response of this key's survey.")
    return (await _shapes(request, survey, [response], expanded=expanded))[0]


async def get_response(request: DelightedRequest, reference: str) -> dict[str, Any]:
    """Return one response."""
    names = {*request.parameters.names("expand"), *request.parameters.names("expand[]")}
    return await _read(request, _id(reference), expanded="person" in names)


def _id(reference: str) -> UUID:
    response_id = as_uuid(reference)
    if response_id is None:
        raise NotFound("There is no such survey response.")
    return response_id


async def create_response(request: DelightedRequest) -> dict[str, Any]:
    """Store a response of a person whom we know."""
    parameters = request.parameters
    person_given = parameters.values.get("person")
    expanded = person_given.get("id") if isinstance(person_given, dict) else None
    reference = str(expanded) if expanded else parameters.text("person")
    if reference is None:
        raise InvalidInput.at("body", "person", msg="can't be blank")
    try:
        customer = await find_person(request, reference)
    except NotFound:
        raise InvalidInput.at("body", "person", msg="is not known here") from None
    if "score" not in parameters:
        raise InvalidInput.at("body", "score", msg="can't be blank")
    survey = await request.survey(to_answer=True)
    body = ResponseIn(
        survey=survey.key,
        channel="api",
        answers=_answers(request, survey, {}),
        properties=_properties(request),
        id=uuid7(),
        responded_at=parameters.moment("created_at"),
    )
    await _store(request, survey, body, customer["id"])
    request.status = 201
    assert body.id is not None  # noqa: S101 - it was made above
    return await _read(request, body.id, expanded=False)


async def update_response(request: DelightedRequest, reference: str | None) -> dict[str, Any]:
    """Change score, comment, properties and tags; the body is the whole object."""
    response_id = _id(reference or request.parameters.text("id") or "")
    survey = await request.survey()
    response = await service.read(request.session, request.caller.workspace_id, response_id)
    if response.survey_id != survey.id:
        raise NotFound("There is no such survey response of this key's survey.")
    answers = _answers(request, survey, response.answers)
    properties = _properties(request)
    # Properties are added to those that are there.
    changed = answers != response.answers or any(
        response.properties.get(name) != value for name, value in (properties or {}).items()
    )
    if changed:
        body = ResponseIn(
            survey=survey.key, channel=cast("Channel", response.channel), answers=answers,
            id=response.id, seq=response.seq + 1, complete=response.complete, properties=properties,
        )  # fmt: skip
        await _store(request, survey, body, response.customer.id if response.customer else None)
    tags = request.parameters.values.get("tags")
    if isinstance(tags, list) and tags != response.tags:
        texts = [str(tag)[:MAX_TAG_CHARACTERS] for tag in tags if str(tag)]
        patch = ResponsePatch(tags=texts[:MAX_TAGS])
        await service.annotate(request.session, request.caller, response_id, patch)
    expanded = isinstance(request.parameters.values.get("person"), dict)
    return await _read(request, response_id, expanded=expanded)


def _answers(
    request: DelightedRequest, survey: CompiledSurvey, before: dict[str, Any]
) -> dict[str, Any]:
    """Return the answers with the score and comment that were given."""
    parameters = request.parameters
    definition = survey.definition
    answers = dict(before)
    main = definition.main_question
    if main is not None and "score" in parameters:
        answers[main.key] = parameters.whole_number("score")
    text = comment_question(definition)
    if text is not None and "comment" in parameters.values:
        comment = parameters.text("comment")
        answers[text.key] = comment and comment[:_MAX_COMMENT_CHARACTERS]
    return answers


def _properties(request: DelightedRequest) -> dict[str, Any] | None:
    return request.parameters.properties("person_properties") or None


async def _store(
    request: DelightedRequest, survey: CompiledSurvey, body: ResponseIn, customer_id: UUID | None
) -> None:
    """Write one answer, which is on disk when this returns."""
    try:
        check_response(body)
    except InvalidInput as error:
        errors = [{**fault, "loc": ("body", _GIVEN_AS.get(str(fault["loc"][-1]), fault["loc"][-1]))}
                 for fault in error.errors]  # fmt: skip
        raise InvalidInput(errors=errors) from None  # type: ignore[arg-type]
    try:
        checked = survey.check(body.answers, complete=body.complete)
    except InvalidInput as error:
        main = survey.definition.main_question
        fields = [
            {
                **fault,
                "loc": ("body", "score" if main and fault["loc"][-1] == main.key else "comment"),
            }
            for fault in error.errors
        ]
        raise InvalidInput(errors=fields) from None  # type: ignore[arg-type]
    # The customer's row must be there for the writer, which has a connection of its own.
    await request.session.commit()
    origin = SubmissionOrigin(caller=request.caller, now=utc_now())
    submission = submission_of(body, survey, origin, checked=checked, customer_id=customer_id)
    try:
        await request.ingest.take(request.caller.workspace_id, submission)
    except Conflict as error:
        raise InvalidInput.at("body", "id", msg=error.detail) from None
