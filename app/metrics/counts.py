# SPDX-License-Identifier: Apache-2.0
"""Counts: how often each score was given. Everything else is computed from them. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction

_SCORES = 11
_MIN_RELIABLE_N = 30


@dataclass(frozen=True, slots=True)
class Counts:
    """A histogram over the scores 0-10, with the skipped and not applicable answers."""

    scores: tuple[int, ...] = (0,) * _SCORES
    n_missing: int = 0
    n_na: int = 0

    def __add__(self, other: "Counts") -> "Counts":
        """Pool two histograms."""
        return Counts(
            tuple(a + b for a, b in zip(self.scores, other.scores, strict=True)),
            self.n_missing + other.n_missing,
            self.n_na + other.n_na,
        )

    def __sub__(self, other: "Counts") -> "Counts":
        """Take out what was pooled before."""
        return Counts(
            tuple(a - b for a, b in zip(self.scores, other.scores, strict=True)),
            self.n_missing - other.n_missing,
            self.n_na - other.n_na,
        )

    @property
    def n(self) -> int:
        """How many valid answers there are."""
        return sum(self.scores)

    def at_least(self, score: int) -> int:
        """How many answers are `score` or more."""
        return sum(self.scores[score:])

    def at_most(self, score: int) -> int:
        """How many answers are `score` or less."""
        return sum(self.scores[: score + 1])

    @property
    def mean(self) -> Fraction:
        """The exact mean; there must be answers."""
        return Fraction(sum(score * n for score, n in enumerate(self.scores)), self.n)

    @property
    def variance(self) -> float:
        """The sample variance (n - 1), exact before the last rounding; 0 below two answers."""
        n = self.n
        if n < 2:
            return 0.0
        total = sum(score * k for score, k in enumerate(self.scores))
        squares = sum(score * score * k for score, k in enumerate(self.scores))
        return float(Fraction(n * squares - total * total, n * (n - 1)))

    def flip(self, low: int, high: int) -> "Counts":
        """Return the histogram with good and bad exchanged on the scale from low to high."""
        scores = list(self.scores)
        scores[low : high + 1] = reversed(scores[low : high + 1])
        return Counts(tuple(scores), self.n_missing, self.n_na)


def pool(parts: Iterable[Counts]) -> Counts:
    """Pool any number of histograms."""
    total = Counts()
    for part in parts:
        total += part
    return total


def round_half_away(value: Fraction | float, digits: int = 0) -> float | int:
    """Round half away from zero: to an integer, or to so many digits after the point."""
    scaled = Fraction(value) * 10**digits
    magnitude = int(abs(scaled) + Fraction(1, 2))
    signed = magnitude if scaled >= 0 else -magnitude
    return signed if digits == 0 else signed / 10**digits


def reliability(n: int) -> str:
    """Return `none` at n = 0, `indicative` below 30, else `ok`."""
    if n == 0:
        return "none"
    return "indicative" if n < _MIN_RELIABLE_N else "ok"
