# SPDX-License-Identifier: Apache-2.0
"""Periods: what a query's time means."""

import datetime as dt
from zoneinfo import ZoneInfo

import pytest

from app.metrics.periods import (
    Interval,
    Span,
    add_months,
    named_span,
    periods_of,
    span_before,
    window_start,
)

TODAY = dt.date(2026, 11, 18)
UTC = ZoneInfo("UTC")
D = dt.date


@pytest.mark.parametrize(
    ("name", "start", "end"),
    [
        ("24mo", D(2024, 12, 1), D(2026, 11, 19)),
        ("12w", D(2026, 8, 31), D(2026, 11, 19)),
        ("90d", D(2026, 8, 21), D(2026, 11, 19)),
        ("this_month", D(2026, 11, 1), D(2026, 11, 19)),
        ("last_month", D(2026, 10, 1), D(2026, 11, 1)),
    ],
)
def test_named_periods(name: str, start: dt.date, end: dt.date) -> None:
    assert named_span(name, TODAY) == Span(start, end)


@pytest.mark.parametrize("name", ["", "0d", "1y", "d", "-1d", "99999d"])
def test_other_names_are_no_period(name: str) -> None:
    assert named_span(name, TODAY) is None


def test_months_before_are_whole_months() -> None:
    assert span_before(Span(D(2026, 3, 1), D(2026, 4, 1)), "previous_period", UTC) == Span(
        D(2026, 2, 1), D(2026, 3, 1)
    )
    assert span_before(Span(D(2018, 1, 1), D(2019, 1, 1)), "previous_period", UTC) == Span(
        D(2017, 1, 1), D(2018, 1, 1)
    )


def test_days_before_are_as_many_days_and_a_year_ago_is_the_same_date() -> None:
    span = Span(D(2026, 3, 10), D(2026, 3, 20))
    assert span_before(span, "previous_period", UTC) == Span(D(2026, 2, 28), D(2026, 3, 10))
    assert span_before(span, "previous_year", UTC) == Span(D(2025, 3, 10), D(2025, 3, 20))
    leap = Span(D(2024, 2, 29), D(2024, 3, 1))
    assert span_before(leap, "previous_year", UTC) == Span(D(2023, 2, 28), D(2023, 3, 1))


def test_every_period_is_there_and_the_present_one_is_not_complete() -> None:
    span = Span(D(2026, 9, 15), D(2026, 11, 19))
    months = list(periods_of(span, Interval.MONTH, UTC, TODAY))
    assert [(period.first_day.month, period.complete) for period in months] == [
        (9, True),
        (10, True),
        (11, False),
    ]
    assert (months[0].start, months[-1].end) == (D(2026, 9, 15), D(2026, 11, 19))


def test_weeks_begin_on_monday_and_quarters_with_their_month() -> None:
    span = Span(D(2026, 11, 18), D(2026, 11, 24))
    weeks = list(periods_of(span, Interval.WEEK, UTC, TODAY))
    assert [period.first_day for period in weeks] == [D(2026, 11, 16), D(2026, 11, 23)]
    quarters = list(periods_of(span, Interval.QUARTER, UTC, TODAY))
    assert [period.first_day for period in quarters] == [D(2026, 10, 1)]


@pytest.mark.parametrize(
    ("window", "start"),
    [
        ("P30D", D(2026, 10, 19)),
        ("P2W", D(2026, 11, 4)),
        ("P1M", D(2026, 10, 18)),
        ("P1Y", D(2025, 11, 18)),
    ],
)
def test_windows_end_with_their_row(window: str, start: dt.date) -> None:
    assert window_start(TODAY, window) == start


def test_a_month_later_is_at_most_the_months_last_day() -> None:
    assert add_months(D(2026, 1, 31), 1) == D(2026, 2, 28)
    assert add_months(D(2026, 12, 31), -1) == D(2026, 11, 30)
    assert add_months(D(2026, 11, 30), 1) == D(2026, 12, 30)


def test_the_29th_of_february_alone_is_compared_with_one_day() -> None:
    leap = Span(D(2024, 2, 28), D(2024, 2, 29))
    assert span_before(leap, "previous_year", UTC) == Span(D(2023, 2, 28), D(2023, 3, 1))
