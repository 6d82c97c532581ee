# SPDX-License-Identifier: Apache-2.0
"""What the OpenAPI document says of the routes that the framework does not know."""

from typing import Any

import msgspec

from app.core.openapi import KEY_HEADER, BatchOperation, reference
from app.responses.body import ResponseIn
from app.responses.follow_ups import FollowUpStatus
from app.responses.states import Integrity
from app.surveys.bands import Band

_EXAMPLE = {
    "survey": "checkout-csat",
    "channel": "web",
    "answers": {"score": 4, "courtesy": "na", "why": None},
    "touchpoint": "checkout",
    "locale": "pl",
    "properties": {"store": "WAW-1"},
    "customer": {"external_id": "c-17", "email": "a@b.pl", "name": "Ala"},
    "order": "1001",
}

_TEXT = {"type": ["string", "null"]}
_SUMMARY = {
    "type": "object",
    "title": "ResponseSummary",
    "description": "The stored response in short; a publishable key sees `id`, `seq`, `complete`.",
    "required": ["id", "seq", "complete"],
    "properties": {
        "id": {"type": "string", "format": "uuid"},
        "survey": {"type": "string"},
        "survey_id": {"type": "string", "format": "uuid"},
        "survey_version": {"type": "integer"},
        "seq": {"type": "integer"},
        "channel": {"type": "string"},
        "touchpoint": _TEXT,
        "locale": {"type": "string"},
        "score": {"type": ["integer", "null"]},
        "band": {"enum": [*(str(band) for band in Band), None]},
        "complete": {"type": "boolean"},
        "integrity": {"enum": [str(integrity) for integrity in Integrity]},
        "test": {"type": "boolean"},
        "follow_up": {
            "type": "object",
            "properties": {"status": {"enum": [str(status) for status in FollowUpStatus]}},
        },
        "order": _TEXT,
        "ticket": _TEXT,
        "interaction": {
            "type": ["object", "null"],
            "properties": {"source": {"type": "string"}, "external_id": {"type": "string"}},
        },
        "external_id": _TEXT,
        "tags": {"type": "array", "items": {"type": "string"}},
        "imported": {"type": "boolean"},
        "responded_at": {"type": "string", "format": "date-time"},
        "created_at": {"type": "string", "format": "date-time"},
        "updated_at": {"type": "string", "format": "date-time"},
    },
}
_ANSWERS = {
    "type": "object",
    "description": "By the question's key: a number, true or false, a text, options; `na` for "
    "not applicable, null for skipped.",
    "additionalProperties": reference("Answer"),
}
_ANSWER = {
    "title": "Answer",
    "anyOf": [
        {"type": "integer"},
        {"type": "boolean"},
        {"type": "string"},
        {"type": "array", "items": {"type": "string"}},
        {"type": "null"},
    ],
}
_PROPERTIES = {
    "type": ["object", "null"],
    "description": "At most 32: texts, numbers, true or false, lists of texts.",
    "additionalProperties": True,
}


def _json(schema: dict[str, Any], example: Any = None) -> dict[str, Any]:
    media: dict[str, Any] = {"schema": schema}
    if example is not None:
        media["example"] = example
    return {"application/json": media}


def hot_paths() -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the paths and the schemas of taking one answer and taking many."""
    (body,), schemas = msgspec.json.schema_components(
        [ResponseIn], ref_template="#/components/schemas/{name}"
    )
    single = {
        "tags": ["Responses"],
        "summary": "Submit a response",
        "description": "Take one answer. A 201 means it is on disk; the same answer again is 200 "
        "and counts once; the same id with a higher `seq` replaces the answers.",
        "operationId": "create_response",
        "parameters": [KEY_HEADER],
        "requestBody": {"required": True, "content": _json(body, _EXAMPLE)},
        "responses": {
            "201": {"description": "Stored.", "content": _json(reference("ResponseSummary"))},
            "200": {
                "description": "Stored before, or changed.",
                "content": _json(reference("ResponseSummary")),
            },
        },
    }
    many = BatchOperation(
        tag="Responses",
        summary="Submit many responses",
        description="Take many answers.",
        operation_id="create_responses",
        item=body,
        example=_EXAMPLE,
        parameters=[
            {
                "name": "events",
                "in": "query",
                "schema": {"type": "boolean"},
                "description": "False sends no events of these answers; default true.",
            }
        ],
    ).document()
    paths = {"/v1/responses": {"post": single}, "/v1/responses/batch": {"post": many}}
    schemas = dict(schemas)
    schemas["ResponseIn"]["properties"] |= {"answers": _ANSWERS, "properties": _PROPERTIES}
    return paths, {**schemas, "Answer": _ANSWER, "ResponseSummary": _SUMMARY}
