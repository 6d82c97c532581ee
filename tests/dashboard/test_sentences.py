# SPDX-License-Identifier: Apache-2.0
"""Each insight's sentence states what the reply says, and nothing that it does not."""

from typing import Any
from zoneinfo import ZoneInfo

import pytest

from app.pages.dashboard.sentences import SENTENCES, emotion_sentence, expectation_sentence
from app.pages.dashboard.texts import DashboardTexts

ENGLISH = DashboardTexts("en")


def driver(
    name: str, share: float, mean: float, *, spread: float = 2.0, correlation: float = 0.5
) -> dict[str, Any]:
    return {
        "label": name, "importance_share": share, "mean_0_100": mean, "correlation": correlation,
        "importance_share_ci": [share - spread, share + spread],
        "mean_0_100_ci": [mean - spread, mean + spread],
    }  # fmt: skip


def drivers(*rows: dict[str, Any], r2: float = 0.4, p: float = 0.0) -> dict[str, Any]:
    return {"insight": "drivers", "rows": list(rows), "r2": r2, "r2_p_value": p}


def recovery(bad: int, good: int, p_value: float | None = None, delta: float = 0) -> dict[str, Any]:
    """Return how many of 100 ratings were good after a bad one, and how many after a good one."""
    return {
        "insight": "recovery", "failures": 120, "followed": 100, "recovered": bad,
        "control": {"good_followed": 100, "good_then_good": good, "p_good_after_good": good,
                    "p_good_after_bad": bad},
        "difference": {"delta": delta, "p_value": p_value},
    }  # fmt: skip


def comments(*terms: tuple[str, float, str], least: int = 3, tested: int = 200) -> dict[str, Any]:
    rows = [
        {"term": term, "z": score, "locale": locale, "n_low": 5, "n_high": 5}
        for term, score, locale in terms
    ]
    return {"insight": "comments", "rows": rows, "n_low": 20, "n_high": 20,
            "assumptions": {"least_people": least, "terms": tested}}  # fmt: skip


def spending(rho: float, p: float, before: tuple[float, float] = (0.0, 0.9)) -> dict[str, Any]:
    return {
        "insight": "spending", "n": 500, "spearman": {"rho": rho, "p_value": p},
        "spearman_before": {"rho": before[0], "p_value": before[1]},
        "conclusion": "associated" if p < 0.05 else "no_association_found",
    }  # fmt: skip


def reach(index: float | None, measured: float | None = None) -> dict[str, Any]:
    return {
        "insight": "word-of-mouth", "index": index, "reach_positive": 70, "reach_negative": 30,
        "assumptions": {"told_by_satisfied": 1.0, "told_by_dissatisfied": 10.0},
        "measured": measured and {"trimmed_mean": measured, "n": 40},
    }  # fmt: skip


HIDDEN = {"label": "Waiting time", "importance_share": None, "mean_0_100": None,
          "correlation": None}  # fmt: skip
