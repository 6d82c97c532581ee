# SPDX-License-Identifier: Apache-2.0
"""A whole service at a path of somebody's site, behind a proxy of its own over real sockets."""

import http.server
import re
import threading
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.pages.forms import browse, follow
from tests.service import Service

pytestmark = pytest.mark.slow
ROOT = "/feedback"


def _proxy_to(service: Service, *, strips: bool) -> http.server.ThreadingHTTPServer:
    """Return a proxy that passes on what lies below the path, and nothing else."""

    class Proxy(http.server.BaseHTTPRequestHandler):
        def _pass_on(self) -> None:
            if not self.path.startswith(ROOT):
                self.send_error(404)
                return
            path = self.path[len(ROOT) :] or "/" if strips else self.path
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            sent = {
                header: text
                for header, text in self.headers.items()
                if header.lower() != "accept-encoding"
            }
            reply = httpx.request(
                self.command, service.url + path, headers=sent, content=body, timeout=30
            )
            self.send_response(reply.status_code)
            for name, value in reply.headers.multi_items():
                if name not in {
                    "transfer-encoding",
                    "connection",
                    "content-length",
                    "content-encoding",
                }:
                    self.send_header(name, value)
            self.send_header("content-length", str(len(reply.content)))
            self.end_headers()
            self.wfile.write(reply.content)

        do_GET = do_POST = _pass_on  # noqa: N815 - the names of the library

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    return http.server.ThreadingHTTPServer(("127.0.0.1", 0), Proxy)


@pytest.fixture(params=["kept", "stripped"])
def proxied(request: pytest.FixtureRequest) -> Iterator[tuple[Service, str]]:
    """A service and the address of its site, whose proxy keeps or strips the path."""
    service = Service()
    proxy = _proxy_to(service, strips=request.param == "stripped")
    site = f"http://127.0.0.1:{proxy.server_port}"
    service.environment["AFTERWORD_PUBLIC_URL"] = site + ROOT
    threading.Thread(target=proxy.serve_forever, daemon=True).start()
    service.start()
    yield service, site
    proxy.shutdown()
    proxy.server_close()
    service.stop()
    service.remove()


async def test_pages_assets_and_the_dashboard_work_at_a_path(proxied: tuple[Service, str]) -> None:
    service, site = proxied
    with service.client() as api:
        api.post("/v1/surveys", json={"template": "nps", "key": "s"}).raise_for_status()
        api.post("/v1/surveys/s/publish").raise_for_status()
        link = api.get("/v1/surveys/s/links").json()["page"]
        assert link.startswith(f"{site}{ROOT}/s/")
        async with httpx.AsyncClient(base_url=site, timeout=30) as visitor:
            page = await browse(visitor, link.removeprefix(site))
            page = await follow(visitor, await page.send(visitor, score="9"))
            await page.send(visitor, why="Good")
            reply = await visitor.get(link)
            assets = re.findall(r'(?:href|src)="([^"]+\.(?:css|js)[^"]*)"', reply.text)
            assert assets
            for asset in [*assets, f"{ROOT}/widget.js"]:
                assert (await visitor.get(asset)).status_code == 200, asset
            signed_in = await visitor.post(f"{ROOT}/sign-in", data={"key": service.key})
            assert signed_in.headers["location"] == f"{ROOT}/"
            assert (await visitor.get(f"{ROOT}/")).status_code == 200
        assert api.get("/v1/metrics/nps").json()["total"]["n"] == 1
