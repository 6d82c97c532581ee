# SPDX-License-Identifier: Apache-2.0
"""The loop that sends deliveries: many at once, a few to each endpoint.

A claim moves `next_at` beyond the longest attempt before anything is sent. If the worker is
killed, its deliveries are therefore sent again soon, under the same `webhook-id`. An endpoint that
fails gets one attempt at a time, so that one that hangs does not delay others. The results are
stored together, in the transaction of the next claim.
"""

import asyncio
import contextlib
import datetime as dt
import json
import logging
from collections.abc import Mapping, Sequence
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.exc import NoResultFound
from sqlmodel.ext.asyncio.session import AsyncSession

from app.core.clock import utc_now
from app.core.database import Database, is_connection_lost, run_sql, select_workspace_ids
from app.core.errors import NotFound
from app.core.event_types import EventType
from app.core.guarded_http import GuardedClient
from app.core.schema import Json
from app.core.settings import Settings
from app.core.signing import SealedBox
from app.core.telemetry import DELIVERIES
from app.core.texts import shipped_language
from app.invitations.invitation_mails import sender_of
from app.invitations.mailer import Mailer
from app.surveys import service as surveys
from app.surveys.schemas import Definition
from app.webhooks import attempts, delivery_outcomes, queries
from app.webhooks.attempts import Attempt, body_of
from app.webhooks.delivery_outcomes import FinishedAttempt
from app.webhooks.endpoint_queues import (
    MAX_CLAIMED_PER_ENDPOINT,
    MAX_CONCURRENT_DELIVERIES,
    ClaimedDelivery,
    EndpointQueues,
)
from app.webhooks.formats import MessageStyle
from app.webhooks.models import Delivery, WebhookEndpoint
from app.webhooks.schemas import EndpointFormat
from app.webhooks.service import MAILTO, live_headers, live_secrets
from app.webhooks.subscriber_events import OutboxEvent, SubscriberEvent, subscriber_events
from app.workspaces.models import Workspace
from app.workspaces.service import get_workspace

logger = logging.getLogger(__name__)

_LEASE_SECONDS = 30
# The longest attempt, and the storing of its result, must fit into the lease.
_BEGIN_WITHIN_SECONDS = 12
_MANY_ENDED = 64
_LOOK_SECONDS = 0.25
# New deliveries of events wake the loop; a test or a retry can wait for a moment.
_IDLE_SECONDS = 1.0
_GRACE_SECONDS = 16

_CLAIM = text(f"""
update delivery d set next_at = :until from (
  select c.workspace_id, c.id from webhook_endpoint e cross join lateral (
    select q.workspace_id, q.id from delivery q
    where q.workspace_id = :workspace_id and q.endpoint_id = e.id and q.status = 'pending'
    and q.next_at <= :now order by q.next_at, q.created_at, q.id for update skip locked
    limit greatest(0, case when e.failing_since is null then {MAX_CLAIMED_PER_ENDPOINT} else 1 end
      - coalesce((cast(:held as jsonb) ->> e.id::text)::int, 0))
  ) c where e.workspace_id = :workspace_id and e.disabled_at is null
) due where d.workspace_id = :workspace_id and d.id = due.id returning d.*
""").columns(sample=Json, attempts=Json)
_BUSY = "select distinct workspace_id from delivery where status = 'pending' and next_at <= :now"


