# SPDX-License-Identifier: Apache-2.0
"""Parts shared by pages of figures: the filters, the main figures, the trend."""

from collections.abc import Container, Mapping
from typing import Any

from app.metrics.registry import CARD_METRICS
from app.pages.dashboard import figures
from app.pages.dashboard.charts import Point, Whiskers, whiskers_of
from app.pages.dashboard.filters import PageFilter, read_choices
from app.pages.dashboard.visit import DashboardVisit


async def figures_context(
    visit: DashboardVisit,
    view: PageFilter,
    properties: dict[str, list[str]],
    *,
    survey: str | None = None,
    metrics: Container[str] = CARD_METRICS,
) -> dict[str, Any]:
    """Return what every page of figures shows: the form, the figures of `metrics`, the trend."""
    shown_cards = await figures.read_cards(visit, view, properties, metrics)
    metric = (
        view.metric
        if view.metric in CARD_METRICS
        else figures.first_metric_with_answers(shown_cards)
    )
    return {
        **await filter_form(visit, view, properties, survey=survey),
        "cards": shown_cards,
        "trend": await figures.trend(visit, view, metric, properties),
    }


async def filter_form(
    visit: DashboardVisit,
    view: PageFilter,
    properties: Mapping[str, list[str]],
    *,
    survey: str | None = None,
) -> dict[str, Any]:
    """Return what the form of filters shows."""
    return {
        "view": view,
        "properties": properties,
        "choices": await read_choices(visit.session, visit.workspace, visit.texts.language),
        "fixed_survey": survey,
    }


def whiskers(points: list[Point]) -> Whiskers | None:
    """Lay out groups on a scale of 0 to 100; None where there are none."""
    return whiskers_of(points, within=(0.0, 100.0)) if points else None
