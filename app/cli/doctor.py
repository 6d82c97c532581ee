# SPDX-License-Identifier: Apache-2.0
"""`afterword doctor`: looks at everything that an operator would, and says what to do."""

import datetime as dt
import shutil
import stat
from collections.abc import AsyncIterator
from ipaddress import ip_address
from urllib.parse import urlsplit

import aiosmtplib
from sqlalchemy import text

from app.cli import cluster
from app.cli.findings import Finding, Severity, check
from app.cli.rollup_check import differences
from app.core import flags, jobs
from app.core.clock import utc_now
from app.core.database import Database, run_sql
from app.core.schema_version import is_current, newest_revision
from app.core.settings import Settings
from app.exports import bi_roles
from app.integrations import integration_health
from app.invitations.mailer import connect_to_server
from app.webhooks import queries as webhooks
from app.workspaces.service import list_workspaces

_MIN_FREE_BYTES = 1 << 30
_MAX_CLOCK_SKEW = dt.timedelta(seconds=5)
_MAX_OVERDUE_SECONDS = 120


async def examine(settings: Settings, database: Database) -> AsyncIterator[Finding]:
    """Yield findings one after the other, the machine first."""
    for finding in _machine(settings):
        yield finding
    async for finding in _database(database):
        yield finding
    for finding in await cluster.examine(database):
        yield finding
    yield await _mail(settings)
    if not await is_current(database):
        return
    async for finding in _work(settings, database):
        yield finding
    async for finding in _workspaces(database):
        yield finding


def _machine(settings: Settings) -> list[Finding]:
    free = shutil.disk_usage(settings.data_dir).free
    space = f"free space in {settings.data_dir}: {free / 1e9:.1f} GB"
    findings = [
        check(
            free > _MIN_FREE_BYTES, space, f"little {space}",
            "make room: PostgreSQL stops when the disk is full",
        )
    ]  # fmt: skip
    secrets = settings.data_dir / "secret_keys"
    if secrets.exists():
        mode = stat.S_IMODE(secrets.stat().st_mode)
        findings.append(
            check(
                not mode & 0o077,
                f"{secrets} is readable by its owner alone",
                f"{secrets} is readable by others than its owner",
                f"chmod 600 {secrets}",
            )
        )
    public = urlsplit(settings.base_url)
    local = public.hostname in {"127.0.0.1", "localhost", "::1"}
    links = f"links begin with {settings.base_url}"
    findings.append(
        check(
            not local, links, links,
            "customers cannot open them: set AFTERWORD_PUBLIC_URL", bad=Severity.WARN,
        )
    )  # fmt: skip
    if not local:
        findings.append(
            check(
                public.scheme == "https", "links are https", "links are http, without encryption",
                "put a proxy with a certificate before the service", bad=Severity.WARN,
            )
        )  # fmt: skip
    findings.append(
        check(
            not settings.allow_private_webhooks, "webhooks reach public addresses alone",
            "webhooks reach private addresses too",
            "unset AFTERWORD_ALLOW_PRIVATE_WEBHOOKS outside development", bad=Severity.WARN,
        )
    )  # fmt: skip
    return findings


async def _database(database: Database) -> AsyncIterator[Finding]:
    async with database.session() as session:
        rows = await run_sql(
            session,
            text(
                "select current_setting('server_version') as version, now() as now, "
                "(select count(*) from pg_tables where schemaname = 'public' "
                "and not pg_has_role(current_user, tableowner, 'usage')) as foreign_tables, "
                "current_setting('fsync') as fsync, current_setting('server_version_num')::int "
                "as number, pg_size_pretty(pg_database_size(current_database())) as size"
            ),
        )
        row = rows.one()
    server = f"PostgreSQL {row.version}, {row.size}"
    yield check(row.number >= 150_000, server, f"{server}: too old", "use 15 or newer")
    yield check(
        not row.foreign_tables, "the service owns its tables",
        f"the service does not own {row.foreign_tables} of its tables",
        "run `afterword migrate` with the service's own login: row-level security hides rows from "
        "every login but the owner of the tables",
    )  # fmt: skip
    yield check(
        row.fsync == "on", "fsync is on", "fsync is off",
        "a power cut would lose answers: switch it on",
    )  # fmt: skip
    skew = abs(utc_now() - row.now)
    yield check(
        skew < _MAX_CLOCK_SKEW, f"the clocks agree within {skew.total_seconds():.1f} s",
        f"the clocks differ by {skew.total_seconds():.1f} s",
        "let NTP set the clocks of this machine and of the database's",
    )  # fmt: skip
    newest = newest_revision()
    yield check(
        await is_current(database), f"the schema is {newest}", f"the schema is older than {newest}",
        "run `afterword migrate`",
    )  # fmt: skip


