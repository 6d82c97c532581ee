# SPDX-License-Identifier: Apache-2.0
"""The pure functions, held to published examples and to values computed elsewhere."""

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.insights.comments import log_odds, terms_of
from app.insights.linear import (
    bootstrap_means,
    bootstrap_shares,
    cronbach_alpha,
    importance_of,
    scaled_interval,
    spearman,
)
from app.insights.word_of_mouth import compute_reach

DATA = Path(__file__).parents[1] / "data"
VECTORS = {v["id"]: v for v in json.loads((DATA / "metric_vectors.json").read_text())}

# R's datasets::mtcars: cyl, disp, hp, wt, mpg.
MTCARS = """
6 160 110 2.62 21;6 160 110 2.875 21;4 108 93 2.32 22.8;6 258 110 3.215 21.4;8 360 175 3.44 18.7
6 225 105 3.46 18.1;8 360 245 3.57 14.3;4 146.7 62 3.19 24.4;4 140.8 95 3.15 22.8
6 167.6 123 3.44 19.2;6 167.6 123 3.44 17.8;8 275.8 180 4.07 16.4;8 275.8 180 3.73 17.3
8 275.8 180 3.78 15.2;8 472 205 5.25 10.4;8 460 215 5.424 10.4;8 440 230 5.345 14.7
4 78.7 66 2.2 32.4;4 75.7 52 1.615 30.4;4 71.1 65 1.835 33.9;4 120.1 97 2.465 21.5
8 318 150 3.52 15.5;8 304 150 3.435 15.2;8 350 245 3.84 13.3;8 400 175 3.845 19.2
4 79 66 1.935 27.3;4 120.3 91 2.14 26;4 95.1 113 1.513 30.4;8 351 264 3.17 15.8
6 145 175 2.77 19.7;8 301 335 3.57 15;4 121 109 2.78 21.4
"""
# R's datasets::attitude: rating, complaints, privileges, learning, raises, critical, advance.
ATTITUDE = """
43 51 30 39 61 92 45;63 64 51 54 63 73 47;71 70 68 69 76 86 48;61 63 45 47 54 84 35
81 78 56 66 71 83 47;43 55 49 44 54 49 34;58 67 42 56 66 68 35;71 75 50 55 70 66 41
72 82 72 67 71 83 31;67 61 45 47 62 80 41;64 53 53 58 58 67 34;67 60 47 39 59 74 41
69 62 57 42 55 63 25;68 83 83 45 59 77 35;77 77 54 72 79 77 46;81 90 50 72 60 54 36
74 85 64 69 79 79 63;65 60 65 75 55 80 60;65 70 46 57 75 85 46;50 58 68 54 64 78 52
50 40 33 34 43 64 33;64 61 52 62 66 80 41;53 66 52 50 63 80 37;40 37 42 58 50 57 49
63 54 42 48 66 75 33;66 77 66 63 88 76 72;78 75 58 74 80 78 49;48 57 44 45 51 83 38
85 85 71 71 77 74 55;82 82 39 59 64 78 39
"""


def table(text: str) -> Any:
    return np.array(
        [list(map(float, r.split())) for r in text.strip().replace("\n", ";").split(";")]
    )


def airport() -> Any:
    """Return the passengers of 2017 who rated all eight places and the whole."""
    vector = VECTORS["sfo-driver-rw"]["input"]
    with (DATA / vector["file"]).open() as file:
        rows = [
            [
                float(row[name]) if row[name].isdigit() else 0
                for name in (*vector["predictors"], vector["outcome"])
            ]
            for row in csv.DictReader(file)
            if row["response_id"].startswith("SFO2017")
        ]
    values = np.array(rows)
    return values[((values >= 1) & (values <= 5)).all(axis=1)]


def test_importance_of_cars() -> None:
    vector = VECTORS["driver-002"]
    importance = importance_of([table(MTCARS)])
    expected = [vector["expected"][name] for name in vector["input"]["predictors"]]
    assert importance.weights == pytest.approx(expected, abs=vector["tolerance"])
    assert importance.base == "pairwise"
    assert importance.shares.sum() == pytest.approx(100)


def test_importance_of_an_airport() -> None:
    vector = VECTORS["sfo-driver-rw"]
    values = airport()
    assert len(values) == 1892
    importance = importance_of([values])
    expected = [vector["expected"][name] for name in vector["input"]["predictors"]]
    assert importance.weights == pytest.approx(expected, abs=vector["tolerance"])
    assert importance.r2 == pytest.approx(0.548954, abs=1e-6)


def test_same_seed_same_interval_which_holds_the_estimate() -> None:
    values = airport()
    shares = importance_of([values]).shares
    first = bootstrap_shares(len(values), values.__getitem__, 7)
    again = bootstrap_shares(len(values), values.__getitem__, 7)
    assert first.sample_size == len(values)
    assert (first.low == again.low).all()
    assert (first.high == again.high).all()
    assert ((first.low < shares) & (shares < first.high)).all()
    assert first.of_rows == pytest.approx(shares, abs=1e-3)


