# SPDX-License-Identifier: Apache-2.0
"""A real PostgreSQL, the real application, and a workspace of its own for every test."""

import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path
from uuid import UUID, uuid4

import httpx
import pytest
from fastapi import FastAPI
from pydantic import SecretStr
from sqlalchemy import text

from app.core.database import Database, run_sql
from app.core.job_runner import JobHandler
from app.core.migrations import upgrade
from app.core.postgres import EmbeddedPostgres
from app.core.settings import Settings
from app.main import create_app
from app.worker import job_handlers
from app.workspaces.service import ensure_default
from tests.mailbox import Mailbox
from tests.receiver import Receiver
from tests.shop import Shop

BOOTSTRAP_KEY = "sk_bootstrap_for_tests_0123456789"


@pytest.fixture(scope="session")
def settings() -> Iterator[Settings]:
    """Settings of a service on its own embedded PostgreSQL.

    AFTERWORD_TEST_POSTGRES_BIN chooses other programs, such as Debian's 15, and
    AFTERWORD_TEST_CLUSTER_URL names an empty database of a Citus cluster to be used instead.
    """
    folder = Path(tempfile.mkdtemp(prefix="afterword-tests-"))
    programs = os.environ.get("AFTERWORD_TEST_POSTGRES_BIN")
    embedded = Settings.model_validate(
        {
            "data_dir": folder,
            "postgres_bin": programs,
            "bootstrap_key": BOOTSTRAP_KEY,
            "secret_keys": ["a secret of the tests"],
            "public_rate": 1000,
            "public_burst": 1000,
        }
    )
    if cluster := os.environ.get("AFTERWORD_TEST_CLUSTER_URL"):
        yield embedded.model_copy(update={"database_url": cluster})
        shutil.rmtree(folder)
        return
    server = EmbeddedPostgres(embedded)
    url = server.start()
    try:
        yield embedded.model_copy(update={"database_url": url})
    finally:
        server.stop()
        shutil.rmtree(folder)


@pytest.fixture(scope="session")
async def database(settings: Settings) -> AsyncIterator[Database]:
    """The migrated database with its default workspace."""
    assert settings.database_url
    database = Database(settings.database_url)
    await upgrade(database)
    async with database.transaction() as session:
        await ensure_default(session, settings)
    yield database
    await database.close()


@pytest.fixture(scope="session")
async def app(settings: Settings, database: Database) -> AsyncIterator[FastAPI]:
    """The application with its lifespan begun."""
    app = create_app(settings)
    async with app.router.lifespan_context(app):
        yield app


@pytest.fixture(scope="session")
async def client(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """A client without a key."""
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        yield client


async def make_shop(client: httpx.AsyncClient) -> Shop:
    """Make a workspace and return what a test needs of it."""
    key = f"w-{uuid4().hex[:12]}"
    reply = await client.post(
        "/v1/workspaces",
        json={"name": "Shop", "key": key},
        headers={"Authorization": f"Bearer {BOOTSTRAP_KEY}"},
    )
    assert reply.status_code == 201, reply.text
    body = reply.json()
    return Shop(client, body["api_key"]["secret"], body["id"], key)


@pytest.fixture
async def shop(client: httpx.AsyncClient) -> AsyncIterator[Shop]:
    """A workspace of this test alone; what it leaves to do is not done in the next test."""
    shop = await make_shop(client)
    yield shop
    async with shop.state.database.transaction() as session:
        left = text("delete from job where workspace_id = :id")
        left = left.bindparams(id=UUID(shop.workspace_id))
        await run_sql(session, left)


@pytest.fixture
async def other_shop(client: httpx.AsyncClient) -> Shop:
    """Somebody else's workspace."""
    return await make_shop(client)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """Somebody else's HTTP server on this machine."""
    receiver = Receiver()
    receiver.start()
    yield receiver
    receiver.stop()


@pytest.fixture
def mailbox() -> Iterator[Mailbox]:
    """A mail server of this test."""
    mailbox = Mailbox()
    mailbox.start()
    yield mailbox
    mailbox.stop()


@pytest.fixture
def by_mail(database: Database, settings: Settings, mailbox: Mailbox) -> Mapping[str, JobHandler]:
    """The jobs of a worker that has the mail server."""
    changes = {"smtp_url": SecretStr(mailbox.url), "public_url": "https://ask.example"}
    return job_handlers(database, settings.model_copy(update=changes))
