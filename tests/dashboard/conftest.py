# SPDX-License-Identifier: Apache-2.0
"""A visitor of the dashboard: cookies, forms read from the pages, and the mails that arrive."""

import html
import re

import httpx
import pytest
from fastapi import FastAPI

from app.pages.dashboard.pages import NAVIGATION
from tests.shop import Shop

PAGES = [page.path for page in NAVIGATION]


class Browser:
    """A visitor with cookies; forms are read from the pages as they are."""

    def __init__(self, app: FastAPI, shop: Shop) -> None:
        transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
        self.shop = shop
        self.client = httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8000")

    async def open(self, path: str) -> httpx.Response:
        return await self.client.get(path)

    async def page(self, path: str) -> str:
        reply = await self.open(path)
        assert reply.status_code == 200, reply.text
        return reply.text

    async def sign_in(self, key: str | None = None, next_: str = "/") -> httpx.Response:
        fields = {"key": key or self.shop.key, "next": next_}
        return await self.client.post("/sign-in", data=fields)

    async def send(self, path: str, *, page: str, **fields: str) -> httpx.Response:
        csrf = re.search(r'name="_csrf" value="([^"]+)"', await self.page(page))
        assert csrf
        return await self.client.post(path, data={"_csrf": html.unescape(csrf[1]), **fields})


@pytest.fixture
def browser(app: FastAPI, shop: Shop) -> Browser:
    return Browser(app, shop)


async def link_of(shop: Shop, email: str) -> str:
    """Return the path of the latest link that was mailed to an address."""
    await shop.work()
    state = shop.client._transport.app.state  # type: ignore[attr-defined]
    folder = state.settings.data_dir / "mail"
    mails = sorted(folder.glob("*.notice.eml"), key=lambda path: path.stat().st_mtime)
    texts = [path.read_text() for path in mails if f"To: {email}" in path.read_text()]
    assert texts, email
    path = re.search(r"http://127\.0\.0\.1:8000(/sign-in/\S+)", texts[-1].replace("=\n", ""))
    assert path
    return path[1].replace("=3D", "=")
