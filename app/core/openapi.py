# SPDX-License-Identifier: Apache-2.0
"""The OpenAPI document: what the framework writes, made a contract that client generators read.

Every operation has a plain name, its errors and typed replies; a request names no defaults, so
that a generated client sends only what its caller has set.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from fastapi.routing import APIRoute

from app.core.errors import FieldError, problem

_REF = "#/components/schemas/"
_TITLES = {
    400: "The request could not be read.",
    401: "The key is missing, unknown or expired.",
    403: "The key lacks the scope, or the page's origin is not allowed.",
    404: "There is no such thing in this workspace.",
    406: "The format that was asked for cannot be written here.",
    409: "The present state does not allow this.",
    413: "The body is too large.",
    415: "The content type is missing or wrong.",
    422: "Something in the request is not valid; `errors` names each field.",
    429: "Too many requests; `Retry-After` says how long to wait.",
    503: "The database does not answer, or too much waits; nothing was lost.",
}
_TAGS = {
    "Health": "Whether the service runs and can serve, and its telemetry.",
    "Workspaces and keys": "The workspace's settings, API keys, and who a key is.",
    "Surveys": "What is asked: drafts, versions, publishing.",
    "Touchpoints and journeys": "Kinds of moments, and the ordered path of them.",
    "Customers, interactions and tickets": "Whom the workspace knows, and what happened to them.",
    "Invitations": "Asking a customer; who must not be asked.",
    "Triggers and decisions": "Whom to ask after an interaction, and why somebody was not asked.",
    "Responses": "What was answered.",
    "Metrics": "Figures with their intervals.",
    "Insights": "What drives the score, whether bad experiences were repaired, what comments say.",
    "Alerts": "Figures that are watched.",
    "Imports": "Previewing, importing and undoing files.",
    "Integrations": "Senders whose webhooks become interactions.",
    "Webhooks in": "The addresses to which integrations send webhooks.",
    "Webhooks": "Your own endpoints, deliveries, and the feed of events.",
    "Exports": "Rows for BI tools.",
    "OData": "The daily counts for Excel, Power BI and Tableau.",
    "Widget": "The headless contract of the widget.",
}

PROBLEM_SCHEMA: dict[str, Any] = {
    "type": "object",
    "title": "Problem",
    "description": "RFC 9457, with the wrong fields and the request's id.",
    "required": ["type", "title", "status", "detail", "errors", "request_id"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "errors": {"type": "array", "items": {"$ref": f"{_REF}FieldError"}},
        "request_id": {"type": "string"},
    },
}
FIELD_ERROR_SCHEMA: dict[str, Any] = {
    "type": "object",
    "title": "FieldError",
    "description": "One wrong field: where it stands in the request, and what is wrong with it.",
    "required": ["loc", "msg"],
    "properties": {
        "loc": {
            "type": "array",
            "items": {"anyOf": [{"type": "string"}, {"type": "integer"}]},
        },
        "msg": {"type": "string"},
    },
}
LINES_REPORT_SCHEMA: dict[str, Any] = {
    "type": "object",
    "title": "LinesReport",
    "description": "What became of the lines of a batch.",
    "required": ["accepted", "duplicates", "rejected"],
    "properties": {
        "accepted": {"type": "integer"},
        "duplicates": {"type": "integer", "description": "Known before, and nothing new."},
        "rejected": {"type": "array", "items": {"$ref": f"{_REF}RejectedLine"}},
    },
}
REJECTED_LINE_SCHEMA: dict[str, Any] = {
    "type": "object",
    "title": "RejectedLine",
    "description": "A line that was not taken, and why.",
    "required": ["line", "errors"],
    "properties": {
        "line": {"type": "integer", "description": "Counted from 1."},
        "errors": {"type": "array", "items": {"$ref": f"{_REF}FieldError"}},
    },
}
KEY_HEADER = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[ -~]+$"},
    "description": "Same key and body: the first reply again; same key, other body: 409.",
}
LINES_REPORT = {"$ref": f"{_REF}LinesReport"}
# The only shape of errors that OData clients understand.
_ODATA_ERROR: dict[str, Any] = {
    "title": "ODataError",
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["code", "message"],
            "properties": {
                "code": {"type": "string"},
                "message": {"type": "string"},
                "details": {"type": "array", "items": {"type": "object"}},
            },
        }
    },
}
_SCHEMAS = {
    "ODataError": _ODATA_ERROR,
    "Problem": PROBLEM_SCHEMA,
    "FieldError": FIELD_ERROR_SCHEMA,
    "LinesReport": LINES_REPORT_SCHEMA,
    "RejectedLine": REJECTED_LINE_SCHEMA,
}


def operation_id(route: APIRoute) -> str:
    """Name an operation by its function, such as `create_survey`; each name stands once."""
    return route.name


def reference(name: str) -> dict[str, str]:
    """Refer to a schema of the document."""
    return {"$ref": _REF + name}


def problem_response(status: int) -> dict[str, Any]:
    """Describe one kind of error with an example."""
    wrong: list[FieldError] = [{"loc": ["body", "name"], "msg": "is required"}]
    example = problem(
        status, _TITLES[status], errors=wrong if status == 422 else [], request_id="0199…"
    )
    return {
        "description": _TITLES[status],
        "content": {"application/problem+json": {"schema": reference("Problem"),
                                                 "example": example}},
    }  # fmt: skip


@dataclass(frozen=True, slots=True)
class BatchOperation:
    """What the document says of a batch route, whose lines are of one schema `item`."""

    tag: str
    summary: str
    description: str
    operation_id: str
    item: Mapping[str, Any]
    example: Mapping[str, Any]
    parameters: Sequence[Mapping[str, Any]] = ()
    report: Mapping[str, Any] = field(default_factory=lambda: LINES_REPORT)

    def document(self) -> dict[str, Any]:
        """Return the operation; NDJSON is described in words, as generators only know JSON."""
        body = {
            "schema": {"type": "array", "items": self.item, "maxItems": 10_000},
            "example": [self.example],
        }
        reply = {"content": {"application/json": {"schema": self.report}}}
        return {
            "tags": [self.tag],
            "summary": self.summary,
            "description": f"{self.description} As a JSON array, or as lines "
            "(`application/x-ndjson`), up to 10,000. A bad line never spoils the others.",
            "operationId": self.operation_id,
            "parameters": [KEY_HEADER, *self.parameters],
            "requestBody": {"required": True, "content": {"application/json": body}},
            "responses": {"200": {"description": "What became of the lines.", **reply}},
        }


def finish(document: dict[str, Any], added_paths: dict[str, Any], *, server: str) -> dict[str, Any]:
    """Add keys, errors and the hot routes to the framework's document, and make it strict."""
    for path, operations in added_paths.items():
        document["paths"].setdefault(path, {}).update(operations)
    document["info"] |= {
        "contact": {"name": "Afterword"},
        "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
    }
    document["servers"] = [{"url": server}]
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    schemas |= _SCHEMAS
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    document["components"]["securitySchemes"] = {
        "bearer": {"type": "http", "scheme": "bearer", "description": "`Bearer KEY`."},
        "basic": {"type": "http", "scheme": "basic", "description": "The key as user name."},
    }
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            _describe_errors(path, method, operation)
    used = {tag for _, operation in _operations(document) for tag in operation["tags"]}
    document["tags"] = [
        {"name": name, "description": text} for name, text in _TAGS.items() if name in used
    ]
    _leave_out_defaults(document)
    _open_objects(document)
    return _with_plain_names(document)


