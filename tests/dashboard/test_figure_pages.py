# SPDX-License-Identifier: Apache-2.0
"""Pages of figures and lists: their scales, days, filters and downloads."""

import datetime as dt
import html
import re

from app.core.clock import utc_now
from tests.dashboard.conftest import Browser
from tests.shop import Shop


async def test_a_yes_no_recommendation_has_its_pages(browser: Browser, shop: Shop) -> None:
    await shop.publish("nps", template="nps_yes_no")
    key = (await shop.get("/v1/surveys/nps"))["questions"][0]["key"]
    await shop.answer("nps", {key: True})
    await shop.answer("nps", {key: False})
    await browser.sign_in()
    for path in ("/?period=all", "/surveys/nps?period=all", "/compare?metric=nps&by=channel"):
        assert "NPS" in await browser.page(path)


async def test_days_without_an_end_go_on_until_today(browser: Browser, shop: Shop) -> None:
    # Where the zone is ahead of UTC, its today may be tomorrow there.
    await shop.call("PATCH", "/v1/workspace", json={"timezone": "Pacific/Kiritimati"})
    await shop.publish("nps")
    await shop.answer("nps", 9)
    await browser.sign_in()
    for days in (3, 0):
        first = (utc_now() - dt.timedelta(days=days)).date()
        page = await browser.page(f"/answers?period=dates&from={first.isoformat()}")
        assert "/responses/" in page
    # A day to come gives a page, in every zone, and links keep it.
    for zone in ("Pacific/Kiritimati", "America/Los_Angeles"):
        await shop.call("PATCH", "/v1/workspace", json={"timezone": zone})
        first = (utc_now() + dt.timedelta(days=30)).date()
        assert f"from={first.isoformat()}" in await browser.page(f"/?from={first.isoformat()}")


async def test_chips_name_what_a_list_is_narrowed_to(browser: Browser, shop: Shop) -> None:
    await shop.publish("nps")
    await browser.sign_in()
    page = await browser.page("/answers?period=all&q=slow&band=promoter")
    assert "Contains: slow" in page
    assert "Band: promoter" in page


async def test_every_comparison_can_be_downloaded(browser: Browser, shop: Shop) -> None:
    await shop.publish("ask", questions=[{"key": "ok", "type": "yes_no", "text": {"en": "?"}}])
    await shop.answer("ask", {"ok": True}, touchpoint="till")
    await browser.sign_in()
    page = await browser.page("/compare?metric=yes_no&by=touchpoint&period=all")
    link = re.search(r'href="(/figures/[^"]+)"', page)
    assert link
    assert "till" in await browser.page(html.unescape(link[1]))
