# SPDX-License-Identifier: Apache-2.0
"""Correlations, Johnson's relative weights and Cronbach's alpha. Pure; arrays of numpy.

numpy is loaded with this module, which is loaded when an insight is first asked for.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


class Chunks(Protocol):
    """Rows of numbers that may be read more than once, some at a time."""

    def __iter__(self) -> Iterator[Floats]: ...


_SAMPLES = 1000
_AT_ONCE = 100
MAX_SAMPLED = 20_000
_MIN_EIGENVALUE = 1e-9
# A variance that is a smaller part of the sum of squares is an error of rounding.
ROUNDING = 1e-12


@dataclass(frozen=True, slots=True)
class PairSums:
    """Sums over pairs of columns, each over the rows in which both are known.

    `n[i, j]` counts those rows, `total[i, j]` sums column i in them, `square[i, j]` its squares,
    `product[i, j]` the products of i and j.
    """

    n: Floats
    total: Floats
    square: Floats
    product: Floats

    def correlations(self) -> Floats:
        """Return the pairwise correlations; nan where a column does not vary."""
        with np.errstate(invalid="ignore", divide="ignore"):
            covariance = self.product - self.total * self.total.T / self.n
            variance = self.square - self.total**2 / self.n
            coefficients: Floats = covariance / np.sqrt(variance * variance.T)
        # What is left of a column that does not vary is rounding.
        varies = variance > ROUNDING * self.square
        return np.where(varies & varies.T, np.clip(coefficients, -1.0, 1.0), np.nan)


def pair_sums_of(chunks: Iterable[Floats]) -> PairSums:
    """Sum arrays of rows and columns (nan: not known); there is at least one."""
    sums: list[Any] = [0.0] * 4
    for chunk in chunks:
        known = ~np.isnan(chunk)
        filled = np.where(known, chunk, 0.0)
        weights = known.astype(float)
        sums[0] += weights.T @ weights
        sums[1] += filled.T @ weights
        sums[2] += (filled**2).T @ weights
        sums[3] += filled.T @ filled
    return PairSums(*sums)


def complete_rows(chunks: Iterable[Floats]) -> Iterator[Floats]:
    """Yield of each array the rows in which every column is known."""
    for chunk in chunks:
        yield chunk[~np.isnan(chunk).any(axis=1)]


def relative_weights(between: Floats, with_outcome: Floats) -> Floats:
    """Return Johnson's relative weights, which sum to R squared (Johnson 2000).

    `between` holds the correlations of the predictors, `with_outcome` theirs with the outcome;
    both may have leading dimensions, for many samples at once.
    """
    values, vectors = np.linalg.eigh(between)
    roots = np.sqrt(np.clip(values, 0.0, None))
    loadings = (vectors * roots[..., None, :]) @ np.swapaxes(vectors, -1, -2)
    inverse = (vectors / np.where(roots > 0, roots, np.inf)[..., None, :]) @ np.swapaxes(
        vectors, -1, -2
    )
    betas = (inverse @ with_outcome[..., None])[..., 0]
    weights: Floats = ((loadings**2) @ (betas**2)[..., None])[..., 0]
    return weights


@dataclass(frozen=True, slots=True)
class Importance:
    """What each predictor contributes to the outcome: raw weights, their sum and their base."""

    weights: Floats
    correlations: Floats
    base: str

    @property
    def r2(self) -> float:
        """The share of the outcome's variance that the predictors explain together."""
        # With collinear predictors the sum may slightly exceed 1.
        return min(1.0, float(np.nansum(self.weights)))

    @property
    def shares(self) -> Floats:
        """The weights in per cent of their sum."""
        total = self.r2
        return 100 * self.weights / total if total > 0 else np.zeros_like(self.weights)


def importance_of(chunks: Sequence[Floats] | Chunks) -> Importance:
    """Return the importance of all columns but the last for the last one.

    Correlations are pairwise complete. If such a matrix is not positive definite, complete rows
    are taken. A predictor that does not vary has no weight. `chunks` are read once or twice.
    """
    correlations = pair_sums_of(chunks).correlations()
    base = "pairwise"
    if not _is_positive(correlations):
        correlations = pair_sums_of(complete_rows(chunks)).correlations()
        base = "complete"
    with_outcome = correlations[:-1, -1]
    varies = ~np.isnan(with_outcome)
    weights = np.zeros(len(with_outcome))
    if varies.any():
        indices = np.ix_(varies, varies)
        weights[varies] = relative_weights(correlations[:-1, :-1][indices], with_outcome[varies])
    return Importance(weights, with_outcome, base)


def _is_positive(correlations: Floats) -> bool:
    known = ~np.isnan(np.diag(correlations))
    inner = correlations[np.ix_(known, known)]
    if inner.size == 0 or np.isnan(inner).any():
        return False
    return bool(np.linalg.eigvalsh(inner)[0] > _MIN_EIGENVALUE)


class SharesOfSamples(NamedTuple):
    """The shares of many samples of `sample_size` rows, and those of these rows themselves."""

    low: Floats
    high: Floats
    of_rows: Floats
    sample_size: int


