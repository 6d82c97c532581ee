# SPDX-License-Identifier: Apache-2.0
"""Charts that tell a shift from noise. Pure.

A standardised, exponentially weighted moving average (Roberts 1959) with lambda = 0.2. The mean
and the spread are frozen from a baseline. The limit is wider than the textbook's: L = 3 would
raise a false alarm in 16 to 44 % of years of a stable series of days, L = 4 in at most 3 % unless
nearly all answers are alike.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from app.metrics.answer_sums import AnswerSums
from app.metrics.statistics import two_sided

LAMBDA = 0.2
LIMITS = {"day": 4.0, "week": 3.5}
BASELINE_PERIODS, LEAST_IN_BASELINE = 20, 10
# So many periods in a row, each so many standard errors to one side, are a signal as well: a drop
# of two standard errors is found at the fifth period at the latest.
RUN_PERIODS, RUN_ERRORS = 5, 1.6
FALSE_DISCOVERIES = 0.05


@dataclass(frozen=True, slots=True)
class Baseline:
    """The course from which shifts are measured: mean of the periods, spread of one answer."""

    mean: float
    spread: float
    periods: int


@dataclass(frozen=True, slots=True)
class ChartPoint:
    """One period on the chart; without answers, or within the baseline, there is no z.

    `deviation` is the standard deviation that z has without a shift.
    """

    value: float | None
    n: int
    z: float | None = None
    limit: float | None = None
    signal: bool = False
    deviation: float = 1.0

    @property
    def p_value(self) -> float:
        """The probability of such a z without a shift; 1 where there is no z."""
        return 1.0 if self.z is None else two_sided(self.z / self.deviation)


def baseline_of(periods: Sequence[AnswerSums], *, net: bool) -> Baseline:
    """Return the baseline of some periods, each of which has answers.

    The spread of a net score is that of the adjusted counts: three quarters of an answer more on
    either side, three answers more in all.
    """
    pooled = sum(periods, AnswerSums())
    mean = sum(period.mean for period in periods) / len(periods)
    if net:
        n = pooled.n + 3
        extreme = (pooled.squares / 100**2 + 1.5) / n
        variance = 100**2 * (extreme - (pooled.total / 100 / n) ** 2)
    else:
        variance = pooled.squares / pooled.n - pooled.mean**2
    return Baseline(mean, math.sqrt(max(variance, 0.0)), len(periods))


def deviation_of(t: int, baseline_periods: int, weight: float = LAMBDA) -> float:
    """Return the standard deviation of the t-th value after the baseline."""
    kept = 1 - weight
    own = weight / (2 - weight) * (1 - kept ** (2 * t))
    return math.sqrt(own + (1 - kept**t) ** 2 / baseline_periods)


def chart(
    periods: Sequence[AnswerSums],
    *,
    baseline: Baseline,
    first: int,
    level: float,
    direction: str = "both",
) -> list[ChartPoint]:
    """Return the points of a series; those before `first` are the baseline's.

    A signal is a z beyond its limit, or a run of periods that all lie to one side. A period without
    answers changes nothing. If the baseline has no spread, no period is a
    signal, because every other value would be one.
    """
    points = []
    z, t = 0.0, 0
    runs = {"down": 0, "up": 0}
    for place, sums in enumerate(periods):
        value = sums.mean if sums.n else None
        if value is None or place < first or baseline.spread == 0:
            points.append(ChartPoint(value, sums.n))
            continue
        t += 1
        error = baseline.spread / math.sqrt(sums.n)
        errors = (value - baseline.mean) / error
        z = LAMBDA * errors + (1 - LAMBDA) * z
        deviation = deviation_of(t, baseline.periods)
        limit = level * deviation
        runs = {
            "down": runs["down"] + 1 if errors <= -RUN_ERRORS else 0,
            "up": runs["up"] + 1 if errors >= RUN_ERRORS else 0,
        }
        beyond = {"down": z < -limit, "up": z > limit}
        out = any(
            (beyond[side] or runs[side] >= RUN_PERIODS) and direction in {side, "both"}
            for side in runs
        )
        points.append(ChartPoint(value, sums.n, z, limit, out, deviation))
    return points


def find_rejected(p_values: Mapping[int, float], q: float = FALSE_DISCOVERIES) -> set[int]:
    """Return which hypotheses are rejected at false discovery rate q (Benjamini, Hochberg 1995)."""
    ordered = sorted(p_values, key=lambda name: p_values[name])
    last = 0
    for rank, name in enumerate(ordered, start=1):
        if p_values[name] <= q * rank / len(ordered):
            last = rank
    return set(ordered[:last])