_GENERIC = re.compile(r"^Page_(\w+)_$")


def _with_plain_names(document: dict[str, Any]) -> dict[str, Any]:
    """Name the page of a kind of rows plainly: `SurveyOutPage`."""

    def rename_references(node: Any) -> Any:
        if isinstance(node, list):
            return [rename_references(part) for part in node]
        if not isinstance(node, dict):
            return node
        members = {key: rename_references(value) for key, value in node.items()}
        if isinstance(name := members.get("$ref"), str):
            members["$ref"] = _REF + _GENERIC.sub(r"\1Page", name.removeprefix(_REF))
        return members

    plain_document: dict[str, Any] = rename_references(document)
    schemas = plain_document["components"]["schemas"]
    plain_document["components"]["schemas"] = {
        _GENERIC.sub(r"\1Page", name): schema for name, schema in schemas.items()
    }
    return plain_document


def _operations(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for operations in document["paths"].values():
        yield from operations.items()


def _describe_errors(path: str, method: str, operation: dict[str, Any]) -> None:
    replies = operation.setdefault("responses", {})
    operation["security"] = []
    statuses: set[int] = set()
    if path.startswith(("/v1/", "/odata/")):
        operation["security"] = [{"bearer": []}, {"basic": []}]
        statuses = _statuses(path, method, has_body="requestBody" in operation)
    elif path.startswith("/w/"):
        statuses = _statuses(path, method, has_body="requestBody" in operation)
    elif path.startswith("/in/"):
        statuses = {401, 404, 413, 422, 503}
    else:
        statuses = {422, *(int(status) for status in replies if status == "404")}
    for status in sorted(statuses):
        replies[str(status)] = problem_response(status)
        if path.startswith("/odata/"):
            replies[str(status)]["content"] = {
                "application/json": {"schema": reference("ODataError")}
            }
    operation["responses"] = dict(sorted(replies.items()))


def _statuses(path: str, method: str, *, has_body: bool) -> set[int]:
    """Return the errors that a route of the API may answer."""
    statuses = {401, 403, 422, 429, 503}
    if "{" in path or method == "post":
        statuses.add(404)
    if method != "get":
        statuses.add(409)
    if path.startswith("/v1/exports/"):
        statuses.add(406)
    return statuses | {413, 415} if has_body else statuses


def _references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if "$ref" in node:
            yield node["$ref"].removeprefix(_REF)
        for value in node.values():
            yield from _references(value)
    elif isinstance(node, list):
        for value in node:
            yield from _references(value)


def _leave_out_defaults(document: dict[str, Any]) -> None:
    """Remove the defaults of request fields, and describe them in words where they apply.

    A generated client would send every `default`, so that a PATCH of one field would change
    the others.
    """
    schemas = document["components"]["schemas"]
    patched, sent = set[str](), set[str]()
    for method, operation in _operations(document):
        waiting = list(_references(operation.get("requestBody", {})))
        while waiting:
            name = waiting.pop()
            if method == "patch":
                patched.add(name)
            if name not in sent or (method == "patch" and name not in patched):
                sent.add(name)
                waiting += _references(schemas[name])
    for name in sent:
        for part in schemas[name].get("properties", {}).values():
            value = part.pop("default", None)
            if value not in (None, [], {}, "") and name not in patched:
                sentence = f"Default: `{json.dumps(value)}`."
                part["description"] = f"{part.get('description', '')} {sentence}".strip()


_SHAPES = {"properties", "additionalProperties", "patternProperties", "allOf", "anyOf", "oneOf"}


def _open_objects(node: Any) -> None:
    """Mark objects without known fields as open; TypeScript would take them for empty ones."""
    if isinstance(node, dict):
        kind = node.get("type")
        is_object = kind == "object" or (isinstance(kind, list) and "object" in kind)
        if is_object and not _SHAPES & set(node):
            node["additionalProperties"] = True
        for key, value in node.items():
            if key not in {"example", "examples", "default"}:
                _open_objects(value)
    elif isinstance(node, list):
        for value in node:
            _open_objects(value)
