# SPDX-License-Identifier: Apache-2.0
"""The OpenAPI document: complete, and kept by the service whatever is sent."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from fastapi import FastAPI
from hypothesis import HealthCheck, given, settings
from schemathesis.specs.openapi.checks import positive_data_acceptance

from app.core.settings import Settings
from app.main import create_app
from tests.service import KEY, Service

APP = create_app(Settings.model_validate({"database_url": "postgresql://x", "secret_keys": ["x"]}))
DOCUMENT = APP.openapi()
OPERATIONS = [
    (method, path, operation)
    for path, item in DOCUMENT["paths"].items()
    for method, operation in item.items()
]


def resolve_reference(schema: dict[str, Any]) -> dict[str, Any]:
    """Follow a reference into the document's schemas."""
    schema = schema["anyOf"][0] if "anyOf" in schema else schema
    name = schema.get("$ref", "").rpartition("/")[2]
    item: dict[str, Any] = DOCUMENT["components"]["schemas"].get(name, schema)
    return item


@pytest.mark.parametrize(
    ("method", "path", "operation"),
    OPERATIONS,
    ids=[f"{method} {path}" for method, path, _ in OPERATIONS],
)
def test_every_route_has_a_summary_its_errors_and_an_example(
    method: str, path: str, operation: dict[str, Any]
) -> None:
    assert operation["summary"]
    assert operation["description"]
    for status, reply in operation["responses"].items():
        if int(status) >= 400 and path.startswith("/v1/"):
            example = reply["content"]["application/problem+json"]["example"]
            assert example["status"] == int(status)
    if path.startswith("/v1/"):
        assert {"401", "403", "422"} <= set(operation["responses"])
    if "requestBody" in operation:
        content = operation["requestBody"]["content"]
        if "application/octet-stream" in content:
            # A file has no example of one line.
            return
        media = content["application/json"]
        assert "example" in media or "example" in resolve_reference(media["schema"]), (method, path)


def test_every_heading_is_described(app: FastAPI) -> None:
    document = app.openapi()
    tags = {tag["name"] for tag in document["tags"]}
    used = {
        tag
        for path in document["paths"].values()
        for operation in path.values()
        for tag in operation["tags"]
    }
    assert used == tags


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    """A running service."""
    running = Service()
    running.start()
    try:
        yield running
    finally:
        running.remove()


LOADED: Any = schemathesis.openapi.from_dict(DOCUMENT)
DESCRIBED = [item.ok() for item in LOADED.get_all_operations()]


def hold_to(service: Service, operation: Any, *, examples: int) -> None:
    """Send generated requests; every reply must be one that the document declares."""

    @given(case=operation.as_strategy())
    @settings(
        max_examples=examples,
        deadline=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )
    def hold(case: Any) -> None:
        # Some rules are beyond a schema, such as names of zones and conditions between questions.
        case.call_and_validate(
            base_url=service.url,
            headers={"Authorization": f"Bearer {KEY}"},
            excluded_checks=[positive_data_acceptance],
        )

    hold()


@pytest.mark.parametrize("operation", DESCRIBED, ids=lambda o: o.label)
def test_the_service_keeps_its_document(service: Service, operation: Any) -> None:
    hold_to(service, operation, examples=15)


@pytest.mark.slow
@pytest.mark.parametrize("operation", DESCRIBED, ids=lambda o: o.label)
def test_the_service_keeps_its_document_at_length(service: Service, operation: Any) -> None:
    hold_to(service, operation, examples=100)


PATCHES = [
    (path, operations["patch"])
    for path, operations in DOCUMENT["paths"].items()
    if "patch" in operations
]


def schemas_of(node: Any) -> Iterator[dict[str, Any]]:
    """Return every schema that a body is made of."""
    if isinstance(node, dict):
        if "$ref" in node:
            yield from schemas_of(DOCUMENT["components"]["schemas"][node["$ref"].split("/")[-1]])
        if "properties" in node or "type" in node:
            yield node
        for value in node.values():
            if isinstance(value, dict | list):
                yield from schemas_of(value)
    elif isinstance(node, list):
        for part in node:
            yield from schemas_of(part)


@pytest.mark.parametrize(("path", "operation"), PATCHES, ids=[patch[0] for patch in PATCHES])
def test_a_patch_has_no_defaults(path: str, operation: dict[str, Any]) -> None:
    item = list(schemas_of(operation["requestBody"]))
    assert item
    assert [schema for schema in item if "default" in schema] == []


def test_names_are_plain_and_stand_once() -> None:
    ids = [operation["operationId"] for _, _, operation in OPERATIONS]
    assert len(ids) == len(set(ids))
    assert {"create_response", "get_metric", "create_survey", "update_customer"} <= set(ids)
    assert all(re.fullmatch(r"[a-z]+(_[a-z]+)*", name) for name in ids)
    schemas = DOCUMENT["components"]["schemas"]
    assert all(re.fullmatch(r"[A-Z][A-Za-z]+", name) for name in schemas)
    titles = [schema["title"] for schema in schemas.values() if "title" in schema]
    assert len(titles) == len(set(titles))


@pytest.mark.parametrize(
    ("method", "path", "operation"),
    OPERATIONS,
    ids=[f"{method} {path}" for method, path, _ in OPERATIONS],
)
def test_every_reply_is_typed_and_every_route_declares_a_4xx(
    method: str, path: str, operation: dict[str, Any]
) -> None:
    assert any(status.startswith("4") for status in operation["responses"])
    for status, reply in operation["responses"].items():
        if status != "204":
            assert all(media.get("schema") for media in reply["content"].values()), status
            assert reply["content"]
    assert "security" in operation


def test_answers_are_a_map_of_answers() -> None:
    answers = DOCUMENT["components"]["schemas"]["ResponseIn"]["properties"]["answers"]
    assert answers["additionalProperties"] == {"$ref": "#/components/schemas/Answer"}
