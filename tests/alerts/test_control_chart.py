# SPDX-License-Identifier: Apache-2.0
"""Charts: published examples, false alarms of stable series, and drops that are found."""

import json
import math
from pathlib import Path

import numpy as np
import pytest

from app.alerts.control_chart import (
    LIMITS,
    baseline_of,
    chart,
    deviation_of,
    find_rejected,
)
from app.alerts.evaluation import GroupChart, remove_false_discoveries
from app.metrics.answer_sums import AnswerSums

VECTORS = {
    v["id"]: v
    for v in json.loads((Path(__file__).parents[1] / "data" / "metric_vectors.json").read_text())
}


def test_false_discoveries_by_the_published_example() -> None:
    vector = VECTORS["fdr-001"]
    p_values = dict(enumerate(vector["input"]["p"]))
    assert find_rejected(p_values, vector["input"]["q"]) == set(range(vector["expected"]))


def test_moving_average_of_the_handbook() -> None:
    vector = VECTORS["ewma-001"]
    given, expected = vector["input"], vector["expected"]
    weight, z = given["lambda"], given["target"]
    averages = []
    for x in given["x"][:3]:
        z = weight * x + (1 - weight) * z
        averages.append(round(z, 2))
    assert averages == expected["z"]
    # Far from its start and with a mean that is known, the limit is the handbook's.
    limit = given["L"] * deviation_of(10_000, 10**12, weight) * given["sigma"]
    assert given["target"] + limit == pytest.approx(expected["ucl"], abs=vector["tolerance"])


YEARS = 2000


@pytest.mark.parametrize(("interval", "periods"), [("day", 365), ("week", 52)])
@pytest.mark.parametrize(
    ("shares", "at_most"),
    [((0.5, 0.3, 0.2), 0.03), ((0.6, 0.0, 0.4), 0.03), ((0.8, 0.0, 0.2), 0.03),
     ((0.9, 0.0, 0.1), 0.06), ((0.95, 0.0, 0.05), 0.1)],
    ids=["nps", "csat60", "csat80", "csat90", "csat95"],
)  # fmt: skip
def test_a_stable_series_hardly_ever_raises(
    interval: str, periods: int, shares: tuple[float, float, float], at_most: float
) -> None:
    """Promoters, passives and detractors, or the satisfied and the others, drawn one by one.

    The more lopsided the shares, the less normal their sums; `docs/metrics.md` says how often.
    """
    chance = np.random.default_rng(11)
    is_net = bool(shares[1])
    sizes = chance.integers(20, 61, (YEARS, 20 + periods))
    drawn = chance.multinomial(sizes, shares)
    false_alarms = 0
    for year in drawn:
        good, bad = year[:, 0], year[:, 2]
        sums = 100.0 * (good - bad) if is_net else 100.0 * good
        squares = 100.0**2 * (good + bad if is_net else good)
        series = [
            AnswerSums(int(n), float(total), float(square))
            for n, total, square in zip(year.sum(axis=1), sums, squares, strict=True)
        ]
        baseline = baseline_of(series[:20], net=is_net)
        found = chart(series, baseline=baseline, first=20, level=LIMITS[interval])
        false_alarms += any(point.signal for point in found)
    assert false_alarms / YEARS <= at_most


@pytest.mark.parametrize(
    ("interval", "quiet"), [("week", 0), ("day", 0), ("week", 30), ("day", 30), ("day", 200)]
)
def test_a_drop_of_two_standard_errors_is_found_within_five_periods(
    interval: str, quiet: int
) -> None:
    """`quiet` periods lie between the baseline and the drop; the limit is wider then."""
    stable = [AnswerSums(100, 100 * 30.0, 100 * 0.7 * 100**2)] * (20 + quiet)
    baseline = baseline_of(stable[:20], net=True)
    value = 30 - 2 * baseline.spread / math.sqrt(100)
    dropped = [AnswerSums(100, 100 * value, 100 * 0.7 * 100**2)] * 10
    found = chart(
        [*stable, *dropped], baseline=baseline, first=20, level=LIMITS[interval], direction="down"
    )
    signals = [place for place, point in enumerate(found) if point.signal]
    assert signals[0] < 20 + quiet + 5
    assert signals == list(range(signals[0], 30 + quiet))


def test_nothing_moves_without_answers_or_spread() -> None:
    flat = [AnswerSums(10, 1000.0, 100_000.0)] * 20
    baseline = baseline_of(flat, net=False)
    assert baseline.spread == 0
    points = chart(
        [*flat, AnswerSums(10, 0.0, 0.0), AnswerSums()], baseline=baseline, first=20, level=4
    )
    assert [point.signal for point in points[20:]] == [False, False]
    assert points[21].value is None


def test_the_spread_of_a_net_score_is_of_the_adjusted_counts() -> None:
    # 30 promoters, 10 passives, 10 detractors: 30.75, 10.75 and 53 after the adjustment.
    series = [AnswerSums(50, 100.0 * 20, 100.0**2 * 40)]
    expected = 100 * math.sqrt((30.75 + 10.75) / 53 - ((30.75 - 10.75) / 53) ** 2)
    assert baseline_of(series, net=True).spread == pytest.approx(expected)


def test_the_deviation_grows_to_its_end() -> None:
    found = [deviation_of(t, 20) for t in (1, 2, 5, 500)]
    assert found == sorted(found)
    assert found[-1] == pytest.approx(math.sqrt(0.2 / 1.8 + 1 / 20))


@pytest.mark.parametrize("interval", ["day", "week"])
def test_many_groups_raise_hardly_more_often_than_one(interval: str) -> None:
    """Each of 200 years has 20 stable groups; one chart alone raises in at most 3 % of years."""
    chance = np.random.default_rng(5)
    years, groups, periods = 200, 20, 52
    level = LIMITS[interval]
    raised = 0
    for _ in range(years):
        good = chance.binomial(40, 0.7, (groups, 20 + periods))
        charts = []
        for group, row in enumerate(good):
            series = [AnswerSums(40, 100.0 * k, 100.0**2 * k) for k in map(int, row)]
            baseline = baseline_of(series[:20], net=False)
            points = chart(series, baseline=baseline, first=20, level=level)
            charts.append(GroupChart(str(group), baseline, points))
        judged = remove_false_discoveries(charts, level)
        raised += any(point.signal for found in judged for point in found.points)
    assert raised / years <= 0.06


def test_a_drop_of_one_of_many_groups_is_found() -> None:
    stable = [AnswerSums(40, 100.0 * 28, 100.0**2 * 28)] * 26
    dropped = stable[:20] + [AnswerSums(40, 100.0 * 16, 100.0**2 * 16)] * 6
    charts = []
    for group in range(40):
        series = dropped if group == 7 else stable
        baseline = baseline_of(series[:20], net=False)
        points = chart(series, baseline=baseline, first=20, level=LIMITS["week"])
        charts.append(GroupChart(str(group), baseline, points))
    judged = remove_false_discoveries(charts, LIMITS["week"])
    found = {group.group for group in judged if any(point.signal for point in group.points)}
    assert found == {"7"}
