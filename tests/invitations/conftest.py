# SPDX-License-Identifier: Apache-2.0
"""A mail server, and the worker's jobs that send to it."""

from collections.abc import Iterator, Mapping

import pytest
from pydantic import SecretStr

from app.core.database import Database
from app.core.job_runner import Handler
from app.core.settings import Settings
from app.worker import handlers
from tests.mailbox import Mailbox


@pytest.fixture
def mailbox() -> Iterator[Mailbox]:
    """A mail server of this test."""
    made = Mailbox()
    made.start()
    yield made
    made.stop()


@pytest.fixture
def by_mail(database: Database, settings: Settings, mailbox: Mailbox) -> Mapping[str, Handler]:
    """The jobs of a worker that has the mail server."""
    changes = {"smtp_url": SecretStr(mailbox.url), "public_url": "https://ask.example"}
    return handlers(database, settings.model_copy(update=changes))
