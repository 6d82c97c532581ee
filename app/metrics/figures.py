# SPDX-License-Identifier: Apache-2.0
"""The figures: one function each, from counts to value, interval and parts. Pure.

Formulas and their sources are in docs/metrics.md: NPS 100·(P-D)/n with an
adjusted Wald interval, shares with Wilson's, means with Student's. Values are in the metric's
own unit: NPS points, per cent, or points of the scale. At n = 0 there is no value.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from app.metrics import statistics
from app.metrics.counts import Counts, pool, reliability, round_half_away
from app.metrics.statistics import Change, ConfidenceInterval
from app.surveys.bands import DETRACTOR_TO, PROMOTER_FROM, easy_from, top_box_from
from app.surveys.question_types import QuestionType, WordAnswers, spec_of


@dataclass(frozen=True, slots=True)
class Series:
    """Questions that are counted together: of one scale and direction; `option` is of a choice."""

    scale: str
    low: int
    high: int
    reverse: bool = False
    option: str = ""
    valence: int | None = None


Cell = dict[Series, Counts]
FigureComparison = Callable[[Cell, Cell], Change]


def pool_into(total: Cell, cell: Cell) -> None:
    """Add the counts of one cell to another, series by series."""
    for series, counts in cell.items():
        total[series] = total[series] + counts if series in total else counts


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure with all that is needed to trust it."""

    value: float | None
    display: float | None
    n: int
    n_missing: int = 0
    n_na: int = 0
    ci: ConfidenceInterval | None = None
    parts: Mapping[str, Any] = field(default_factory=dict)
    distribution: Mapping[str, int] = field(default_factory=dict)

    @property
    def reliability(self) -> str:
        """How far it can be trusted."""
        return reliability(self.n)


def nps(cell: Cell) -> Figure:
    """Return 100·(promoters - detractors)/n; asked as yes or no, yes promotes and no detracts."""
    counts = pool(cell.values())
    yes_no = any(series.scale == "yes_no" for series in cell)
    positive, negative, _ = _nps_counts(cell)
    breakdown = {
        "promoters": positive,
        "passives": counts.n - positive - negative,
        "detractors": negative,
    }
    names = {"no": 0, "yes": 1} if yes_no else {str(score): score for score in range(11)}
    return _net_figure(positive, negative, counts, parts={"counts": breakdown}, names=names)


def _nps_counts(cell: Cell) -> tuple[int, int, int]:
    """Return promoters, detractors and n."""
    counts = pool(cell.values())
    if any(series.scale == "yes_no" for series in cell):
        return counts.scores[1], counts.scores[0], counts.n
    return counts.at_least(PROMOTER_FROM), counts.at_most(DETRACTOR_TO), counts.n


def _net_figure(
    positive: int, negative: int, counts: Counts, *, parts: dict[str, Any], names: dict[str, int]
) -> Figure:
    n = counts.n
    interval = statistics.net_interval(positive, negative, n)
    return Figure(
        value=100 * (positive - negative) / n if n else None,
        display=round_half_away(Fraction(100 * (positive - negative), n)) if n else None,
        n=n,
        n_missing=counts.n_missing,
        n_na=counts.n_na,
        ci=_clip(_percent(interval), -100, 100),
        parts=parts,
        distribution={name: counts.scores[score] for name, score in names.items()},
    )


def csat(cell: Cell) -> Figure:
    """Return the share of the top boxes in per cent, with the mean beside it."""
    counts, high = pool(cell.values()), _high(cell)
    top = top_box_from(high)
    satisfied, dissatisfied = counts.at_least(top), counts.at_most(high + 1 - top)
    breakdown = {
        "satisfied": satisfied,
        "neutral": counts.n - satisfied - dissatisfied,
        "dissatisfied": dissatisfied,
    }
    parts = {"counts": breakdown, "mean": float(counts.mean) if counts.n else None}
    return _share_figure(satisfied, counts, parts=parts, names=_numbers(cell))


def yes_no(cell: Cell) -> Figure:
    """Return the share of yes in per cent."""
    counts = pool(cell.values())
    breakdown = {"yes": counts.scores[1], "no": counts.scores[0]}
    names = {"no": 0, "yes": 1}
    return _share_figure(counts.scores[1], counts, parts={"counts": breakdown}, names=names)


