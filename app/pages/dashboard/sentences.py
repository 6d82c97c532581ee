# SPDX-License-Identifier: Apache-2.0
"""Describe an insight in one sentence: its finding, or why the data is not enough. Pure."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from app.metrics.statistics import SIGNIFICANCE_LEVEL, share_change, two_sided
from app.pages.dashboard.charts import Point
from app.pages.dashboard.texts import DashboardTexts

Insight = Mapping[str, Any]

# The text that says what to tag, for insights without tagged questions.
_UNTAGGED = {"drivers": "no_drivers", "pillars": "no_pillars"}


def _refusal_sentence(texts: DashboardTexts, reply: Insight) -> str | None:
    refused = reply["refused"]
    if refused is None:
        return None
    if refused["reason"] == "nothing_tagged" and reply["insight"] in _UNTAGGED:
        return texts[_UNTAGGED[reply["insight"]]]
    reason = refused["reason"] if refused["n"] or refused["needed_n"] is None else "nothing_here"
    if reason == "no_outcome" and refused["n"]:
        reason = "same_answers"
    return texts["refused." + reason].format(
        n=texts.number(refused["n"]), needed=texts.number(refused["needed_n"])
    )


def _drivers(texts: DashboardTexts, reply: Insight) -> str:
    r2 = texts.number(100 * reply["r2"])
    rows = [row for row in reply["rows"] if row["importance_share"] is not None]
    if not rows:
        return texts["sentence.all_hidden"]
    if reply["r2_p_value"] >= SIGNIFICANCE_LEVEL:
        return texts["sentence.drivers_chance"].format(r2=r2)
    first, others = rows[0], rows[1:]
    is_first = not any(
        _overlap(first["importance_share_ci"], row["importance_share_ci"]) for row in others
    )
    sentence = texts["sentence.drivers" if is_first else "sentence.drivers_even"].format(
        first=first["label"], share=texts.number(first["importance_share"])
    )
    worst = _worst_of(rows)
    negative = [row["label"] for row in rows if (row["correlation"] or 0.0) < 0]
    if worst is not None and worst["label"] not in negative:
        is_same = is_first and worst is first
        sentence += " " + texts[
            "sentence.drivers_same" if is_same else "sentence.drivers_worst"
        ].format(worst=worst["label"], score=texts.number(worst["mean_0_100"]))
    if negative:
        sentence += " " + texts["sentence.drivers_negative"].format(names=", ".join(negative))
    return f"{sentence} {texts['sentence.drivers_explain'].format(r2=r2)}"


def _worst_of(rows: Sequence[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    """Return the row that is surely rated worse than the others, None if there is none."""
    rated = [row for row in rows if row["mean_0_100"] is not None]
    if not rated:
        return None
    worst = min(rated, key=lambda row: row["mean_0_100"])
    others = [row for row in rated if row is not worst]
    if not others or any(_overlap(row["mean_0_100_ci"], worst["mean_0_100_ci"]) for row in others):
        return None
    return worst


def _pillars(texts: DashboardTexts, reply: Insight) -> str:
    # A module that is not part of the index is reported apart from the others.
    scored_rows = [row for row in reply["rows"] if row["score"] is not None]
    rows = [row for row in scored_rows if row["weight"]] or scored_rows
    if not rows:
        return texts["sentence.all_hidden"]
    best, worst = max(rows, key=lambda r: r["score"]), min(rows, key=lambda r: r["score"])
    index = reply["index"]
    if _overlap(best["ci"], worst["ci"]):
        return texts["sentence.pillars_same"].format(index=texts.number(index["value"], 1))
    return texts["sentence.pillars"].format(
        best=best["label"], worst=worst["label"], high=texts.number(best["score"]),
        low=texts.number(worst["score"]), index=texts.number(index["value"], 1),
    )  # fmt: skip


def _overlap(high: Sequence[float] | None, low: Sequence[float] | None) -> bool:
    """Tell whether two intervals share a value, so that neither is surely above the other."""
    return high is None or low is None or high[0] <= low[1]


def _recovery(texts: DashboardTexts, reply: Insight) -> str:
    control, difference = reply["control"], reply["difference"]
    after_bad, after_good = control["p_good_after_bad"], control["p_good_after_good"]
    sentence = texts["sentence.recovery"].format(
        failures=texts.number(reply["failures"]), followed=texts.number(reply["followed"]),
        bad=texts.number(after_bad), good=texts.number(after_good),
    )  # fmt: skip
    parts = [sentence]
    if after_bad is not None and after_good is not None:
        change = share_change(
            (control["good_then_good"], control["good_followed"]),
            (reply["recovered"], reply["followed"]),
        )
        is_significant = change.p_value is not None and change.p_value < SIGNIFICANCE_LEVEL
        has_effect = change.delta > 0 and is_significant
        parts.append(texts["sentence.recovery_effect" if has_effect else "sentence.recovery_none"])
    parts.append(texts[_effect_of_calls(difference)])
    return " ".join(parts)


def _effect_of_calls(difference: Mapping[str, Any]) -> str:
    """Return the name of the sentence about those who were called back."""
    p_value = difference["p_value"]
    if p_value is None:
        return "sentence.recovery_unknown"
    if p_value >= SIGNIFICANCE_LEVEL:
        return "sentence.recovery_nothing"
    return "sentence.recovery_helps" if difference["delta"] > 0 else "sentence.recovery_harms"


def _comments(texts: DashboardTexts, reply: Insight) -> str:
    if not reply["rows"]:
        least = texts.number(reply["assumptions"]["least_people"])
        return texts["sentence.comments_few"].format(least=least)
    # Of so many terms some stand out by chance: Bonferroni's correction.
    tests = reply["assumptions"]["terms"]
    sizes = reply["n_low"], reply["n_high"]
    clear = [row for row in reply["rows"] if _chance_of(row, *sizes) * tests < SIGNIFICANCE_LEVEL]
    low = _term_of(texts, [row for row in clear if row["z"] > 0])
    high = _term_of(texts, [row for row in clear if row["z"] < 0])
    parts = [
        texts[f"sentence.comments_{side}"].format(**{side: term})
        for side, term in (("low", low), ("high", high))
        if term is not None
    ]
    return " ".join(parts) or texts["sentence.comments_none"]


def _chance_of(row: Mapping[str, Any], n_low: int, n_high: int) -> float:
    """Return how likely the sides differ so much in a term by chance.

    The prior pulls the z of small samples towards 0, so that z alone would miss clear terms.
    """
    change = share_change((row["n_low"], n_low), (row["n_high"], n_high))
    p_value = 1.0 if change.p_value is None else change.p_value
    return min(two_sided(row["z"]), p_value)


def _term_of(texts: DashboardTexts, rows: Sequence[Mapping[str, Any]]) -> str | None:
    """Return the clearest term, one of the reader's language if there is any."""
    own = [row for row in rows if row["locale"] == texts.language]
    return next((str(row["term"]) for row in [*own, *rows]), None)


