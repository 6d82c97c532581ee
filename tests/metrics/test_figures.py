# SPDX-License-Identifier: Apache-2.0
"""The formulas against published examples and results computed on real data."""

import csv
import inspect
import json
import math
import random
from pathlib import Path
from typing import Any

import pytest

from app.metrics import figures, statistics
from app.metrics.counting import ScoreQuestions
from app.metrics.counts import Counts, round_half_away
from app.metrics.figures import Cell, Figure, Series, compare_nps, mean_0_100
from app.metrics.registry import METRICS
from app.metrics.scores import ScoreCounter
from app.metrics.statistics import Change, t_cdf, t_quantile
from app.surveys.question_types import QuestionType, ScoreAnswers, WordAnswers, spec_of, traits_of
from app.surveys.scales import scale_of

DATA = Path(__file__).parents[1] / "data"
FORMULAS = {
    name: metric.counter.formula
    for name, metric in METRICS.items()
    if isinstance(metric.counter, ScoreCounter)
}
VECTORS = {v["id"]: v for v in json.loads((DATA / "metric_vectors.json").read_text())}
NPS = Series("0-10", 0, 10)


def counts(scores: dict[int, int]) -> Counts:
    return Counts(tuple(scores.get(score, 0) for score in range(11)))


def bands(promoters: int, passives: int, detractors: int) -> Counts:
    return counts({10: promoters, 8: passives, 0: detractors})


def histogram(scores: list[int]) -> Counts:
    return counts({score: scores.count(score) for score in range(11)})


def points(high: int) -> Series:
    return Series(str(high), 1, high)


def near(vector: dict[str, Any], result: Any) -> None:
    """Hold every expected number to the vector's tolerance."""
    expected, tolerance = vector["expected"], vector["tolerance"]
    if isinstance(expected, dict):
        pairs = [(expected[k], result[k]) for k in expected]
    elif isinstance(expected, list):
        pairs = list(zip(expected, result, strict=True))
    else:
        pairs = [(expected, result)]
    for target, value in pairs:
        assert math.isclose(target, value, rel_tol=1e-12, abs_tol=tolerance), (vector["id"], value)


@pytest.mark.parametrize("id_", [i for i, v in VECTORS.items() if v["metric"] == "nps"])
def test_nps(id_: str) -> None:
    data = VECTORS[id_]["input"]
    if "scores" in data:
        cell: Cell = {NPS: histogram(data["scores"])}
    else:
        cell = {NPS: bands(data["promoters"], data["passives"], data["detractors"])}
    near(VECTORS[id_], FORMULAS["nps"](cell).value)


@pytest.mark.parametrize("id_", ["csat-001", "csat-002", "csat-004"])
def test_csat(id_: str) -> None:
    data = VECTORS[id_]["input"]
    if "counts" in data:
        cell: Cell = {points(5): counts({int(k): n for k, n in data["counts"].items()})}
    else:
        good = data.get("positive", data.get("good"))
        bad = data.get("negative", data.get("bad"))
        cell = {points(5): counts({5: good, 3: data.get("neutral", 0), 1: bad})}
    near(VECTORS[id_], FORMULAS["csat"](cell).value)


def test_easy_share_on_five_and_seven_points() -> None:
    five: Cell = {points(5): counts({1: 5, 3: 5, 5: 10})}
    near(VECTORS["ces-001"], FORMULAS["ces"](five).parts["easy_share"])
    seven: Cell = {points(7): counts({5: 8, 2: 2})}
    near(VECTORS["ces-002"], FORMULAS["ces"](seven).parts["easy_share"])


@pytest.mark.parametrize("id_", ["npsci-adjwald-101", "npsci-adjwald-102"])
def test_the_interval_of_nps_before_clipping(id_: str) -> None:
    data = VECTORS[id_]["input"]
    n = data["promoters"] + data["passives"] + data["detractors"]
    near(VECTORS[id_], statistics.net_interval(data["promoters"], data["detractors"], n))


