# SPDX-License-Identifier: Apache-2.0
"""`PUBLIC_URL` with a path: behind a proxy that takes it off, and behind one that does not."""

import html
import re
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import httpx
import pytest

from app.core.settings import Settings
from app.main import create_app
from tests.pages.forms import browse, follow
from tests.shop import Shop

ROOT = "/feedback"
ADDRESS = re.compile(r'(?:href|action|src)="([^"#]*)"')


@pytest.fixture(params=["kept", "stripped"])
async def proxied(
    request: pytest.FixtureRequest, settings: Settings, shop: Shop
) -> AsyncIterator[Shop]:
    """The shop, behind a proxy at a path of its own."""
    own = settings.model_copy(update={"public_url": f"https://shop.example{ROOT}"})
    app = create_app(own)

    async def proxy(scope: dict, receive: object, send: object) -> None:  # type: ignore[type-arg]
        if scope["type"] == "http":
            assert scope["path"].startswith(ROOT), scope["path"]
            if request.param == "stripped":
                scope = {**scope, "path": scope["path"][len(ROOT) :] or "/"}
                scope["raw_path"] = scope["raw_path"][len(ROOT) :] or b"/"
        await app(scope, receive, send)  # type: ignore[arg-type]

    transport = httpx.ASGITransport(app=proxy)  # type: ignore[arg-type]
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="https://shop.example") as client,
    ):
        yield Shop(client, shop.key, shop.workspace_id, shop.workspace_key)


def addresses(text: str) -> list[str]:
    return [html.unescape(address) for address in ADDRESS.findall(text)]


async def test_an_answer_arrives_through_every_page(proxied: Shop, shop: Shop) -> None:
    survey = await shop.publish("s")
    page = await browse(proxied.client, f"{ROOT}/s/{survey['public_id']}")
    assert page.action.startswith(f"{ROOT}/s/")
    reply = await page.send(proxied.client, score="9")
    assert reply.headers["location"].startswith(f"{ROOT}/s/")
    page = await follow(proxied.client, reply)
    reply = await page.send(proxied.client, why="Good")
    assert (await follow(proxied.client, reply)).status == 200
    body = {"survey": "s", "customer": {"email": "a@e.pl"}, "channel": "link"}
    reply = await proxied.call("POST", f"{ROOT}/v1/invitations", json=body)
    url = urlsplit(reply.json()["url"])
    assert url.path.startswith(f"{ROOT}/i/")
    page = await browse(proxied.client, url.path)
    reply = await page.send(proxied.client, score="8", _g="1", _js="1")
    assert reply.headers["location"].startswith(f"{ROOT}/i/")
    responses = (await shop.get("/v1/responses"))["data"]
    assert sorted(address["score"] for address in responses) == [8, 9]


async def test_every_address_of_every_page_is_below_the_path(proxied: Shop, shop: Shop) -> None:
    survey = await shop.publish("s")
    await shop.call("PATCH", "/v1/workspace", json={"brand": {"colour": "#0b5cad"}})
    client = proxied.client
    signed_in = await client.post(f"{ROOT}/sign-in", data={"key": shop.key})
    assert signed_in.headers["location"] == f"{ROOT}/"
    seen: set[str] = set()
    left = [f"{ROOT}/", f"{ROOT}/s/{survey['public_id']}", f"{ROOT}/guides", f"{ROOT}/docs"]
    while left:
        path = left.pop()
        if path in seen or len(seen) > 80:
            continue
        seen.add(path)
        reply = await client.get(path)
        assert reply.status_code in {200, 303}, (path, reply.status_code)
        if "html" not in reply.headers.get("content-type", ""):
            continue
        for address in addresses(reply.text):
            if address.startswith(("http", "data:", "mailto:")):
                continue
            below = address if address.startswith("/") else f"{ROOT}/{address}"
            assert below.startswith(f"{ROOT}/"), (path, address)
            if "sign-out" not in below and "/forms/" not in below and "-sent" not in below:
                left.append(below.partition("?")[0])
    assert len(seen) > 30
    document = (await client.get(f"{ROOT}/openapi.json")).json()
    assert document["servers"] == [{"url": f"https://shop.example{ROOT}"}]
    links = (await proxied.call("GET", f"{ROOT}/v1/surveys/s/links")).json()
    assert all(f"https://shop.example{ROOT}/" in url for url in links.values())
    script = await client.get(f"{ROOT}/widget.js")
    assert script.status_code == 200
