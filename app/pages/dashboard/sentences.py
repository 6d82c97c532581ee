# SPDX-License-Identifier: Apache-2.0
"""Describe an insight in one sentence: its finding, or why the data is not enough. Pure."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from app.pages.dashboard.texts import DashboardTexts

Insight = Mapping[str, Any]


# The text that says what to tag, for insights without tagged questions.
_UNTAGGED = {"drivers": "no_drivers", "pillars": "no_pillars"}


def _refused(texts: DashboardTexts, reply: Insight) -> str | None:
    refused = reply["refused"]
    if refused is None:
        return None
    if refused["reason"] == "nothing_tagged" and reply["insight"] in _UNTAGGED:
        return texts[_UNTAGGED[reply["insight"]]]
    return texts["refused." + refused["reason"]].format(
        n=texts.number(refused["n"]), needed=texts.number(refused["needed_n"])
    )


def _drivers(texts: DashboardTexts, reply: Insight) -> str:
    first = reply["rows"][0]
    worst = min(reply["rows"], key=lambda row: row["mean_0_100"] or 0)
    name = "sentence.drivers_same" if first["driver"] == worst["driver"] else "sentence.drivers"
    return texts[name].format(
        first=first["label"], share=texts.number(first["importance_share"]),
        worst=worst["label"], score=texts.number(worst["mean_0_100"]),
        r2=texts.number(100 * reply["r2"]),
    )  # fmt: skip


def _pillars(texts: DashboardTexts, reply: Insight) -> str:
    # A module that is no part of the index is reported apart from the others.
    shown = [row for row in reply["rows"] if row["score"] is not None]
    rows = [row for row in shown if row["weight"]] or shown
    if not rows:
        return texts["sentence.pillars_hidden"]
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
    found = texts["sentence.recovery"].format(
        failures=texts.number(reply["failures"]), followed=texts.number(reply["followed"]),
        bad=texts.number(after_bad), good=texts.number(after_good),
    )  # fmt: skip
    p_value = difference["p_value"]
    name = "sentence.recovery_unknown"
    if p_value is not None:
        helps = p_value < 0.05 and difference["delta"] > 0
        name = "sentence.recovery_helps" if helps else "sentence.recovery_nothing"
    return f"{found} {texts[name]}"


def _comments(texts: DashboardTexts, reply: Insight) -> str:
    low = next((row["term"] for row in reply["rows"] if row["z"] > 0), None)
    high = next((row["term"] for row in reply["rows"] if row["z"] < 0), None)
    if low is None and high is None:
        return texts["sentence.comments_none"]
    return texts["sentence.comments"].format(
        low=low or "–", high=high or "–", n=texts.number(reply["n"])
    )


def _spending(texts: DashboardTexts, reply: Insight) -> str:
    name = "sentence.spending" if reply["conclusion"] == "associated" else "sentence.spending_none"
    return texts[name].format(
        rho=texts.number(reply["spearman"]["rho"], 2), n=texts.number(reply["n"])
    )


def _reach(texts: DashboardTexts, reply: Insight) -> str:
    index = reply.get("index")
    name = "sentence.reach_good" if (index or 0) >= 0 else "sentence.reach_bad"
    return texts[name].format(
        positive=texts.number(reply["reach_positive"]),
        negative=texts.number(reply["reach_negative"]),
    )


def _or_refusal(
    describe: Callable[[DashboardTexts, Insight], str],
) -> Callable[[DashboardTexts, Insight], str]:
    return lambda texts, reply: _refused(texts, reply) or describe(texts, reply)


SENTENCES: dict[str, Callable[[DashboardTexts, Insight], str]] = {
    "drivers": _or_refusal(_drivers),
    "pillars": _or_refusal(_pillars),
    "modules": _or_refusal(_pillars),
    "recovery": _or_refusal(_recovery),
    "comments": _or_refusal(_comments),
    "spending": _or_refusal(_spending),
    "word-of-mouth": _or_refusal(_reach),
}