def test_a_sample_in_which_nothing_varies_says_nothing() -> None:
    rows = np.array([[7.0, 9.0]] * 39 + [[3.0, 2.0]])  # a third of the samples miss the last row
    samples = bootstrap_shares(len(rows), rows.__getitem__, 1)
    assert (samples.low[0], samples.high[0]) == pytest.approx((100.0, 100.0))


def test_interval_of_a_part_narrows_for_the_whole() -> None:
    assert scaled_interval(10, 8, 14, of_rows=11, sample_size=100, n=400) == (8.5, 11.5)
    assert scaled_interval(10, 8, 14, of_rows=10, sample_size=100, n=100) == (8, 14)


def test_the_interval_of_a_part_covers_as_often_as_it_says() -> None:
    rng = np.random.default_rng(5)
    covered = 0
    for number in range(100):
        values = rng.exponential(10, 60_000)
        interval = bootstrap_means(values, number)
        assert interval is not None
        covered += interval[0] <= 10 <= interval[1]
    # 95 of 100; by chance it is below 87 once in a thousand.
    assert covered >= 87


def test_a_matrix_that_no_data_can_have_falls_back_to_complete_rows() -> None:
    rng = np.random.default_rng(1)
    values = rng.normal(size=(950, 4))
    # Each pair is known in other rows, where the signs contradict one another.
    for number, (first, second, sign) in enumerate([(0, 1, 1), (0, 2, 1), (1, 2, -1)]):
        rows = slice(300 * number, 300 * (number + 1))
        values[rows, second] = sign * values[rows, first]
        values[rows, 3 - first - second] = np.nan
    importance = importance_of([values])
    assert importance.base == "complete"
    assert 0 <= importance.r2 <= 1


def test_a_driver_that_does_not_vary_weighs_nothing() -> None:
    values = airport().copy()
    values[:, 0] = 3
    importance = importance_of([values])
    assert importance.weights[0] == 0
    assert np.isnan(importance.correlations[0])


def test_alpha_of_attitude() -> None:
    vector = VECTORS["alpha-001"]
    assert cronbach_alpha([table(ATTITUDE)]) == pytest.approx(
        vector["expected"], abs=vector["tolerance"]
    )
    assert cronbach_alpha([table(ATTITUDE)[:, :1]]) is None


def test_reach() -> None:
    vector = VECTORS["wom-001"]
    inputs, expected = vector["input"], vector["expected"]
    reach = compute_reach(
        inputs["satisfied"], inputs["dissatisfied"],
        inputs["tells_satisfied"], inputs["tells_dissatisfied"],
    )  # fmt: skip
    figures = reach["reach_positive"], reach["reach_negative"], reach["net_reach"]
    assert figures == (
        expected["positive_reach"], expected["negative_reach"], expected["net_reach"],
    )  # fmt: skip
    assert reach["index"] == pytest.approx(expected["index"], abs=vector["tolerance"])
    assert reach["break_even"] == pytest.approx(0.1)
    assert compute_reach(0, 0, 1, 10)["index"] is None


def test_rank_correlation_with_ties() -> None:
    # By hand: ranks 1, 2.5, 2.5, 4 and 1, 2, 3.5, 3.5.
    rho = spearman(np.array([1.0, 2, 2, 9]), np.array([5.0, 6, 8, 8]))
    assert rho == pytest.approx(3.75 / 4.5)
    assert spearman(np.array([1.0, 1]), np.array([1.0, 2])) is None


def test_words_of_one_side() -> None:
    z = log_odds({"late": (30, 2), "kind": (1, 40), "shop": (50, 50)})
    assert z["late"] > 3
    assert z["kind"] < -3
    assert abs(z["shop"]) < 2
    assert log_odds({"a": (3, 0)})["a"] == pytest.approx(log_odds({"a": (30, 0)})["a"], abs=3)


@pytest.mark.parametrize(
    ("words", "page", "language", "terms"),
    [
        ("The deliveries were late again!", "en", "en", {"delivery", "late"}),
        ("Dostawy były spóźnione, kurierzy niemili", "en", "pl", {"dostawa", "kurier"}),
        ("Livrarea a întârziat, curierul nepoliticos", "en", "ro", {"livrare", "curier"}),
        ("Late courier", "en", "en", {"late", "courier", "late courier"}),
        ("Late. Courier", "en", "en", {"late", "courier"}),
    ],
)
def test_terms_are_lemmas_of_the_language_spoken(
    words: str, page: str, language: str, terms: set[str]
) -> None:
    spoken, lemmas = terms_of(words, page, "en")
    assert spoken == language
    assert terms <= set(lemmas)
    assert not {"the", "were", "a", "były", "late courier"} & set(lemmas) - terms
