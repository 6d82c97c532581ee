# SPDX-License-Identifier: Apache-2.0
"""What moves the main score: each driver's performance and its importance (Johnson 2000)."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from sqlmodel.ext.asyncio.session import AsyncSession

from app.insights.labels import NON_DRIVER_TAGS, label_of
from app.insights.linear import (
    Floats,
    Importance,
    PairSums,
    SharesOfSamples,
    bootstrap_shares,
    complete_rows,
    importance_of,
    pair_sums_of,
    scaled_interval,
)
from app.insights.questions import (
    ScoredQuestion,
    SurveyQuestions,
    only_survey,
    select_comparable,
    surveys_of,
)
from app.insights.request import (
    NO_OUTCOME,
    NOTHING_TAGGED,
    TOO_FEW,
    InsightRefusal,
    InsightReply,
    InsightRequest,
    InsightRow,
)
from app.insights.scores import (
    JoinedTables,
    ScoreTable,
    interval_of_column,
    mean_of_rows,
    positions_by_tag,
    read_scores,
    rescale,
)
from app.metrics.statistics import f_tail, wilson

_MIN_ANSWERS, _MIN_ANSWERS_EACH = 50, 8


async def find_drivers(session: AsyncSession, request: InsightRequest) -> InsightReply:
    """Return the drivers, the most important first."""
    outcome = request.options.get("outcome")
    candidates = await surveys_of(session, request, outcome=outcome)
    # A survey without drivers, which may have more answers, must not hide those that have some.
    surveys, warnings = select_comparable(
        [survey for survey in candidates if _items_of(survey)] or candidates, needed_n=_MIN_ANSWERS
    )
    main = surveys[0].outcome
    assert main is not None  # noqa: S101 - `select_comparable` keeps those with an outcome
    names = sorted({str(item.driver) for survey in surveys for item in _items_of(survey)})
    about = {"outcome": {"question": main.key, "metric": main.metric}, "warnings": warnings,
             "survey": only_survey(surveys)}  # fmt: skip
    if not names:
        detail = "No question with answers here is tagged with a `driver`; tag those that rate one."
        raise InsightRefusal(NOTHING_TAGGED, detail, about=about)
    drivers = await _read_drivers(session, request, surveys, names)
    if drivers.complete < drivers.needed:
        drivers = await _leave_out_unasked(session, request, surveys, drivers, warnings)
    rows, complete = drivers.rows, drivers.complete
    if complete < drivers.needed:
        detail = (
            f"{complete} answers say the outcome and every driver; {len(drivers.tops)} drivers "
            f"need {drivers.needed}. Choose a longer period, ask fewer drivers, or name one survey "
            "by `survey=`."
        )
        raise InsightRefusal(TOO_FEW, detail, n=complete, needed_n=drivers.needed, about=about)
    # Half a second for a million answers, which must not hold up the event loop.
    result = await asyncio.to_thread(importance_of, rows)
    if np.isnan(result.correlations).all():
        detail = f"The answers to `{main.key}`, or those to every driver, are all the same."
        raise InsightRefusal(NO_OUTCOME, detail, n=complete, about=about)
    weighed = await asyncio.to_thread(_weigh, rows, result.base, request.seed)
    driver_rows = _rows(request, drivers.tops, result, weighed)
    assumptions: InsightReply = {"bootstrap_samples": 1000, "scale": "0-100"}
    if weighed.samples.sample_size < weighed.usable:
        assumptions["subsample"] = weighed.samples.sample_size
    return about | {
        "n": complete,
        "r2": result.r2,
        "r2_p_value": _chance_of(result.r2, complete, len(drivers.tops)),
        "base": result.base,
        "rows": sorted(driver_rows, key=lambda row: (-row["importance"], row["driver"])),
        "assumptions": assumptions,
    }


class _DriverAnswers(NamedTuple):
    """The answers that rate drivers: a row each, with a column for each driver of `tops`.

    `tops` has, for each driver, the answers in its top box and all; `complete` is the number of
    rows that rate every driver and the outcome.
    """

    rows: JoinedTables
    tops: dict[str, tuple[int, int]]
    complete: int

    @property
    def needed(self) -> int:
        """The fewest complete rows that can show importance."""
        return _MIN_ANSWERS + _MIN_ANSWERS_EACH * len(self.tops)


class _WeighedDrivers(NamedTuple):
    """The interval of the drivers' shares of importance, from samples of usable rows."""

    pairs: PairSums
    samples: SharesOfSamples
    usable: int


def _weigh(rows: JoinedTables, base: str, seed: int) -> _WeighedDrivers:
    usable = rows.where(_known_in_all if base == "complete" else _with_outcome)
    samples = bootstrap_shares(len(usable), lambda positions: rows.take(usable[positions]), seed)
    return _WeighedDrivers(pair_sums_of(rows), samples, len(usable))


def _interval_of_share(weighed: _WeighedDrivers, position: int, share: float) -> list[float]:
    """Return the interval of a driver's share of importance, within 0 and 100."""
    samples = weighed.samples
    low, high = scaled_interval(
        share, float(samples.low[position]), float(samples.high[position]),
        of_rows=float(samples.of_rows[position]), sample_size=samples.sample_size, n=weighed.usable,
    )  # fmt: skip
    return [max(0.0, low), min(100.0, high)]


def _chance_of(r2: float, n: int, drivers: int) -> float:
    """Return the chance of so large an R² of `n` answers if no driver had any link: an F test."""
    freedom = n - drivers - 1
    return f_tail(r2 / drivers / ((1 - r2) / freedom), drivers, freedom) if r2 < 1 else 0.0


