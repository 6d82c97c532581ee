# SPDX-License-Identifier: Apache-2.0
"""A company's look: colours that can be seen, and a logo that is fetched once."""

import asyncio
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from app.core.database import Database
from app.core.settings import Settings
from app.workspaces.colours import (
    DARK_PAPER,
    PAPER,
    accent,
    can_be_seen,
    contrast,
    ink_on,
    nearest_seen,
)
from tests.shop import Shop

PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 100


@pytest.mark.parametrize(
    ("first", "other", "expected"),
    # The reference values of WCAG's own examples.
    [("#000000", "#ffffff", 21.0), ("#777777", "#ffffff", 4.478), ("#ff0000", "#ffffff", 3.998)],
)
def test_contrast_is_wcags(first: str, other: str, expected: float) -> None:
    assert contrast(first, other) == pytest.approx(expected, abs=0.001)


@pytest.mark.parametrize("colour", ["#ffff00", "#ffffff", "#000000", "#123456", "#0b5cad"])
def test_every_colour_can_be_used_on_both_papers(colour: str) -> None:
    for paper in (PAPER, DARK_PAPER):
        fill, ink = accent(colour, paper)
        assert contrast(fill, paper) >= 3
        assert contrast(fill, ink) >= 4.5
    assert contrast(colour, ink_on(colour)) >= 4.5
    assert can_be_seen(nearest_seen(colour, PAPER))


async def test_a_colour_that_cannot_be_seen_is_refused_with_one_that_can(shop: Shop) -> None:
    reply = await shop.call("PATCH", "/v1/workspace", json={"brand": {"colour": "#FFFF00"}})
    assert reply.status_code == 422
    (error,) = reply.json()["errors"]
    assert error["loc"] == ["body", "brand", "colour"]
    better = next(word for word in error["msg"].split() if word.startswith("#"))
    reply = await shop.call("PATCH", "/v1/workspace", json={"brand": {"colour": better}})
    assert reply.json()["brand"] == {"name": None, "colour": better, "logo_url": None}
    for odd in ("red", "#fff", "#12345g", 'x"}body{'):
        reply = await shop.call("PATCH", "/v1/workspace", json={"brand": {"colour": odd}})
        assert reply.status_code == 422


@pytest.fixture
def pictures(shop: Shop, settings: Settings) -> Iterator[str]:
    """A server of pictures on this machine, which the settings allow to be called."""
    files = {
        "/logo.png": (200, PNG),
        "/logo.svg": (200, b"<svg xmlns='http://www.w3.org/2000/svg'/>"),
        "/large.png": (200, PNG + b"\0" * 204_800),
        "/gone.png": (404, b""),
    }

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, content = files[self.path]
            self.send_response(status)
            self.send_header("Content-Type", "image/png")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its base has this name
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever)
    thread.start()
    with shop.changed_settings(allow_private_webhooks=True):
        yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()
    thread.join()


async def test_a_logo_is_fetched_once_and_served_from_here(shop: Shop, pictures: str) -> None:
    brand = {"name": "Łąka", "colour": "#8a1c4a", "logo_url": pictures + "/logo.png"}
    reply = await shop.call("PATCH", "/v1/workspace", json={"brand": brand})
    assert reply.status_code == 200, reply.text
    assert reply.json()["brand"] == brand
    survey = await shop.publish("s")
    page = (await shop.client.get(f"/s/{survey['public_id']}")).text
    logo = page.partition('<img src="')[2].partition('"')[0]
    picture = await shop.client.get(logo)
    assert (picture.content, picture.headers["content-type"]) == (PNG, "image/png")
    style = page.partition('href="/brand/')[2].partition('"')[0]
    assert "#8a1c4a" in (await shop.client.get(f"/brand/{style}")).text
    # Without a logo the old address is gone.
    change = await shop.call("PATCH", "/v1/workspace", json={"brand": {"name": "Ogród"}})
    assert change.json()["brand"] == brand | {"name": "Ogród"}
    await shop.call("PATCH", "/v1/workspace", json={"brand": {"logo_url": None}})
    assert (await shop.client.get(logo)).status_code == 404


@pytest.mark.parametrize(
    ("path", "why"),
    [("/logo.svg", "not a PNG"), ("/large.png", "200 KB"), ("/gone.png", "404")],
)
async def test_what_is_no_logo_is_refused(shop: Shop, pictures: str, path: str, why: str) -> None:
    brand = {"logo_url": pictures + path}
    reply = await shop.call("PATCH", "/v1/workspace", json={"brand": brand})
    assert reply.status_code == 422
    assert reply.json()["errors"][0]["loc"] == ["body", "brand", "logo_url"]
    assert why in reply.text


@pytest.mark.parametrize("url", ["http://10.0.0.1/a.png", "https://127.0.0.1/a.png", "file:///a"])
async def test_a_logo_comes_from_the_public_internet(shop: Shop, url: str) -> None:
    reply = await shop.call("PATCH", "/v1/workspace", json={"brand": {"logo_url": url}})
    assert reply.status_code == 422
    assert reply.json()["errors"][0]["loc"] == ["body", "brand", "logo_url"]


async def test_a_slow_logo_holds_no_connection_to_the_database(shop: Shop) -> None:
    arrival, answered = asyncio.Event(), asyncio.Event()

    async def answer_late(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        arrival.set()
        await answered.wait()
        head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(PNG)}\r\nConnection: close\r\n\r\n"
        writer.write(head.encode() + PNG)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer_late, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/logo.png"
    with shop.changed_settings(allow_private_webhooks=True):
        changing = asyncio.create_task(
            shop.call("PATCH", "/v1/workspace", json={"brand": {"logo_url": url}})
        )
        await asyncio.wait_for(arrival.wait(), 10)
        database: Database = shop.state.database
        assert database.engine.pool.checkedout() == 0  # type: ignore[attr-defined]
        answered.set()
        assert (await changing).json()["brand"]["logo_url"] == url
    server.close()
    await server.wait_closed()


async def test_mail_brand_and_zone_change_together(shop: Shop) -> None:
    body = {
        "mail": {"from_name": "Ala"}, "brand": {"name": "Łąka"}, "timezone": "Europe/Warsaw",
        "min_group_size": 7,
    }  # fmt: skip
    reply = await shop.call("PATCH", "/v1/workspace", json=body)
    assert reply.status_code == 200, reply.text
    workspace = await shop.get("/v1/workspace")
    assert (workspace["mail"]["from_name"], workspace["brand"]["name"]) == ("Ala", "Łąka")
    assert (workspace["timezone"], workspace["min_group_size"]) == ("Europe/Warsaw", 7)
