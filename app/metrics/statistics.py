# SPDX-License-Identifier: Apache-2.0
"""Intervals and tests for counts and means. Pure, exact to the double.

Sources: Wilson 1927 and Newcombe 1998 (Stat Med 17:857, 17:873) for shares; Rocks 2016
(Am Stat 70:365) for the adjusted Wald interval of NPS; Welch 1947 for means; the incomplete
beta function by the continued fraction of Abramowitz & Stegun 26.5.8 (Lentz' method).
"""

import math
from dataclasses import dataclass
from functools import lru_cache
from statistics import NormalDist

ConfidenceInterval = tuple[float, float]

Z = NormalDist().inv_cdf(0.975)
_TINY = 1e-300
SIGNIFICANCE_LEVEL = 0.05


@dataclass(frozen=True, slots=True)
class Change:
    """A difference `now - before` with its test and 95 % interval."""

    delta: float
    z: float | None
    p_value: float | None
    ci: ConfidenceInterval | None

    @property
    def significant(self) -> bool:
        """Whether the difference is more than chance would give (p < 0.05)."""
        return self.p_value is not None and self.p_value < SIGNIFICANCE_LEVEL


def wilson(successes: int, n: int) -> ConfidenceInterval | None:
    """Return Wilson's score interval of a share, as fractions; None for n = 0."""
    if n == 0:
        return None
    share = successes / n
    centre = share + Z * Z / (2 * n)
    half = Z * math.sqrt(share * (1 - share) / n + Z * Z / (4 * n * n))
    scale = 1 + Z * Z / n
    low = 0.0 if successes == 0 else (centre - half) / scale
    high = 1.0 if successes == n else (centre + half) / scale
    return (low, high)


def net_interval(positive: int, negative: int, n: int) -> ConfidenceInterval | None:
    """Return the adjusted Wald interval of (positive - negative) / n, not clipped."""
    if n == 0:
        return None
    net, variance, adjusted = _adjusted_net(positive, negative, n)
    half = Z * math.sqrt(variance / adjusted)
    return (net - half, net + half)


def _adjusted_net(positive: int, negative: int, n: int) -> tuple[float, float, float]:
    adjusted = n + 3
    p, d = (positive + 0.75) / adjusted, (negative + 0.75) / adjusted
    net = p - d
    return net, p + d - net * net, adjusted


def mean_interval(mean: float, variance: float, n: int) -> ConfidenceInterval | None:
    """Return the t interval of a mean from its sample variance; None below n = 2."""
    if n < 2:
        return None
    half = t_quantile(0.975, n - 1) * math.sqrt(variance / n)
    return (mean - half, mean + half)


def net_change(before: tuple[int, int, int], now: tuple[int, int, int]) -> Change:
    """Compare two nets, each (positive, negative, n): Z on the adjusted counts, as fractions."""
    delta = (now[0] - now[1]) / now[2] - (before[0] - before[1]) / before[2]
    net_1, variance_1, n_1 = _adjusted_net(*before)
    net_2, variance_2, n_2 = _adjusted_net(*now)
    error = math.sqrt(variance_1 / n_1 + variance_2 / n_2)
    z = (net_2 - net_1) / error
    return Change(delta, z, two_sided(z), (delta - Z * error, delta + Z * error))


def share_change(before: tuple[int, int], now: tuple[int, int]) -> Change:
    """Compare two shares, each (successes, n): pooled z, Newcombe's square-and-add interval."""
    (k_1, n_1), (k_2, n_2) = before, now
    p_1, p_2 = k_1 / n_1, k_2 / n_2
    delta = p_2 - p_1
    pooled = (k_1 + k_2) / (n_1 + n_2)
    error = math.sqrt(pooled * (1 - pooled) * (1 / n_1 + 1 / n_2))
    z = delta / error if error else None
    return Change(delta, z, None if z is None else two_sided(z), newcombe((k_2, n_2), (k_1, n_1)))