def _spending(texts: DashboardTexts, reply: Insight) -> str:
    link, before = reply["spearman"], reply["spearman_before"]
    if reply["conclusion"] != "associated":
        return texts["sentence.spending_none"].format(n=texts.number(reply["n"]))
    name = "sentence.spending" if link["rho"] > 0 else "sentence.spending_less"
    sentence = texts[name].format(rho=texts.number(link["rho"], 2), n=texts.number(reply["n"]))
    p_before = before["p_value"]
    if (
        p_before is not None
        and p_before < SIGNIFICANCE_LEVEL
        and (before["rho"] > 0) == (link["rho"] > 0)
    ):
        rho = texts.number(before["rho"], 2)
        sentence += " " + texts["sentence.spending_before"].format(rho=rho)
    return sentence


def _word_of_mouth(texts: DashboardTexts, reply: Insight) -> str:
    index, assumed = reply["index"], reply["assumptions"]
    if index is None:
        sentence = texts["sentence.reach_nobody"]
    else:
        sign = "even" if index == 0 else "good" if index > 0 else "bad"
        sentence = texts[f"sentence.reach_{sign}"].format(
            a=_short_number(texts, assumed["told_by_satisfied"]),
            b=_short_number(texts, assumed["told_by_dissatisfied"]),
            positive=texts.number(reply["reach_positive"]),
            negative=texts.number(reply["reach_negative"]),
        )
    measured = reply["measured"]
    if measured is not None and measured["trimmed_mean"] is not None:
        mean = texts.number(measured["trimmed_mean"], 1)
        number = texts.number(measured["n"])
        sentence += " " + texts["sentence.reach_measured"].format(mean=mean, n=number)
    return sentence


def _short_number(texts: DashboardTexts, value: float) -> str:
    return texts.number(value, 0 if value == int(value) else 1)


def emotion_sentence(texts: DashboardTexts, points: Sequence[Point], total: Insight) -> str:
    """Return which emotion is felt most, or that two are felt about as often."""
    if not total["n"] or not points:
        return texts["no_emotions"]
    first, *others = sorted(points, key=lambda point: -(point.value or 0.0))
    is_even = any(
        point.high is None or first.low is None or point.high >= first.low for point in others
    )
    return texts["sentence.emotions_even" if is_even else "sentence.emotions"].format(
        emotion=first.label, share=texts.number(first.value or 0),
        value=texts.number(total["value"], 1), n=texts.number(total["n"]),
    )  # fmt: skip


def expectation_sentence(texts: DashboardTexts, total: Insight) -> str:
    """Return whether it was better or worse than expected, if the interval leaves no doubt."""
    if not total["n"]:
        return texts["no_expectation"]
    if total["value"] is None:
        return texts["sentence.hidden"]
    low, high = total.get("ci") or (-100.0, 100.0)
    finding = "better" if low > 0 else "worse" if high < 0 else "even"
    return texts[f"sentence.expectation_{finding}"].format(
        value=texts.number(total["value"], 1), n=texts.number(total["n"])
    )


def _or_refusal(
    describe: Callable[[DashboardTexts, Insight], str],
) -> Callable[[DashboardTexts, Insight], str]:
    return lambda texts, reply: _refusal_sentence(texts, reply) or describe(texts, reply)


# The sentence of each insight.
SENTENCES: dict[str, Callable[[DashboardTexts, Insight], str]] = {
    "drivers": _or_refusal(_drivers),
    "pillars": _or_refusal(_pillars),
    "modules": _or_refusal(_pillars),
    "recovery": _or_refusal(_recovery),
    "comments": _or_refusal(_comments),
    "spending": _or_refusal(_spending),
    "word-of-mouth": _or_refusal(_word_of_mouth),
}
