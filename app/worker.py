# SPDX-License-Identifier: Apache-2.0
"""The background work of the product: the handler of each job, and the periodic work.

The tables of handlers and consumers show which room does what: rooms only write jobs and events.
"""

import asyncio
import contextlib
import datetime as dt
import logging
import signal
from collections.abc import Awaitable, Callable

import uvloop
from sqlmodel.ext.asyncio.session import AsyncSession

from app.alerts import digest
from app.alerts import service as alerts
from app.alerts.alert_mail import mail_alert
from app.core import audit, flags, idempotency, outbox
from app.core.clock import utc_now
from app.core.database import Database, is_connection_lost
from app.core.event_consumer import CHUNK, EventConsumer, consume
from app.core.event_types import EventType
from app.core.expiry import EXPIRE_JOB, delete_expired
from app.core.garbage_collection import freeze_loaded_objects
from app.core.job_runner import JobHandler, JobRunner
from app.core.jobs import JOB_NOTICES, take_periodic
from app.core.log import configure_logging
from app.core.notices import Notices
from app.core.parent_process import end_with_parent
from app.core.settings import Settings
from app.core.signing import SealedBox, load_secret_keys
from app.exports import bi_roles
from app.exports.retention import (
    RETAIN_JOB,
    delete_old_claims,
    enqueue_inactive,
    erase_inactive,
)
from app.imports import uploads
from app.integrations import inbound_events, translation
from app.integrations.inbound_events import TRANSLATE_JOB
from app.integrations.integration_health import note_silence
from app.integrations.translation import Translator
from app.integrations.write_back import WRITE_BACK_JOB, consume_responses, write_back
from app.interactions.customer_merging import REASSIGN_JOB, reassign_merged
from app.invitations.invitation_mails import MailContext, send_reminder
from app.invitations.mailer import Mailer
from app.invitations.send_queue import REMIND_JOB, SEND_JOB, enqueue_due_invitations, expire_due
from app.pages.dashboard.link_mail import LINK_JOB, LINK_REQUEST_JOB, enqueue_link_mails, send_link
from app.pages.dashboard.member_mail import mail_new_member
from app.responses.abandoned_responses import COMPLETE_JOB, complete_abandoned, queue_abandoned
from app.responses.cases import JOIN_JOB, consume_interactions, join_cases
from app.responses.purge import purge_tests
from app.responses.rollups import recount
from app.responses.service import REDACT_JOB, consume_deletions, redact_events
from app.surveys import previews
from app.triggers import due_invitations
from app.triggers.due_invitations import InvitationSender
from app.triggers.recovery import RECOVERY_JOB, consume_follow_ups, record_recovery
from app.webhooks import disabled_mail
from app.webhooks import service as webhooks
from app.webhooks.delivery_sender import DeliverySender
from app.webhooks.dispatch import dispatch, replay
from app.workspaces import sessions, share_links
from app.workspaces.expiry import queue_expiry
from app.workspaces.members import MEMBER_ADDED_JOB
from app.workspaces.service import RECOUNT_JOB

logger = logging.getLogger(__name__)


# The traffic that is deleted when its time is over.
EXPIRIES = (outbox.EXPIRY, idempotency.EXPIRY, webhooks.EXPIRY, *inbound_events.EXPIRIES)

# What an older version called some kinds; jobs that it enqueued may still wait.
FORMER_KINDS = {
    "customers.settle": REASSIGN_JOB,
    "responses.forget_news": REDACT_JOB,
    "responses.settle": COMPLETE_JOB,
    "responses.join": JOIN_JOB,
    "dashboard.link_asked": LINK_REQUEST_JOB,
    "alerts.tell": alerts.ALERT_MAIL_JOB,
}


