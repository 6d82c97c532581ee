# SPDX-License-Identifier: Apache-2.0
"""The OpenAPI document as others' tools see it: no error, no warning, and clients that work."""

import importlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from tests.service import KEY, Service

pytestmark = pytest.mark.slow

HERE = Path(__file__).parent
MODULES = HERE / "node_modules"
GENERATOR = "openapi-python-client==0.29.1"
NEEDS_NODE = pytest.mark.skipif(
    not MODULES.is_dir() or shutil.which("node") is None,
    reason="needs Node and `npm ci --ignore-scripts --prefix tests/clients`",
)
QUIET = {**os.environ, "REDOCLY_TELEMETRY": "off", "REDOCLY_SUPPRESS_UPDATE_NOTICE": "true",
         "NO_COLOR": "1"}  # fmt: skip


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    """A running service."""
    running = Service()
    running.start()
    try:
        yield running
    finally:
        running.remove()


@pytest.fixture(scope="module")
def document(service: Service, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The document as the service serves it, in a file."""
    path = tmp_path_factory.mktemp("document") / "openapi.json"
    path.write_text(httpx.get(service.url + "/openapi.json").text)
    return path


def run(*command: str, cwd: Path) -> str:
    """Run a tool that must succeed, and return what it says."""
    process = subprocess.run(
        command, cwd=cwd, env=QUIET, capture_output=True, text=True, timeout=300, check=False
    )
    assert process.returncode == 0, process.stdout + process.stderr
    return process.stdout + process.stderr


def test_the_specifications_validator_finds_nothing(document: Path) -> None:
    errors = list(OpenAPIV31SpecValidator(json.loads(document.read_text())).iter_errors())
    assert [str(error)[:200] for error in errors] == []


@NEEDS_NODE
def test_redocly_finds_nothing(document: Path) -> None:
    out = run(
        str(MODULES / ".bin/redocly"), "lint", "--config", str(HERE / "redocly.yaml"),
        "--format", "json", str(document), cwd=HERE,
    )  # fmt: skip
    report = json.loads(out[out.index("{") : out.rindex("}") + 1])
    assert report["totals"] == {"errors": 0, "warnings": 0, "ignored": 0}, report["problems"][:5]


@NEEDS_NODE
def test_spectral_finds_nothing(document: Path) -> None:
    out = run(
        str(MODULES / ".bin/spectral"), "lint", "--ruleset", str(HERE / "spectral.yaml"),
        "--fail-severity", "hint", str(document), cwd=HERE,
    )  # fmt: skip
    assert "No results" in out


@NEEDS_NODE
def test_a_typescript_client_works(service: Service, document: Path, tmp_path: Path) -> None:
    for name in ("drive.ts", "tsconfig.json", "process.d.ts", "package.json"):
        shutil.copy(HERE / name, tmp_path)
    (tmp_path / "node_modules").symlink_to(MODULES)
    out = run(
        str(MODULES / ".bin/openapi-typescript"), str(document), "-o", "api.d.ts", cwd=tmp_path
    )
    assert not re.search("✘|⚠|warn", out), out
    run(str(MODULES / ".bin/tsc"), "-p", "tsconfig.json", cwd=tmp_path)
    result = json.loads(run("node", "out/drive.js", service.url, KEY, cwd=tmp_path))
    assert result == {
        "trigger": ["renamed", False, "PT2H", 5],
        "customer": ["Ala", "ala@example.pl", True, True],
        "workspace": ["Renamed", 3, 3, ["store"]],
        "ids": 3,
        "figure": [3, 33],
    }


@pytest.mark.skipif(shutil.which("uvx") is None, reason="needs uv, to run the generator by itself")
def test_a_python_client_works(
    service: Service, document: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = run(
        "uvx", "--from", GENERATOR, "openapi-python-client", "generate", "--path", str(document),
        "--output-path", "client", "--fail-on-warning", cwd=tmp_path,
    )  # fmt: skip
    assert "WARNING" not in out.upper()
    monkeypatch.syspath_prepend(tmp_path / "client")
    sdk = GeneratedPackage("afterword_client")
    try:
        with sdk.module("client").AuthenticatedClient(base_url=service.url, token=KEY) as client:
            drive(sdk, client)
    finally:
        for name in [name for name in sys.modules if name.startswith("afterword_client")]:
            del sys.modules[name]


class GeneratedPackage:
    """The package that was generated, by the names of its operations and models."""

    def __init__(self, package: str) -> None:
        self._package = package

    def module(self, path: str) -> Any:
        return importlib.import_module(f"{self._package}.{path}")

    def call(self, tag: str, operation: str, client: Any, *path: str, **options: Any) -> Any:
        """Call an operation; anything but its own reply fails."""
        reply = self.module(f"api.{tag}.{operation}").sync(*path, client=client, **options)
        assert type(reply).__name__ != "Problem", reply
        return reply

    def model(self, name: str, /, **values: Any) -> Any:
        """Read a model from JSON, as programs do."""
        return getattr(self.module("models"), name).from_dict(values)


def drive(sdk: GeneratedPackage, client: Any) -> None:
    """Create a survey, submit, patch one field of each, page, and read a figure."""
    body = sdk.model("SurveyIn", template="nps", key="py-nps", name="By a client")
    survey = sdk.call("surveys", "create_survey", client, body=body)
    sdk.call("surveys", "publish_survey", client, survey.key)
    for score in (10, 9, 3):
        answer = sdk.model(
            "ResponseIn", survey="py-nps", channel="api", answers={"score": score, "why": "so"}
        )
        stored = sdk.call("responses", "create_response", client, body=answer)
        assert stored.score == score
    tags = "triggers_and_decisions"
    body = sdk.model(
        "TriggerIn", name="t", on="order.paid", survey="py-nps", delay="PT2H", active=False,
        priority=5,
    )  # fmt: skip
    trigger = sdk.call(tags, "create_trigger", client, body=body)
    patch = sdk.model("TriggerPatch", name="renamed")
    assert patch.to_dict() == {"name": "renamed"}
    changed = sdk.call(tags, "update_trigger", client, str(trigger.id), body=patch)
    assert (changed.name, changed.active, changed.delay, changed.priority) == (
        "renamed", False, "PT2H", 5,
    )  # fmt: skip
    people = "customers_interactions_and_tickets"
    body = sdk.model("CustomerPut", email="ala@example.com", do_not_survey=True)
    sdk.call(people, "put_customer", client, "py-1", body=body)
    patch = sdk.model("CustomerPatch", name="Ala")
    customer = sdk.call(people, "update_customer", client, "py-1", body=patch)
    assert (customer.name, customer.email, customer.do_not_survey) == (
        "Ala", "ala@example.com", True,
    )  # fmt: skip
    workspaces = "workspaces_and_keys"
    patch = sdk.model("WorkspacePatch", min_group_size=2, require_consent=True)
    sdk.call(workspaces, "update_workspace", client, body=patch)
    patch = sdk.model("WorkspacePatch", name="Renamed")
    workspace = sdk.call(workspaces, "update_workspace", client, body=patch)
    assert (workspace.name, workspace.min_group_size, workspace.require_consent) == (
        "Renamed", 2, True,
    )  # fmt: skip
    page = sdk.call("responses", "list_responses", client, survey="py-nps", limit=2)
    next_page = sdk.call(
        "responses", "list_responses", client, survey="py-nps", limit=2, cursor=page.next_cursor
    )
    assert len({response.id for response in [*page.data, *next_page.data]}) == 3
    assert page.data[0].answers.additional_properties["why"] == "so"
    metrics = sdk.module("models").MetricName
    figure = sdk.call("metrics", "get_metric", client, metrics.NPS, survey=["py-nps"])
    assert (figure.total.n, figure.total.display) == (3, 33)
