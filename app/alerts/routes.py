# SPDX-License-Identifier: Apache-2.0
"""Routes of alerts."""

from typing import Annotated

from fastapi import Path

from app.alerts import evaluation, service
from app.alerts.models import Alert
from app.alerts.schemas import AlertIn, AlertOut, AlertPatch, AlertRules, ChartOut, PreviewOut
from app.core.errors import InvalidInput
from app.core.paging import Page, page_of
from app.core.parameters import PageCursor, PageLimit
from app.core.property_filters import PROPERTY
from app.core.routing import SessionDep, SettingsDep, router
from app.metrics.parameters import require_segments
from app.workspaces.admission import Analyst, Writer
from app.workspaces.caller import Caller
from app.workspaces.models import Workspace
from app.workspaces.scopes import Scope
from app.workspaces.service import get_workspace

routes = router("Alerts")

AlertRef = Annotated[str, Path(max_length=64, description="Id or key.")]


def _alert_out(alert: Alert) -> AlertOut:
    return AlertOut.model_validate(
        {**alert.rules, **alert.model_dump(exclude={"rules", "raised"}),
         "raised": list(alert.raised.values())}
    )  # fmt: skip


def _alert_out_for(caller: Caller, alert: Alert) -> AlertOut:
    """Return an alert; a key that sees figures only sees no member's address."""
    alert_out = _alert_out(alert)
    return alert_out if Scope.READ in caller.scopes else alert_out.model_copy(update={"notify": []})


def _require_segments(workspace: Workspace, caller: Caller, rules: AlertRules) -> None:
    """Refuse properties that may identify somebody to a key that sees figures only."""
    if Scope.READ in caller.scopes:
        return
    names = [*rules.filter, *filter(None, [rules.group_by])]
    try:
        require_segments(
            workspace, [name.removeprefix(PROPERTY) for name in names if name.startswith(PROPERTY)]
        )
    except InvalidInput as error:
        raise InvalidInput.at("body", "filter", msg=error.errors[0]["msg"]) from None


@routes.post("/v1/alerts", status_code=201, summary="Make an alert")
async def create_alert(session: SessionDep, caller: Writer, body: AlertIn) -> AlertOut:
    """Watch a figure for shifts, or for passing a limit."""
    workspace = await get_workspace(session, caller.workspace_id)
    return _alert_out(await service.create(session, workspace, body))


@routes.post("/v1/alerts/preview", summary="Try an alert")
async def preview_alert(session: SessionDep, caller: Analyst, body: AlertIn) -> PreviewOut:
    """Return when the rule would have raised the alert in the last year; nothing is stored."""
    workspace = await get_workspace(session, caller.workspace_id)
    _require_segments(workspace, caller, body)
    rules = AlertRules.model_validate(
        body.model_dump(include=set(AlertRules.model_fields), by_alias=True)
    )
    return PreviewOut.model_validate(await evaluation.preview(session, workspace, rules))


@routes.get("/v1/alerts", summary="List the alerts")
async def list_alerts(
    session: SessionDep, caller: Analyst, limit: PageLimit = 50, cursor: PageCursor = None
) -> Page[AlertOut]:
    """Return alerts with what is raised now, newest first."""
    rows = await service.find_page(session, caller.workspace_id, limit=limit, cursor=cursor)
    return page_of(
        rows, limit, position=lambda row: (row.created_at, row.id),
        show=lambda row: _alert_out_for(caller, row),
    )  # fmt: skip


@routes.get("/v1/alerts/{alert}", summary="Read an alert")
async def get_alert(session: SessionDep, caller: Analyst, alert: AlertRef) -> AlertOut:
    """Return one alert."""
    return _alert_out_for(caller, await service.find(session, caller.workspace_id, alert))


@routes.patch("/v1/alerts/{alert}", summary="Change an alert")
async def update_alert(
    session: SessionDep, settings: SettingsDep, caller: Writer, alert: AlertRef, body: AlertPatch
) -> AlertOut:
    """Change what is given; the alert is evaluated again within a minute.

    An alert that is switched off is cleared.
    """
    return _alert_out(await service.change(session, settings, caller.workspace_id, alert, body))


@routes.delete("/v1/alerts/{alert}", status_code=204, summary="Delete an alert")
async def delete_alert(
    session: SessionDep, settings: SettingsDep, caller: Writer, alert: AlertRef
) -> None:
    """Delete an alert; what it has raised is cleared."""
    await service.delete(session, settings, caller.workspace_id, alert)


@routes.get("/v1/alerts/{alert}/chart", summary="Read an alert's chart")
async def get_alert_chart(session: SessionDep, caller: Analyst, alert: AlertRef) -> ChartOut:
    """Return every completed period, and whether it is a signal."""
    row = await service.find(session, caller.workspace_id, alert)
    workspace = await get_workspace(session, caller.workspace_id)
    _require_segments(workspace, caller, service.rules_of(row))
    charts = await evaluation.charts_of(session, workspace, service.rules_of(row), row.created_at)
    return ChartOut.model_validate(evaluation.chart_reply(charts))
