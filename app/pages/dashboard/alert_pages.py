# SPDX-License-Identifier: Apache-2.0
"""Alerts on the dashboard: which figures are watched, and the chart of each."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from starlette.responses import HTMLResponse

from app.alerts import service as alerts
from app.core.routing import router
from app.metrics.registry import CARD_METRICS, METRICS
from app.pages.dashboard import figures
from app.pages.dashboard.charts import ChartLine, Point, line_of
from app.pages.dashboard.filters import read_choices
from app.pages.dashboard.visit import ApiVisitDep, DashboardVisit, SnapshotVisitDep
from app.workspaces import members

routes = router("Dashboard")

# A chart for each group; the rest is read by the API.
_MAX_CHARTS = 8


@routes.get("/alerts", include_in_schema=False)
async def show_alerts(visit: SnapshotVisitDep) -> HTMLResponse:
    """Show the figures that are watched, and what is raised now."""
    rows = await alerts.find_page(visit.session, visit.workspace.id, limit=200, cursor=None)
    return visit.render(
        "alerts", alerts=rows,
        members=await members.find_page(visit.session, visit.workspace.id, limit=200, cursor=None),
        choices=await read_choices(visit.session, visit.workspace, visit.texts.language),
        metrics=CARD_METRICS,
    )  # fmt: skip


@routes.get("/alerts/{alert}", include_in_schema=False)
async def show_alert(visit: ApiVisitDep, alert: UUID) -> HTMLResponse:
    """Show the course of a watched figure, with the periods that raise the alert."""
    reply = await visit.api.get(f"/v1/alerts/{alert}")
    chart = await visit.api.get(f"/v1/alerts/{alert}/chart")
    by_group: dict[str | None, list[Mapping[str, Any]]] = {}
    for row in chart["rows"]:
        names = [str(value or "–") for value in (row["group"] or {}).values()]
        by_group.setdefault(", ".join(names) or None, []).append(row)
    charts = [(group, _line_of(visit, reply["metric"], rows)) for group, rows in by_group.items()][
        :_MAX_CHARTS
    ]
    return visit.render(
        "alert", title=reply["name"], alert=reply, charts=charts,
        baseline=chart["baseline"], left_out=len(by_group) - len(charts),
        noun=METRICS[reply["metric"]].counter.noun,
        choices=await read_choices(visit.session, visit.workspace, visit.texts.language),
    )  # fmt: skip


def _line_of(visit: DashboardVisit, metric: str, rows: list[Mapping[str, Any]]) -> ChartLine:
    def write_value(value: float | None) -> str:
        # A duration is watched as the share of tickets that took no longer than usual.
        if METRICS[metric].unit.kind == "duration":
            return "–" if value is None else f"{visit.texts.number(value)} %"
        return figures.format_value(visit.texts, metric, value)

    return line_of([
        Point(visit.texts.period(row["period"]), row["value"], None, None, row["n"],
              write_value(row["value"]), is_marked=row["signal"])
        for row in rows
    ])  # fmt: skip
