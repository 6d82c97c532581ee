# SPDX-License-Identifier: Apache-2.0
"""Periods of any length on the dashboard: their names, their trends, and links that share them."""

import pytest

from app.pages.dashboard.filters import PageFilter
from app.pages.dashboard.texts import DashboardTexts
from tests.dashboard.conftest import Browser
from tests.shop import Shop


@pytest.mark.parametrize(("period", "name"), [("14d", "14 days"), ("2w", "2 weeks")])
async def test_a_period_of_any_length_has_its_pages(
    browser: Browser, shop: Shop, period: str, name: str
) -> None:
    await browser.sign_in()
    await shop.publish("nps")
    assert f">{name}</option>" in await browser.page(f"/?period={period}")
    await shop.post("/v1/share-links", {"path": f"/?period={period}"})
    await shop.post("/v1/share-links", {"path": "/?period=12345678901"})
    page = await browser.page("/sharing")
    assert f"Overview · {name}" in page
    assert "12345678901" in page
    assert (await browser.open("/sharing?path=/%3Fperiod%3D12345678901")).status_code == 200


def test_counted_periods_are_written_in_every_language() -> None:
    texts = [DashboardTexts(language).time_span("14d") for language in ("en", "pl", "ro")]
    assert texts == ["14 days", "14 dni", "14 zile"]
    assert DashboardTexts("en").time_span("last_month") == "Last month"


@pytest.mark.parametrize(
    ("period", "interval"),
    [("7d", "day"), ("14d", "day"), ("this_month", "day"), ("90d", "week"), ("12w", "week"),
     ("12mo", "month"), ("all", "month")],
)  # fmt: skip
def test_a_trend_is_as_fine_as_its_period_is_short(period: str, interval: str) -> None:
    assert PageFilter(period=period).interval == interval
