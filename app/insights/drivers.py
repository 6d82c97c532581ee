# SPDX-License-Identifier: Apache-2.0
"""What moves the main score: each driver's performance and its importance (Johnson 2000)."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from sqlmodel.ext.asyncio.session import AsyncSession

from app.insights.linear import Floats, bootstrap_shares, importance_of, scaled_interval
from app.insights.names import label_of
from app.insights.questions import ScoredQuestion, SurveyItems, select_comparable, surveys_of
from app.insights.request import NOTHING_TAGGED, TOO_FEW, InsightRefused, InsightRequest, Reply
from app.insights.scores import (
    interval_of_mean,
    mean_of_rows,
    positions_by_tag,
    read_scores,
    rescale,
)
from app.metrics.statistics import wilson
from app.surveys.scales import top_box_from

# These tags ask what customers told or heard about the brand; they drive no score.
_NO_DRIVERS = frozenset({"told", "heard"})
_LEAST, _LEAST_EACH = 50, 8


async def find_drivers(session: AsyncSession, request: InsightRequest) -> Reply:
    """Return the drivers, the most important first."""
    outcome = request.options.get("outcome")
    surveys, warnings = select_comparable(
        await surveys_of(session, request, outcome=outcome), needed_n=_LEAST
    )
    main = surveys[0].outcome
    assert main is not None  # noqa: S101 - `select_comparable` keeps those with an outcome
    parts = [await _read(session, request, survey) for survey in surveys]
    names = sorted({name for part in parts for name in part[0]})
    about = {"outcome": {"question": main.key, "metric": main.metric}, "warnings": warnings,
             "survey": surveys[0].key if len(surveys) == 1 else None}  # fmt: skip
    if not names:
        detail = "No question with answers here is tagged with a `driver`; tag those that rate one."
        raise InsightRefused(NOTHING_TAGGED, detail, about=about)
    values = np.concatenate([_aligned(part[0], part[1], names) for part in parts])
    complete = int((~np.isnan(values)).all(axis=1).sum())
    needed = _LEAST + _LEAST_EACH * len(names)
    if complete < needed:
        detail = (
            f"{complete} answers say the outcome and every driver; {len(names)} drivers need "
            f"{needed}. Choose a longer period, or ask fewer drivers."
        )
        raise InsightRefused(TOO_FEW, detail, n=complete, needed_n=needed, about=about)
    result = importance_of(values)
    known = ~np.isnan(values)
    usable = values[known.all(axis=1) if result.base == "complete" else known[:, -1]]
    interval, drawn = bootstrap_shares(usable, request.seed)
    tops = _tops([part[2] for part in parts])
    rows = [
        _row(request, name, place, values, (result.weights, result.shares, result.correlations))
        | _top_box(tops.get(name, (0, 0)))
        | {"importance_share_ci": list(scaled_interval(
            float(result.shares[place]), float(interval[0, place]), float(interval[1, place]),
            drawn=drawn, n=len(usable)))}
        for place, name in enumerate(names)
    ]  # fmt: skip
    _add_quadrants(rows)
    assumptions: Reply = {"bootstrap_samples": 1000, "scale": "0-100"}
    if drawn < len(usable):
        assumptions["subsample"] = drawn
    return about | {
        "n": complete,
        "r2": result.r2,
        "base": result.base,
        "rows": sorted(rows, key=lambda row: (-row["importance"], row["driver"])),
        "assumptions": assumptions,
    }


async def _read(
    session: AsyncSession, request: InsightRequest, survey: SurveyItems
) -> tuple[list[str], Floats, dict[str, tuple[int, int]]]:
    """Return a survey's drivers, their values with the outcome last, and their top boxes."""
    assert survey.outcome is not None  # noqa: S101 - `select_comparable` keeps those with one
    items = [
        item
        for item in survey.items
        if item.driver and item.driver not in _NO_DRIVERS and item.is_number
        and item.key != survey.outcome.key
    ]  # fmt: skip
    scores = await read_scores(session, request, survey, [*items, survey.outcome])
    given, outcome = scores[:, :-1], scores[:, -1:]
    drivers = positions_by_tag(items, "driver")
    if not drivers:
        return [], np.empty((0, 1)), {}
    values = rescale(given, items)
    columns = [mean_of_rows(values[:, places]) for places in drivers.values()]
    tops = {name: _count_tops(given[:, places], [items[place] for place in places])
            for name, places in drivers.items()}  # fmt: skip
    return list(drivers), np.column_stack([*columns, outcome]), tops


def _aligned(names: list[str], values: Floats, every: list[str]) -> Floats:
    """Return a survey's values with a column for every driver; nan for drivers it lacks."""
    if not names:
        return np.empty((0, len(every) + 1))
    aligned = np.full((len(values), len(every) + 1), np.nan)
    for place, name in enumerate(names):
        aligned[:, every.index(name)] = values[:, place]
    aligned[:, -1] = values[:, -1]
    return aligned


def _count_tops(scores: Floats, items: Sequence[ScoredQuestion]) -> tuple[int, int]:
    """Return how many answers lie in the top box of their item, and how many there are."""
    top = n = 0
    for column, item in enumerate(items):
        known_scores = scores[:, column][~np.isnan(scores[:, column])]
        if item.reverse:
            known_scores = item.low + item.high - known_scores
        box = top_box_from(item.high) if item.low else item.high
        top += int((known_scores >= box).sum())
        n += len(known_scores)
    return top, n


def _tops(parts: Sequence[dict[str, tuple[int, int]]]) -> dict[str, tuple[int, int]]:
    tops: dict[str, tuple[int, int]] = {}
    for part in parts:
        for name, (top, n) in part.items():
            earlier = tops.get(name, (0, 0))
            tops[name] = earlier[0] + top, earlier[1] + n
    return tops


def _top_box(counted: tuple[int, int]) -> Reply:
    top, n = counted
    interval = wilson(top, n)
    return {
        "top_box_share": 100 * top / n if n else None,
        "top_box_share_ci": [100 * interval[0], 100 * interval[1]] if interval else None,
    }


def _row(
    request: InsightRequest, name: str, place: int, values: Floats, importance: tuple[Any, Any, Any]
) -> Reply:
    weights, shares, correlations = importance
    n, mean, interval = interval_of_mean(values[:, place])
    correlation = float(correlations[place])
    return {
        "driver": name,
        "label": label_of(request, "driver", name),
        "n": n,
        "mean_0_100": mean,
        "mean_0_100_ci": interval,
        "correlation": None if np.isnan(correlation) else correlation,
        "importance": float(weights[place]),
        "importance_share": float(shares[place]),
    }


def _add_quadrants(rows: Sequence[Reply]) -> None:
    """Add what to do about each driver: its importance and performance against the averages."""
    share = 100 / len(rows)
    means = [row["mean_0_100"] for row in rows if row["mean_0_100"] is not None]
    average = sum(means) / len(means) if means else 0.0
    for row in rows:
        important = row["importance_share"] >= share
        good = (row["mean_0_100"] or 0.0) >= average
        row["quadrant"] = (
            ("keep" if good else "fix_first") if important else
            ("overdone" if good else "low_priority")
        )  # fmt: skip
