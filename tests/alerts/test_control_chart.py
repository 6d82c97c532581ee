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
from app.metrics.answer_sums import AnswerSums, share_sums

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
    inputs, expected = vector["input"], vector["expected"]
    weight, z = inputs["lambda"], inputs["target"]
    averages = []
    for x in inputs["x"][:3]:
        z = weight * x + (1 - weight) * z
        averages.append(round(z, 2))
    assert averages == expected["z"]
    # Far from its start and with a mean that is known, the limit is the handbook's.
    limit = inputs["L"] * deviation_of(10_000, 10**12, weight) * inputs["sigma"]
    assert inputs["target"] + limit == pytest.approx(expected["ucl"], abs=vector["tolerance"])


YEARS = 2000


@pytest.mark.parametrize(("interval", "periods"), [("day", 365), ("week", 52)])
@pytest.mark.parametrize("fewest", [10, 20])
@pytest.mark.parametrize(
    ("values", "shares"),
    [
        ((100, 0, -100), (0.5, 0.3, 0.2)),
        ((100, 0, -100), (0.85, 0.1, 0.05)),
        ((100, 0), (0.6, 0.4)),
        ((100, 0), (0.95, 0.05)),
        ((100, 0), (0.02, 0.98)),
        ((7, 6, 5, 4, 3, 2, 1), (0.6, 0.2, 0.1, 0.05, 0.03, 0.01, 0.01)),
    ],
    ids=["nps50", "nps80", "csat60", "csat95", "share2", "ces"],
)
def test_a_stable_series_hardly_ever_raises(
    interval: str, periods: int, values: tuple[int, ...], shares: tuple[float, ...], fewest: int
) -> None:
    """Answers are drawn one by one, in periods of `fewest` to three times as many."""
    chance = np.random.default_rng(11)
    is_net = -100 in values
    sizes = chance.integers(fewest, 3 * fewest + 1, (YEARS, 20 + periods))
    counts = chance.multinomial(sizes, shares)
    powers = np.array([np.array(values, float) ** power for power in range(4)]).T
    false_alarms = 0
    for year in counts @ powers:
        series = [AnswerSums(int(n), *sums) for n, *sums in year.tolist()]
        baseline = baseline_of(series[:20], net=is_net, step=100.0 if 100 in values else 1.0)
        points = chart(series, baseline=baseline, first=20, level=LIMITS[interval])
        false_alarms += any(point.signal for point in points)
    assert false_alarms / YEARS <= 0.03


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
    points = chart(
        [*stable, *dropped], baseline=baseline, first=20, level=LIMITS[interval], direction="down"
    )
    signals = [index for index, point in enumerate(points) if point.signal]
    assert signals[0] < 20 + quiet + 5
    assert signals == list(range(signals[0], 30 + quiet))


def test_nothing_moves_without_answers() -> None:
    flat = [share_sums(10, 8)] * 20
    baseline = baseline_of(flat, net=False)
    points = chart([*flat, AnswerSums()], baseline=baseline, first=20, level=4)
    assert (points[20].value, points[20].z, points[20].signal) == (None, None, False)


@pytest.mark.parametrize(
    ("perfect", "worse", "step"),
    [(share_sums(10, 10), share_sums(10, 0), 100.0),
     (AnswerSums(10, 70.0, 490.0, 3430.0), AnswerSums(10, 10.0, 10.0, 10.0), 1.0)],
    ids=["csat", "ces"],
)  # fmt: skip
def test_a_drop_from_a_baseline_without_spread_is_found(
    perfect: AnswerSums, worse: AnswerSums, step: float
) -> None:
    """One odd answer in a perfect course is not a signal; a course that ends is one."""
    baseline = baseline_of([perfect] * 20, net=False, step=step)
    odd = AnswerSums(
        10, perfect.total - step, perfect.squares * 0.9 + worse.squares / 10,
        perfect.cubes * 0.9 + worse.cubes / 10,
    )  # fmt: skip
    quiet = chart([perfect] * 20 + [odd, perfect], baseline=baseline, first=20, level=4)
    assert not any(point.signal for point in quiet)
    points = chart([perfect] * 20 + [worse] * 3, baseline=baseline, first=20, level=4)
    assert [point.signal for point in points[20:]] == [True, True, True]


def test_the_spread_of_a_net_score_is_of_the_adjusted_counts() -> None:
    # 30 promoters, 10 passives, 10 detractors: 30.75, 10.75 and 53 after the adjustment.
    series = [AnswerSums(50, 100.0 * 20, 100.0**2 * 40)]
    expected = 100 * math.sqrt((30.75 + 10.75) / 53 - ((30.75 - 10.75) / 53) ** 2)
    assert baseline_of(series, net=True).spread == pytest.approx(expected)


def test_the_deviation_grows_to_its_end() -> None:
    deviations = [deviation_of(t, 20) for t in (1, 2, 5, 500)]
    assert deviations == sorted(deviations)
    assert deviations[-1] == pytest.approx(math.sqrt(0.2 / 1.8 + 1 / 20))


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
            series = [share_sums(40, k) for k in map(int, row)]
            baseline = baseline_of(series[:20], net=False)
            points = chart(series, baseline=baseline, first=20, level=level)
            charts.append(GroupChart(str(group), baseline, points))
        judged = remove_false_discoveries(charts, level)
        raised += any(point.signal for group_chart in judged for point in group_chart.points)
    assert raised / years <= 0.06


@pytest.mark.parametrize("interval", ["day", "week"])
@pytest.mark.parametrize("groups", [2, 20])
def test_a_lasting_drop_of_one_group_is_found_within_five_periods(
    interval: str, groups: int
) -> None:
    """A drop of two standard errors, after `quiet` stable periods; other groups stay stable."""
    quiet = 40
    stable = [share_sums(50, 35)] * (20 + quiet)
    baseline = baseline_of(stable[:20], net=False)
    value = 70 - 2 * baseline.spread / math.sqrt(50)
    dropped = [AnswerSums(50, 50 * value, 50 * value * 100, 50 * value * 100**2)] * 6
    level = LIMITS[interval]
    charts = [
        GroupChart(
            str(group), baseline,
            chart([*stable, *(dropped if group == 1 else stable[:6])], baseline=baseline,
                  first=20, level=level),
        )
        for group in range(groups)
    ]  # fmt: skip
    judged = remove_false_discoveries(charts, level)
    assert [any(p.signal for p in group_chart.points[:65]) for group_chart in judged] == [
        group == 1 for group in range(groups)
    ]


def test_a_drop_of_one_of_many_groups_is_found() -> None:
    stable = [share_sums(40, 28)] * 26
    dropped = stable[:20] + [share_sums(40, 16)] * 6
    charts = []
    for group in range(40):
        series = dropped if group == 7 else stable
        baseline = baseline_of(series[:20], net=False)
        points = chart(series, baseline=baseline, first=20, level=LIMITS["week"])
        charts.append(GroupChart(str(group), baseline, points))
    judged = remove_false_discoveries(charts, LIMITS["week"])
    groups = {group.group for group in judged if any(point.signal for point in group.points)}
    assert groups == {"7"}