# Fourteen of twenty dissatisfied customers say it, and nobody else; the prior draws its z to 0.
CLEAR = comments(("queue", 2.0, "en"))
CLEAR["rows"][0] |= {"n_low": 14, "n_high": 0}
CASES = [
    (drivers(driver("Waiting time", 60, 50), driver("Courtesy", 40, 80)),
     ("Waiting time matters most (60 % of what the drivers explain). It is also rated worst (50 of "
      "100): begin there. Together they explain 40 % of the score.")),
    (drivers(driver("Waiting time", 60, 80), driver("Courtesy", 40, 50)),
     ("Waiting time matters most (60 % of what the drivers explain). Courtesy is rated worst (50 "
      "of 100). Together they explain 40 % of the score.")),
    (drivers(driver("Value", 29.3, 70, spread=4), driver("Quality", 29.1, 71, spread=4)),
     ("No driver clearly matters more than the others: their intervals overlap. Together they "
      "explain 40 % of the score.")),
    (drivers(driver("Waiting time", 75, 50), driver("Courtesy", 25, 80), r2=0.01, p=0.4),
     "The drivers explain no more of the score than chance would (1 %)."),
    (drivers(HIDDEN), "Each of them has too few answers to be shown."),
    (drivers(driver("Courtesy", 100, 95)),
     ("Courtesy matters most (100 % of what the drivers explain). Together they explain 40 % of "
      "the score.")),
    (drivers(driver("Speed", 60, 50, correlation=-0.6), driver("Courtesy", 40, 80)),
     ("Speed matters most (60 % of what the drivers explain). Where Speed is rated better, the "
      "score is lower: look at how it is asked before you act on it.")),
    (CLEAR, "Dissatisfied customers say “queue” more often than others do."),
    (recovery(10, 87), "No recovery effect is found"),
    (recovery(10, 87), "Too few were called back"),
    (recovery(90, 60), "A good rating follows a bad one more often than it follows a good one."),
    (recovery(62, 60), "No recovery effect is found"),
    (recovery(30, 60, p_value=0.001, delta=40), "were satisfied more often than the others"),
    (recovery(30, 60, p_value=0.001, delta=-40), "were satisfied less often than the others"),
    (recovery(30, 60, p_value=0.4, delta=10), "may be chance"),
    (comments(("waited", 6.0, "en"), ("kind", -6.0, "en")),
     ("Dissatisfied customers say “waited” more often than others do. Satisfied customers say "
      "“kind” more often than others do.")),
    (comments(("staff phone", 1.24, "en"), ("nice", -1.1, "en")), "No word sets dissatisfied"),
    (comments(("czekać", 7.0, "pl"), ("waited", 6.0, "en")), "“waited”"),
    (comments(("czekać", 7.0, "pl")), "“czekać”"),
    (comments(least=10), "No word is said by 10 people or more."),
    (spending(0.4, 0.001), "buy more afterwards"),
    (spending(-0.96, 0.0), "buy less afterwards"),
    (spending(0.2, 0.4), "No link between rating and later orders"),
    (spending(0.4, 0.001, (0.3, 0.002)), "it may be a habit"),
    (reach(40.0), "If a satisfied customer tells 1 and a dissatisfied one 10, more good is told"),
    (reach(-40.0), "more bad is told than good"),
    (reach(0.0), "as much good is told as bad"),
    (reach(None), "Nobody is satisfied or dissatisfied here"),
    (reach(-40.0, measured=3.84), "customers say 3.8 on average (40 answers)"),
]  # fmt: skip


@pytest.mark.parametrize(("reply", "phrase"), CASES)
def test_the_sentence_fits_the_reply(reply: dict[str, Any], phrase: str) -> None:
    assert phrase in SENTENCES[reply["insight"]](ENGLISH, reply | {"refused": None})


def test_no_habit_is_claimed_without_the_same_link_before() -> None:
    assert "habit" not in SENTENCES["spending"](ENGLISH, spending(0.4, 0.001) | {"refused": None})
    opposite = spending(0.4, 0.001, (-0.3, 0.002)) | {"refused": None}
    assert "habit" not in SENTENCES["spending"](ENGLISH, opposite)


@pytest.mark.parametrize("language", ["en", "pl", "ro"])
def test_every_language_has_the_sentences_whole(language: str) -> None:
    texts = DashboardTexts(language)
    for reply, _ in CASES:
        sentence = SENTENCES[reply["insight"]](texts, reply | {"refused": None})
        assert "{" not in sentence
        assert "–" not in sentence
    refusal = {"reason": "no_customers", "needed_n": None, "n": 0}
    assert "–" not in SENTENCES["recovery"](texts, {"insight": "recovery", "refused": refusal})
    for low, high in ((5, 20), (-20, -5), (-5, 5)):
        total = {"n": 50, "value": (low + high) / 2, "ci": [low, high]}
        assert "{" not in expectation_sentence(texts, total)
    hidden = {"n": 3, "value": None, "ci": None}
    assert expectation_sentence(texts, hidden) == texts["sentence.hidden"]
    assert emotion_sentence(texts, [], {"n": 0}) == texts["no_emotions"]
    same = {"reason": "no_outcome", "needed_n": None, "n": 80}
    text = SENTENCES["drivers"](texts, {"insight": "drivers", "refused": same})
    assert text == texts["refused.same_answers"]


@pytest.mark.parametrize(
    ("language", "detail", "prefix"),
    [
        ("pl", "until 2026-12-29T19:24:28.659670Z", "do "),
        ("pl", "80% are asked", "pytamy 80 %"),
        ("pl", "0.4% are asked", "pytamy 0,4 %"),
        ("ro", "the trigger is not active", ""),
        ("en", "the trigger is not active", "the trigger is not active"),
        ("ro", "ticket.reopened", "ticket.reopened"),
        ("en", None, ""),
    ],
)
def test_the_detail_of_a_decision_is_in_the_readers_language(
    language: str, detail: str | None, prefix: str
) -> None:
    text = DashboardTexts(language).detail(detail, ZoneInfo("Europe/Warsaw"))
    assert text.startswith(prefix)
    assert bool(text) == bool(prefix)
    assert "T19" not in text
