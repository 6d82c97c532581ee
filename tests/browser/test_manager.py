# SPDX-License-Identifier: Apache-2.0
"""A manager's day by clicking, with and without scripts, on a wide screen and on a phone."""

import base64
import hashlib
import hmac
import json
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Browser, Page

from tests.browser.conftest import BrowserCompany
from tests.browser.test_dashboard import furnish, sign_in
from tests.integrations.sender import SECRET
from tests.integrations.senders.shopify import shopify
from tests.service import Service

EXPORT = Path(__file__).parents[1] / "data" / "imports" / "presets" / "typeform.csv"


@pytest.fixture(params=[(True, 1280), (False, 390)], ids=["scripts-1280", "plain-390"])
async def screen(
    request: pytest.FixtureRequest, browser: Browser, company: BrowserCompany, service: Service
) -> AsyncIterator[Page]:
    """The dashboard of a filled workspace, signed in."""
    scripts, width = request.param
    context = await browser.new_context(
        java_script_enabled=scripts, viewport={"width": width, "height": 800}
    )
    furnish(company)
    page = await context.new_page()
    await sign_in(page, service, company)
    yield page
    await context.close()


def is_plain(screen: Page) -> bool:
    """Tell whether the page has no scripts."""
    size = screen.viewport_size
    return size is not None and size["width"] == 390


async def test_a_trigger_is_tried_on_history_and_switched_on(
    screen: Page, company: BrowserCompany, service: Service
) -> None:
    await screen.goto(service.url + "/asking/new")
    await screen.get_by_label("Name", exact=True).fill("After a ticket")
    await screen.locator("select[name=on]").select_option("ticket.solved")
    await screen.get_by_role("button", name="Save").first.click()
    await screen.get_by_role("link", name="Try it on the last 30 days").click()
    history = screen.locator("#history")
    await history.get_by_text("It would have asked").wait_for()
    await history.get_by_role("button", name="Switch on").click()
    await screen.get_by_role("button", name="Switch off").wait_for()
    triggers = [
        trigger
        for trigger in company.get("/v1/triggers")["data"]
        if trigger["name"] == "After a ticket"
    ]
    assert [trigger["active"] for trigger in triggers] == [True]


async def test_a_shop_is_connected_and_its_first_order_seen(
    screen: Page, company: BrowserCompany, service: Service
) -> None:
    await screen.goto(service.url + "/connections")
    await screen.get_by_label("Source").first.select_option("shopify")
    await screen.get_by_role("button", name="Connect").click()
    address = await screen.locator(".copyable input").first.input_value()
    await screen.locator("input[name=secret]").fill(SECRET)
    await screen.locator("#form-integration-secret button").click()
    await screen.get_by_text("Waiting").first.wait_for()
    headers, body = shopify("orders/paid", "2T10:00:00Z")
    raw = json.dumps(body).encode()
    mac = base64.b64encode(hmac.new(SECRET.encode(), raw, hashlib.sha256).digest()).decode()
    sent = company.client.post(
        address, content=raw, headers=headers | {"X-Shopify-Hmac-Sha256": mac}
    )
    assert sent.status_code in {200, 202}, sent.text
    if is_plain(screen):
        # With scripts the page looks by itself.
        await screen.get_by_role("link", name="Check again").click()
    await screen.locator("#steps > li.done").nth(3).wait_for()


async def test_a_bad_answer_is_called_back_tagged_and_closed(
    screen: Page, company: BrowserCompany, service: Service
) -> None:
    await screen.goto(service.url + "/follow-ups")
    row = screen.get_by_role("row").filter(has_text="The parcel was wet")
    await row.get_by_role("link").first.click()
    await screen.locator("textarea[name=tags]").fill("wet parcel")
    await screen.get_by_role("button", name="Save tags").click()
    await screen.get_by_label("Status").select_option("resolved")
    await screen.get_by_label("Owner").fill("Eva")
    await screen.locator("textarea[name=note]").fill("Called; a new parcel is on its way.")
    await screen.locator("form.follow-up").get_by_role("button", name="Save").click()
    await screen.get_by_text("a new parcel is on its way").wait_for()
    (low,) = [answer for answer in company.responses() if answer["score"] == 2]
    response = company.get(f"/v1/responses/{low['id']}")
    assert (response["tags"], response["follow_up"]["status"]) == (["wet parcel"], "resolved")


async def test_the_week_is_compared_and_shared(
    screen: Page, browser: Browser, service: Service
) -> None:
    await screen.goto(service.url + "/?period=this_week")
    await screen.locator(".cards .value").first.wait_for()
    await screen.get_by_role("link", name="Share this view").click()
    await screen.get_by_role("button", name="Make a link").click()
    link = await screen.locator(".copyable input").first.input_value()
    stranger = await browser.new_page()
    await stranger.goto(link)
    await stranger.get_by_role("heading", name="NPS").first.wait_for()
    assert "The parcel was wet" not in await stranger.content()
    await stranger.close()


async def test_another_tools_export_is_uploaded(
    screen: Page, company: BrowserCompany, service: Service
) -> None:
    company.publish("moved")
    await screen.goto(service.url + "/files")
    await screen.locator("input[type=file]").set_input_files(EXPORT)
    await screen.locator("form select[name=survey]").select_option("moved")
    await screen.locator("input[name=source]").fill("typeform")
    await screen.get_by_role("button", name="Check").click()
    # The one column that no tool names alike is chosen.
    await screen.get_by_label(re.compile("^How likely are you")).select_option("score")
    await screen.get_by_role("button", name="Check").click()
    await screen.get_by_text("10 new").wait_for()
    await screen.get_by_role("button", name="Import").click()
    await screen.get_by_role("row").filter(has_text="typeform.csv").wait_for()
    total = company.get("/v1/metrics/nps", survey="moved", period="all")["total"]
    assert (total["value"], total["n"]) == (0, 10)