def job_handlers(database: Database, settings: Settings) -> dict[str, JobHandler]:
    """Return the handler of each kind of job."""
    box = SealedBox(load_secret_keys(settings))
    mail_context = MailContext(settings, box, Mailer(settings))
    translator = Translator(database, box, settings)
    handlers: dict[str, JobHandler] = {
        RECOUNT_JOB: recount,
        EXPIRE_JOB: lambda database, job: delete_expired(database, EXPIRIES, job.workspace_id),
        REASSIGN_JOB: reassign_merged,
        TRANSLATE_JOB: translator.translate,
        SEND_JOB: InvitationSender(database, mail_context).send,
        JOIN_JOB: join_cases,
        REDACT_JOB: redact_events,
        COMPLETE_JOB: complete_abandoned,
        webhooks.REPLAY_JOB: replay,
        disabled_mail.DISABLED_MAIL_JOB: lambda database, job: disabled_mail.mail_disabled(
            database, settings, mail_context.mailer, job
        ),
        RETAIN_JOB: lambda database, job: erase_inactive(database, box, settings.data_dir, job),
        RECOVERY_JOB: lambda database, job: record_recovery(database, box, job),
        WRITE_BACK_JOB: lambda database, job: write_back(database, box, settings, job),
        LINK_REQUEST_JOB: enqueue_link_mails,
        MEMBER_ADDED_JOB: lambda database, job: mail_new_member(
            database, settings, mail_context.mailer, job
        ),
        LINK_JOB: lambda database, job: send_link(database, settings, mail_context.mailer, job),
        alerts.EVALUATE_JOB: lambda database, job: alerts.evaluate(database, settings, job),
        digest.DIGEST_JOB: lambda database, job: digest.send_digest(
            database, settings, box, mail_context.mailer, job
        ),
        alerts.ALERT_MAIL_JOB: lambda database, job: mail_alert(
            database, settings, mail_context.mailer, job
        ),
        REMIND_JOB: lambda database, job: send_reminder(database, mail_context, job),
    }
    return handlers | {former: handlers[kind] for former, kind in FORMER_KINDS.items()}


# Kinds whose jobs share their transactions, and how many of each run at once.
MAX_CONCURRENT_JOBS_BY_KIND = {
    TRANSLATE_JOB: translation.MAX_WEBHOOKS_TOGETHER,
    SEND_JOB: due_invitations.MAX_BATCH_SIZE,
}

# The consumer of each type of event; rooms only write events.
EVENT_CONSUMERS: dict[EventType, EventConsumer] = {
    EventType.INTERACTION_CREATED: consume_interactions,
    EventType.FOLLOW_UP_UPDATED: consume_follow_ups,
    EventType.RESPONSE_CREATED: consume_responses,
    EventType.RESPONSE_UPDATED: consume_responses,
    EventType.RESPONSE_DELETED: consume_deletions,
}
CONSUMER = "worker"

PERIODIC: dict[str, tuple[dt.timedelta, Callable[[AsyncSession, dt.datetime], Awaitable[None]]]] = {
    "alerts.queue_due": (dt.timedelta(seconds=30), alerts.enqueue_due_alerts),
    "letters.queue_due": (dt.timedelta(minutes=1), digest.enqueue_due_digests),
    "audit.delete_expired": (dt.timedelta(hours=1), audit.delete_expired),
    "expiry.queue": (dt.timedelta(hours=1), queue_expiry),
    "invitations.queue_due": (dt.timedelta(minutes=1), enqueue_due_invitations),
    "invitations.expire_due": (dt.timedelta(minutes=5), expire_due),
    "integrations.note_silence": (dt.timedelta(hours=1), note_silence),
    "exports.end_idle": (dt.timedelta(seconds=30), bi_roles.end_idle),
    "exports.delete_old_claims": (dt.timedelta(minutes=5), delete_old_claims),
    "exports.enqueue_inactive": (dt.timedelta(minutes=5), enqueue_inactive),
    "previews.delete_expired": (dt.timedelta(hours=1), previews.delete_expired),
    "sessions.delete_expired": (dt.timedelta(hours=1), sessions.delete_expired),
    "share_links.delete_expired": (dt.timedelta(hours=1), share_links.delete_expired),
    "uploads.delete_expired": (dt.timedelta(minutes=5), uploads.delete_expired),
    "webhooks.count": (dt.timedelta(minutes=1), webhooks.update_gauges),
    "responses.queue_left_alone": (dt.timedelta(minutes=1), queue_abandoned),
    "responses.purge_tests": (dt.timedelta(hours=1), purge_tests),
}

_PERIODIC_POLL_SECONDS = 30.0
_OUTBOX_POLL_SECONDS = 0.5
_DISPATCH_POLL_SECONDS = 0.2
_NO_ENDPOINTS_POLL_SECONDS = 1.0


