# SPDX-License-Identifier: Apache-2.0
"""Charts that tell a shift from noise. Pure.

A standardised, exponentially weighted moving average (Roberts 1959) with lambda = 0.2. The mean
and the spread are frozen from a baseline. The limit is wider than the textbook's: L = 3 would
raise a false alarm in 16 to 44 % of years of a stable series of days, L = 4 in at most 3 %.

Means of lopsided answers, such as 95 % satisfied, are not normally distributed: their long tail
would raise false alarms in up to 40 % of years. So each period also gets a normal score, computed
from a gamma distribution of the same skewness (Wilson and Hilferty 1931), and a signal must be
beyond the limit by both.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from app.metrics.answer_sums import AnswerSums
from app.metrics.statistics import two_sided

LAMBDA = 0.2
LIMITS = {"day": 4.0, "week": 3.5}
BASELINE_PERIODS, MIN_IN_BASELINE = 20, 10
# A run of so many periods, each at least so many standard errors to the same side, is a signal,
# too: so a drop of two standard errors is found at the fifth period at the latest.
RUN_PERIODS, RUN_ERRORS = 5, 1.6
# If nearly all answers of a baseline are equal, at least so many are assumed to differ by a step.
_MIN_DIFFERENT = 5
_P_VALUE_OF_RUN = 2 * (two_sided(RUN_ERRORS) / 2) ** RUN_PERIODS
# Below this skewness a mean is as good as normal.
_MIN_SKEWNESS = 1e-6
FALSE_DISCOVERIES = 0.05


@dataclass(frozen=True, slots=True)
class Baseline:
    """The course from which shifts are measured: mean of the periods, spread of one answer.

    `skewness` is that of one answer.
    """

    mean: float
    spread: float
    periods: int
    skewness: float = 0.0


@dataclass(frozen=True, slots=True)
class ChartPoint:
    """One period on the chart; without answers, or within the baseline, there is no z.

    `p_value` is the probability of such a z, or of such a run, without a shift.
    """

    value: float | None
    n: int
    z: float | None = None
    limit: float | None = None
    signal: bool = False
    p_value: float = 1.0


def baseline_of(periods: Sequence[AnswerSums], *, net: bool, step: float = 100.0) -> Baseline:
    """Return the baseline of some periods, each of which has answers.

    The spread of a net score is that of the adjusted counts: three quarters of an answer more on
    either side, three answers more in all. Other spreads are at least that of five answers that
    lie a `step` from the others, because a few hundred equal answers do not prove that all will be
    equal.
    """
    pooled = sum(periods, AnswerSums())
    mean = sum(period.mean for period in periods) / len(periods)
    if net:
        n = pooled.n + 3
        extreme = (pooled.squares / 100**2 + 1.5) / n
        variance = 100**2 * (extreme - (pooled.total / 100 / n) ** 2)
    else:
        different = min(0.5, _MIN_DIFFERENT / pooled.n)
        least = step**2 * different * (1 - different)
        variance = max(pooled.squares / pooled.n - pooled.mean**2, least)
    centre = pooled.mean
    third = pooled.cubes / pooled.n - 3 * centre * pooled.squares / pooled.n + 2 * centre**3
    return Baseline(mean, math.sqrt(variance), len(periods), third / variance**1.5)


def normal_score(errors: float, skewness: float) -> float:
    """Return the normal value that is as improbable as a mean so many standard errors away.

    The mean has a gamma distribution of this skewness (Wilson and Hilferty 1931).
    """
    if abs(skewness) < _MIN_SKEWNESS:
        return errors
    return 6 / skewness * (math.cbrt(max(0.0, skewness * errors / 2 + 1)) - 1) + skewness / 6


def deviation_of(t: int, baseline_periods: int, weight: float = LAMBDA) -> float:
    """Return the standard deviation of the t-th value after the baseline."""
    decay = 1 - weight
    own = weight / (2 - weight) * (1 - decay ** (2 * t))
    return math.sqrt(own + (1 - decay**t) ** 2 / baseline_periods)


def chart(
    periods: Sequence[AnswerSums],
    *,
    baseline: Baseline,
    first: int,
    level: float,
    direction: str = "both",
) -> list[ChartPoint]:
    """Return the points of a series; those before `first` are the baseline's.

    A signal is a z beyond its limit, also by normal scores, or a run of periods that all lie to
    one side. A period without answers changes nothing.
    """
    points = []
    z, scored, t = 0.0, 0.0, 0
    runs = {"down": 0, "up": 0}
    for index, sums in enumerate(periods):
        value = sums.mean if sums.n else None
        if value is None or index < first:
            points.append(ChartPoint(value, sums.n))
            continue
        t += 1
        error = baseline.spread / math.sqrt(sums.n)
        errors = (value - baseline.mean) / error
        score = normal_score(errors, baseline.skewness / math.sqrt(sums.n))
        z = LAMBDA * errors + (1 - LAMBDA) * z
        scored = LAMBDA * score + (1 - LAMBDA) * scored
        deviation = deviation_of(t, baseline.periods)
        limit = level * deviation
        runs = {
            "down": runs["down"] + 1 if score <= -RUN_ERRORS else 0,
            "up": runs["up"] + 1 if score >= RUN_ERRORS else 0,
        }
        beyond = {"down": max(z, scored) < -limit, "up": min(z, scored) > limit}
        is_run = {side: length >= RUN_PERIODS for side, length in runs.items()}
        out = any((beyond[side] or is_run[side]) and direction in {side, "both"} for side in runs)
        p_value = two_sided(min(abs(z), abs(scored)) / deviation)
        if any(is_run.values()):
            p_value = min(p_value, _P_VALUE_OF_RUN)
        points.append(ChartPoint(value, sums.n, z, limit, out, p_value))
    return points


def find_rejected(p_values: Mapping[int, float], q: float = FALSE_DISCOVERIES) -> set[int]:
    """Return which hypotheses are rejected at false discovery rate q (Benjamini, Hochberg 1995)."""
    ordered = sorted(p_values, key=lambda name: p_values[name])
    last = 0
    for rank, name in enumerate(ordered, start=1):
        if p_values[name] <= q * rank / len(ordered):
            last = rank
    return set(ordered[:last])