def test_the_interval_of_nps_is_clipped_to_its_range() -> None:
    ci = FORMULAS["nps"]({NPS: bands(10, 0, 0)}).ci
    assert ci is not None
    assert [round(bound, 4) for bound in ci] == [47.5036, 100]


@pytest.mark.parametrize("id_", [i for i in VECTORS if i.startswith("wilson")])
def test_wilson(id_: str) -> None:
    data = VECTORS[id_]["input"]
    near(VECTORS[id_], statistics.wilson(data["successes"], data["n"]))


@pytest.mark.parametrize("id_", ["prop2-001", "prop2-005"])
def test_newcombe(id_: str) -> None:
    data = VECTORS[id_]["input"]
    near(VECTORS[id_], statistics.newcombe((data["k1"], data["n1"]), (data["k2"], data["n2"])))


def test_the_t_interval_of_a_mean() -> None:
    data = VECTORS["mean-001"]["input"]
    interval = statistics.mean_interval(data["mean"], data["sd"] ** 2, data["n"])
    near(VECTORS["mean-001"], interval)


@pytest.mark.parametrize(
    ("freedom", "quantile"),
    [(1, 12.7062047364), (2, 4.30265272975), (10, 2.22813885196), (120, 1.97993040505)],
)
def test_student_quantiles_of_the_tables(freedom: int, quantile: float) -> None:
    assert t_quantile(0.975, freedom) == pytest.approx(quantile, rel=1e-10)
    assert t_cdf(quantile, freedom) == pytest.approx(0.975, rel=1e-10)


def column(name: str, year: str, valid: range) -> list[int]:
    with (DATA / "sfo_customer_survey_2017_2018.csv").open() as file:
        rows = [r for r in csv.DictReader(file) if r["response_id"].startswith(f"SFO{year}")]
    codes = [int(r[name]) for r in rows if r[name].isdigit()]
    return [code for code in codes if code in valid]


def sfo_nps(year: str) -> Cell:
    return {NPS: histogram(column("nps_0_10_11blank", year, range(11)))}


def test_nps_of_real_answers() -> None:
    figure = FORMULAS["nps"](sfo_nps("2017"))
    near(VECTORS["sfo-nps-2017"], figure.parts["counts"] | {"nps": figure.value})
    assert figure.n == 2746
    assert figure.ci is not None
    assert [round(bound, 2) for bound in figure.ci] == [37.18, 42.41]


def test_csat_of_real_answers() -> None:
    figure = FORMULAS["csat"]({points(5): histogram(column("q7all", "2017", range(1, 6)))})
    assert figure.ci is not None
    values = {
        "n": figure.n,
        "top2": figure.parts["counts"]["satisfied"],
        "pct": figure.value,
        "mean": figure.parts["mean"],
        "wilson_lo": figure.ci[0],
        "wilson_hi": figure.ci[1],
    }
    near(VECTORS["sfo-csat-2017"], values)


def test_ces_of_real_answers() -> None:
    figure = FORMULAS["ces"]({points(5): histogram(column("q14passthru", "2018", range(1, 6)))})
    assert figure.ci is not None
    assert figure.value is not None
    values = {
        "n": figure.n,
        "mean": figure.value,
        "ci_half": figure.ci[1] - figure.value,
        "top2_pct": figure.parts["easy_share"],
    }
    near(VECTORS["sfo-ces-2018"] | {"tolerance": 0.05}, values | {"n": 2364})
    near(VECTORS["sfo-ces-2018"], values | {"top2_pct": 72.8})


def test_the_change_of_nps_between_two_years() -> None:
    data = VECTORS["sfo-npsdiff-wald"]["input"]
    before, now = ({NPS: bands(**data[name])} for name in ("period1", "period2"))
    change = compare_nps(before, now)
    assert change.delta == pytest.approx(-8.8586, abs=0.002)
    assert change.z == pytest.approx(-4.509, abs=0.01)
    assert change.p_value == pytest.approx(6.51e-6, rel=0.05)
    assert change.significant


