# SPDX-License-Identifier: Apache-2.0
"""Every metric, once: names, routes, columns, dashboard and documentation derive from here."""

from enum import StrEnum

from app.metrics import figures
from app.metrics.answer_sums import sums_of_net, sums_of_scores, sums_of_share
from app.metrics.counting import ScoreQuestions
from app.metrics.metric import Metric, Unit
from app.metrics.ratios import DELIVERED_INVITATIONS, FOLLOW_UPS
from app.metrics.scores import ScoreCounter
from app.metrics.ticket_times import FIRST_REPLIES, MEDIAN_RESOLUTIONS, RESOLUTIONS

_NET = Unit("points", ends=(-100.0, 100.0))
_SHARE = Unit("percent", ends=(0.0, 100.0))
_DURATION = Unit("duration")


METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric(
            "nps",
            ScoreCounter(
                ScoreQuestions(
                    "nps", per_question=False, latest_per_question=False, nps_as_yes_no="added"
                ),
                figures.nps,
                figures.compare_nps,
                rescaled=False,
            ),
            _NET,
            about="100 × (promoters − detractors) / valid answers; promoters answer 9-10, "
            "detractors 0-6. Skipped and not applicable answers are not counted. The "
            "interval is the adjusted Wald interval of a net score.",
            sums=sums_of_net("promoters", "detractors"),
            better="higher",
            on_overview=True,
        ),
        Metric(
            "csat",
            ScoreCounter(
                ScoreQuestions("csat", per_question=False, latest_per_question=False),
                figures.csat,
                figures.compare_csat,
                rescaled=False,
            ),
            _SHARE,
            about="100 × answers in the top boxes / valid answers; of five points 4 and 5. The "
            "interval is Wilson's.",
            sums=sums_of_share("satisfied"),
            better="higher",
            on_overview=True,
        ),
        Metric(
            "ces",
            ScoreCounter(
                ScoreQuestions("ces", per_question=False, latest_per_question=False),
                figures.ces,
                figures.compare_means,
                rescaled=False,
            ),
            Unit("score", digits=1, ends=(1.0, 7.0)),
            about="The mean of the answers on 1-7 or 1-5, more is easier; easy_share is the share "
            "of 5-7 or 4-5. The interval is Student's t.",
            sums=sums_of_scores,
            better="higher",
            on_overview=True,
        ),
        Metric(
            "yes_no",
            # A yes/no question that is the NPS of its survey counts only in `nps`.
            ScoreCounter(
                ScoreQuestions(
                    "yes_no", per_question=True, latest_per_question=False, nps_as_yes_no="left_out"
                ),
                figures.yes_no,
                figures.compare_yes_no,
                rescaled=False,
            ),
            _SHARE,
            about="100 × yes / valid answers. The interval is Wilson's.",
            sums=sums_of_share("yes"),
            better="higher",
        ),
        Metric(
            "rating",
            ScoreCounter(
                ScoreQuestions("rating", per_question=False, latest_per_question=True),
                figures.rating,
                figures.compare_means,
                rescaled=True,
            ),
            Unit("score", digits=1),
            about="The mean within one scale, with the share of the top boxes; mean_0_100 pools "
            "scales. The interval is Student's t.",
            sums=sums_of_scores,
            better="higher",
        ),
        Metric(
            "expectation",
            ScoreCounter(
                ScoreQuestions("expectation", per_question=False, latest_per_question=False),
                figures.expectation,
                figures.compare_expectation,
                rescaled=False,
            ),
            _NET,
            about="100 × (better − worse) / valid answers; wow_share is the share of better. The "
            "interval is the adjusted Wald interval of a net score.",
            sums=sums_of_net("better", "worse"),
            better="higher",
        ),
        Metric(
            "emotion",
            ScoreCounter(
                ScoreQuestions("emotion", per_question=False, latest_per_question=True),
                figures.emotion,
                figures.compare_emotion,
                rescaled=False,
            ),
            _NET,
            about="100 × (positive − negative) / valid answers, by the valence of the emotion "
            "chosen. The interval is the adjusted Wald interval of a net score.",
            sums=sums_of_net("positive", "negative"),
            better="higher",
        ),
        Metric(
            "choice",
            ScoreCounter(
                ScoreQuestions("choice", per_question=True, latest_per_question=False),
                figures.choice,
                None,
                rescaled=False,
            ),
            _SHARE,
            about="100 × answers with an option / valid answers, for each option; the value is "
            "that of the option chosen most. The intervals are Wilson's.",
            sums=None,
            better="higher",
        ),
        Metric(
            "ttr",
            RESOLUTIONS,
            _DURATION,
            about="The median time from opened to first solved, in seconds, of tickets whose end "
            "lies in the period. The interval is between the order statistics that hold the median "
            "with 95 %.",
            sums=None,
            better="lower",
            on_overview=True,
            short_counter=MEDIAN_RESOLUTIONS,
        ),
        Metric(
            "first_reply",
            FIRST_REPLIES,
            _DURATION,
            about="The median time from opened to the first reply, in seconds. The interval is "
            "between the order statistics that hold the median with 95 %.",
            sums=None,
            better="lower",
        ),
        Metric(
            "response_rate",
            DELIVERED_INVITATIONS,
            _SHARE,
            about="100 × answered / delivered invitations; bounced ones were not delivered. The "
            "interval is Wilson's.",
            sums=sums_of_share("answered"),
            better="higher",
            on_overview=True,
        ),
        Metric(
            "follow_up",
            FOLLOW_UPS,
            _SHARE,
            about="100 × closed / opened follow-ups, by the time they were opened. The interval "
            "is Wilson's.",
            sums=sums_of_share("closed"),
            better="higher",
        ),
    )
}

CARD_METRICS = tuple(name for name, metric in METRICS.items() if metric.on_overview)
# The main figures of surveys.
SCORE_METRICS = tuple(
    name for name in CARD_METRICS if isinstance(METRICS[name].counter, ScoreCounter)
)
# The names as a type of their own, for the route and its documentation.
MetricName = StrEnum("MetricName", [(name.upper(), name) for name in METRICS])  # type: ignore[misc]
