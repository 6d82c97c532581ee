# SPDX-License-Identifier: Apache-2.0
"""Limits on connections, tested over real sockets."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, ClassVar

import pytest
import uvicorn

from app.cli.connection_limits import BoundedProtocol
from app.cli.service_commands import listen
from app.core.settings import Settings

GET = b"GET / HTTP/1.1\r\nHost: a\r\n"


class Hasty(BoundedProtocol):
    patience_seconds: ClassVar[float] = 0.4
    idle_seconds: ClassVar[float] = 0.6
    max_open: ClassVar[int] = 3


async def echo(scope: Any, receive: Any, send: Any) -> None:
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            break
    await send({"type": "http.response.start", "status": 200,
                "headers": [(b"content-length", b"%d" % len(body))]})  # fmt: skip
    await send({"type": "http.response.body", "body": body})


@asynccontextmanager
async def serving() -> AsyncIterator[int]:
    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    # A client that connects before the server has started waits for it.
    listening.listen()
    config = uvicorn.Config(
        echo, http=Hasty, lifespan="off", log_config=None, access_log=False, timeout_keep_alive=1
    )
    server = uvicorn.Server(config)
    running = asyncio.create_task(server.serve(sockets=[listening]))
    try:
        yield listening.getsockname()[1]
    finally:
        server.should_exit = True
        await running


async def talk(port: int, *parts: bytes, pause: float = 0) -> bytes:
    """Send the parts and return what comes until the server hangs up."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        for part in parts:
            writer.write(part)
            await writer.drain()
            await asyncio.sleep(pause)
        return await asyncio.wait_for(reader.read(), 5)
    except ConnectionError:
        return b"closed"
    finally:
        writer.close()


@pytest.mark.parametrize(
    "parts",
    [
        [GET + b"X-Long: " + b"x" * 70_000 + b"\r\n\r\n"],
        [GET, *[b"X-%d: %s\r\n" % (number, b"x" * 8_000) for number in range(9)], b"\r\n"],
        [GET, b"X-Long: ", *[b"x" * 9_000] * 9],
        [b"GET /" + b"x" * 70_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n"],
    ],
    ids=["one line", "many lines", "an endless line", "an endless path"],
)
async def test_a_head_is_at_most_64_kib(parts: list[bytes]) -> None:
    async with serving() as port:
        assert (await talk(port, *parts, pause=0.01)).split(b"\r\n")[0].startswith(b"HTTP/1.1 431")


@pytest.mark.parametrize(
    "parts",
    [
        [],
        [b"GET / HT"],
        [GET],
        [b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5000\r\n\r\n", b"x"],
        [b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5000\r\n\r\n", *[b"x"] * 6],
    ],
    ids=["nothing", "half a line", "half a head", "a stalled body", "a dripping body"],
)
async def test_who_takes_too_long_is_hung_up_on(parts: list[bytes]) -> None:
    async with serving() as port:
        assert await talk(port, *parts, pause=0.1) in {b"", b"closed"}


async def test_a_large_body_beside_a_small_head_is_taken() -> None:
    body = b"x" * 300_000
    head = b"POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 300000\r\n\r\n"
    async with serving() as port:
        assert (await talk(port, head + body)).endswith(body)


async def test_two_requests_on_one_connection_each_have_their_time() -> None:
    async with serving() as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for _ in range(4):
            writer.write(GET + b"\r\n")
            assert b"200" in await reader.readuntil(b"\r\n\r\n")
            await asyncio.sleep(0.3)
        writer.close()


async def test_a_connection_that_idles_after_a_reply_is_hung_up_on() -> None:
    async with serving() as port:
        replied = await talk(port, GET + b"\r\n")
        assert replied.startswith(b"HTTP/1.1 200")


async def test_open_connections_are_bounded(caplog: pytest.LogCaptureFixture) -> None:
    async with serving() as port:
        connections = [await asyncio.open_connection("127.0.0.1", port) for _ in range(3)]
        await asyncio.sleep(0.05)
        assert await talk(port, GET + b"\r\n") in {b"", b"closed"}
        for _, writer in connections:
            writer.close()
    assert "too many open connections" in caplog.text


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "::"])
async def test_either_family_of_addresses_is_listened_on(host: str) -> None:
    if ":" in host and not socket.has_dualstack_ipv6():
        pytest.skip("this machine has no IPv6")
    # Port 0: the system chooses one that is free.
    settings = Settings.model_construct(host=host, port=0)
    listening = listen(settings)
    port = listening.getsockname()[1]
    config = uvicorn.Config(echo, http=Hasty, lifespan="off", log_config=None, access_log=False)
    server = uvicorn.Server(config)
    running = asyncio.create_task(server.serve(sockets=[listening]))
    reader, writer = await asyncio.open_connection("::1" if host == "::" else host, port)
    writer.write(GET + b"Connection: close\r\n\r\n")
    assert (await reader.read()).startswith(b"HTTP/1.1 200")
    writer.close()
    server.should_exit = True
    await running
