# SPDX-License-Identifier: Apache-2.0
"""`POST /v1/responses`: a plain ASGI route that commits in groups.

Like the other hot routes in `main`, it does without the framework, whose models and dependencies
would cost more than the database at thousands of responses a second.
"""

import hashlib
from uuid import UUID

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from app.core import idempotency
from app.core.batch_lines import refuse_query
from app.core.clock import utc_now
from app.core.database import Database
from app.core.errors import AfterwordError, InvalidInput, not_found_as_field_error
from app.core.http import (
    json_reply,
    problem_reply,
    read_plain_body,
    reply_headers,
    require_content_type,
)
from app.core.telemetry import REFUSED
from app.interactions.touchpoint_registry import TouchpointRegistry
from app.invitations.votes import HoldState
from app.responses.answer_rules import (
    customer_reference_of,
    identifies_itself,
    proven_customer_reference_of,
    refuse_untrusted,
    survey_for,
)
from app.responses.body import CustomerIn, ResponseIn, decode_response
from app.responses.cases import Case, find_cases, names_a_case
from app.responses.ingest import Ingest
from app.responses.replies import public_summary, status_of, summary
from app.responses.submission import SubmissionOrigin, submission_of
from app.responses.writing import WriteOutcome
from app.surveys.compiled import CompiledSurvey
from app.workspaces.admission import admit
from app.workspaces.caller import Caller, is_proof_valid
from app.workspaces.scopes import Scope as KeyScope

PATH = "/v1/responses"


async def post_response(scope: Scope, receive: Receive, send: Send) -> None:
    """Take one answer and reply when it is on disk."""
    request = Request(scope, receive)
    try:
        caller, raw, body = await take_body(request)
        reply = await store(request, caller, body, raw=raw)
    except AfterwordError as error:
        reply = problem_reply(error)
    if further := reply_headers(request):
        reply.headers.update(further)
    await reply(scope, receive, send)


async def take_body(request: Request) -> tuple[Caller, bytes, ResponseIn]:
    """Check the caller and decode the body; nothing is stored yet."""
    refuse_query(request)
    caller = await admit(request, KeyScope.WRITE, KeyScope.COLLECT)
    require_content_type(request, "application/json")
    raw = await read_plain_body(request)
    body = decode_response(raw)
    if not caller.trusted:
        refuse_untrusted(body)
    return caller, raw, body


async def store(
    request: Request,
    caller: Caller,
    body: ResponseIn,
    *,
    raw: bytes,
    hold_state: HoldState | None = None,
) -> Response:
    """Store one answer and reply when it is on disk; one that is held is listed, not counted."""
    ingest: Ingest = request.app.state.ingest
    with not_found_as_field_error("body", "survey"):
        published = await ingest.catalogue.get(caller.workspace_id, body.survey)
    survey = survey_for(caller, published, body.survey)
    if not caller.trusted:
        await _drop_undeclared(ingest.touchpoints, survey, body)
    checked = survey.check(body.answers, complete=body.complete)
    key = idempotency.requested_key(request)
    body_hash = hashlib.sha256(raw).digest() if key is not None else b""
    is_repeat = False
    if key is not None and identifies_itself(body, survey):
        is_repeat = await _remember_key(request, caller, key, body_hash)
    case = await _find_case(request, caller, body) if names_a_case(body) else None
    origin = SubmissionOrigin(
        caller=caller,
        now=utc_now(),
        idempotency_key=key,
        body_hash=body_hash,
        case=case,
        hold_state=hold_state,
    )
    customer_id = await _resolve_customer(request, caller, body)
    submission = submission_of(body, survey, origin, checked=checked, customer_id=customer_id)
    written = await ingest.take(caller.workspace_id, submission)
    if written.outcome is WriteOutcome.UNCHANGED and is_repeat:
        first = body.seq == 1 and written.row is not None and written.row.seq == 1
        written = written._replace(
            outcome=WriteOutcome.REPLAYED if first else WriteOutcome.UNCHANGED
        )
    if is_repeat or written.outcome is WriteOutcome.REPLAYED:
        reply_headers(request)["Idempotency-Replayed"] = "true"
    stored = written.stored
    assert stored is not None  # noqa: S101 - only a refusal stores nothing
    document = summary(stored, survey_key=survey.key) if caller.trusted else public_summary(stored)
    return json_reply(document, status=status_of(written))


async def _find_case(request: Request, caller: Caller, body: ResponseIn) -> Case | None:
    """Return what is known of the interaction, ticket or order that the answer names."""
    database: Database = request.app.state.database
    return (await find_cases(database, caller.workspace_id, [body])).get(0)


async def _remember_key(request: Request, caller: Caller, key: str, body_hash: bytes) -> bool:
    """Remember an idempotency key that comes with an id; Conflict if it came with another body.

    The id alone makes the answer count once; the idempotency key only detects another body. Those
    of a publishable key are kept apart, because everybody can use such a key.
    """
    route = f"POST {PATH}" if caller.trusted else f"POST {PATH} {caller.key_id}"
    database: Database = request.app.state.database
    async with database.transaction() as session:
        return await idempotency.remember_key(
            session,
            workspace_id=caller.workspace_id,
            route=route,
            key=key,
            body_hash=body_hash,
        )


async def _drop_undeclared(
    touchpoints: TouchpointRegistry, survey: CompiledSurvey, body: ResponseIn
) -> None:
    """Drop an undeclared touchpoint or language of a public caller; the survey's own applies."""
    if body.touchpoint and not await touchpoints.is_declared(survey.workspace_id, body.touchpoint):
        body.touchpoint = None
    if body.locale and body.locale not in survey.locales:
        body.locale = None


async def _resolve_customer(request: Request, caller: Caller, body: ResponseIn) -> UUID | None:
    """Return the customer; with a publishable key and no proof it is only a claim, so None."""
    customer = body.customer
    if customer is None or body.test or caller.test:
        return None
    if caller.trusted:
        person = customer_reference_of(customer)
    elif customer.proof and _is_proven(request, caller, customer):
        person = proven_customer_reference_of(customer)
    else:
        return None
    ingest: Ingest = request.app.state.ingest
    return (await ingest.customers.resolve(caller.workspace_id, [person]))[person]


def _is_proven(request: Request, caller: Caller, customer: CustomerIn) -> bool:
    name = customer.external_id or customer.email or ""
    if is_proof_valid(request.app.state.box, caller, name=name, proof=customer.proof or ""):
        return True
    REFUSED.labels("identity_proof").inc()
    return False


async def preflight(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer a browser's question before it posts with a publishable key.

    The real request is held to the workspace's allowed origins; a preflight carries no key yet.
    """
    origin = Request(scope).headers.get("origin")
    if origin is None:
        error = InvalidInput.at("header", "Origin", msg="is required here")
        await problem_reply(error)(scope, receive, send)
        return
    reply = Response(
        status_code=204,
        headers={
            "Access-Control-Allow-Origin": origin,
            "Access-Control-Allow-Methods": "GET, POST",
            "Access-Control-Allow-Headers": "authorization, content-type, idempotency-key",
            "Access-Control-Max-Age": "600",
            "Vary": "Origin",
        },
    )
    await reply(scope, receive, send)
