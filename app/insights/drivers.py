"""What moves the main score: each driver's performance and its importance (Johnson 2000)."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from sqlmodel.ext.asyncio.session import AsyncSession

from app.insights.linear import Floats, bootstrap_shares, importance_of, scaled_interval
from app.insights.names import label_of
from app.insights.questions import Item, SurveyItems, surveys_of, together
from app.insights.request import NOTHING_TAGGED, TOO_FEW, InsightRefused, InsightRequest, Reply
from app.insights.scores import by_tag, interval_of_mean, mean_of_rows, read_scores, rescaled
from app.metrics.statistics import wilson
from app.surveys.scales import top_box_from

# They say what was told and heard of the brand, which drives nothing.
_NO_DRIVERS = frozenset({"told", "heard"})
_LEAST, _LEAST_EACH = 50, 8


async def find_drivers(session: AsyncSession, request: InsightRequest) -> Reply:
    """Return the drivers, the most important first."""
    outcome = request.options.get("outcome")
    surveys, warnings = together(await surveys_of(session, request, outcome=outcome))
    main = surveys[0].outcome
    assert main is not None  # noqa: S101 - `together` keeps surveys with an outcome
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
    found = importance_of(values)
    usable = values[~np.isnan(values[:, -1])]
    interval, drawn = bootstrap_shares(usable, request.seed)
    tops = _tops([part[2] for part in parts])
    rows = [
        _row(request, name, place, values, (found.weights, found.shares, found.correlations))
        | _top_box(tops.get(name, (0, 0)))
        | {"importance_share_ci": list(scaled_interval(
            float(found.shares[place]), float(interval[0, place]), float(interval[1, place]),
            drawn=drawn, n=len(usable)))}
        for place, name in enumerate(names)
    ]  # fmt: skip
    _add_quadrants(rows)
    assumptions: Reply = {"bootstrap_samples": 1000, "scale": "0-100"}
    if drawn < len(usable):
        assumptions["subsample"] = drawn
    return about | {
        "n": complete,
        "r2": found.r2,
        "base": found.base,
        "rows": sorted(rows, key=lambda row: (-row["importance"], row["driver"])),
        "assumptions": assumptions,
    }


async def _read(
    session: AsyncSession, request: InsightRequest, survey: SurveyItems
) -> tuple[list[str], Floats, dict[str, tuple[int, int]]]:
    """Return a survey's drivers, their values with the outcome last, and their top boxes."""
    assert survey.outcome is not None  # noqa: S101 - `together` keeps surveys with an outcome
    items = [
        item
        for item in survey.items
        if item.driver and item.driver not in _NO_DRIVERS and item.is_number
        and item.key != survey.outcome.key
    ]  # fmt: skip
    scores = await read_scores(session, request, survey, [*items, survey.outcome])
    given, outcome = scores[:, :-1], scores[:, -1:]
    drivers = by_tag(items, "driver")
    if not drivers:
        return [], np.empty((0, 1)), {}
    values = rescaled(given, items)
    columns = [mean_of_rows(values[:, places]) for places in drivers.values()]
    tops = {name: _count_tops(given[:, places], [items[p] for p in places])
            for name, places in drivers.items()}  # fmt: skip
    return list(drivers), np.column_stack([*columns, outcome]), tops


def _aligned(names: list[str], values: Floats, every: list[str]) -> Floats:
    """Return a survey's values under the drivers of all surveys; others are not known."""
    if not names:
        return np.empty((0, len(every) + 1))
    found = np.full((len(values), len(every) + 1), np.nan)
    for place, name in enumerate(names):
        found[:, every.index(name)] = values[:, place]
    found[:, -1] = values[:, -1]
    return found


def _count_tops(scores: Floats, items: Sequence[Item]) -> tuple[int, int]:
    """Return how many answers lie in the top box of their item, and how many there are."""
    top = n = 0
    for column, item in enumerate(items):
        known = scores[:, column][~np.isnan(scores[:, column])]
        if item.reverse:
            known = item.low + item.high - known
        box = top_box_from(item.high) if item.low else item.high
        top += int((known >= box).sum())
        n += len(known)
    return top, n


def _tops(parts: Sequence[dict[str, tuple[int, int]]]) -> dict[str, tuple[int, int]]:
    found: dict[str, tuple[int, int]] = {}
    for part in parts:
        for name, (top, n) in part.items():
            before = found.get(name, (0, 0))
            found[name] = before[0] + top, before[1] + n
    return found


def _top_box(counted: tuple[int, int]) -> Reply:
    top, n = counted
    interval = wilson(top, n)
    return {
        "top_box_share": 100 * top / n if n else None,
        "top_box_share_ci": [100 * interval[0], 100 * interval[1]] if interval else None,
    }


def _row(
    request: InsightRequest, name: str, place: int, values: Floats, found: tuple[Any, Any, Any]
) -> Reply:
    weights, shares, correlations = found
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
    """Say of each driver what to do: by importance and performance against their averages."""
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
