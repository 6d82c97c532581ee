# SPDX-License-Identifier: Apache-2.0
"""Insights on the dashboard, one per page with a summary sentence; and comparisons."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Query
from pydantic import Field
from starlette.responses import HTMLResponse

from app.core.routing import PropertiesDep, router
from app.insights.kinds import KINDS
from app.insights.questions import NAME_SURVEY
from app.metrics.queries import metrics_with_questions
from app.metrics.registry import CARD_METRICS, METRICS
from app.pages.dashboard import figures
from app.pages.dashboard.charts import Point, scatter_of, whiskers_of
from app.pages.dashboard.figure_context import filter_form, whiskers
from app.pages.dashboard.filters import FilterChoices, PageFilter, without_empty
from app.pages.dashboard.sentences import SENTENCES, emotion_sentence, expectation_sentence
from app.pages.dashboard.texts import DashboardTexts
from app.pages.dashboard.visit import DashboardVisit, SnapshotVisitDep
from app.workspaces.scopes import Scope

routes = router("Dashboard")

# The tabs in their order; emotions and expectation are metrics, the others insights.
TABS = ("drivers", "pillars", "modules", "emotions", "expectation", "recovery", "comments",
        "spending", "word-of-mouth")  # fmt: skip
_TAGS = {str(name): kind.tag for name, kind in KINDS.items() if kind.tag is not None}
# By what groups are compared, in the order of the tabs; segments follow.
_GROUPS = ("touchpoint", "channel", "locale", "survey", "source")
_FIGURES = {"emotions": "emotion", "expectation": "expectation"}


class InsightPageFilter(PageFilter):
    """The filters of every page, and which insight is shown."""

    period: str = Field(default="12mo", max_length=10)
    insight: str = Field(default="drivers", max_length=20)


@routes.get("/experience", include_in_schema=False)
async def show_experience(
    visit: SnapshotVisitDep, view: Annotated[InsightPageFilter, Query()], values: PropertiesDep
) -> HTMLResponse:
    """Show one insight: its sentence, its chart, its rows; or why there is none."""
    properties = without_empty(values)
    tabs = [tab for tab in TABS if tab != "comments" or visit.user.may(Scope.READ)]
    name = view.insight if view.insight in tabs else tabs[0]
    context: dict[str, Any] = {"reply": None, "points": None, "scatter": None, "sentence": "",
                             "is_of_some_surveys": False}  # fmt: skip
    if name in _FIGURES:
        context |= await _read_metric_tab(visit, view, properties, name)
    else:
        params = view.api_params(properties)
        if name == "spending":
            params = {
                key: value for key, value in params.items() if key not in {"period", "from", "to"}
            }
        reply = await visit.api.get(f"/v1/insights/{name}", **params)
        reply["rows"] = [_in_readers_language(visit, row) for row in reply["rows"]]
        context |= {"reply": reply, "sentence": SENTENCES[name](visit.texts, reply)}
        context["is_of_some_surveys"] = name != "recovery" and any(
            warning.endswith(NAME_SURVEY) for warning in reply["warnings"]
        )
        if name == "drivers" and any(row["quadrant"] for row in reply["rows"]):
            context["scatter"] = _scatter(reply["rows"])
        if name in {"pillars", "modules"} and reply["rows"]:
            context["points"] = _scores(visit, reply["rows"])
        elif name in _TAGS and not reply["rows"]:
            # Means can be shown with any number of answers; weights need more.
            means = await figures.tag_points(visit, view, _TAGS[name], properties)
            context["points"] = whiskers(means)
    return visit.render(
        "experience", tab=name, tabs=tabs, title=visit.texts["experience"],
        **await filter_form(visit, view, properties), **context,
    )  # fmt: skip


async def _read_metric_tab(
    visit: DashboardVisit, view: PageFilter, properties: Mapping[str, list[str]], name: str
) -> dict[str, Any]:
    """Return how often each emotion, or each expectation, was chosen."""
    if name == "emotions":
        points, total = await figures.emotion_points(visit, view, properties)
        sentence = emotion_sentence(visit.texts, points, total)
        return {"points": whiskers(points) if total["n"] else None, "sentence": sentence}
    reply = await figures.read(visit, view, _FIGURES[name], properties)
    total = reply["total"]
    points = [
        Point(visit.texts.name("answer", str(key)), 100 * count / total["n"], None, None, count,
              f"{visit.texts.number(100 * count / total['n'])} %", "–")
        for key, count in total.get("distribution", {}).items()
    ] if total["n"] else []  # fmt: skip
    return {"points": whiskers(points), "sentence": expectation_sentence(visit.texts, total)}


def _in_readers_language(visit: DashboardVisit, row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row with its label in the reader's language; the API has the workspace's."""
    kind = next((kind for kind in _TAGS.values() if kind in row), None)
    return {**row, "label": visit.texts.name(kind, row[kind])} if kind is not None else dict(row)


