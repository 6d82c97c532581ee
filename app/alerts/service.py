# SPDX-License-Identifier: Apache-2.0
"""Verbs of the room: make, change, find and delete alerts; look at those that are due."""

import datetime as dt
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from pydantic import ValidationError
from sqlalchemy import text
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from app.alerts.evaluation import charts_of, cleared_by, has_baseline, raised_now
from app.alerts.models import Alert
from app.alerts.schemas import AlertIn, AlertPatch, AlertRules
from app.alerts.series import request_of, require_baseline, start_of_series
from app.core import jobs
from app.core.clock import utc_now
from app.core.cursors import newest_first
from app.core.database import Database, run_sql
from app.core.errors import AfterwordError, Conflict, InvalidInput
from app.core.event_types import EventType
from app.core.ids import uuid7
from app.core.jobs import Job
from app.core.lookup import find_by_reference
from app.core.outbox import emit
from app.core.settings import Settings
from app.metrics.periods import Interval, period_start
from app.metrics.registry import METRICS
from app.workspaces import members
from app.workspaces.models import Workspace
from app.workspaces.service import get_workspace

EVALUATE_JOB = "alerts.evaluate"
ALERT_MAIL_JOB = "alerts.mail_notice"
_NO_BASELINE = "No answers lie within the baseline, so that nothing can be compared with it."
_RULES = set(AlertRules.model_fields)
# Rows that are written during an evaluation may have an earlier time.
_EVALUATION_OVERLAP = dt.timedelta(seconds=10)


def rules_of(alert: Alert) -> AlertRules:
    """Return what an alert watches."""
    return AlertRules.model_validate(
        {key: value for key, value in alert.rules.items() if key != "notify"}
    )


async def require_known_names(
    session: AsyncSession, workspace: Workspace, rules: AlertRules
) -> None:
    """Raise InvalidInput if the rules name something unknown."""
    today = utc_now().astimezone(ZoneInfo(workspace.timezone)).date()
    require_baseline(rules, today)
    await request_of(session, workspace, rules, start_of_series(rules, today), today)


async def create(session: AsyncSession, workspace: Workspace, body: AlertIn) -> Alert:
    """Make an alert; Conflict where its key is taken."""
    rules = AlertRules.model_validate(body.model_dump(include=_RULES, by_alias=True))
    await require_known_names(session, workspace, rules)
    await _require_members(session, workspace.id, body.notify)
    now = utc_now()
    alert = Alert(
        workspace_id=workspace.id,
        id=uuid7(),
        key=body.key,
        name=body.name,
        active=body.active,
        rules=rules.model_dump(mode="json", by_alias=True) | {"notify": body.notify},
        raised={},
        created_at=now,
        updated_at=now,
    )
    inserted = await session.exec(
        insert(Alert)
        .values(**alert.model_dump())
        .on_conflict_do_nothing(index_elements=["workspace_id", "key"])
        .returning(col(Alert.id))
    )
    if inserted.first() is None:
        detail = f"There is an alert `{body.key}` already; choose another key."
        raise Conflict(detail)
    return alert


async def _require_members(session: AsyncSession, workspace_id: UUID, notify: list[str]) -> None:
    for position, name in enumerate(notify):
        email = name.removeprefix("member:")
        if await members.find_by_email(session, workspace_id, email) is None:
            msg = f"`{email[:128]}` is not a member of this workspace; add the member first"
            raise InvalidInput.at("body", "notify", position, msg=msg)


async def find(session: AsyncSession, workspace_id: UUID, reference: str) -> Alert:
    """Return an alert by id or key, or raise NotFound."""
    return await find_by_reference(session, Alert, workspace_id, reference)


async def find_page(
    session: AsyncSession, workspace_id: UUID, *, limit: int, cursor: str | None
) -> list[Alert]:
    """Return up to `limit + 1` alerts, newest first."""
    query = select(Alert).where(Alert.workspace_id == workspace_id)
    query = newest_first(query, Alert, limit=limit, cursor=cursor)
    return list(await session.exec(query))


async def change(
    session: AsyncSession, settings: Settings, workspace_id: UUID, reference: str, patch: AlertPatch
) -> Alert:
    """Change what is given; the alert is evaluated again within a minute.

    What an alert has raised is cleared if it is switched off.
    """
    alert = await find(session, workspace_id, reference)
    changes = patch.model_dump(mode="json", exclude_unset=True, exclude_none=True)
    if "notify" in changes:
        await _require_members(session, workspace_id, changes["notify"])
    for name in ("name", "active"):
        if name in changes:
            setattr(alert, name, changes.pop(name))
    if not alert.active:
        await _clear(session, settings, alert)
    alert.rules = alert.rules | changes
    _require_rules(alert)
    alert.seen_until = alert.problem = None
    alert.updated_at = utc_now()
    session.add(alert)
    return alert


def _require_rules(alert: Alert) -> None:
    """Raise InvalidInput if the rules do not fit each other, such as a value out of reach."""
    try:
        rules_of(alert)
    except ValidationError as error:
        fault = error.errors()[0]
        msg = fault["msg"].removeprefix("Value error, ")
        raise InvalidInput.at("body", *(fault["loc"] or ("rule",)), msg=msg) from None