def newcombe(first: tuple[int, int], second: tuple[int, int]) -> ConfidenceInterval | None:
    """Return Newcombe's hybrid score interval (method 10) of the difference of two shares."""
    first_interval, second_interval = wilson(*first), wilson(*second)
    if first_interval is None or second_interval is None:
        return None
    p_1, p_2 = first[0] / first[1], second[0] / second[1]
    delta = p_1 - p_2
    low = delta - math.hypot(p_1 - first_interval[0], second_interval[1] - p_2)
    high = delta + math.hypot(first_interval[1] - p_1, p_2 - second_interval[0])
    return (low, high)


def mean_change(before: tuple[float, float, int], now: tuple[float, float, int]) -> Change:
    """Compare two means, each (mean, sample variance, n), by Welch's test; z holds its t."""
    (mean_1, variance_1, n_1), (mean_2, variance_2, n_2) = before, now
    delta = mean_2 - mean_1
    if n_1 < 2 or n_2 < 2:
        return Change(delta, None, None, None)
    part_1, part_2 = variance_1 / n_1, variance_2 / n_2
    error = math.sqrt(part_1 + part_2)
    if error == 0:
        return Change(delta, None, None, None)
    freedom = (part_1 + part_2) ** 2 / (part_1**2 / (n_1 - 1) + part_2**2 / (n_2 - 1))
    t = delta / error
    half = t_quantile(0.975, freedom) * error
    return Change(delta, t, 2 * _t_tail(t, freedom), (delta - half, delta + half))


def two_sided(z: float) -> float:
    """Return the chance of so large a normal deviate, either way."""
    return math.erfc(abs(z) / math.sqrt(2))


def t_cdf(t: float, freedom: float) -> float:
    """Return Student's distribution function."""
    tail = _t_tail(t, freedom)
    return 1 - tail if t > 0 else tail


def _t_tail(t: float, freedom: float) -> float:
    """Return the chance of a deviate beyond |t| on one side, exact where it is tiny."""
    return 0.5 * _incomplete_beta(freedom / 2, 0.5, freedom / (freedom + t * t))


def f_tail(f: float, freedom: float, other_freedom: float) -> float:
    """Return the chance of a larger value in Fisher's F distribution."""
    x = other_freedom / (other_freedom + freedom * f)
    return _incomplete_beta(other_freedom / 2, freedom / 2, x)


@lru_cache(maxsize=4096)
def t_quantile(probability: float, freedom: float) -> float:
    """Return the quantile of Student's distribution, for a probability above one half."""
    low, high = 0.0, 1.0
    while t_cdf(high, freedom) < probability:
        high *= 2
    while (middle := (low + high) / 2) not in {low, high}:
        if t_cdf(middle, freedom) < probability:
            low = middle
        else:
            high = middle
    return high


def _incomplete_beta(a: float, b: float, x: float) -> float:
    """Return the regularised incomplete beta function I_x(a, b)."""
    if x in {0.0, 1.0}:
        return x
    front = math.exp(
        math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)
    )
    if x < (a + 1) / (a + b + 2):
        return front * _continued_fraction(a, b, x) / a
    return 1 - front * _continued_fraction(b, a, 1 - x) / b


def _continued_fraction(a: float, b: float, x: float) -> float:
    c, d = 1.0, 1 / _away_from_zero(1 - (a + b) * x / (a + 1))
    result = d
    for m in range(1, 10_000):
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        d = 1 / _away_from_zero(1 + even * d)
        c = _away_from_zero(1 + even / c)
        result *= d * c
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        d = 1 / _away_from_zero(1 + odd * d)
        c = _away_from_zero(1 + odd / c)
        result *= d * c
        if abs(d * c - 1) < 1e-15:
            break
    return result


def _away_from_zero(value: float) -> float:
    return value if abs(value) > _TINY else _TINY
