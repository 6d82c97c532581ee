"""What the OpenAPI document says of the routes that the framework does not know."""

from typing import Any

import msgspec

from app.responses.body import ResponseIn
from app.responses.schemas import FollowUpStatus, Integrity
from app.surveys.scales import Band

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
        "band": {"enum": [*(str(b) for b in Band), None]},
        "complete": {"type": "boolean"},
        "integrity": {"enum": [str(i) for i in Integrity]},
        "test": {"type": "boolean"},
        "follow_up": {
            "type": "object",
            "properties": {"status": {"enum": [str(s) for s in FollowUpStatus]}},
        },
        "order": _TEXT,
        "ticket": _TEXT,
        "interaction": {"type": ["object", "null"]},
        "external_id": _TEXT,
        "tags": {"type": "array", "items": {"type": "string"}},
        "imported": {"type": "boolean"},
        "responded_at": {"type": "string", "format": "date-time"},
        "created_at": {"type": "string", "format": "date-time"},
        "updated_at": {"type": "string", "format": "date-time"},
    },
}
REPORT = {
    "type": "object",
    "required": ["accepted", "duplicates", "rejected"],
    "properties": {
        "accepted": {"type": "integer"},
        "duplicates": {"type": "integer"},
        "rejected": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["line", "errors"],
                "properties": {
                    "line": {"type": "integer", "description": "Counted from 1."},
                    "errors": {"type": "array", "items": {"type": "object"}},
                },
            },
        },
    },
}
_KEY_HEADER = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[ -~]+$"},
    "description": "Same key and body: the first reply again; same key, other body: 409.",
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
        "operationId": "post_response",
        "parameters": [_KEY_HEADER],
        "requestBody": {"required": True, "content": _json(body, _EXAMPLE)},
        "responses": {
            "201": {"description": "Stored.", "content": _json(_SUMMARY)},
            "200": {"description": "Stored before, or changed.", "content": _json(_SUMMARY)},
        },
    }
    many = {
        "tags": ["Responses"],
        "summary": "Submit many responses",
        "description": "Take up to 10,000 answers as a JSON array or as NDJSON "
        "(`application/x-ndjson`). A bad line never spoils the others.",
        "operationId": "post_responses",
        "parameters": [
            _KEY_HEADER,
            {
                "name": "events",
                "in": "query",
                "schema": {"type": "boolean", "default": True},
                "description": "False sends no news of these answers.",
            },
        ],
        "requestBody": {
            "required": True,
            "content": {
                **_json({"type": "array", "items": body, "maxItems": 10_000}, [_EXAMPLE]),
                "application/x-ndjson": {"schema": {"type": "string"}},
            },
        },
        "responses": {
            "200": {"description": "What became of the lines.", "content": _json(REPORT)}
        },
    }
    paths = {"/v1/responses": {"post": single}, "/v1/responses/batch": {"post": many}}
    return paths, dict(schemas)
