# SPDX-License-Identifier: Apache-2.0
"""Send one mail by SMTP, or store it in a folder without SMTP; and classify the server's reply."""

import asyncio
import contextlib
import datetime as dt
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from email.message import EmailMessage
from enum import StrEnum
from pathlib import Path
from urllib.parse import SplitResult, unquote, urlsplit

import aiosmtplib

from app.core.settings import Settings

_TIMEOUT_SECONDS = 30
_ENHANCED = re.compile(r"\b([245])\.(\d{1,3})\.(\d{1,3})\b")
# Enhanced status codes of an address that will never work: there is no such mailbox.
_DEAD_ADDRESS = re.compile(r"\b5\.1\.\d{1,3}\b")
_NEEDS_LOGIN = {530, 535}
_NO_SUCH_MAILBOX = {550, 551, 553}


# The most connections at once, the most mails over one, and how long it waits for the next mail.
_MAX_CONNECTIONS = 8
_MAX_MAILS = 100
_IDLE_SECONDS = 10.0
# A connection that was used this recently is reused without a check.
_SURE_SECONDS = 1.0


class MailOutcome(StrEnum):
    """The outcome of a mail that is not sent again."""

    SENT = "sent"
    STORED = "stored"
    BOUNCED = "bounced"


class MailWaitsError(Exception):
    """The mail could not be sent now; `temporary` where the server itself said so."""

    def __init__(self, why: str, *, temporary: bool) -> None:
        """Keep what the server, or the network, said."""
        super().__init__(why)
        self.temporary = temporary


@dataclass(frozen=True, slots=True)
class _IdleConnection:
    connection: aiosmtplib.SMTP
    mails: int
    since: float


@dataclass(frozen=True, slots=True)
class MailResult:
    """The outcome, what the server said, and whether the address is dead."""

    outcome: MailOutcome
    detail: str | None = None
    address_is_dead: bool = False


class Mailer:
    """Sends mails as the settings say; connections to the server are used again for a while."""

    def __init__(self, settings: Settings) -> None:
        """Read the server's address; nothing connects before the first mail."""
        self.settings = settings
        secret = settings.smtp_url
        self._url = urlsplit(secret.get_secret_value()) if secret else None
        self._folder: Path = settings.data_dir / "mail"
        self._slots = asyncio.Semaphore(_MAX_CONNECTIONS)
        self._idle: list[_IdleConnection] = []

    async def send(self, message: EmailMessage) -> MailResult:
        """Send a mail; raise MailWaitsError where it should be tried again."""
        if self._url is None:
            return self._store(message)
        try:
            async with self._connection(self._url) as connection:
                await connection.sendmail(
                    message["From"].addresses[0].addr_spec,
                    [address.addr_spec for address in message["To"].addresses],
                    message.as_bytes(),
                    mail_options=["SMTPUTF8"] if getattr(message.policy, "utf8", False) else [],
                )
        except aiosmtplib.SMTPRecipientsRefused as error:
            return classify_reply(error.recipients[0].code, error.recipients[0].message)
        except aiosmtplib.SMTPDataError as error:
            if error.code >= 500 and _DEAD_ADDRESS.search(error.message):
                return classify_reply(error.code, error.message)
            raise MailWaitsError(f"{error.code} {error.message}"[:300], temporary=True) from error
        except aiosmtplib.SMTPAuthenticationError as error:
            raise MailWaitsError(f"SMTP login failed: {error.code}", temporary=False) from error
        except aiosmtplib.SMTPResponseException as error:
            # It concerns the sender or the server, not the customer; the operator must fix it.
            raise MailWaitsError(f"{error.code} {error.message}"[:300], temporary=True) from error
        except (aiosmtplib.SMTPException, OSError) as error:
            raise MailWaitsError(f"SMTP: {error!r}"[:300], temporary=False) from error
        return MailResult(MailOutcome.SENT)

    @contextlib.asynccontextmanager
    async def _connection(self, url: SplitResult) -> AsyncIterator[aiosmtplib.SMTP]:
        """Lend a connection; one on which something went wrong is not used again."""
        async with self._slots:
            connection, mails = await self._take_idle() or (await connect_to_server(url), 0)
            try:
                yield connection
            except BaseException:
                connection.close()
                raise
            if mails + 1 >= _MAX_MAILS:
                connection.close()
                return
            loop = asyncio.get_running_loop()
            self._idle.append(_IdleConnection(connection, mails + 1, loop.time()))
            loop.call_later(_IDLE_SECONDS, self._close_idle)

    async def _take_idle(self) -> tuple[aiosmtplib.SMTP, int] | None:
        """Return a connection that still works, with the number of its mails; or None."""
        while self._idle:
            idle = self._idle.pop()
            if asyncio.get_running_loop().time() - idle.since < _SURE_SECONDS:
                return idle.connection, idle.mails
            with contextlib.suppress(aiosmtplib.SMTPException, OSError):
                await idle.connection.noop()
                return idle.connection, idle.mails
            idle.connection.close()
        return None

    def _close_idle(self) -> None:
        """Close the connections that nobody has needed for a while."""
        oldest = asyncio.get_running_loop().time() - _IDLE_SECONDS
        for idle in [idle for idle in self._idle if idle.since <= oldest]:
            self._idle.remove(idle)
            idle.connection.close()

    def _store(self, message: EmailMessage) -> MailResult:
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        name = message["Message-ID"].strip("<>").partition("@")[0]
        path = self._folder / f"{name}.eml"
        path.write_bytes(message.as_bytes())
        return MailResult(MailOutcome.STORED, "no AFTERWORD_SMTP_URL is set")


async def connect_to_server(url: SplitResult) -> aiosmtplib.SMTP:
    """Open a connection to the mail server, with TLS and a login where its address says so."""
    tls = url.query
    connection = aiosmtplib.SMTP(
        hostname=url.hostname,
        port=url.port or (465 if tls == "tls=tls" else 587 if tls else 25),
        username=unquote(url.username) if url.username else None,
        password=unquote(url.password) if url.password else None,
        use_tls=tls == "tls=tls",
        start_tls=tls == "tls=starttls",
        timeout=_TIMEOUT_SECONDS,
    )
    await connection.connect()
    return connection


def classify_reply(code: int, text: str) -> MailResult:
    """Classify a refusal: 4xx is tried again, 5xx is a bounce; only 5.1.x means a dead address.

    5.7.x is about policy or the sender, 5.2.x about a full mailbox: neither says that the
    address is dead.
    """
    detail = f"{code} {text}"[:300]
    if code < 500 or code in _NEEDS_LOGIN:
        raise MailWaitsError(detail, temporary=True)
    enhanced = _ENHANCED.search(text)
    dead = enhanced[2] == "1" if enhanced else code in _NO_SUCH_MAILBOX
    return MailResult(MailOutcome.BOUNCED, detail, address_is_dead=dead)


def mail_retry_delay(attempt: int, *, temporary: bool) -> dt.timedelta:
    """Return the wait after a failed attempt: 5 min to 24 h where the server asked to wait.

    A server that cannot be reached is tried again sooner: 20 s, doubling to 10 min.
    """
    first, longest = (300, 86_400) if temporary else (20, 600)
    return dt.timedelta(seconds=min(first * 2 ** min(attempt - 1, 20), longest))
