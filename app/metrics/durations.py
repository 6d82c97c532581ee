"""Times of many tickets: exact, or by the buckets of a DDSketch (relative error 1 %). Pure."""

import math
from dataclasses import dataclass, field

from app.interactions.ticket_statements import GAMMA, ZERO_BUCKET
from app.metrics.statistics import Interval, Z

_FEWEST_FOR_INTERVAL = 6


@dataclass(slots=True)
class Durations:
    """How often each time was seen, and the exact sum of all, in seconds."""

    counts: dict[float, int] = field(default_factory=dict)
    seconds: int = 0

    def add(self, value: float, n: int, seconds: int) -> None:
        """Add `n` times of this value, which sum to `seconds`."""
        self.counts[value] = self.counts.get(value, 0) + n
        self.seconds += seconds

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
        for value, n in ordered:
            seen += n
            if rank < seen:
                return value
        return ordered[-1][0]

    def median_interval(self) -> Interval | None:
        """Return the order statistics that hold the median with 95 % (binomial, normal ranks).

        Below 6 values no two of them do.
        """
        n = self.n
        if n < _FEWEST_FOR_INTERVAL:
            return None
        half = Z * math.sqrt(n) / 2
        low = max(0, math.floor(n / 2 - half) - 1)
        high = min(n - 1, math.ceil(n / 2 + half))
        return self.at_rank(low), self.at_rank(high)


def seconds_of_bucket(bucket: int) -> float:
    """Return the time that stands for a bucket: within 1 % of all that it holds."""
    return 0.0 if bucket == ZERO_BUCKET else 2 * GAMMA**bucket / (GAMMA + 1)
