# SPDX-License-Identifier: Apache-2.0
"""Health: is the process alive, can it serve, and what does it count."""

import shutil
import time
from typing import Literal

from fastapi import Request
from pydantic import BaseModel, Field
from starlette.responses import Response

from app.core import jobs, telemetry
from app.core.database import Database, is_connection_lost
from app.core.errors import NotFound
from app.core.http import json_reply
from app.core.routing import router
from app.core.schema_version import is_current
from app.core.settings import Settings

routes = router("Health")

_FULL_SECONDS = 5.0
_MIN_FREE_BYTES = 1 << 20


class Health(BaseModel):
    """The process runs."""

    status: Literal["ok"]


class ReadinessChecks(BaseModel):
    """What was looked at, in words."""

    database: str
    migrations: str
    disk: str | None = Field(default=None, description="Present only while the disk is full.")
    mail: str
    sending: str


class Readiness(BaseModel):
    """Whether the service can serve, and what it still lacks."""

    status: Literal["ok", "unavailable"]
    checks: ReadinessChecks


@routes.get("/healthz", summary="Is the process alive?")
async def get_health() -> Health:
    """Answer as long as the process runs."""
    return Health(status="ok")


@routes.get(
    "/readyz",
    summary="Can it serve?",
    response_model=Readiness,
    responses={
        503: {
            "model": Readiness,
            "description": "The database does not answer, needs a migration, or its disk is full.",
        }
    },
)
async def get_readiness(request: Request) -> Response:
    """Answer 200 when the database answers and its schema is current, else 503."""
    database: Database = request.app.state.database
    settings: Settings = request.app.state.settings
    mail = "ok" if settings.smtp_url else "stored: AFTERWORD_SMTP_URL is not set"
    checks = {"database": "ok", "migrations": "ok"}
    try:
        await database.ping()
        if not await is_current(database):
            checks["migrations"] = "missing: run `afterword migrate`"
    except Exception as error:
        if not is_connection_lost(error):
            raise
        checks = {"database": "unreachable", "migrations": "unknown"}
    if _is_full(settings, database):
        checks["disk"] = "full: free some disk space"
    ready = all(state == "ok" for state in checks.values())
    notes = {"mail": mail, "sending": settings.sending}
    body = {"status": "ok" if ready else "unavailable", "checks": checks | notes}
    return json_reply(body, status=200 if ready else 503)


def _is_full(settings: Settings, database: Database) -> bool:
    """Tell whether a disk is full: the database refused a write lately, or our folder is full."""
    if time.monotonic() - database.full_at < _FULL_SECONDS:
        return True
    own = settings.data_dir / "postgres"
    try:
        return own.exists() and shutil.disk_usage(own).free < _MIN_FREE_BYTES
    except OSError:
        return False


@routes.get(
    "/metrics",
    summary="Telemetry of the process",
    response_class=Response,
    responses={
        200: {"content": {"text/plain": {"schema": {"type": "string"}}}},
        404: {"description": "Telemetry is switched off."},
    },
)
async def get_telemetry(request: Request) -> Response:
    """Return the process metrics in Prometheus' text format; `AFTERWORD_TELEMETRY` hides it."""
    settings: Settings = request.app.state.settings
    if not settings.telemetry:
        raise NotFound("Telemetry is switched off.")
    await _count_jobs(request.app.state.database)
    body, media_type = telemetry.exposition()
    return Response(body, media_type=media_type)


async def _count_jobs(database: Database) -> None:
    """Count the jobs for each scrape; if the database is down, the last counts stay."""
    try:
        async with database.session() as session:
            counts = await jobs.count_jobs(session)
    except Exception as error:
        if not is_connection_lost(error):
            raise
        return
    for state in ("due", "running", "waiting", "dead"):
        telemetry.JOBS_NOW.labels(state).set(getattr(counts, state))
    telemetry.OLDEST_JOB.set(counts.oldest_due_seconds)
