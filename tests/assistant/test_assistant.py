# SPDX-License-Identifier: Apache-2.0
"""An assistant asks by the protocol's own client: same figures and errors as the API."""

import json
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import httpx2
import pytest
from mcp.client.session import ClientSession
from mcp.client.streamable_http import streamable_http_client

from app.assistant.tools import TOOLS, explanations
from app.insights.kinds import InsightName
from app.metrics.registry import METRICS
from tests.service import Service
from tests.shop import Shop

GUIDE = Path(__file__).parents[2] / "docs" / "guides" / "assistant.md"


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    """A running service with a few answers."""
    service = Service()
    service.start()
    with service.client() as client:
        client.post("/v1/surveys", json={"template": "nps", "key": "nps"}).raise_for_status()
        client.post("/v1/surveys/nps/publish").raise_for_status()
        for score, why in ((10, "Great"), (9, ""), (2, "The parcel came late")):
            body = {"survey": "nps", "channel": "api", "answers": {"score": score, "why": why}}
            client.post("/v1/responses", json=body).raise_for_status()
    yield service
    service.remove()


async def call(service: Service, key: str, tool: str, **arguments: Any) -> tuple[bool, str]:
    """Call one tool; return whether it went wrong, and its text."""
    headers = {"Authorization": f"Bearer {key}"}
    async with (
        httpx2.AsyncClient(headers=headers, timeout=30) as http,
        streamable_http_client(f"{service.url}/mcp", http_client=http) as streams,
        ClientSession(streams[0], streams[1]) as session,
    ):
        await session.initialize()
        listed = await session.list_tools()
        assert {result.name for result in listed.tools} == set(TOOLS)
        result = await session.call_tool(tool, arguments)
        return bool(result.is_error), result.content[0].text  # type: ignore[union-attr]


def test_the_request_of_the_guide_answers(service: Service) -> None:
    command = next(line for line in GUIDE.read_text().splitlines() if line.startswith("curl "))
    _, url, *options = shlex.split(command.replace("KEY", service.key))
    headers = dict(value.split(": ", 1) for value in options[1::2] if not value.startswith("{"))
    address = url.replace("https://afterword.example", service.url)
    reply = httpx.post(address, headers=headers, content=options[-1], timeout=30)
    result = reply.raise_for_status().json()["result"]
    assert json.loads(result["content"][0]["text"])["total"]["n"] == 3


async def test_get_metric_gives_the_figure_of_the_api(service: Service) -> None:
    wrong, text = await call(service, service.key, "get_metric", metric="nps", period="all")
    assert not wrong
    with service.client() as client:
        expected = client.get("/v1/metrics/nps", params={"period": "all"}).json()
    assert json.loads(text) == expected
    assert expected["total"]["n"] == 3


async def test_insights_comments_surveys_and_words(service: Service) -> None:
    _, text = await call(service, service.key, "get_insight", insight="word-of-mouth")
    assert json.loads(text)["satisfied"] == 2
    _, text = await call(service, service.key, "search_comments", q="parcel")
    assert [comment["score"] for comment in json.loads(text)["data"]] == [2]
    _, text = await call(service, service.key, "list_surveys")
    assert json.loads(text)["data"][0]["key"] == "nps"
    _, text = await call(service, service.key, "explain_figure", metric="nps")
    assert "promoters" in text


async def test_errors_and_scopes_are_the_apis(service: Service) -> None:
    wrong, text = await call(service, service.key, "get_metric", metric="nps", interval="hour")
    assert (wrong, "interval" in text) == (True, True)
    with service.client() as client:
        api_key = client.post("/v1/api-keys", json={"name": "bi", "scopes": ["metrics"]}).json()
    wrong, text = await call(service, api_key["secret"], "search_comments", q="parcel")
    assert (wrong, "scope" in text) == (True, True)
    wrong, _ = await call(service, api_key["secret"], "get_metric", metric="nps")
    assert not wrong


@pytest.mark.parametrize(
    ("tool", "arguments", "word"),
    [
        ("search_comments", {"q": "x", "limit": 500}, "500"),
        ("search_comments", {"q": "x", "customer": "c-1"}, "customer"),
        ("get_metric", {}, "metric"),
        ("get_insight", {"insight": "moods"}, "insight"),
    ],
)
async def test_a_tool_takes_what_it_declares(
    service: Service, tool: str, arguments: dict[str, Any], word: str
) -> None:
    wrong, text = await call(service, service.key, tool, **arguments)
    assert (wrong, word in text) == (True, True), text


async def test_surveys_are_read_page_by_page(service: Service) -> None:
    with service.client() as client:
        client.post("/v1/surveys", json={"template": "csat", "key": "csat"}).raise_for_status()
    _, first = await call(service, service.key, "list_surveys", limit=1)
    cursor = json.loads(first)["next_cursor"]
    _, second = await call(service, service.key, "list_surveys", limit=1, cursor=cursor)
    keys = {survey["key"] for page in (first, second) for survey in json.loads(page)["data"]}
    assert keys == {"nps", "csat"}


def test_one_question_is_one_request_of_the_keys_rate(service: Service) -> None:
    with service.client() as client:
        body = {"name": "slow", "scopes": ["metrics"], "rate_limit": 1}
        secret = client.post("/v1/api-keys", json=body).json()["secret"]
    headers = {"Authorization": f"Bearer {secret}", "Accept": "application/json"}
    params = {"name": "get_metric", "arguments": {"metric": "nps"}}
    message = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
    reply = httpx.post(f"{service.url}/mcp", json=message, headers=headers)
    assert reply.status_code == 200, reply.text
    assert not reply.json()["result"].get("isError"), reply.text


def test_another_content_type_is_refused_as_by_the_api(service: Service) -> None:
    headers = {"Authorization": f"Bearer {service.key}", "Content-Type": "text/plain"}
    reply = httpx.post(f"{service.url}/mcp", content=b"{}", headers=headers)
    assert (reply.status_code, reply.headers["content-type"]) == (415, "application/problem+json")


def test_without_a_key_there_is_nothing(service: Service) -> None:
    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
    assert httpx.post(f"{service.url}/mcp", json=body).status_code == 401


def test_every_metric_is_explained() -> None:
    assert set(explanations()) == {*METRICS, *map(str, InsightName)}


async def test_without_the_mcp_package_the_error_says_how_to_install_it(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As if the package were not installed.
    monkeypatch.setitem(sys.modules, "mcp", None)
    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
    for reply in (await shop.call("POST", "/mcp", json=body), await shop.call("GET", "/mcp")):
        assert reply.status_code == 404
        assert "afterword[mcp]" in reply.json()["detail"]


async def test_a_key_for_figures_alone_uses_every_tool_but_the_comments(service: Service) -> None:
    with service.client() as client:
        reply = client.post("/v1/api-keys", json={"name": "figures", "scopes": ["metrics"]}).json()
    key = reply["secret"]
    for tool, arguments in (
        ("list_surveys", {}), ("get_metric", {"metric": "nps"}),
        ("get_insight", {"insight": "drivers"}), ("explain_figure", {"metric": "nps"}),
    ):  # fmt: skip
        wrong, text = await call(service, key, tool, **arguments)
        assert not wrong, (tool, text)
    wrong, text = await call(service, key, "search_comments", q="late")
    assert (wrong, "scope" in text) == (True, True)
