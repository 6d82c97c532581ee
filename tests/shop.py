# SPDX-License-Identifier: Apache-2.0
"""A client of one workspace for tests: short methods that fail unless the request succeeds."""

import asyncio
import contextlib
import datetime as dt
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import httpx
from sqlalchemy import text

from app.core import jobs
from app.core.clock import utc_now
from app.core.database import Database, run_sql
from app.core.event_consumer import consume, readable_below
from app.core.job_runner import JobHandler, JobRunner
from app.core.settings import Settings
from app.worker import CONSUMER, EVENT_CONSUMERS, MAX_CONCURRENT_JOBS_BY_KIND, job_handlers

# Jobs due sooner are waited for; a retry comes after four seconds at the earliest.
_SOON = dt.timedelta(seconds=3)


async def wait_until_readable(database: Database) -> None:
    """Wait until no transaction of somebody else, such as autovacuum's, holds an event back."""
    for _ in range(500):
        async with database.session() as session:
            below = await readable_below(session)
            newest = (await run_sql(session, text("select max(xid)::text::int8 from event"))).one()
        if (newest[0] or 0) < below:
            return
        await asyncio.sleep(0.02)
    raise AssertionError("a transaction stays open")


@dataclass
class Shop:
    """One workspace with its admin key."""

    client: httpx.AsyncClient
    key: str
    workspace_id: str
    workspace_key: str

    @property
    def state(self) -> Any:
        """What the running application keeps: its settings, its database and more."""
        return self.client._transport.app.state  # type: ignore[attr-defined]

    @contextlib.contextmanager
    def changed_settings(self, **update: Any) -> Iterator[Settings]:
        """Change settings of the running application for a while."""
        before = self.state.settings
        self.state.settings = before.model_copy(update=update)
        try:
            yield self.state.settings
        finally:
            self.state.settings = before

    async def call(
        self, method: str, path: str, *, key: str | None = None, **options: Any
    ) -> httpx.Response:
        """Send any request with the shop's key, or another."""
        headers = {"Authorization": f"Bearer {key or self.key}"} | options.pop("headers", {})
        return await self.client.request(method, path, headers=headers, **options)

    async def get(self, path: str, **params: Any) -> Any:
        """Read something that must be there."""
        reply = await self.call("GET", path, params=params)
        assert reply.status_code == 200, reply.text
        return reply.json()

    async def post(self, path: str, body: Any = None, *, status: int = 201) -> Any:
        """Post something that must succeed."""
        reply = await self.call("POST", path, json=body)
        assert reply.status_code == status, reply.text
        return reply.json()

    async def make_key(self, *scopes: str, **options: Any) -> str:
        """Make a key and return its secret."""
        key = await self.post("/v1/api-keys", {"name": "k", "scopes": list(scopes)} | options)
        secret: str = key["secret"]
        return secret

    async def publish(self, key: str, template: str = "nps", **changes: Any) -> Any:
        """Publish a survey from a template, or of questions given."""
        body = {"key": key} | changes
        if "questions" in changes:
            body.setdefault("name", key)
        else:
            body["template"] = template
        await self.post("/v1/surveys", body)
        return await self.post(f"/v1/surveys/{key}/publish", status=200)

    async def answer(self, survey: str, score: Any, **more: Any) -> httpx.Response:
        """Submit one response."""
        answers = {"score": score} if not isinstance(score, dict) else score
        body = {"survey": survey, "channel": "api", "answers": answers} | more
        return await self.call("POST", "/v1/responses", json=body)

    async def record(self, type_: str, external_id: str, *, status: int = 201, **more: Any) -> Any:
        """Record one interaction of the helpdesk."""
        body = {"type": type_, "source": "helpdesk", "external_id": external_id} | more
        return await self.post("/v1/interactions", body, status=status)

    async def make_trigger(self, survey: str, on: str = "ticket.solved", **rules: Any) -> Any:
        """Make a trigger that sends a survey at once."""
        return await self.post("/v1/triggers", {"name": "t", "on": on, "survey": survey} | rules)

    async def metric(self, name: str, **params: Any) -> Any:
        """Read a metric."""
        return await self.get(f"/v1/metrics/{name}", **params)

    async def events(self, *types: str) -> list[Any]:
        """Read the event feed from its beginning, once all events can be read."""
        await wait_until_readable(self.state.database)
        params = {"types": ",".join(types)} if types else {}
        events: list[Any] = (await self.get("/v1/events", **params))["data"]
        return events

    async def work(self, *, known: Mapping[str, JobHandler] | None = None) -> None:
        """Run the background jobs that are due, and those that they make, as the worker would."""
        database: Database = self.state.database
        known = known or job_handlers(database, self.state.settings)
        for _ in range(50):
            await self._work_once(database, known)
            async with database.session() as session:
                left = await jobs.next_due(session, list(known))
            if left is None or left > utc_now() + _SOON:
                return
        raise AssertionError("jobs are left")

    async def _work_once(self, database: Database, known: Mapping[str, JobHandler]) -> None:
        runner = JobRunner(database, known, own_slots=MAX_CONCURRENT_JOBS_BY_KIND)
        running = asyncio.create_task(runner.run())
        for _ in range(200):
            await wait_until_readable(database)
            reply = await consume(database, CONSUMER, EVENT_CONSUMERS)
            async with database.session() as session:
                left = await jobs.next_due(session, list(known))
            runner.wake()
            if reply:
                continue
            if left is None or left > utc_now() + _SOON:
                break
            await asyncio.sleep(0.05)
        else:
            raise AssertionError("jobs are left")
        runner.stop()
        await running
