# SPDX-License-Identifier: Apache-2.0
"""Intervals and explained shares of samples and of predictors that say the same."""

import numpy as np

from app.insights.linear import bootstrap_shares, importance_of


def test_an_interval_of_complete_rows_holds_their_estimate() -> None:
    """The correlations of a ragged table contradict one another; complete rows are taken."""
    chance = np.random.default_rng(2)
    complete = chance.normal(size=(80, 3))
    complete = np.column_stack([complete, complete @ [1.0, 0.2, 0.1] + chance.normal(size=80) / 2])
    ragged = chance.normal(size=(600, 4))
    ragged[:200, 0] = np.nan
    ragged[:200, 1] = ragged[:200, 2]
    ragged[200:400, 1] = np.nan
    ragged[200:400, 0] = ragged[200:400, 2]
    ragged[400:, 2] = np.nan
    ragged[400:, 0] = -ragged[400:, 1]
    values = np.concatenate([complete, ragged])
    result = importance_of([values])
    assert result.base == "complete"
    known = ~np.isnan(values)
    rows = values[known.all(axis=1)]
    samples = bootstrap_shares(len(rows), rows.__getitem__, 1)
    assert ((samples.low <= result.shares) & (result.shares <= samples.high)).all()


def test_predictors_that_say_the_same_explain_no_more_than_all() -> None:
    column = np.random.default_rng(1).normal(size=200)
    assert importance_of([np.column_stack([column, column, column])]).r2 <= 1
