# SPDX-License-Identifier: Apache-2.0
"""A subscriber on this machine, and the worker's part in serving it."""

import asyncio
from dataclasses import dataclass
from typing import Any

import pytest

from app.core.database import Database
from app.core.guarded_http import GuardedClient
from app.core.settings import Settings
from app.core.signing import SealedBox, load_secret_keys
from app.webhooks.delivery_sender import DeliverySender
from app.webhooks.dispatch import dispatch
from tests.shop import Shop, wait_until_readable


@dataclass
class WebhookWorker:
    """Sends the deliveries of a test; only here endpoints may be on this machine."""

    database: Database
    settings: Settings
    shop: Shop

    async def subscribe(self, url: str, events: list[str], **more: Any) -> Any:
        """Make an endpoint whose URL may be on this machine."""
        body = {"url": url, "events": events} | more
        with self.shop.changed_settings(allow_private_webhooks=True):
            return await self.shop.post("/v1/webhook-endpoints", body)

    def sender(self, **changes: Any) -> DeliverySender:
        settings = self.settings.model_copy(update=changes)
        return DeliverySender(self.database, SealedBox(load_secret_keys(settings)), settings)

    async def deliver(self, sender: DeliverySender | None = None) -> None:
        """Make the deliveries of all events, and send until none is due."""
        await self.dispatch()
        sender = sender or self.sender()
        idle = 0
        async with GuardedClient(allow_private=True) as client:
            while idle < 2:
                idle = 0 if await sender.run_once(client) else idle + 1
                await asyncio.sleep(0.02)

    async def dispatch(self) -> None:
        await wait_until_readable(self.database)
        for _ in range(100):
            if not await dispatch(self.database):
                return

    async def log(self, endpoint: Any, **params: Any) -> Any:
        path = f"/v1/webhook-endpoints/{endpoint['id']}/deliveries"
        return (await self.shop.get(path, **params))["data"]


@pytest.fixture
def post(database: Database, settings: Settings, shop: Shop) -> WebhookWorker:
    private = settings.model_copy(update={"allow_private_webhooks": True})
    return WebhookWorker(database, private, shop)
