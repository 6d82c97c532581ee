# SPDX-License-Identifier: Apache-2.0
"""The widget in Firefox ESR and WebKitGTK, under the strictest policy: styled, and answered once.

Neither lets a test put a page in its way; so a small server stands before the service.
"""

import time
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from tests.browser.conftest import BrowserCompany
from tests.browser.other_browsers import DrivenBrowser, firefox, webkit
from tests.browser.shop_pages import STRICT, page_of, script
from tests.service import Service

WIDGET = "document.querySelector('afterword-survey')?.shadowRoot"
LABELS = f"{WIDGET}.querySelectorAll('label')"


@pytest.fixture
def shop_page(company: BrowserCompany, service: Service) -> Iterator[str]:
    """A strict shop in front of the service, so that all comes from one origin."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path == "/checkout":
                body = page_of(script(key)).encode()
                self._reply(
                    200, {"Content-Type": "text/html", "Content-Security-Policy": STRICT}, body
                )
            else:
                self._pass_on(None)

        def do_POST(self) -> None:
            self._pass_on(self.rfile.read(int(self.headers["content-length"])))

        def _pass_on(self, body: bytes | None) -> None:
            headers = {"Content-Type": self.headers.get("content-type") or "text/plain"}
            request = urllib.request.Request(service.url + self.path, data=body, headers=headers)
            with urllib.request.urlopen(request) as reply:
                kind = {"Content-Type": reply.headers["content-type"]}
                self._reply(reply.status, kind, reply.read())

        def _reply(self, status: int, headers: dict[str, Any], body: bytes) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its base has this name
            return

    company.publish()
    key = company.widget_key()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}/checkout"
    server.shutdown()
    server.server_close()
    thread.join()


def answer(browser: DrivenBrowser, address: str) -> None:
    """Open the shop, look at the widget, choose a score and send it."""
    browser.open(address)
    for _ in range(100):
        if browser.run(
            f"document.querySelector('afterword-survey')?.shadowRoot && {LABELS}.length"
        ):
            break
        time.sleep(0.1)
    assert browser.run(f"{LABELS}.length") == 11
    assert browser.run(f"getComputedStyle({LABELS}[0]).borderRadius") == "8px"
    browser.run(f"{LABELS}[9].querySelector('input').click()")
    time.sleep(1)
    browser.run(f"{WIDGET}.querySelector('form').requestSubmit()")


def only_answer(company: BrowserCompany) -> dict[str, Any]:
    for _ in range(100):
        if company.responses():
            break
        time.sleep(0.1)
    (response,) = company.responses()
    return response


def test_in_firefox(company: BrowserCompany, shop_page: str, tmp_path: Path) -> None:
    with firefox(tmp_path) as browser:
        answer(browser, shop_page)
        assert only_answer(company)["score"] == 9
        # A browser's own look for a picture of the shop is not the widget's.
        assert [line for line in browser.said if "favicon" not in line] == []


def test_in_webkit(company: BrowserCompany, shop_page: str) -> None:
    with webkit() as browser:
        answer(browser, shop_page)
        assert only_answer(company)["score"] == 9
