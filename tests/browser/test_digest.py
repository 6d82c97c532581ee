# SPDX-License-Identifier: Apache-2.0
"""The digest in a browser whose mail client has taken all styles away, in three languages."""

import re

import pytest
from playwright.async_api import Page

from app.core.texts import LANGUAGES
from tests.alerts.test_digest import digest_of, week
from tests.shop import Shop


@pytest.mark.parametrize("locale", LANGUAGES)
@pytest.mark.parametrize("width", [390, 1280])
async def test_it_reads_without_styles(shop: Shop, page: Page, locale: str, width: int) -> None:
    await week(shop)
    digest = await digest_of(shop, locale)
    body = digest.get_body(("html",))
    assert body is not None
    content = str(body.get_content())
    # What mail clients strip: style sheets, style attributes, classes.
    bare = re.sub(r'<style.*?</style>|\s(?:style|class)="[^"]*"', "", content, flags=re.DOTALL)
    await page.set_viewport_size({"width": width, "height": 800})
    await page.set_content(bare)
    assert await page.locator("html").get_attribute("lang") == locale
    assert await page.locator("h1").count() == 1
    assert await page.locator("h2").count() >= 3
    text = await page.inner_text("body")
    for word in ("NPS", "The parcel came <late>"):
        assert word in text
    assert not await page.evaluate("document.documentElement.scrollWidth > innerWidth")
    plain = digest.get_body(("plain",))
    assert plain is not None
    # Both parts say the same.
    for heading in await page.locator("h2").all_inner_texts():
        assert heading in str(plain.get_content())
    stop = page.locator("a", has_text=re.compile(r"\w")).last
    assert "/letter/" in str(await stop.get_attribute("href"))