async def delete(
    session: AsyncSession, settings: Settings, workspace_id: UUID, reference: str
) -> None:
    """Delete an alert; what it has raised is cleared."""
    alert = await find(session, workspace_id, reference)
    await _clear(session, settings, alert)
    await session.delete(alert)


async def _clear(session: AsyncSession, settings: Settings, alert: Alert) -> None:
    """Clear what an alert has raised, since nobody watches it any longer."""
    for point in alert.raised.values():
        await _notify(session, settings, alert, EventType.ALERT_CLEARED, point)
    alert.raised = {}


async def find_raised_alerts(session: AsyncSession, workspace_id: UUID) -> list[Alert]:
    """Return the alerts that are raised now, for the dashboard and the digest."""
    rows = await session.exec(
        select(Alert)
        .where(Alert.workspace_id == workspace_id, col(Alert.active), Alert.raised != {})
        .order_by(col(Alert.created_at))
    )
    return list(rows)


async def enqueue_due_alerts(session: AsyncSession, now: dt.datetime) -> None:
    """Enqueue the alerts for which a period has ended, or answers of ended periods have changed."""
    rows = await session.exec(
        select(Alert, Workspace)
        .join(Workspace, col(Workspace.id) == col(Alert.workspace_id))
        .where(col(Alert.active))
    )
    for alert, workspace in rows.all():
        if await _is_due(session, alert, workspace, now):
            await jobs.enqueue(
                session, EVALUATE_JOB, workspace_id=workspace.id, max_attempts=3,
                payload={"alert": str(alert.id)}, dedupe=str(alert.id),
            )  # fmt: skip


async def _is_due(
    session: AsyncSession, alert: Alert, workspace: Workspace, now: dt.datetime
) -> bool:
    if alert.seen_until is None:
        return True
    zone = ZoneInfo(workspace.timezone)
    interval = Interval(alert.rules["interval"])
    first_day = period_start(now.astimezone(zone).date(), interval)
    current = dt.datetime.combine(first_day, dt.time(), zone)
    if alert.seen_until < current:
        return True
    counted = METRICS[alert.rules["metric"]].counter.counted
    rows = await run_sql(
        session,
        text(
            f"select exists(select 1 from {counted.table} where workspace_id = :workspace "
            f"and updated_at > :seen and {counted.at} < :current)"
        ).bindparams(workspace=workspace.id, seen=alert.seen_until, current=current),
    )
    return bool(rows.one()[0])


async def evaluate(database: Database, settings: Settings, job: Job) -> None:
    """Evaluate one alert: raise and clear each group once, with its event and its mails."""
    seen_until = utc_now() - _EVALUATION_OVERLAP
    async with database.transaction() as session:
        locked = await session.exec(
            select(Alert)
            .where(
                Alert.workspace_id == job.workspace_id,
                Alert.id == UUID(job.payload["alert"]),
                col(Alert.active),
            )
            .with_for_update()
        )
        alert = locked.first()
        if alert is None:
            return
        workspace = await get_workspace(session, alert.workspace_id)
        alert.seen_until = seen_until
        try:
            charts = await charts_of(session, workspace, rules_of(alert), alert.created_at)
        except (AfterwordError, ValidationError) as error:
            # A survey or a segment that it watches is gone; it is tried again with new answers.
            alert.problem = str(error)[:500]
            session.add(alert)
            return
        is_without = charts.rules.baseline is not None and not has_baseline(charts)
        alert.problem = _NO_BASELINE if is_without else None
        raised_before = alert.raised
        raised = raised_now(charts, raised_before)
        for group in raised.keys() - raised_before.keys():
            await _notify(session, settings, alert, EventType.ALERT_RAISED, raised[group])
        for group in raised_before.keys() - raised.keys():
            cleared = cleared_by(charts, group, raised_before[group])
            await _notify(session, settings, alert, EventType.ALERT_CLEARED, cleared)
        # A group that is still raised keeps the period that raised it first; what it is compared
        # with may have changed with the rule.
        alert.raised = {
            group: raised_before.get(group, point) | {"expected": point["expected"]}
            for group, point in raised.items()
        }
        session.add(alert)


async def _notify(
    session: AsyncSession, settings: Settings, alert: Alert, event: EventType, point: dict[str, Any]
) -> None:
    link = f"{settings.base_url}/alerts"
    about = {"id": str(alert.id), "key": alert.key, "name": alert.name,
             "metric": alert.rules["metric"]}  # fmt: skip
    await emit(session, alert.workspace_id, event, data=[{"alert": about, **point, "link": link}])
    for name in alert.rules.get("notify", []):
        await jobs.enqueue(
            session, ALERT_MAIL_JOB, workspace_id=alert.workspace_id,
            max_attempts=jobs.MAIL_ATTEMPTS,
            payload={"member": name.removeprefix("member:").lower(), "event": event,
                     "name": alert.name, "metric": alert.rules["metric"], "said": point},
        )  # fmt: skip
