# SPDX-License-Identifier: Apache-2.0
"""The widget in pages of React 18 and 19, Vue 3 and Svelte 5: the real ones, from npm."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from playwright.async_api import BrowserContext, Page, Route, expect

from tests.browser.conftest import BrowserCompany
from tests.browser.shop_pages import all_sent
from tests.service import Service

HERE = Path(__file__).parent / "frameworks"
FRAMEWORKS = ["react18", "react19", "vue", "svelte"]


@pytest.fixture(scope="module")
def bundles() -> dict[str, str]:
    """The pages' scripts, bundled once."""
    if shutil.which("npm") is None:
        pytest.skip("needs Node and npm")
    if not (HERE / "node_modules").exists():
        npm = subprocess.run(["npm", "ci", "--silent"], cwd=HERE, capture_output=True, check=False)
        if npm.returncode:
            pytest.skip("npm cannot fetch the frameworks")
    subprocess.run(["node", "build.js"], cwd=HERE, check=True)
    return {name: (HERE / "dist" / f"{name}.js").read_text() for name in FRAMEWORKS}


async def open_page(
    context: BrowserContext, service: Service, script: str, key: str
) -> tuple[Page, list[str]]:
    body = (
        f'<!doctype html><title>Shop</title><script src="/widget.js" data-key="{key}"></script>'
        '<div id="root"></div><script src="/shop/page.js"></script>'
    )

    async def show(route: Route) -> None:
        if route.request.url.endswith("page.js"):
            await route.fulfill(body=script, content_type="text/javascript")
        else:
            await route.fulfill(body=body, content_type="text/html")

    await context.route(service.url + "/shop/**", show)
    page = await context.new_page()
    broken: list[str] = []
    page.on("pageerror", lambda error: broken.append(str(error)))
    await page.goto(service.url + "/shop/checkout")
    return page, broken


@pytest.mark.parametrize("framework", FRAMEWORKS)
async def test_a_framework_keeps_its_page(
    context: BrowserContext, company: BrowserCompany, service: Service, bundles: dict[str, str],
    framework: str,
) -> None:  # fmt: skip
    company.publish(questions=[{"key": "score", "type": "nps", "text": {"en": "Well?"}}],
                    metric="nps")  # fmt: skip
    page, broken = await open_page(context, service, bundles[framework], company.widget_key())
    survey = page.locator("afterword-survey")

    async def choose(score: int) -> None:
        await survey.locator("label", has_text=re.compile(f"^{score}$")).click()
        await expect(survey.get_by_role("status")).to_be_visible()

    async def press(name: str) -> None:
        await page.get_by_role("button", name=name, exact=True).click()

    await choose(3)
    # The next order is another question on the same element; a route changes nothing.
    await press("next order")
    await press("route")
    await choose(9)
    # It goes and comes again with its page.
    await press("toggle")
    await expect(survey).to_have_count(0)
    await press("toggle")
    await expect(survey.locator("label").first).to_be_visible()
    # What cannot be asked leaves the page as it is, and it can still be taken away.
    await press("unknown")
    await expect(survey.locator("label")).to_have_count(0)
    await expect(page.get_by_text("after")).to_be_visible()
    await press("toggle")
    await press("next order")
    await expect(page.get_by_role("heading", name="Order 3")).to_be_visible()
    await all_sent(page)
    assert broken == []
    assert {response["order"]: response["score"] for response in company.responses()} == {
        "1": 3,
        "2": 9,
    }


@pytest.mark.parametrize("framework", FRAMEWORKS)
async def test_a_page_lives_on_while_the_service_is_down(
    context: BrowserContext, company: BrowserCompany, service: Service, bundles: dict[str, str],
    framework: str,
) -> None:  # fmt: skip
    company.publish()
    await context.route("**/w/surveys/**", lambda route: route.abort())
    page, broken = await open_page(context, service, bundles[framework], company.widget_key())
    await page.wait_for_timeout(300)
    for name in ("next order", "toggle", "toggle", "route"):
        await page.get_by_role("button", name=name, exact=True).click()
    await expect(page.get_by_role("heading", name="Order 2")).to_be_visible()
    assert await page.locator("afterword-survey").count() == 1
    assert broken == []
