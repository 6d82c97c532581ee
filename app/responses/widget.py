# SPDX-License-Identifier: Apache-2.0
"""`POST /w/responses`: an answer from a browser, with its publishable key in the body.

A JSON body sent as `text/plain` needs no preflight, so that an answer can leave with a page that
is being closed.
"""

from typing import Annotated, Any
from uuid import UUID

import msgspec
from msgspec import Meta, Struct
from starlette.requests import Request
from starlette.responses import Response

from app.core.errors import AfterwordError, not_found_as_field_error
from app.core.http import problem_reply, read_plain_body, reply_headers, require_content_type
from app.core.telemetry import VOTES
from app.invitations.votes import HoldState
from app.responses.answer_rules import names_one_answer_case, refuse_untrusted
from app.responses.body import (
    CustomerIn,
    ResponseIn,
    ResponseProperties,
    ShortText,
    check_response,
    decode,
    refuse_nul,
)
from app.responses.ingest import Ingest
from app.responses.intake import store
from app.workspaces.admission import admit
from app.workspaces.scopes import Scope

PATH = "/w/responses"
# A person needs longer than this to read a question and to choose.
_MIN_HUMAN_MILLISECONDS = 700


class WidgetIn(Struct, forbid_unknown_fields=True):
    """One answer so far; `t`: how many ms its question was shown, `trap`: a hidden field."""

    id: UUID
    key: Annotated[str, Meta(min_length=1, max_length=200)]
    survey: Annotated[str, Meta(min_length=1, max_length=64)]
    answers: dict[str, Any]
    seq: Annotated[int, Meta(ge=1, le=2_147_483_647)] = 1
    complete: bool = True
    customer: CustomerIn | None = None
    order: ShortText | None = None
    ticket: ShortText | None = None
    locale: Annotated[str, Meta(max_length=35)] | None = None
    touchpoint: Annotated[str, Meta(max_length=64)] | None = None
    properties: ResponseProperties | None = None
    t: Annotated[float, Meta(ge=0)] | None = None
    trap: Annotated[str, Meta(max_length=1000)] | None = None


_, _SCHEMAS = msgspec.json.schema_components([WidgetIn], ref_template="#/components/schemas/{name}")
_EXAMPLE = {
    "id": "0d0e7c62-6c3c-4a8e-9d9e-3f3c2a1b0c55",
    "seq": 1,
    "key": "pk_your_publishable_key",
    "survey": "after-order",
    "answers": {"score": 9},
    "complete": True,
    "order": "1001",
    "t": 4200,
}
_SCHEMAS["WidgetIn"]["properties"]["answers"] = {
    "type": "object",
    "additionalProperties": {"$ref": "#/components/schemas/Answer"},
}
SCHEMAS: dict[str, Any] = {"WidgetIn": _SCHEMAS["WidgetIn"]}
DOCUMENT: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {"$ref": "#/components/schemas/WidgetIn"},
                "example": _EXAMPLE,
            }
        },
    },
}
_decoder = msgspec.json.Decoder(WidgetIn)
_FIELDS = WidgetIn.__struct_fields__
_WIDGET_ONLY_FIELDS = {"key", "t", "trap"}


async def take(request: Request) -> Response:
    """Take one answer and reply when it is on disk, so that an allowed page may read the reply."""
    # Before the key is checked, every page may read the reply, which can only be an error.
    headers = cors_headers(request)
    try:
        require_content_type(request, "text/plain", "application/json")
        raw = await read_plain_body(request)
        sent = decode(_decoder, raw, fields=_FIELDS)
        refuse_nul(sent)
        caller = await admit(request, Scope.COLLECT, key=sent.key)
        headers = reply_headers(request)
        fields = {
            field_: getattr(sent, field_) for field_ in _FIELDS if field_ not in _WIDGET_ONLY_FIELDS
        }
        body = check_response(ResponseIn(channel="widget", **fields))
        refuse_untrusted(body)
        hold_state = hold_state_of(sent)
        ingest: Ingest = request.app.state.ingest
        with not_found_as_field_error("body", "survey"):
            survey = await ingest.catalogue.get(caller.workspace_id, body.survey)
        if survey is not None and names_one_answer_case(body, survey):
            # Two pages of the same order make different ids; the order identifies the response.
            body.id = None
        reply = await store(request, caller, body, raw=raw, hold_state=hold_state)
        VOTES.labels(hold_state or "confirmed").inc()
    except AfterwordError as error:
        reply = problem_reply(error)
        if error.reason == "origin":
            # A page of a forbidden origin may not read the reply.
            headers = reply_headers(request)
    reply.headers.update(headers)
    return reply


def cors_headers(request: Request) -> dict[str, str]:
    """Return what lets the page that asks read the reply."""
    origin = request.headers.get("origin")
    return {"Access-Control-Allow-Origin": origin, "Vary": "Origin"} if origin else {}


def hold_state_of(sent: WidgetIn) -> HoldState | None:
    """Return why the response is held, such as being sent too fast for a person; else None."""
    if sent.trap:
        return "quarantined"
    too_fast = sent.t is not None and sent.t < _MIN_HUMAN_MILLISECONDS
    return "unverified" if too_fast else None
