# SPDX-License-Identifier: Apache-2.0
"""Somebody who tries tokens one after the other is slowed down on every route that takes one."""

import httpx
import pytest
from fastapi import FastAPI

TRIES = 8


@pytest.fixture
def few(app: FastAPI, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let an address ask only a few times."""
    monkeypatch.setattr(app.state.limiter, "public_rate", 0.01)
    monkeypatch.setattr(app.state.limiter, "public_burst", TRIES // 2)


@pytest.mark.usefixtures("few")
@pytest.mark.parametrize(
    "path",
    ["/letter/{n}", "/shared/{n}", "/i/{n}", "/s/{n}", "/w/surveys/{n}", "/sign-in/{n}"],
)
async def test_tokens_cannot_be_tried_without_end(app: FastAPI, path: str) -> None:
    method = "POST" if path == "/sign-in/{n}" else "GET"
    # Each path has an address of its own.
    address = f"198.51.100.{sum(map(ord, path)) % 250}"
    transport = httpx.ASGITransport(app=app, client=(address, 1))
    async with httpx.AsyncClient(transport=transport, base_url="http://a") as client:
        statuses = [
            (await client.request(method, path.format(n=f"token{number}"))).status_code
            for number in range(TRIES)
        ]
    assert 429 in statuses, statuses
