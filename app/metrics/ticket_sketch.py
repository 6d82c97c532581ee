# SPDX-License-Identifier: Apache-2.0
"""Times of many tickets: exact, or by the buckets of a DDSketch (relative error 1 %). Pure."""

import math
from dataclasses import dataclass, field
from functools import lru_cache

from app.interactions.ticket_statements import GAMMA, ZERO_BUCKET
from app.metrics.statistics import ConfidenceInterval

_TAIL = 0.025
# Binomial terms this many standard deviations from the mean, doubled, are negligible.
_FARTHEST = 8.0


@dataclass(slots=True)
class Durations:
    """How often each time was seen, and the exact sum of all, in seconds."""

    counts: dict[float, int] = field(default_factory=dict)
    seconds: int = 0

    def add(self, value: float, n: int, seconds: int) -> None:
        """Add `n` times of this value, which sum to `seconds`."""
        self.counts[value] = self.counts.get(value, 0) + n
        self.seconds += seconds

    def add_all(self, other: "Durations") -> None:
        """Add the times of other tickets."""
        for value, count in other.counts.items():
            self.counts[value] = self.counts.get(value, 0) + count
        self.seconds += other.seconds

    @property
    def n(self) -> int:
        """How many there are."""
        return sum(self.counts.values())

    @property
    def mean(self) -> float | None:
        """The exact mean, also of a sketch."""
        return self.seconds / self.n if self.n else None

    def quantile(self, share: float) -> float | None:
        """Return the lower order statistic at rank `share` * (n - 1)."""
        return self.at_rank(math.floor(share * (self.n - 1))) if self.n else None

    def at_rank(self, rank: int) -> float:
        """Return the value of this rank, counted from 0."""
        seen = 0
        ordered = sorted(self.counts.items())
        for value, count in ordered:
            seen += count
            if rank < seen:
                return value
        return ordered[-1][0]

    def median_interval(self) -> ConfidenceInterval | None:
        """Return the order statistics that hold the median with 95 % (exact binomial ranks).

        Below 6 values no two of them do.
        """
        rank = median_rank(self.n)
        return None if rank is None else (self.at_rank(rank), self.at_rank(self.n - 1 - rank))


@lru_cache(maxsize=4096)
def median_rank(n: int) -> int | None:
    """Return the rank of the lower bound of the median's 95 % interval, counted from 0, or None.

    The bounds are the order statistics of ranks r and n - 1 - r, with the largest r for which
    P(X <= r) <= 2.5 %, X ~ Binomial(n, 1/2): see Conover, Practical Nonparametric Statistics,
    3.2. Terms that are smaller than any double are left out.
    """
    first = max(0, math.floor(n / 2 - _FARTHEST * math.sqrt(n)))
    log_term = (
        math.lgamma(n + 1) - math.lgamma(first + 1) - math.lgamma(n - first + 1) - n * math.log(2)
    )
    term, below, rank = math.exp(log_term), 0.0, None
    for number in range(first, n // 2 + 1):
        below += term
        if below > _TAIL:
            break
        rank = number
        term *= (n - number) / (number + 1)
    return rank


def seconds_of_bucket(bucket: int) -> float:
    """Return the time that stands for a bucket: within 1 % of all that it holds."""
    return 0.0 if bucket == ZERO_BUCKET else 2 * GAMMA**bucket / (GAMMA + 1)
