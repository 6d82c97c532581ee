# SPDX-License-Identifier: Apache-2.0
"""A mail server (aiosmtpd) and a fast HTTP receiver, in a process of their own.

A line `count` on their standard input is answered with
how many came to each and when the first and the last one did.
"""

import asyncio
import contextlib
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field

from aiosmtpd.smtp import SMTP, Envelope, Session

_REPLY = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"


@dataclass
class Arrivals:
    """How many came, and when the first and the last one did, in seconds of the clock."""

    count: int = 0
    first: float = 0
    last: float = 0

    def add(self) -> None:
        """Count one."""
        self.last = time.time()
        self.first = self.first or self.last
        self.count += 1

    @property
    def per_second(self) -> float:
        """How many came in a second after the first one."""
        return (self.count - 1) / max(self.last - self.first, 1e-9)


@dataclass
class _Sinks:
    mails: Arrivals = field(default_factory=Arrivals)
    posts: Arrivals = field(default_factory=Arrivals)

    async def take_posts(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).lower()
                length = int(head.partition(b"content-length:")[2].split(b"\r\n", 1)[0])
                await reader.readexactly(length)
                writer.write(_REPLY)
                self.posts.add()

    async def handle_DATA(  # noqa: N802 - the mail server's own name
        self, _server: SMTP, _session: Session, _envelope: Envelope
    ) -> str:
        self.mails.add()
        return "250 OK"

    async def serve(self) -> None:
        loop = asyncio.get_running_loop()
        mail = await loop.create_server(lambda: SMTP(self, enable_SMTPUTF8=True), "127.0.0.1", 0)
        http = await asyncio.start_server(self.take_posts, "127.0.0.1", 0)
        ports = [server.sockets[0].getsockname()[1] for server in (mail, http)]
        print(json.dumps(ports), flush=True)
        while await loop.run_in_executor(None, sys.stdin.readline):
            print(json.dumps([asdict(self.mails), asdict(self.posts)]), flush=True)
            self.mails, self.posts = Arrivals(), Arrivals()


class Sinks:
    """The two servers, and what has come to them since the last look."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        """Read where they listen."""
        self._process = process
        assert process.stdout
        self.mail_port, self.http_port = json.loads(process.stdout.readline())

    def look(self) -> tuple[Arrivals, Arrivals]:
        """Return which mails and posts have come, and begin to count anew."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write("count\n")
        self._process.stdin.flush()
        mails, posts = json.loads(self._process.stdout.readline())
        return Arrivals(**mails), Arrivals(**posts)


@contextlib.contextmanager
def sinks() -> Iterator[Sinks]:
    """Run both servers for a while."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.bench.sinks"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        yield Sinks(process)
    finally:
        process.kill()
        process.wait()


if __name__ == "__main__":
    asyncio.run(_Sinks().serve())