def ces(cell: Cell) -> Figure:
    """Return the mean effort score, with the share of easy answers in per cent."""
    counts, high = pool(cell.values()), _high(cell)
    easy = counts.at_least(easy_from(high))
    hard = counts.at_most(high + 1 - easy_from(high))
    breakdown = {"easy": easy, "neutral": counts.n - easy - hard, "hard": hard}
    parts = {
        "counts": breakdown,
        "easy_share": 100 * easy / counts.n if counts.n else None,
        "easy_share_ci": _percent(statistics.wilson(easy, counts.n)),
    }
    return _mean_figure(counts, parts=parts, names=_numbers(cell))


def rating(cell: Cell) -> Figure:
    """Return the mean and the top-box share within one scale."""
    counts, high = pool(cell.values()), _high(cell)
    top = counts.at_least(top_box_from(high))
    parts = {
        "top_box_share": 100 * top / counts.n if counts.n else None,
        "top_box_share_ci": _percent(statistics.wilson(top, counts.n)),
    }
    return _mean_figure(counts, parts=parts, names=_numbers(cell))


def mean_0_100(cell: Cell) -> dict[str, Any]:
    """Return the mean of all items rescaled to 0-100, reverse items flipped, with interval and n.

    This is the one figure that pools scales.
    """
    n = sum(counts.n for counts in cell.values())
    if n == 0:
        return {"mean_0_100": None, "mean_0_100_ci": None, "mean_0_100_n": 0}
    total = squares = Fraction(0)
    for series, counts in cell.items():
        item_counts = counts.flip(series.low, series.high) if series.reverse else counts
        for score, k in enumerate(item_counts.scores):
            rescaled = Fraction(100 * (score - series.low), series.high - series.low)
            total += rescaled * k
            squares += rescaled * rescaled * k
    mean = total / n
    variance = float((squares - total * mean) / (n - 1)) if n > 1 else 0.0
    interval = statistics.mean_interval(float(mean), variance, n)
    return {
        "mean_0_100": float(mean),
        "mean_0_100_ci": _clip(interval, 0, 100),
        "mean_0_100_n": n,
    }


def expectation(cell: Cell) -> Figure:
    """Return 100·(better - worse)/n, with the share of `better`, the WOW share."""
    counts = pool(cell.values())
    worse, as_expected, better = counts.scores[:3]
    parts = {
        "counts": {"worse": worse, "as": as_expected, "better": better},
        "wow_share": 100 * better / counts.n if counts.n else None,
        "wow_share_ci": _percent(statistics.wilson(better, counts.n)),
    }
    answers = spec_of(QuestionType.EXPECTATION).answers
    assert isinstance(answers, WordAnswers)  # noqa: S101 - the type's own entry
    names = {str(answer.value): answer.score for answer in answers.answers}
    return _net_figure(better, worse, counts, parts=parts, names=names)


def emotion(cell: Cell) -> Figure:
    """Return 100·(positive - negative)/n over the valences of the emotions chosen."""
    counts = pool(histogram for series, histogram in cell.items() if not series.option)
    positive, negative, _ = _valence_counts(cell)
    breakdown = {
        "positive": positive,
        "neutral": counts.n - positive - negative,
        "negative": negative,
    }
    figure = _net_figure(positive, negative, counts, parts={"counts": breakdown}, names={})
    return _with_options(figure, cell)


def _valence_counts(cell: Cell) -> tuple[int, int, int]:
    chosen = [
        (series.valence or 0, histogram.n) for series, histogram in cell.items() if series.option
    ]
    return (
        sum(count for valence, count in chosen if valence > 0),
        sum(count for valence, count in chosen if valence < 0),
        pool(histogram for series, histogram in cell.items() if not series.option).n,
    )


def choice(cell: Cell) -> Figure:
    """Return the share of each option; the value is that of the option chosen most."""
    counts = pool(histogram for s, histogram in cell.items() if not s.option)
    chosen = _options(cell)
    leading = max(chosen, key=lambda option: chosen[option]) if chosen else None
    shares = {
        option: {
            "n": count,
            "share": 100 * count / counts.n if counts.n else None,
            "ci": _percent(statistics.wilson(count, counts.n)),
        }
        for option, count in chosen.items()
    }
    parts = {"leading": leading, "options": shares}
    figure = _share_figure(chosen[leading] if leading else 0, counts, parts=parts, names={})
    return _with_options(figure, cell)