def bootstrap_shares(n: int, take: Callable[[Any], Floats], seed: int) -> SharesOfSamples:
    """Return the 2.5th and 97.5th percentile of each share.

    `take` returns rows by their positions, of `n`. 1,000 samples are drawn; of more than 20,000
    rows from a seeded part, and `scaled_interval` scales the interval to all rows. The sums of a
    sample are the product of its weights with the parts of each row, so that all samples are a
    few products of matrices.
    """
    rng = np.random.default_rng(seed)
    is_part = n > MAX_SAMPLED
    values = take(np.sort(rng.choice(n, MAX_SAMPLED, replace=False)) if is_part else np.arange(n))
    m = len(values)
    columns = values.shape[1]
    known = ~np.isnan(values)
    filled = np.where(known, values, 0.0)
    # A common shift changes no correlation and keeps the sums small.
    filled = np.where(known, filled - filled.sum(0) / np.maximum(known.sum(0), 1), 0.0)
    # What a shift leaves of a column that does not vary is rounding.
    constant = _is_constant(values)
    filled[:, constant] = 0.0
    first, second = np.triu_indices(columns)
    both = (known[:, first] & known[:, second]).astype(np.float32)
    left, right = filled[:, first].astype(np.float32), filled[:, second].astype(np.float32)
    parts = np.concatenate(
        [both, left * both, right * both, left**2 * both, right**2 * both, left * right * both],
        axis=1,
    )
    shares = []
    for start in range(0, _SAMPLES, _AT_ONCE):
        picks = rng.integers(0, m, (min(_AT_ONCE, _SAMPLES - start), m))
        weights = np.stack([np.bincount(row, minlength=m) for row in picks]).astype(np.float32)
        sums = (weights @ parts).astype(float).reshape(len(weights), 6, -1)
        shares.append(_shares_of(sums, columns))
    sample_shares = np.concatenate(shares)
    of_rows = _shares_of(parts.sum(axis=0, dtype=float).reshape(1, 6, -1), columns)[0]
    for shares_of in (sample_shares, of_rows):
        shares_of[..., constant[:-1]] = 0.0
    low, high = np.nanpercentile(sample_shares, [2.5, 97.5], axis=0)
    return SharesOfSamples(low, high, of_rows, m)


def _is_constant(values: Floats) -> Any:
    """Tell of each column whether its known values are all the same; there may be none."""
    lowest = np.where(np.isnan(values), np.inf, values).min(axis=0, initial=np.inf)
    highest = np.where(np.isnan(values), -np.inf, values).max(axis=0, initial=-np.inf)
    return lowest >= highest


def _shares_of(sums: Any, columns: int) -> Floats:
    """Return the shares of many samples from their sums over pairs of columns."""
    n, left, right, left2, right2, product = np.moveaxis(sums, 1, 0)
    with np.errstate(invalid="ignore", divide="ignore"):
        covariance = product - left * right / n
        deviation = np.sqrt((left2 - left**2 / n) * (right2 - right**2 / n))
        pairs = np.where(deviation > 0, covariance / deviation, 0.0)
    correlations = np.zeros((len(sums), columns, columns))
    first, second = np.triu_indices(columns)
    correlations[:, first, second] = pairs
    correlations[:, second, first] = pairs
    correlations[:, range(columns), range(columns)] = 1.0
    weights = relative_weights(correlations[:, :-1, :-1], correlations[:, :-1, -1])
    total = weights.sum(axis=1, keepdims=True)
    # A sample in which nothing varies explains nothing, and says nothing about the shares.
    return 100 * weights / np.where(total > 0, total, np.nan)


def scaled_interval(
    estimate: float, low: float, high: float, *, of_rows: float, sample_size: int, n: int
) -> tuple[float, float]:
    """Return the interval around the estimate of `n` rows, from one of `sample_size` of these rows.

    `low` and `high` stand around `of_rows`, the estimate of the drawn rows; the distances shrink
    by the root of the sizes.
    """
    if n <= sample_size:
        return low, high
    scale = float(np.sqrt(sample_size / n))
    return estimate + (low - of_rows) * scale, estimate + (high - of_rows) * scale


def cronbach_alpha(chunks: Iterable[Floats]) -> float | None:
    """Return Cronbach's alpha of complete rows of items; None for one item, or without variance.

    The variance of the sum of the items is the sum of their covariances.
    """
    pairs = pair_sums_of(complete_rows(chunks))
    n, k = pairs.n[0, 0], len(pairs.n)
    if k < 2 or n < 2:
        return None
    covariance = (pairs.product - pairs.total * pairs.total.T / n) / (n - 1)
    total = covariance.sum()
    if total <= 1e-9 * abs(pairs.product).sum():
        return None
    return float(k / (k - 1) * (1 - np.trace(covariance) / total))


def bootstrap_means(values: Floats, seed: int) -> tuple[float, float] | None:
    """Return the 95 % percentile interval of a mean by 1,000 samples; None below two values."""
    n = len(values)
    if n < 2:
        return None
    if values.min() == values.max():
        return float(values[0]), float(values[0])
    rng = np.random.default_rng(seed)
    part = values if n <= MAX_SAMPLED else rng.choice(values, MAX_SAMPLED, replace=False)
    m = len(part)
    # One sample at a time stays in the processor's cache.
    means = [part.take(rng.integers(0, m, m)).mean() for _ in range(_SAMPLES)]
    low, high = np.percentile(means, [2.5, 97.5])
    return scaled_interval(
        float(values.mean()),
        float(low),
        float(high),
        of_rows=float(part.mean()),
        sample_size=m,
        n=n,
    )


def spearman(first: Floats, second: Floats) -> float | None:
    """Return Spearman's rank correlation, ties sharing their mean rank; None without variance."""
    ranks = np.stack([_ranks(first), _ranks(second)], axis=1)
    coefficient = float(pair_sums_of([ranks]).correlations()[0, 1])
    return None if np.isnan(coefficient) else coefficient


def _ranks(values: Floats) -> Floats:
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    upto = np.cumsum(counts)
    return ((upto - counts + 1 + upto) / 2)[inverse]