def test_windows_pool_answers_and_never_average_scores() -> None:
    days = VECTORS["trend-001"]["input"]["days"]
    pooled = FORMULAS["nps"]({NPS: histogram(days["d1"]) + histogram(days["d2"])})
    assert pooled.value == VECTORS["trend-001"]["expected"]["pooled"]


@pytest.mark.parametrize("metric", list(FORMULAS))
def test_no_answers_have_no_value(metric: str) -> None:
    figure = FORMULAS[metric]({})
    assert (figure.value, figure.display, figure.ci, figure.n) == (None, None, None, 0)
    assert figure.reliability == "none"


@pytest.mark.parametrize(
    ("value", "digits", "result"),
    [(0.5, 0, 1), (-0.5, 0, -1), (2.5, 0, 3), (46.15, 0, 46), (4.25, 1, 4.3), (-4.25, 1, -4.3)],
)
def test_rounding_goes_half_away_from_zero(value: float, digits: int, result: float) -> None:
    assert round_half_away(value, digits) == result


def test_few_answers_are_only_indicative() -> None:
    assert Figure(1, 1, 29).reliability == "indicative"
    assert Figure(1, 1, 30).reliability == "ok"


def test_scales_meet_only_on_0_to_100_with_reverse_items_flipped() -> None:
    cell: Cell = {
        points(5): counts({5: 1}),
        points(7): counts({1: 1}),
        Series("5", 1, 5, reverse=True): counts({1: 2}),
    }
    parts = mean_0_100(cell)
    assert (parts["mean_0_100"], parts["mean_0_100_n"]) == (75.0, 4)


def test_emotions_are_weighed_by_their_valence() -> None:
    series = Series("options", 0, 8)
    cell: Cell = {series: counts({1: 10})}
    for option, valence, n in (("joy", 1, 6), ("calm", 1, 1), ("anger", -1, 2), ("meh", 0, 1)):
        cell[Series("options", 0, 8, option=option, valence=valence)] = counts({1: n})
    figure = FORMULAS["emotion"](cell)
    assert (figure.value, figure.n) == (50, 10)
    assert figure.distribution == {"anger": 2, "calm": 1, "joy": 6, "meh": 1}


def test_a_yes_no_recommendation_has_no_passives() -> None:
    figure = FORMULAS["nps"]({Series("yes_no", 0, 1): counts({1: 3, 0: 1})})
    assert figure.value == 50
    assert figure.parts["counts"] == {"promoters": 3, "passives": 0, "detractors": 1}


def wilson(k: int, n: int) -> list[float]:
    """Return Wilson's 95 % interval of a share, by the formula of 1927, in percent."""
    z, p = 1.959963984540054, k / n
    middle, half = p + z * z / (2 * n), z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    return [100 * (middle + sign * half) / (1 + z * z / n) for sign in (-1, 1)]


def test_expectation_is_better_less_worse_with_its_wow_share() -> None:
    figure = FORMULAS["expectation"]({Series("expectation", 0, 2): counts({0: 10, 1: 70, 2: 20})})
    assert (figure.value, figure.n) == (10, 100)
    assert figure.parts["counts"] == {"worse": 10, "as": 70, "better": 20}
    assert figure.parts["wow_share"] == 20
    assert figure.parts["wow_share_ci"] == pytest.approx(wilson(20, 100))
    assert figure.distribution == {"worse": 10, "as": 70, "better": 20}


def test_choice_is_the_share_of_the_option_chosen_most() -> None:
    cell: Cell = {Series("options", 0, 3): counts({1: 50})}
    for option, n in (("price", 30), ("place", 15), ("people", 5)):
        cell[Series("options", 0, 3, option=option)] = counts({1: n})
    figure = FORMULAS["choice"](cell)
    assert (figure.value, figure.n, figure.parts["leading"]) == (60, 50, "price")
    assert figure.parts["options"]["place"]["share"] == 30
    assert figure.parts["options"]["place"]["ci"] == pytest.approx(wilson(15, 50))


