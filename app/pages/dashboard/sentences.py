"""Describe an insight in one sentence: its finding, or why the data is not enough. Pure."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from app.pages.dashboard.texts import DashboardTexts

Insight = Mapping[str, Any]


# The text that says what to tag, for insights without tagged questions.
_UNTAGGED = {"drivers": "no_drivers", "pillars": "no_pillars"}


def _refused(said: DashboardTexts, reply: Insight) -> str | None:
    refused = reply["refused"]
    if refused is None:
        return None
    if refused["reason"] == "nothing_tagged" and reply["insight"] in _UNTAGGED:
        return said[_UNTAGGED[reply["insight"]]]
    return said["refused." + refused["reason"]].format(
        n=said.number(refused["n"]), needed=said.number(refused["needed_n"])
    )


def _drivers(said: DashboardTexts, reply: Insight) -> str:
    first = reply["rows"][0]
    worst = min(reply["rows"], key=lambda row: row["mean_0_100"] or 0)
    name = "sentence.drivers_same" if first["driver"] == worst["driver"] else "sentence.drivers"
    return said[name].format(
        first=first["label"], share=said.number(first["importance_share"]),
        worst=worst["label"], score=said.number(worst["mean_0_100"]),
        r2=said.number(100 * reply["r2"]),
    )  # fmt: skip


def _pillars(said: DashboardTexts, reply: Insight) -> str:
    rows = [row for row in reply["rows"] if row["score"] is not None]
    best, worst = max(rows, key=lambda r: r["score"]), min(rows, key=lambda r: r["score"])
    index = reply["index"]
    if _overlap(best["ci"], worst["ci"]):
        return said["sentence.pillars_same"].format(index=said.number(index["value"], 1))
    return said["sentence.pillars"].format(
        best=best["label"], worst=worst["label"], high=said.number(best["score"]),
        low=said.number(worst["score"]), index=said.number(index["value"], 1),
    )  # fmt: skip


def _overlap(high: Sequence[float] | None, low: Sequence[float] | None) -> bool:
    """Tell whether two intervals share a value, so that neither is surely above the other."""
    return high is None or low is None or high[0] <= low[1]


def _recovery(said: DashboardTexts, reply: Insight) -> str:
    control, difference = reply["control"], reply["difference"]
    after_bad, after_good = control["p_good_after_bad"], control["p_good_after_good"]
    found = said["sentence.recovery"].format(
        failures=said.number(reply["failures"]), followed=said.number(reply["followed"]),
        bad=said.number(after_bad), good=said.number(after_good),
    )  # fmt: skip
    p_value = difference["p_value"]
    name = "sentence.recovery_unknown"
    if p_value is not None:
        helps = p_value < 0.05 and difference["delta"] > 0
        name = "sentence.recovery_helps" if helps else "sentence.recovery_nothing"
    return f"{found} {said[name]}"


def _comments(said: DashboardTexts, reply: Insight) -> str:
    low = next((row["term"] for row in reply["rows"] if row["z"] > 0), None)
    high = next((row["term"] for row in reply["rows"] if row["z"] < 0), None)
    if low is None and high is None:
        return said["sentence.comments_none"]
    return said["sentence.comments"].format(
        low=low or "–", high=high or "–", n=said.number(reply["n"])
    )


def _spending(said: DashboardTexts, reply: Insight) -> str:
    name = "sentence.spending" if reply["conclusion"] == "associated" else "sentence.spending_none"
    return said[name].format(
        rho=said.number(reply["spearman"]["rho"], 2), n=said.number(reply["n"])
    )


def _reach(said: DashboardTexts, reply: Insight) -> str:
    index = reply.get("index")
    name = "sentence.reach_good" if (index or 0) >= 0 else "sentence.reach_bad"
    return said[name].format(
        positive=said.number(reply["reach_positive"]), negative=said.number(reply["reach_negative"])
    )


def _or_refusal(
    describe: Callable[[DashboardTexts, Insight], str],
) -> Callable[[DashboardTexts, Insight], str]:
    return lambda said, reply: _refused(said, reply) or describe(said, reply)


SENTENCES: dict[str, Callable[[DashboardTexts, Insight], str]] = {
    "drivers": _or_refusal(_drivers),
    "pillars": _or_refusal(_pillars),
    "modules": _or_refusal(_pillars),
    "recovery": _or_refusal(_recovery),
    "comments": _or_refusal(_comments),
    "spending": _or_refusal(_spending),
    "word-of-mouth": _or_refusal(_reach),
}
