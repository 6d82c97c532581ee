# SPDX-License-Identifier: Apache-2.0
"""As much of the drivers of Firefox (BiDi) and WebKitGTK (WebDriver) as a smoke test needs."""

import contextlib
import json
import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

import httpx
import pytest
from websockets.sync.client import ClientConnection, connect

_STARTED_WITHIN = 60


class DrivenBrowser(Protocol):
    """A browser with one page."""

    def open(self, url: str) -> None: ...

    def run(self, expression: str) -> Any: ...


class Firefox:
    """Firefox, by WebDriver BiDi over its own socket."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self._number = 0
        self.said: list[str] = []
        self._call("session.new", {"capabilities": {}})
        self._call("session.subscribe", {"events": ["log.entryAdded"]})
        tree = self._call("browsingContext.getTree", {})
        self._page: str = tree["contexts"][0]["context"]

    def _call(self, method: str, params: dict[str, Any]) -> Any:
        self._number += 1
        self._socket.send(json.dumps({"id": self._number, "method": method, "params": params}))
        while True:
            reply = json.loads(self._socket.recv(timeout=60))
            if reply.get("method") == "log.entryAdded":
                self.said.append(reply["params"]["text"])
            if reply.get("id") == self._number:
                assert reply["type"] == "success", reply
                return reply["result"]

    def open(self, url: str) -> None:
        params = {"context": self._page, "url": url, "wait": "complete"}
        self._call("browsingContext.navigate", params)

    def run(self, expression: str) -> Any:
        reply = self._call(
            "script.evaluate",
            {
                "expression": expression,
                "target": {"context": self._page},
                "awaitPromise": True,
            },
        )
        assert reply["type"] == "success", reply
        return reply["result"].get("value")


@contextlib.contextmanager
def firefox(folder: Path) -> Iterator[Firefox]:
    """Start Firefox ESR without a screen."""
    program = shutil.which("firefox-esr")
    if program is None:
        pytest.skip("needs Firefox: apt-get install firefox-esr")
    log = folder / "firefox.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [program, "--headless", "--profile", str(folder), "--remote-debugging-port", "0"],
            stdout=output, stderr=output, env=os.environ | {"HOME": str(folder)},
        )  # fmt: skip
    try:
        address = _wait_for(lambda: re.search(r"BiDi listening on (ws://\S+)", log.read_text()))
        with connect(f"{address[1]}/session", max_size=None) as socket:
            yield Firefox(socket)
    finally:
        process.terminate()
        process.wait(30)


class WebKit:
    """WebKitGTK's small browser, by WebDriver."""

    def __init__(self, base: str) -> None:
        self._client = httpx.Client(timeout=60)
        browser = {"binary": _mini_browser(), "args": ["--automation"]}
        options = {"alwaysMatch": {"webkitgtk:browserOptions": browser}}
        reply = self._client.post(base + "/session", json={"capabilities": options}).json()
        self._session = f"{base}/session/{reply['value']['sessionId']}"

    def open(self, url: str) -> None:
        self._client.post(self._session + "/url", json={"url": url}).raise_for_status()

    def run(self, expression: str) -> Any:
        body = {"script": f"return ({expression})", "args": []}
        reply = self._client.post(self._session + "/execute/sync", json=body)
        assert reply.status_code == 200, reply.text
        return reply.json()["value"]

    def close(self) -> None:
        self._client.delete(self._session)
        self._client.close()


def _mini_browser() -> str:
    paths = sorted(Path("/usr/lib").glob("*/webkit2gtk-4.*/MiniBrowser"))
    if not paths:
        pytest.skip("needs WebKitGTK: apt-get install webkit2gtk-driver")
    return str(paths[-1])


@contextlib.contextmanager
def webkit() -> Iterator[WebKit]:
    """Start WebKitGTK on a screen of its own."""
    programs = [shutil.which(name) for name in ("WebKitWebDriver", "Xvfb")]
    if None in programs:
        pytest.skip("needs WebKitGTK and a screen: apt-get install webkit2gtk-driver xvfb")
    _mini_browser()
    screen, port = f":{90 + os.getpid() % 100}", 20_000 + os.getpid() % 10_000
    environment = os.environ | {"DISPLAY": screen, "WEBKIT_DISABLE_SANDBOX_THIS_IS_DANGEROUS": "1"}
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    display = subprocess.Popen([str(programs[1]), screen, "-screen", "0", "900x700x24"], **quiet)  # type: ignore[call-overload]
    driver = subprocess.Popen([str(programs[0]), f"--port={port}"], env=environment, **quiet)  # type: ignore[call-overload]
    base = f"http://127.0.0.1:{port}"

    def ready() -> bool:
        with contextlib.suppress(httpx.TransportError):
            return httpx.get(base + "/status").status_code == 200
        return False

    try:
        _wait_for(ready)
        browser = WebKit(base)
        with contextlib.closing(browser):
            yield browser
    finally:
        for process in (driver, display):
            process.terminate()
            process.wait(30)


def _wait_for(look: Any) -> Any:
    """Return the first result of `look` that is not empty."""
    until = time.monotonic() + _STARTED_WITHIN
    while time.monotonic() < until:
        if result := look():
            return result
        time.sleep(0.1)
    raise AssertionError("it never started")
