"""The OpenAPI document: complete, and kept by the service whatever is sent."""

from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.specs.openapi.checks import positive_data_acceptance

from app.core.settings import Settings
from app.main import create_app
from tests.service import KEY, Service

APP = create_app(Settings.model_validate({"database_url": "postgresql://x", "secret_keys": ["x"]}))
DOCUMENT = APP.openapi()
OPERATIONS = [(m, p, o) for p, found in DOCUMENT["paths"].items() for m, o in found.items()]


def resolved(schema: dict[str, Any]) -> dict[str, Any]:
    """Follow a reference into the document's schemas."""
    schema = schema["anyOf"][0] if "anyOf" in schema else schema
    name = schema.get("$ref", "").rpartition("/")[2]
    found: dict[str, Any] = DOCUMENT["components"]["schemas"].get(name, schema)
    return found


@pytest.mark.parametrize(
    ("method", "path", "operation"), OPERATIONS, ids=[f"{m} {p}" for m, p, _ in OPERATIONS]
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
        media = operation["requestBody"]["content"]["application/json"]
        assert "example" in media or "example" in resolved(media["schema"]), (method, path)


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
DESCRIBED = [found.ok() for found in LOADED.get_all_operations()]


@pytest.mark.parametrize("operation", DESCRIBED, ids=lambda o: o.label)
def test_the_service_keeps_its_document(service: Service, operation: Any) -> None:
    @given(case=operation.as_strategy())
    @settings(
        max_examples=15, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck)
    )
    def hold(case: Any) -> None:
        # Some rules are beyond a schema, such as names of zones and conditions between questions.
        case.call_and_validate(
            base_url=service.url,
            headers={"Authorization": f"Bearer {KEY}"},
            excluded_checks=[positive_data_acceptance],
        )

    hold()