def _options(cell: Cell) -> dict[str, int]:
    option_counts: dict[str, int] = {}
    for series, counts in cell.items():
        if series.option:
            option_counts[series.option] = option_counts.get(series.option, 0) + counts.n
    return dict(sorted(option_counts.items()))


def _with_options(figure: Figure, cell: Cell) -> Figure:
    return Figure(
        figure.value, figure.display, figure.n, figure.n_missing, figure.n_na, figure.ci,
        figure.parts, _options(cell),
    )  # fmt: skip


def _share_figure(
    successes: int, counts: Counts, *, parts: dict[str, Any], names: dict[str, int]
) -> Figure:
    n = counts.n
    return Figure(
        value=100 * successes / n if n else None,
        display=round_half_away(Fraction(100 * successes, n)) if n else None,
        n=n,
        n_missing=counts.n_missing,
        n_na=counts.n_na,
        ci=_percent(statistics.wilson(successes, n)),
        parts=parts,
        distribution={name: counts.scores[score] for name, score in names.items()},
    )


def _mean_figure(counts: Counts, *, parts: dict[str, Any], names: dict[str, int]) -> Figure:
    mean = counts.mean if counts.n else None
    interval = None
    if mean is not None:
        interval = statistics.mean_interval(float(mean), counts.variance, counts.n)
    return Figure(
        value=None if mean is None else float(mean),
        display=None if mean is None else round_half_away(mean, 1),
        n=counts.n,
        n_missing=counts.n_missing,
        n_na=counts.n_na,
        ci=interval,
        parts=parts,
        distribution={name: counts.scores[score] for name, score in names.items()},
    )


def _high(cell: Cell) -> int:
    return max((series.high for series in cell), default=5)


def _numbers(cell: Cell) -> dict[str, int]:
    low = min((series.low for series in cell), default=1)
    return {str(score): score for score in range(low, _high(cell) + 1)}


def _percent(interval: ConfidenceInterval | None) -> ConfidenceInterval | None:
    return (100 * interval[0], 100 * interval[1]) if interval else None


def _clip(
    interval: ConfidenceInterval | None, low: float, high: float
) -> ConfidenceInterval | None:
    return (max(low, interval[0]), min(high, interval[1])) if interval else None


def _in_percent(change: Change) -> Change:
    return Change(100 * change.delta, change.z, change.p_value, _percent(change.ci))


def compare_nps(before: Cell, now: Cell) -> Change:
    """Test the difference of two NPS on the adjusted counts."""
    return _in_percent(statistics.net_change(_nps_counts(before), _nps_counts(now)))


def compare_expectation(before: Cell, now: Cell) -> Change:
    """Test the difference of two shares of better less worse."""
    return _in_percent(statistics.net_change(_better_worse(before), _better_worse(now)))


def compare_emotion(before: Cell, now: Cell) -> Change:
    """Test the difference of two shares of positive less negative."""
    return _in_percent(statistics.net_change(_valence_counts(before), _valence_counts(now)))


def compare_csat(before: Cell, now: Cell) -> Change:
    """Test the difference of two shares of satisfied answers."""
    return _compare_shares(before, now, _count_satisfied)


def compare_yes_no(before: Cell, now: Cell) -> Change:
    """Test the difference of two shares of yes."""
    return _compare_shares(before, now, _yes)


def _compare_shares(before: Cell, now: Cell, successes: Callable[[Cell], int]) -> Change:
    pair = [(successes(cell), pool(cell.values()).n) for cell in (before, now)]
    return _in_percent(statistics.share_change(pair[0], pair[1]))


def compare_means(before: Cell, now: Cell) -> Change:
    """Test the difference of two means by Welch."""
    old, new = pool(before.values()), pool(now.values())
    return statistics.mean_change(
        (float(old.mean), old.variance, old.n), (float(new.mean), new.variance, new.n)
    )


def _better_worse(cell: Cell) -> tuple[int, int, int]:
    counts = pool(cell.values())
    return counts.scores[2], counts.scores[0], counts.n


def _count_satisfied(cell: Cell) -> int:
    return pool(cell.values()).at_least(top_box_from(_high(cell)))


def _yes(cell: Cell) -> int:
    return pool(cell.values()).scores[1]
