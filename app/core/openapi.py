"""The OpenAPI document: what the framework writes, with keys, problems and hot routes added."""

from typing import Any

from app.core.errors import FieldError, problem

_SCHEMA = "#/components/schemas/Problem"
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
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["loc", "msg"],
                "properties": {
                    "loc": {
                        "type": "array",
                        "items": {"anyOf": [{"type": "string"}, {"type": "integer"}]},
                    },
                    "msg": {"type": "string"},
                },
            },
        },
        "request_id": {"type": "string"},
    },
}


def problem_response(status: int) -> dict[str, Any]:
    """Describe one kind of error with an example."""
    wrong: list[FieldError] = [{"loc": ["body", "name"], "msg": "is required"}]
    example = problem(
        status, _TITLES[status], errors=wrong if status == 422 else [], request_id="0199…"
    )
    return {
        "description": _TITLES[status],
        "content": {"application/problem+json": {"schema": {"$ref": _SCHEMA}, "example": example}},
    }


def finish(document: dict[str, Any], added_paths: dict[str, Any]) -> dict[str, Any]:
    """Add keys, errors and the hot routes to the framework's document."""
    for path, operations in added_paths.items():
        document["paths"].setdefault(path, {}).update(operations)
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    schemas["Problem"] = PROBLEM_SCHEMA
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    document["components"]["securitySchemes"] = {
        "bearer": {"type": "http", "scheme": "bearer", "description": "`Bearer KEY`."},
        "basic": {"type": "http", "scheme": "basic", "description": "The key as user name."},
    }
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            _describe_errors(path, method, operation)
    return document


def _describe_errors(path: str, method: str, operation: dict[str, Any]) -> None:
    replies = operation.setdefault("responses", {})
    statuses: set[int] = set()
    if path.startswith(("/v1/", "/odata/")):
        operation["security"] = [{"bearer": []}, {"basic": []}]
        statuses = _statuses(path, method, has_body="requestBody" in operation)
    elif path.startswith("/w/"):
        statuses = _statuses(path, method, has_body="requestBody" in operation)
    elif path.startswith("/in/"):
        statuses = {401, 404, 413, 422, 503}
    elif "422" in replies:
        statuses = {422}
    for status in sorted(statuses):
        replies[str(status)] = problem_response(status)
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