class DeliverySender:
    """Sends what is due until it is stopped."""

    def __init__(self, database: Database, box: SealedBox, settings: Settings) -> None:
        """Prepare; nothing connects before `run`."""
        self._database = database
        self._box = box
        self._settings = settings
        self._mailer = Mailer(settings)
        self._queues = EndpointQueues()
        self._tasks: set[asyncio.Task[None]] = set()
        self._ended: list[FinishedAttempt] = []
        self._untried: list[Delivery] = []
        self._woken = asyncio.Event()
        self._stopping = False

    def wake(self) -> None:
        """Look for due deliveries now."""
        self._woken.set()

    async def run(self) -> None:
        """Send until `stop`; a database that goes away is waited for."""
        async with GuardedClient(allow_private=self._settings.allow_private_webhooks) as client:
            while not self._stopping:
                self._woken.clear()
                try:
                    await self.run_once(client)
                except Exception as error:
                    if not is_connection_lost(error):
                        logger.exception("deliveries could not be claimed")
                    await asyncio.sleep(1)
                look = _LOOK_SECONDS if self._tasks or self._ended else _IDLE_SECONDS
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._woken.wait(), look)
            for endpoint_id in list(self._queues.waiting):
                self._untried += self._queues.drain(endpoint_id)
            if self._tasks:
                await asyncio.wait(self._tasks, timeout=_GRACE_SECONDS)
            with contextlib.suppress(Exception):
                await self._write()

    def stop(self) -> None:
        """Let `run` finish what is on its way, and give back the rest."""
        self._stopping = True
        self.wake()

    async def run_once(self, client: GuardedClient) -> int:
        """Store ended attempts and begin due ones; return how many run or are not stored yet."""
        await self._write()
        if (
            self._settings.sending != "paused"
            and self._queues.running_by_endpoint.total() < MAX_CONCURRENT_DELIVERIES
        ):
            await self._claim()
        self._begin(client)
        return len(self._tasks) + len(self._ended)

    async def _claim(self) -> None:
        now = utc_now()
        until = now + dt.timedelta(seconds=_LEASE_SECONDS)
        begin_by = asyncio.get_running_loop().time() + _BEGIN_WITHIN_SECONDS
        async with self._database.transaction() as session:
            sizes = json.dumps(self._queues.count_claimed())
            due: list[Delivery] = []
            for workspace_id in await select_workspace_ids(session, _BUSY, now=now):
                rows = await run_sql(
                    session,
                    _CLAIM.bindparams(workspace_id=workspace_id, until=until, now=now, held=sizes),
                )
                due += [Delivery.model_validate(dict(row._mapping)) for row in rows.all()]
            events = await _events_by_delivery(session, due)
            endpoints = {
                key: await session.get(WebhookEndpoint, key)
                for key in {(delivery.workspace_id, delivery.endpoint_id) for delivery in due}
            }
        for delivery in sorted(due, key=lambda delivery: (delivery.created_at, delivery.id)):
            endpoint = endpoints[delivery.workspace_id, delivery.endpoint_id]
            if endpoint is not None:
                self._queues.add(ClaimedDelivery(delivery, endpoint, events[delivery.id], begin_by))

    def _begin(self, client: GuardedClient) -> None:
        for claimed in self._queues.take_ready(asyncio.get_running_loop().time()):
            task = asyncio.create_task(self._attempt(client, claimed))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _attempt(self, client: GuardedClient, claimed: ClaimedDelivery) -> None:
        try:
            self._end(claimed, await self._try_safely(client, claimed))
        finally:
            self._queues.release_slot(claimed.endpoint)
            self._begin(client)
            if len(self._ended) >= _MANY_ENDED or self._queues.is_idle(claimed.endpoint.id):
                self.wake()

    def _end(self, claimed: ClaimedDelivery, attempt: Attempt) -> None:
        self._ended.append(FinishedAttempt(claimed.delivery, attempt))
        DELIVERIES.labels("failed" if attempt.error else "delivered").inc()
        if attempt.error:
            # From now on this endpoint gets one delivery at a time.
            self._untried += self._queues.drain(claimed.endpoint.id)

    async def _try_safely(self, client: GuardedClient, claimed: ClaimedDelivery) -> Attempt:
        """Try once; an internal error is a failed attempt like any other."""
        try:
            return await self._try(client, claimed)
        except Exception:
            extra = {"delivery": str(claimed.delivery.id)}
            logger.exception("a delivery failed by an internal error", extra=extra)
            return Attempt(utc_now(), 0, error="an internal error; see the service's log")

    async def _try(self, client: GuardedClient, claimed: ClaimedDelivery) -> Attempt:
        endpoint, event = claimed.endpoint, claimed.event
        if event is None:
            return Attempt(utc_now(), 0, error="the event is not kept any more")
        is_mail = endpoint.url.startswith(MAILTO)
        workspace: Workspace | None = None
        if is_mail or endpoint.format in {EndpointFormat.SLACK, EndpointFormat.TEAMS}:
            async with self._database.session() as session:
                workspace = await get_workspace(session, endpoint.workspace_id)
        style = MessageStyle(
            personal=endpoint.include_personal,
            base_url=self._settings.base_url,
            language=shipped_language(workspace.default_locale if workspace else None),
        )
        if is_mail and workspace is not None:
            sender = sender_of(workspace, self._settings)
            return await attempts.mail(self._mailer, endpoint, event, style, sender=sender)
        secrets = live_secrets(endpoint, self._box, utc_now())
        definition = None
        if endpoint.format == EndpointFormat.DELIGHTED:
            definition = await self._definition_of(endpoint.workspace_id, event)
        body = body_of(endpoint, event, style, definition=definition)
        return await attempts.post(
            client, endpoint, event, body, secrets=secrets, extra=live_headers(endpoint, self._box)
        )

    async def _definition_of(self, workspace_id: UUID, event: SubscriberEvent) -> Definition | None:
        """Return the content of the version that an event's answer is to; None if it is gone."""
        about = event.data.get("survey")
        if not isinstance(about, Mapping):
            return None
        async with self._database.session() as session:
            with contextlib.suppress(NotFound, NoResultFound):
                survey = await surveys.find(session, workspace_id, str(about["key"]))
                return await surveys.definition_of(session, survey, int(about["version"]))
        return None

    async def _write(self) -> None:
        """Store finished attempts; those that cannot be stored now are kept for the next turn."""
        ended, self._ended = self._ended, []
        untried, self._untried = self._untried, []
        if not ended and not untried:
            return
        try:
            async with self._database.transaction() as session:
                await delivery_outcomes.write(session, ended)
                await delivery_outcomes.release(session, untried)
        except Exception:
            self._ended, self._untried = ended + self._ended, untried + self._untried
            raise


async def _events_by_delivery(
    session: AsyncSession, deliveries: Sequence[Delivery]
) -> dict[UUID, SubscriberEvent | None]:
    """Return the event of each delivery; None where it is not kept any more."""
    events = await queries.events_of_deliveries(session, deliveries)
    return {delivery.id: _subscriber_event(delivery, events) for delivery in deliveries}


def _subscriber_event(
    delivery: Delivery, events: dict[UUID, OutboxEvent]
) -> SubscriberEvent | None:
    type_ = EventType(delivery.type)
    if delivery.sample is not None:
        at = delivery.created_at
        sample = OutboxEvent(0, delivery.webhook_id, type_, delivery.sample, at)
        return SubscriberEvent(delivery.webhook_id, type_, at, delivery.sample, sample)
    outbox_event = events.get(delivery.event_id) if delivery.event_id else None
    if outbox_event is None:
        return None
    for event in subscriber_events(outbox_event):
        if event.id == delivery.webhook_id:
            return event
    # Its data was erased; the empty event is still delivered.
    return SubscriberEvent(
        delivery.webhook_id, type_, outbox_event.at, outbox_event.data, outbox_event
    )
