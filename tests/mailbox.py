# SPDX-License-Identifier: Apache-2.0
"""A real SMTP server for tests: it stores every mail and refuses chosen addresses."""

import asyncio
import re
import socket
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from app.core.texts import texts_of

_BRACES = re.compile(r"\{[a-z_]+\}")
# What the phrases of mails leave to be filled.
_PLACEHOLDERS = set(_BRACES.findall(" ".join(texts_of("mail", "en").values())))


class _Controller(Controller):
    """Knows its connections, so that none is left open when the server stops."""

    def __init__(self, handler: object, *, port: int) -> None:
        super().__init__(handler, hostname="127.0.0.1", port=port)
        self.servers: list[SMTP] = []

    def factory(self) -> SMTP:
        server: SMTP = super().factory()  # type: ignore[no-untyped-call]  # aiosmtpd has no types here
        self.servers.append(server)
        return server

    async def hang_up(self) -> None:
        for server in self.servers:
            if isinstance(server.transport, asyncio.WriteTransport):
                server.transport.abort()
        await asyncio.sleep(0)


class Mailbox:
    """An SMTP server on a free port; with a folder it also writes each mail to a file.

    `refusals` maps an address to the reply it gets.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port: int = free.getsockname()[1]
        self.mails: list[EmailMessage] = []
        self.refusals: dict[str, str] = {}
        self._controller: _Controller | None = None

    @property
    def connections(self) -> int:
        """How many connections were opened since it was started."""
        return len(self._controller.servers) if self._controller else 0

    def hang_up(self) -> None:
        """Close every connection, as a server does after its idle timeout."""
        if self._controller is not None:
            ending = self._controller.hang_up()
            asyncio.run_coroutine_threadsafe(ending, self._controller.loop).result(10)

    @property
    def url(self) -> str:
        return f"smtp://127.0.0.1:{self.port}"

    def mails_of(self, invitation_id: str) -> list[EmailMessage]:
        """Return the mails of one invitation."""
        return [mail for mail in self.mails if mail["Message-ID"].startswith(f"<{invitation_id}.")]

    def start(self) -> None:
        self._controller = _Controller(self, port=self.port)
        self._controller.start()

    def stop(self) -> None:
        if self._controller is not None:
            self.hang_up()
            self._controller.stop()
            self._controller = None

    async def handle_RCPT(  # noqa: N802 - the server's own name
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if address in self.refusals:
            return self.refusals[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(  # noqa: N802 - the server's own name
        self, server: SMTP, session: Session, envelope: Envelope
    ) -> str:
        content: Any = envelope.content
        parsed: Any = message_from_bytes(content, policy=default)
        placeholders = _BRACES.findall(plain_text_of(parsed) + parsed["Subject"])
        if unfilled := _PLACEHOLDERS.intersection(placeholders):
            return f"554 not filled: {unfilled}"
        self.mails.append(parsed)
        if self._folder is not None:
            (self._folder / f"{len(self.mails)}.eml").write_bytes(content)
        return "250 OK"


def plain_text_of(mail: EmailMessage) -> str:
    """Return the plain part of a mail."""
    part = mail.get_body(("plain",))
    assert part is not None
    text: str = part.get_content()
    return text.replace("\r\n", "\n")
