# SPDX-License-Identifier: Apache-2.0
"""Answers that the widget stores until they are sent, and what it must not store or send."""

import json
from typing import Any

import pytest
from playwright.async_api import BrowserContext, expect

from tests.browser.conftest import BrowserCompany
from tests.browser.shop_pages import all_sent, script, stand, wait_until
from tests.service import Service


async def test_an_answer_that_is_refused_holds_up_no_other(
    context: BrowserContext, company: BrowserCompany, service: Service
) -> None:
    company.publish()
    address = await stand(context, service, script(company.widget_key()))
    refused = {
        "url": service.url + "/w/responses",
        "body": {"id": "0d0e7c62-6c3c-4a8e-9d9e-3f3c2a1b0c55", "seq": 1, "key": "pk_gone",
                 "survey": "s", "answers": {"score": 9}},
    }  # fmt: skip
    await context.add_init_script(
        f"localStorage['afterword.outbox'] ??= JSON.stringify([{json.dumps(refused)}])"
    )
    page = await context.new_page()
    await page.goto(address)
    async with page.expect_response("**/w/responses"):
        await page.locator("[popup] label", has_text="8").click()
    await all_sent(page)
    assert [response["score"] for response in company.responses()] == [8]


async def test_an_answer_given_offline_arrives_later_and_once(
    context: BrowserContext, company: BrowserCompany, service: Service
) -> None:
    company.publish()
    address = await stand(context, service, script(company.widget_key(), days=30))
    page = await context.new_page()
    await page.goto(address)
    await page.locator("[popup] label", has_text="9").wait_for()
    await context.set_offline(True)
    await page.locator("[popup] label", has_text="9").click()
    await page.locator("[popup]").get_by_role("textbox").fill("On the train")
    await page.locator("[popup]").get_by_role("button", name="Send").click()
    await expect(page.locator("[popup]").get_by_role("status")).to_be_visible()
    assert company.responses() == []
    async with page.expect_response("**/w/responses"):
        await context.set_offline(False)
    await page.reload()
    await all_sent(page)
    (response,) = company.responses()
    assert response["answers"] == {"score": 9, "why": "On the train"}


async def test_a_killed_server_and_a_closed_page_lose_nothing(
    context: BrowserContext, company: BrowserCompany, service: Service
) -> None:
    company.publish()
    address = await stand(context, service, script(company.widget_key(), days=30))
    page = await context.new_page()
    await page.goto(address)
    await page.locator("[popup] label", has_text="3").wait_for()
    service.kill_everything()
    await page.locator("[popup] label", has_text="3").click()
    await page.locator("[popup]").get_by_role("textbox").fill("Dark")
    await page.locator("[popup]").get_by_role("button", name="Send").click()
    await page.close(run_before_unload=True)
    service.start("--demo")
    assert company.responses() == []
    page = await context.new_page()
    async with page.expect_response("**/w/responses"):
        await page.goto(address)
    await all_sent(page)
    (response,) = company.responses()
    assert response["answers"] == {"score": 3, "why": "Dark"}
    assert company.count_answers() == 1


async def test_nothing_is_kept_or_sent_before_consent(
    context: BrowserContext, company: BrowserCompany, service: Service
) -> None:
    company.publish()
    body = script(company.widget_key(), consent="required")
    page = await context.new_page()
    await page.goto(await stand(context, service, body))
    await page.locator("[popup] label", has_text="8").click()
    await page.locator("[popup]").get_by_role("button", name="Send").click()
    await page.wait_for_timeout(300)
    assert company.responses() == []
    assert await page.evaluate("localStorage.length") == 0
    async with page.expect_response("**/w/responses"):
        await page.evaluate("afterword('consent', true)")
    await all_sent(page)
    assert [response["score"] for response in company.responses()] == [8]


@pytest.mark.parametrize("is_tracked", [True, False])
async def test_global_privacy_control_keeps_the_customer_anonymous(
    context: BrowserContext, company: BrowserCompany, service: Service, is_tracked: bool
) -> None:
    company.publish()
    if not is_tracked:
        await context.add_init_script(
            "Object.defineProperty(navigator, 'globalPrivacyControl', {value: true})"
        )
    page = await context.new_page()
    await page.goto(await stand(context, service, script(company.widget_key())))
    await wait_until(page, "window.afterword && !window.afterword.q")
    await page.evaluate("afterword('identify', {external_id: 'c-17'})")
    await page.evaluate("afterword('set', {store: 'WAW-1'})")
    async with page.expect_response("**/w/responses"):
        await page.locator("[popup] label", has_text="9").click()
    await all_sent(page)
    (response,) = company.responses()
    customer: dict[str, Any] = {"id": None, "external_ids": [], "email": None, "name": None,
             "claimed": {"external_id": "c-17"}}  # fmt: skip
    assert response["customer"] == (customer if is_tracked else None)
    assert response["properties"] == {"store": "WAW-1"}


async def test_reset_discards_answers_that_wait_to_be_sent(
    context: BrowserContext, company: BrowserCompany, service: Service
) -> None:
    company.publish()
    page = await context.new_page()
    await page.goto(await stand(context, service, script(company.widget_key())))
    await page.locator("[popup] label", has_text="8").wait_for()
    await context.set_offline(True)
    await page.locator("[popup] label", has_text="8").click()
    await page.locator("[popup] textarea").wait_for()
    await page.evaluate("afterword('reset')")
    await context.set_offline(False)
    await page.wait_for_timeout(500)
    assert company.responses() == []
    assert await page.evaluate("localStorage.length") == 0


async def test_consent_given_offline_keeps_the_answer(
    context: BrowserContext, company: BrowserCompany, service: Service
) -> None:
    company.publish()
    body = script(company.widget_key(), consent="required")
    page = await context.new_page()
    address = await stand(context, service, body)
    await page.goto(address)
    await page.locator("[popup] label", has_text="8").wait_for()
    await context.set_offline(True)
    await page.locator("[popup] label", has_text="8").click()
    await page.locator("[popup] textarea").wait_for()
    await page.evaluate("afterword('consent', true)")
    await wait_until(page, "localStorage['afterword.outbox']?.includes('score')")
    await context.set_offline(False)
    await page.reload()
    await wait_until(page, "window.afterword && !window.afterword.q")
    # It may have left with the page before; then there is nothing more to send.
    await page.evaluate("afterword('consent', true)")
    await all_sent(page)
    assert [response["score"] for response in company.responses()] == [8]
