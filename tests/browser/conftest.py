# SPDX-License-Identifier: Apache-2.0
"""A whole service, and Debian's Chromium: `apt-get install chromium`."""

import shutil
from collections.abc import AsyncIterator, Iterator
from typing import Any
from uuid import uuid4

import httpx
import pytest
from playwright.async_api import Browser, BrowserContext, Page, async_playwright

from tests.service import Service

# What Chromium needs to run as root and to leave the network alone.
ARGUMENTS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "tests/browser/" in str(item.path):
            item.add_marker(pytest.mark.slow)


@pytest.fixture(scope="session")
def service() -> Iterator[Service]:
    service = Service(AFTERWORD_PUBLIC_RATE="1000", AFTERWORD_PUBLIC_BURST="1000")
    service.start("--demo")
    yield service
    service.remove()


@pytest.fixture(scope="session")
async def browser() -> AsyncIterator[Browser]:
    program = shutil.which("chromium")
    if program is None:
        pytest.skip("needs Chromium: apt-get install chromium")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=program, args=ARGUMENTS)
        yield browser
        await browser.close()


@pytest.fixture
async def page(browser: Browser) -> AsyncIterator[Page]:
    """A page of a visitor of its own; a console message or an error in it fails the test."""
    context = await browser.new_context(viewport={"width": 900, "height": 700})
    page = await context.new_page()
    messages: list[str] = []
    page.on("console", lambda message: messages.append(message.text))
    page.on("pageerror", lambda error: messages.append(str(error)))
    yield page
    await context.close()
    assert messages == []


class BrowserCompany:
    """A workspace of one test in the whole service."""

    def __init__(self, service: Service) -> None:
        with service.client() as founder:
            workspace = founder.post(
                "/v1/workspaces", json={"name": "Shop", "key": f"w-{uuid4().hex[:12]}"}
            ).json()
        self.service = service
        self.key: str = workspace["api_key"]["secret"]
        self.client = httpx.Client(base_url=service.url, auth=(self.key, ""), timeout=60)

    def post(self, path: str, body: Any = None) -> Any:
        reply = self.client.post(path, json=body)
        assert reply.status_code < 300, reply.text
        return reply.json()

    def get(self, path: str, **params: Any) -> Any:
        reply = self.client.get(path, params=params)
        assert reply.status_code == 200, reply.text
        return reply.json()

    def publish(self, key: str = "s", template: str = "nps", **changes: Any) -> str:
        """Publish a survey and return the address of its page."""
        body = {"key": key} | changes
        if "questions" in changes:
            body = {"name": key} | body
        else:
            body["template"] = template
        self.post("/v1/surveys", body)
        survey = self.post(f"/v1/surveys/{key}/publish")
        return f"{self.service.url}/s/{survey['public_id']}"

    def invite(self, email: str = "ala@example.pl", **more: Any) -> str:
        """Return the address of an invited customer's page."""
        customer = {"email": email, "name": "Ala Nowak"}
        body = {"survey": "s", "customer": customer, "channel": "link"} | more
        url: str = self.post("/v1/invitations", body)["url"]
        return url

    def widget_key(self) -> str:
        """Allow the service's own origin, and return a publishable key."""
        self.client.patch("/v1/workspace", json={"allowed_origins": [self.service.url]})
        key: str = self.post("/v1/api-keys", {"name": "w", "scopes": ["collect"]})["secret"]
        return key

    def responses(self) -> list[dict[str, Any]]:
        """Return all responses, the newest first."""
        rows: list[dict[str, Any]] = self.get("/v1/responses")["data"]
        return rows

    def count_answers(self, metric: str = "nps") -> int:
        """Return how many answers the figure is made from."""
        n: int = self.get(f"/v1/metrics/{metric}")["total"]["n"]
        return n


@pytest.fixture
def company(service: Service) -> Iterator[BrowserCompany]:
    company = BrowserCompany(service)
    yield company
    company.client.close()


@pytest.fixture
async def context(browser: Browser) -> AsyncIterator[BrowserContext]:
    context = await browser.new_context(viewport={"width": 900, "height": 700})
    yield context
    await context.close()