def _scatter(rows: Sequence[Mapping[str, Any]]) -> Any:
    """Lay out the drivers: how well each is rated against how much it matters."""
    return scatter_of([
        (row["label"], row["mean_0_100"], row["importance_share"], row["quadrant"])
        for row in rows if row["mean_0_100"] is not None and row["importance_share"] is not None
    ])  # fmt: skip


def _scores(visit: DashboardVisit, rows: Sequence[Mapping[str, Any]]) -> Any:
    points = [
        figures.point_of(
            visit.texts, "rating", row["label"],
            {"value": row["score"], "ci": row["ci"], "n": row["n"]},
        )
        for row in rows
    ]  # fmt: skip
    return whiskers(points)


class CompareFilter(PageFilter):
    """The filters of every page, and what is set side by side."""

    by: str = Field(default="touchpoint", max_length=70)


@routes.get("/compare", include_in_schema=False)
async def show_compare(
    visit: SnapshotVisitDep, view: Annotated[CompareFilter, Query()], values: PropertiesDep
) -> HTMLResponse:
    """Show one figure by store, channel, language or another group, side by side."""
    properties = without_empty(values)
    metrics = await _compared_metrics(visit)
    metric = view.metric if view.metric in metrics else "nps"
    groups = _groups_of(visit, metric)
    by = view.by if view.by in groups else groups[0]
    best_first = "value" if METRICS[metric].better == "lower" else "-value"
    reply = await figures.read(
        visit, view, metric, properties, short=True, group_by=[by], order_by=best_first
    )
    replies = {metric: reply} | {
        other: await figures.read(visit, view, other, properties, short=True, group_by=[by])
        for other in CARD_METRICS
        if other != metric and not visit.shared and _is_shown(visit, view, other, by)
    }
    shared_parts = await filter_form(visit, view, properties)
    names = _GroupNames(visit.texts, by, shared_parts["choices"])
    points = [
        figures.point_of(visit.texts, metric, names.marked_name(row), row) for row in reply["rows"]
    ]
    within = METRICS[metric].unit.ends
    known = [point.value for point in points if point.value is not None]
    is_time = METRICS[metric].unit.kind == "duration"
    if within is None:
        within = (0.0, max([*(point.high or point.value or 0 for point in points), 1.0]))
    return visit.render(
        "compare", by=by, groups=groups, metric=metric, metrics=metrics, points=points,
        columns=[name for name in METRICS if name in replies],
        chart=whiskers_of(
            points, within=within, **(figures.time_axis(visit.texts, points) if is_time else {})
        ) if known else None, total=reply["total"],
        table=[] if visit.shared else _side_by_side(replies, names),
        write=figures.format_value, **shared_parts,
    )  # fmt: skip


async def _compared_metrics(visit: DashboardVisit) -> list[str]:
    """Return the metrics that can be compared: with one figure per group, and with data."""
    question_metrics = await metrics_with_questions(visit.session, visit.workspace.id)
    return [
        name
        for name, metric in METRICS.items()
        if metric.can_be_watched and (name in question_metrics or name in CARD_METRICS)
    ]


@dataclass(frozen=True, slots=True)
class _GroupNames:
    """The names of the groups that are compared."""

    texts: DashboardTexts
    by: str
    choices: FilterChoices

    def of(self, row: Mapping[str, Any]) -> str:
        """Return what the group of a row is called."""
        value = row["group"][self.by]
        if not value:
            return self.texts["without_group"]
        known = {"touchpoint": self.choices.touchpoints, "survey": self.choices.surveys}
        return known.get(self.by, {}).get(value) or self.texts.name(self.by, value)

    def marked_name(self, row: Mapping[str, Any]) -> str:
        """Return the name, marked where the group has few answers."""
        name = self.of(row)
        return name if row["reliability"] == "ok" else f"{name} ({self.texts['few']})"


def _groups_of(visit: DashboardVisit, metric: str) -> list[str]:
    """Return the groups by which a metric can be compared."""
    own = [name for name in _GROUPS if name in METRICS[metric].counter.groups]
    return own + [f"property.{name}" for name in visit.workspace.segments]


def _is_shown(visit: DashboardVisit, view: PageFilter, metric: str, by: str) -> bool:
    """Tell whether a figure has these groups, and knows the filters of the page."""
    return by in _groups_of(visit, metric) and figures.knows_filters_of(view, metric)


def _side_by_side(
    replies: Mapping[str, Mapping[str, Any]], names: _GroupNames
) -> list[dict[str, Any]]:
    """Return a row for each group with all of its figures, those of the first metric first."""
    rows: dict[str | None, dict[str, Any]] = {}
    for metric, reply in replies.items():
        for row in reply["rows"]:
            group = row["group"][names.by]
            group_row = rows.setdefault(group, {"label": names.of(row), "figures": {}})
            group_row["figures"][metric] = {
                "value": figures.format_value(names.texts, metric, row["value"]), "n": row["n"],
                "few": row["reliability"] != "ok",
            }  # fmt: skip
    return list(rows.values())