def test_metrics_of_one_question_type_read_the_same_questions() -> None:
    read: dict[str, ScoreQuestions] = {}
    for name, metric in METRICS.items():
        if isinstance(metric.counter, ScoreCounter):
            questions = metric.counter.questions
            assert questions.types, f"no question type names the metric {questions.metric!r}"
            assert read.setdefault(questions.metric, questions) == questions, name


def test_a_metric_of_words_reads_one_set_of_words() -> None:
    words: dict[str, WordAnswers] = {}
    for type_ in QuestionType:
        spec = spec_of(type_)
        if isinstance(spec.answers, WordAnswers) and spec.metric is not None:
            first = words.setdefault(spec.metric, spec.answers)
            assert first == spec.answers, f"{type_} needs a metric of its own words"


@pytest.mark.parametrize("name", FORMULAS)
def test_a_comparison_is_that_of_the_figure(name: str) -> None:
    """Its difference is the figure's own, and a value lies between the ends of its unit."""
    metric = METRICS[name]
    assert isinstance(metric.counter, ScoreCounter)
    types = metric.counter.questions.types
    if metric.counter.questions.nps_as_yes_no == "added":
        types = [*types, QuestionType.YES_NO]
    chance = random.Random(4)
    for type_ in types * 20:
        before, now = (draw_cell(QuestionType(type_), chance) for _ in range(2))
        values = [FORMULAS[name](cell).value or 0.0 for cell in (before, now)]
        assert any(values), f"{name} reads no answers of {type_}"
        for value in values:
            low, high = metric.unit.ends or (-math.inf, math.inf)
            assert low <= value <= high
        if metric.counter.compare is not None:
            change = metric.counter.compare(before, now)
            assert change.delta == pytest.approx(values[1] - values[0]), name


@pytest.mark.parametrize("name", [name for name in FORMULAS if METRICS[name].unit.ends])
def test_the_ends_of_a_unit_are_the_figures_of_the_worst_and_the_best_answers(name: str) -> None:
    counter = METRICS[name].counter
    assert isinstance(counter, ScoreCounter)
    for type_ in map(QuestionType, counter.questions.types):
        if traits_of(type_).has_direction:
            scale = scale_of(type_, None)
            series = Series(scale.name, scale.low, scale.high)
            ends = [counts({score: 9}) for score in (scale.low, scale.high)]
            values = [counter.formula({series: end}).value for end in ends]
            if METRICS[name].better == "lower":
                values.reverse()
            assert tuple(values) == METRICS[name].unit.ends, name


def test_every_figure_belongs_to_a_metric() -> None:
    functions = {
        function
        for name, function in vars(figures).items()
        if getattr(function, "__module__", "") == figures.__name__
        and not name.startswith("_")
        and inspect.isfunction(function)
        and function.__annotations__["return"] in {Figure, Change}
    }
    counters = [metric.counter for metric in METRICS.values()]
    used = {
        part for c in counters if isinstance(c, ScoreCounter) for part in (c.formula, c.compare)
    }
    assert functions <= used, [function.__name__ for function in functions - used]


def draw_cell(type_: QuestionType, chance: random.Random) -> Cell:
    """Return random counts of a question: of options one series each, and one of all answers."""
    answers = spec_of(type_).answers
    match answers:
        case ScoreAnswers(low=low, default=high):
            series = Series(f"0-{high}" if low == 0 else str(high), low, high)
        case WordAnswers():
            series = Series(str(type_), 0, max(answer.score for answer in answers.answers))
        case _:
            chosen = {1: chance.randint(1, 50), 0: chance.randint(1, 50), -1: chance.randint(1, 50)}
            cell = {
                Series("options", 0, 3, option=str(valence), valence=valence): counts({1: n})
                for valence, n in chosen.items()
            }
            return cell | {Series("options", 0, 3): counts({1: sum(chosen.values())})}
    scores = range(series.low, series.high + 1)
    return {series: counts({score: chance.randint(1, 50) for score in scores})}