def _known_in_all(chunk: Floats) -> Any:
    return ~np.isnan(chunk).any(axis=1)


def _with_outcome(chunk: Floats) -> Any:
    return ~np.isnan(chunk[:, -1])


def _items_of(survey: SurveyQuestions) -> list[ScoredQuestion]:
    """Return the questions of a survey that rate a driver."""
    outcome = survey.outcome.key if survey.outcome is not None else None
    return [
        item
        for item in survey.items
        if item.driver
        and item.driver not in NON_DRIVER_TAGS
        and item.is_number
        and item.is_wanted
        and item.key != outcome
    ]


def _drivers_to_drop(
    surveys: Sequence[SurveyQuestions], tops: Mapping[str, tuple[int, int]]
) -> list[str]:
    """Return the drivers without an answer, and those that no survey asks any more.

    No answer rates them together with the others. Something is left of the drivers anyway.
    """
    current = {
        item.driver for survey in surveys for item in _items_of(survey) if survey.is_current(item)
    }
    left = [name for name, (_, n) in tops.items() if not n or name not in current]
    return left if len(left) < len(tops) else []


async def _read_drivers(
    session: AsyncSession,
    request: InsightRequest,
    surveys: Sequence[SurveyQuestions],
    names: Sequence[str],
) -> _DriverAnswers:
    """Read the answers of all surveys to the questions that rate these drivers."""
    tops = dict.fromkeys(names, (0, 0))
    tables = [await _read(session, request, survey, names, tops) for survey in surveys]
    rows = JoinedTables(tables)
    complete = sum(len(chunk) for chunk in complete_rows(rows))
    return _DriverAnswers(rows, tops, complete)


async def _leave_out_unasked(
    session: AsyncSession,
    request: InsightRequest,
    surveys: Sequence[SurveyQuestions],
    drivers: _DriverAnswers,
    warnings: list[str],
) -> _DriverAnswers:
    """Leave out drivers that are no longer asked or have no answer, and add a warning."""
    left_out = _drivers_to_drop(surveys, drivers.tops)
    if not left_out:
        return drivers
    warnings.append(
        f"Left out because they are no longer asked or have no answer: {', '.join(left_out)}."
    )
    names = [name for name in drivers.tops if name not in left_out]
    return await _read_drivers(session, request, surveys, names)


async def _read(
    session: AsyncSession,
    request: InsightRequest,
    survey: SurveyQuestions,
    names: Sequence[str],
    tops: dict[str, tuple[int, int]],
) -> ScoreTable:
    """Return a survey's rows: a column for each driver, nan if it lacks it, and the outcome last.

    The answers in the top box of each driver are added to `tops`, with the answers in all.
    """
    assert survey.outcome is not None  # noqa: S101 - `select_comparable` keeps those with one
    items = [item for item in _items_of(survey) if item.driver in names]
    drivers = positions_by_tag(items, "driver")

    def values_of(scores: Floats, _: Any) -> Floats:
        aligned = np.full((len(scores), len(names) + 1), np.nan)
        rescaled = rescale(scores[:, :-1], items)
        for name, positions in drivers.items():
            aligned[:, names.index(name)] = mean_of_rows(rescaled[:, positions])
        aligned[:, -1] = scores[:, -1]
        return aligned

    table = await read_scores(session, request, survey, items, values_of)
    for scores in ScoreTable(table.raw, lambda plain, _: plain):
        for name, positions in drivers.items():
            top, n = _count_tops(scores[:, positions], [items[position] for position in positions])
            tops[name] = tops[name][0] + top, tops[name][1] + n
    return table


def _count_tops(scores: Floats, items: Sequence[ScoredQuestion]) -> tuple[int, int]:
    """Return how many answers are favourable by the scale of their item, and how many there are."""
    top = n = 0
    for column, item in enumerate(items):
        known_scores = scores[:, column][~np.isnan(scores[:, column])]
        if item.reverse:
            known_scores = item.low + item.high - known_scores
        top += int((known_scores >= (item.favourable_from or item.high)).sum())
        n += len(known_scores)
    return top, n


def _top_box(counted: tuple[int, int]) -> InsightReply:
    top, n = counted
    interval = wilson(top, n)
    return {
        "top_box_share": 100 * top / n if n else None,
        "top_box_share_ci": [100 * interval[0], 100 * interval[1]] if interval else None,
    }


def _rows(
    request: InsightRequest,
    tops: Mapping[str, tuple[int, int]],
    result: Importance,
    weighed: _WeighedDrivers,
) -> list[InsightRow]:
    """Return a row for each driver, in the order of `tops`."""
    rows = [
        _row(request, name, position, interval_of_column(weighed.pairs, position), result)
        | _top_box(top)
        | {
            "importance_share_ci": _interval_of_share(
                weighed, position, float(result.shares[position])
            )
        }
        for position, (name, top) in enumerate(tops.items())
    ]
    _add_quadrants(rows)
    return rows


def _row(
    request: InsightRequest, name: str, position: int, performance: Any, result: Importance
) -> InsightReply:
    n, mean, interval = performance
    correlation = float(result.correlations[position])
    return {
        "driver": name,
        "label": label_of(request, "driver", name),
        "n": n,
        "mean_0_100": mean,
        "mean_0_100_ci": interval,
        "correlation": None if np.isnan(correlation) else correlation,
        "importance": float(result.weights[position]),
        "importance_share": float(result.shares[position]),
    }


def _add_quadrants(rows: Sequence[InsightRow]) -> None:
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
