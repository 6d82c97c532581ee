# SPDX-License-Identifier: Apache-2.0
"""Every metric, once: names, routes, columns, dashboard and documentation derive from here."""

from enum import StrEnum

from app.metrics import figures
from app.metrics.counting import ScoreQuestions
from app.metrics.metric import Metric, Unit
from app.metrics.ratios import DELIVERED_INVITATIONS, FOLLOW_UPS
from app.metrics.scores import ScoreCounter
from app.metrics.ticket_times import FIRST_REPLIES, RESOLUTIONS

_NET = Unit("points", ends=(-100.0, 100.0))
_SHARE = Unit("percent", ends=(0.0, 100.0))
_DURATION = Unit("duration")


METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric(
            "nps",
            ScoreCounter(
                ScoreQuestions("nps", recommending="added"), figures.nps, figures.compare_nps
            ),
            _NET,
        ),
        Metric(
            "csat",
            ScoreCounter(ScoreQuestions("csat"), figures.csat, figures.compare_csat),
            _SHARE,
        ),
        Metric(
            "ces",
            ScoreCounter(ScoreQuestions("ces"), figures.ces, figures.compare_means),
            Unit("score", digits=1, ends=(1.0, 7.0)),
        ),
        Metric(
            "yes_no",
            # A yes/no question that is the NPS of its survey counts only in `nps`.
            ScoreCounter(
                ScoreQuestions("yes_no", apart=True, recommending="left_out"),
                figures.yes_no,
                figures.compare_yes_no,
            ),
            _SHARE,
        ),
        Metric(
            "rating",
            ScoreCounter(
                ScoreQuestions("rating", latest_per_question=True),
                figures.rating,
                figures.compare_means,
                rescaled=True,
            ),
            Unit("score", digits=1),
        ),
        Metric(
            "expectation",
            ScoreCounter(
                ScoreQuestions("expectation"), figures.expectation, figures.compare_expectation
            ),
            _NET,
        ),
        Metric(
            "emotion",
            ScoreCounter(
                ScoreQuestions("emotion", latest_per_question=True),
                figures.emotion,
                figures.compare_emotion,
            ),
            _NET,
        ),
        Metric(
            "choice",
            ScoreCounter(ScoreQuestions("choice", apart=True), figures.choice, None),
            _SHARE,
        ),
        Metric("ttr", RESOLUTIONS, _DURATION, better="lower"),
        Metric("first_reply", FIRST_REPLIES, _DURATION, better="lower"),
        Metric("response_rate", DELIVERED_INVITATIONS, _SHARE),
        Metric("follow_up", FOLLOW_UPS, _SHARE),
    )
}

# The names as a type of their own, for the route and its documentation.
MetricName = StrEnum("MetricName", [(name.upper(), name) for name in METRICS])  # type: ignore[misc]
