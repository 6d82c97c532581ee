# SPDX-License-Identifier: Apache-2.0
"""On any day the demo's year contains the effects that its pages are to show."""

import datetime as dt
from collections import defaultdict
from statistics import mean
from typing import Any

import pytest

from app.cli.demo import DEMO_SURVEYS
from app.cli.demo_data import demo_year
from app.metrics.statistics import share_change
from app.surveys.bands import Band
from app.surveys.scales import LOW_BANDS, band_of, scale_of
from app.surveys.schemas import Definition
from app.surveys.templates import template

DEFINITIONS = {key: Definition.model_validate(template(name)) for key, name in DEMO_SURVEYS.items()}
DAYS = [dt.datetime(2026, 3 + number, 1 + 2 * number, 9, tzinfo=dt.UTC) for number in range(9)]
GOOD = {Band.PROMOTER, Band.SATISFIED, Band.EASY}


def bands_of(answers: list[dict[str, Any]]) -> list[tuple[str, dt.datetime, str, Band]]:
    """Return customer, time, metric and band of each answer with a main score, oldest first."""
    rated = []
    for answer in answers:
        definition = DEFINITIONS[answer["survey"]]
        main = definition.main_question
        score = answer["answers"].get(main.key) if main else None
        if main is None or score is None:
            continue
        band = band_of(scale_of(main.type, main.points), score)
        if band is not None:
            at = dt.datetime.fromisoformat(answer["responded_at"])
            rated.append((answer["customer"]["external_id"], at, str(definition.metric), band))
    return sorted(rated, key=lambda entry: entry[1])


@pytest.mark.parametrize("now", DAYS, ids=lambda day: f"{day:%m-%d}")
def test_calling_back_improves_the_next_rating(now: dt.datetime) -> None:
    year = demo_year(now, DEFINITIONS)
    calls = defaultdict(list)
    for body in year.interactions:
        if body["type"].startswith("recovery."):
            called = dt.datetime.fromisoformat(body["occurred_at"])
            calls[body["customer"]["external_id"]].append(called)
    by_metric: dict[str, dict[bool, list[int]]] = defaultdict(lambda: {True: [0, 0], False: [0, 0]})
    last: dict[tuple[str, str], tuple[dt.datetime, Band]] = {}
    for customer, at, metric, band in bands_of(year.answers):
        before = last.get((customer, metric))
        last[customer, metric] = at, band
        if before is None or before[1] not in LOW_BANDS or at - before[0] > dt.timedelta(days=90):
            continue
        pair = by_metric[metric][any(before[0] < call < at for call in calls[customer])]
        pair[0] += band in GOOD
        pair[1] += 1
    # The page tells of the metric with most failures.
    counts = max(by_metric.values(), key=lambda pairs: pairs[True][1] + pairs[False][1])
    change = share_change((counts[False][0], counts[False][1]), (counts[True][0], counts[True][1]))
    assert change.delta > 0
    assert change.p_value is not None
    assert change.p_value < 0.05


@pytest.mark.parametrize("now", DAYS[::4], ids=lambda day: f"{day:%m-%d}")
def test_who_heard_good_things_rates_better(now: dt.datetime) -> None:
    scores = defaultdict(list)
    for answer in demo_year(now, DEFINITIONS).answers:
        if "heard" in answer["answers"]:
            scores[answer["answers"]["heard"]].append(answer["answers"]["score"])
    assert mean(scores["good"]) > mean(scores["nothing"]) > mean(scores["bad"])