def _describe(state: integration_health.IntegrationHealth) -> str:
    """Say how well an integration works, and how many of its webhooks failed."""
    failed = f"has {state.failed} webhooks that failed" if state.failed else ""
    health = f"is {state.health}" if state.health != "ok" else ""
    return " and ".join(part for part in (health, failed) if part)


async def _mail(settings: Settings) -> Finding:
    if settings.smtp_url is None:
        return Finding(
            Severity.WARN,
            "in this environment mails are stored, not sent",
            "set AFTERWORD_SMTP_URL; run doctor with the settings of the service",
        )
    url = urlsplit(settings.smtp_url.get_secret_value())
    try:
        connection = await connect_to_server(url)
        await connection.noop()
        connection.close()
    except aiosmtplib.SMTPAuthenticationError as error:
        return Finding(
            Severity.FAIL, f"the mail server refuses the login: {error.code}",
            "see the name and the password in AFTERWORD_SMTP_URL",
        )  # fmt: skip
    except (aiosmtplib.SMTPException, OSError) as error:
        return Finding(
            Severity.FAIL, f"the mail server does not answer: {error}",
            "see AFTERWORD_SMTP_URL; `afterword mail-test ADDRESS` says more",
        )  # fmt: skip
    return Finding(Severity.OK, f"the mail server {url.hostname} answers")


async def _work(settings: Settings, database: Database) -> AsyncIterator[Finding]:
    async with database.session() as session:
        counts = await jobs.count_jobs(session)
        paused = await flags.read(session, flags.PAUSED)
        proxy = await flags.read(session, flags.UNTRUSTED_PROXY)
        endless = await bi_roles.roles_we_cannot_end(session)
    yield check(
        not counts.dead, "no job is out of attempts", f"jobs out of attempts: {counts.dead}",
        "`afterword jobs --dead` says why, `afterword jobs retry` runs them again",
    )  # fmt: skip
    oldest = f"the oldest due job waits for {counts.oldest_due_seconds:.0f} s"
    yield check(
        counts.oldest_due_seconds < _MAX_OVERDUE_SECONDS, oldest, oldest,
        "is a worker running? start `afterword worker`, or more of them", bad=Severity.WARN,
    )  # fmt: skip
    holds = settings.sending == "paused" or paused is not None
    why = f" ({paused})" if paused else ""
    yield check(
        not holds, "mails and webhooks are sent", f"mails and webhooks are not sent{why}",
        "they wait: unset AFTERWORD_SENDING, or `afterword resume`", bad=Severity.WARN,
    )  # fmt: skip

    if proxy is not None and not _is_trusted(settings, proxy):
        yield Finding(
            Severity.WARN, f"the proxy {proxy} sends X-Forwarded-For and is not trusted",
            "all of its visitors count as one address: if it is yours, name it in "
            f"AFTERWORD_TRUSTED_PROXIES={proxy}",
        )  # fmt: skip
    for role in endless:
        yield Finding(
            Severity.WARN, f"BI role {role}: sessions that idle in a transaction stay",
            f'let the service\'s login end them: GRANT {role} TO "{bi_roles.login_of(database)}"',
        )  # fmt: skip


def _is_trusted(settings: Settings, address: str) -> bool:
    try:
        number = ip_address(address)
    except ValueError:
        return False
    return any(number in network for network in settings.trusted_proxies)


async def _workspaces(database: Database) -> AsyncIterator[Finding]:
    async with database.session() as session:
        workspaces = await list_workspaces(session)
    for workspace_id, key in workspaces:
        different = len(await differences(database, workspace_id))
        yield check(
            not different, f"{key}: figures and rows agree",
            f"{key}: {different} cells of figures differ from the rows",
            f"`afterword rollups rebuild --workspace {key}`",
        )  # fmt: skip
        async with database.session() as session:
            states = await integration_health.read_health(session, workspace_id)
            endpoints = await webhooks.find_endpoints(session, workspace_id, limit=500, cursor=None)
        for state in states:
            if state.health in {"silent", "unverified"} or state.failed:
                yield Finding(
                    Severity.WARN, f"{key}: integration {state.key} {_describe(state)}",
                    f"see /v1/integrations/{state.key}/events",
                )  # fmt: skip
        for endpoint in endpoints:
            if endpoint.disabled_at or endpoint.failing_since:
                reason = endpoint.disabled_reason or f"fails since {endpoint.failing_since:%F %T}"
                yield Finding(
                    Severity.WARN, f"{key}: webhook {endpoint.id}: {reason}",
                    f"see /v1/webhook-endpoints/{endpoint.id}/deliveries",
                )  # fmt: skip
