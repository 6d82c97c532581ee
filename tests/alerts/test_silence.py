# SPDX-License-Identifier: Apache-2.0
"""Alerts over periods without answers, and rules that can never raise one."""

import datetime as dt
from typing import Any

import pytest

from app.alerts.control_chart import ChartPoint
from app.alerts.evaluation import AlertCharts, GroupChart, raised_now
from app.alerts.schemas import AlertRules
from tests.shop import Shop


def charts(points: list[ChartPoint], today: dt.date, rule: dict[str, Any]) -> AlertCharts:
    rules = AlertRules.model_validate({"metric": "nps", "rule": rule})
    days = [today - dt.timedelta(days=len(points) - index) for index in range(len(points))]
    ends = [day + dt.timedelta(days=1) for day in days]
    return AlertCharts(rules, days, ends, [GroupChart(None, None, points)], today)


@pytest.mark.parametrize("silent", [0, 3, 8, 30])
def test_silence_neither_raises_nor_clears(silent: int) -> None:
    today = dt.date(2026, 11, 23)
    signal = ChartPoint(-20.0, 40, -5.0, 4.0, True)
    points = [signal, *[ChartPoint(None, 0)] * silent]
    before = {"": {"period": "x"}}
    chart = charts(points, today, {"kind": "shift"})
    assert set(raised_now(chart, before)) == {""}
    assert set(raised_now(chart, {})) == ({""} if silent < 8 else set())
    calm = charts([*points, ChartPoint(30.0, 40, 0.1, 4.0, False)], today, {"kind": "shift"})
    assert raised_now(calm, before) == {}


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"metric": "nps", "rule": {"kind": "shift"}, "group_by": "channel,locale"}, "group_by"),
        ({"metric": "ttr", "rule": {"kind": "above", "value": 86400}}, "rule"),
        ({"metric": "csat", "rule": {"kind": "below", "value": -5}}, "rule"),
    ],
)  # fmt: skip
async def test_what_can_never_fire_is_refused(shop: Shop, body: Any, field: str) -> None:
    reply = await shop.call("POST", "/v1/alerts", json={"name": "x"} | body)
    assert (reply.status_code, field in reply.text) == (422, True), reply.text
