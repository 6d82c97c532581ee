# SPDX-License-Identifier: Apache-2.0
"""A figure as sums that add up over periods, from which its mean and spread follow. Pure."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

FigureSums = Callable[[dict[str, Any]], "AnswerSums"]


@dataclass(frozen=True, slots=True)
class AnswerSums:
    """The number of answers, and the sums of them, of their squares and cubes, in the unit."""

    n: int = 0
    total: float = 0.0
    squares: float = 0.0
    cubes: float = 0.0

    def __add__(self, other: "AnswerSums") -> "AnswerSums":
        """Add two sums."""
        return AnswerSums(
            self.n + other.n,
            self.total + other.total,
            self.squares + other.squares,
            self.cubes + other.cubes,
        )

    @property
    def mean(self) -> float:
        """The figure: the mean of the answers; there must be some."""
        return self.total / self.n


def sums_of_net(positive: str, negative: str) -> FigureSums:
    """Return the sums of a net score: an answer is 100, 0 or -100 points."""

    def sums_of(figure: dict[str, Any]) -> AnswerSums:
        good, bad = figure["counts"][positive], figure["counts"][negative]
        return net_sums(figure["n"], good, bad)

    return sums_of


def net_sums(n: int, good: int, bad: int) -> AnswerSums:
    """Return the sums of `n` answers of 100, 0 or -100 points."""
    return AnswerSums(n, 100.0 * (good - bad), 100.0**2 * (good + bad), 100.0**3 * (good - bad))


def share_sums(n: int, good: int) -> AnswerSums:
    """Return the sums of `n` answers of 0 or 100 percent."""
    return net_sums(n, good, 0)


def sums_of_share(name: str) -> FigureSums:
    """Return the sums of a share: an answer is 0 or 100 percent.

    The count stands among the figure's counts, or in the figure itself.
    """

    def sums_of(figure: dict[str, Any]) -> AnswerSums:
        good = figure.get("counts", figure)[name]
        return share_sums(figure["n"], good)

    return sums_of


def sums_of_scores(figure: dict[str, Any]) -> AnswerSums:
    """Return the sums of a mean of scores."""
    pairs = [(int(score), count) for score, count in figure["distribution"].items()]
    sums = (float(sum(count * score**power for score, count in pairs)) for power in (1, 2, 3))
    return AnswerSums(figure["n"], *sums)