class Worker:
    """Runs jobs and periodic work until it is stopped."""

    def __init__(self, settings: Settings) -> None:
        """Prepare; nothing connects before `run`."""
        assert settings.database_url is not None  # noqa: S101 - `up` and `worker` set it
        self._database = Database(settings.database_url)
        self._runner = JobRunner(
            self._database,
            job_handlers(self._database, settings),
            own_slots=MAX_CONCURRENT_JOBS_BY_KIND,
        )
        box = SealedBox(load_secret_keys(settings))
        self._sender = DeliverySender(self._database, box, settings)

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop` is set; then finish what runs and return the rest."""
        notices = Notices(self._database, {JOB_NOTICES: self._runner.wake})
        await notices.start()
        jobs = asyncio.create_task(self._runner.run())
        periodic = asyncio.create_task(self._run_periodic_work())
        feed = asyncio.create_task(self._consume_events())
        dispatching = asyncio.create_task(self._dispatch_events())
        sending = asyncio.create_task(self._sender.run())
        stopped = asyncio.create_task(stop.wait())
        ended, _ = await asyncio.wait(
            {jobs, periodic, feed, dispatching, sending, stopped},
            return_when=asyncio.FIRST_COMPLETED,
        )
        for task in ended - {stopped}:
            if (error := task.exception()) is not None:
                logger.error("a part of the worker broke down", exc_info=error)
        periodic.cancel()
        feed.cancel()
        dispatching.cancel()
        self._runner.stop()
        self._sender.stop()
        await asyncio.gather(jobs, periodic, feed, dispatching, sending, return_exceptions=True)
        await notices.stop()
        await self._database.close()

    async def _run_periodic_work(self) -> None:
        while True:
            for name, (every, work) in PERIODIC.items():
                try:
                    await self._take_turn(name, every, work)
                except Exception as error:
                    if is_connection_lost(error):
                        _warn(error, "periodic work failed; it is tried again", work=name)
                    else:
                        logger.exception("periodic work failed", extra={"work": name})
            await asyncio.sleep(_PERIODIC_POLL_SECONDS)

    async def _consume_events(self) -> None:
        while True:
            consumed = 0
            try:
                consumed = await consume(self._database, CONSUMER, EVENT_CONSUMERS)
            except Exception as error:
                if is_connection_lost(error):
                    _warn(error, "events could not be consumed; it is tried again")
                else:
                    logger.exception("events could not be consumed")
                await asyncio.sleep(1)
            if consumed < CHUNK:
                await asyncio.sleep(_OUTBOX_POLL_SECONDS)

    async def _dispatch_events(self) -> None:
        while True:
            read: int | None = 0
            try:
                read = await dispatch(self._database)
            except Exception as error:
                if is_connection_lost(error):
                    _warn(error, "deliveries could not be made; it is tried again")
                else:
                    logger.exception("deliveries could not be made")
                await asyncio.sleep(1)
            if read:
                self._sender.wake()
            else:
                await asyncio.sleep(
                    _NO_ENDPOINTS_POLL_SECONDS if read is None else _DISPATCH_POLL_SECONDS
                )

    async def _take_turn(
        self,
        name: str,
        every: dt.timedelta,
        work: Callable[[AsyncSession, dt.datetime], Awaitable[None]],
    ) -> None:
        async with self._database.transaction() as session:
            if await take_periodic(session, name, every=every):
                await work(session, utc_now())


def _warn(error: Exception, message: str, **extra: str) -> None:
    """Log in one line that the database did not answer, or not in time."""
    logger.warning(message, extra=extra | {"error": f"{type(error).__name__}: {error}"[:300]})


async def _run_until_signalled(settings: Settings) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    end_with_parent(loop, stop.set)
    async with Database(settings.database_url or "") as database:
        settings = await flags.effective_settings(settings, database)
    freeze_loaded_objects()
    with contextlib.suppress(asyncio.CancelledError):
        await Worker(settings).run(stop)


def main() -> None:
    """Run the worker of the environment's settings."""
    settings = Settings()
    configure_logging(settings.log_level)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_run_until_signalled(settings))


if __name__ == "__main__":
    main()
