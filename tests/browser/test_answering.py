# SPDX-License-Identifier: Apache-2.0
"""Answering a page in a real browser: each time exactly one response."""

import gzip
from typing import Any

from playwright.async_api import Browser, Page, expect

from tests.browser.conftest import BrowserCompany
from tests.service import Service

ARABIC = {"send": {"ar": "إرسال"}, "next": {"ar": "التالي"}, "optional": {"ar": "اختياري"}}
_WIDEST = "document.documentElement.scrollWidth - document.documentElement.clientWidth"


def only_response(company: BrowserCompany) -> dict[str, Any]:
    (response,) = company.responses()
    assert response["integrity"] == "ok"
    assert company.count_answers() == 1
    return response


async def test_with_a_mouse(page: Page, company: BrowserCompany) -> None:
    await page.goto(company.publish())
    await page.get_by_text("9", exact=True).click()
    await page.get_by_role("button", name="Next").click()
    await page.get_by_role("textbox").fill("Friendly")
    await page.get_by_role("button", name="Send").dblclick()
    await expect(page.get_by_role("heading", name="Thank you")).to_be_visible()
    await page.reload()
    await page.go_back()
    assert only_response(company)["answers"] == {"score": 9, "why": "Friendly"}


async def test_back_and_another_score(page: Page, company: BrowserCompany) -> None:
    await page.goto(company.publish())
    await page.get_by_text("9", exact=True).click()
    await page.get_by_role("button", name="Next").click()
    await expect(page.get_by_role("textbox")).to_be_visible()
    await page.go_back()
    # The page knows what was sent: it is there to be changed.
    await expect(page.get_by_role("radio", name="9", exact=True)).to_be_checked()
    await page.get_by_text("3", exact=True).click()
    await page.get_by_role("button", name="Send").click()
    await expect(page.get_by_role("heading", name="Thank you")).to_be_visible()
    response = only_response(company)
    assert (response["score"], response["complete"]) == (3, True)


async def test_with_the_keyboard_alone(page: Page, company: BrowserCompany) -> None:
    await page.goto(company.invite() if company.publish() else "")
    for _ in range(3):
        await page.keyboard.press("Tab")
        if await page.evaluate("document.activeElement.name") == "score":
            break
    await page.keyboard.press("Space")
    for _ in range(8):
        # Walking through the scale sends nothing.
        await page.keyboard.press("ArrowRight")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("textbox")).to_be_visible()
    while await page.evaluate("document.activeElement.name") != "why":
        await page.keyboard.press("Tab")
    await page.keyboard.type("Szybko")
    await page.keyboard.press("Tab")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("heading", name="Thank you")).to_be_visible()
    assert only_response(company)["answers"] == {"score": 8, "why": "Szybko"}


async def test_arrow_keys_on_a_page_opened_from_a_mail_count_as_a_person(
    page: Page, company: BrowserCompany
) -> None:
    company.publish()
    await page.goto(company.invite() + "/9")
    while await page.evaluate("document.activeElement.name") != "score":
        await page.keyboard.press("Tab")
    for _ in range(5):
        await page.keyboard.press("ArrowLeft")
    await page.get_by_role("button", name="Send").focus()
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("heading", name="Thank you")).to_be_visible()
    assert only_response(company)["score"] == 4


async def test_a_copied_address_leads_to_the_survey_not_to_the_answer(
    page: Page, browser: Browser, company: BrowserCompany
) -> None:
    address = company.publish()
    await page.goto(address)
    assert page.url == address
    await page.get_by_text("3", exact=True).click()
    await page.get_by_role("button", name="Next").click()
    await page.get_by_role("textbox").fill("Jan, tel 600")
    await page.get_by_role("button", name="Send").click()
    await expect(page.get_by_role("heading", name="Thank you")).to_be_visible()
    assert page.url == address


async def test_without_javascript(browser: Browser, company: BrowserCompany) -> None:
    context = await browser.new_context(java_script_enabled=False)
    page = await context.new_page()
    await page.goto(company.publish())
    await page.get_by_text("10", exact=True).click()
    await page.get_by_role("button", name="Next").click()
    await page.get_by_role("textbox").fill("No scripts here")
    await page.get_by_role("button", name="Send").click()
    await expect(page.get_by_role("heading", name="Thank you")).to_be_visible()
    await context.close()
    assert only_response(company)["answers"] == {"score": 10, "why": "No scripts here"}


async def test_on_a_narrow_phone_in_polish(browser: Browser, company: BrowserCompany) -> None:
    context = await browser.new_context(
        viewport={"width": 320, "height": 640}, locale="pl-PL", has_touch=True, is_mobile=True
    )
    page = await context.new_page()
    await page.goto(company.publish())
    assert await page.evaluate(_WIDEST) == 0
    for label in await page.locator(".choices label").all():
        box = await label.bounding_box()
        assert box
        assert min(box["width"], box["height"]) >= 44
    await page.get_by_text("2", exact=True).tap()
    await page.get_by_role("button", name="Dalej").tap()
    await page.get_by_role("textbox").fill("Zażółć gęślą jaźń")
    assert await page.evaluate(_WIDEST) == 0
    await page.get_by_role("button", name="Wyślij").tap()
    await expect(page.get_by_role("heading", name="Dziękujemy")).to_be_visible()
    await context.close()
    response = only_response(company)
    assert (response["answers"]["why"], response["locale"]) == ("Zażółć gęślą jaźń", "pl")


async def test_from_right_to_left(page: Page, company: BrowserCompany) -> None:
    questions = [
        {"key": "score", "type": "nps", "text": {"ar": "هل توصي بنا؟"}, "required": True},
        {"key": "why", "type": "text", "text": {"ar": "لماذا؟"}},
    ]
    address = company.publish(
        questions=questions, metric="nps", default_locale="ar", texts={"words": ARABIC}
    )
    await page.goto(address)
    first = await page.get_by_text("0", exact=True).bounding_box()
    last = await page.get_by_text("5", exact=True).bounding_box()
    assert first
    assert last
    assert first["x"] > last["x"]
    assert await page.evaluate(_WIDEST) == 0
    await page.get_by_text("7", exact=True).click()
    await page.get_by_role("button", name="التالي").click()
    await page.get_by_role("button", name="إرسال").click()
    await expect(page.locator("h1")).to_be_visible()
    assert only_response(company)["locale"] == "ar"


async def test_the_server_is_killed_in_the_middle(
    browser: Browser, company: BrowserCompany, service: Service
) -> None:
    context = await browser.new_context()
    page = await context.new_page()
    address = company.publish()
    await page.goto(address)
    await page.get_by_text("9", exact=True).click()
    await page.get_by_role("button", name="Next").click()
    await page.get_by_role("textbox").fill("Typed before the power cut")
    service.kill_everything()
    await page.get_by_role("button", name="Send").click(no_wait_after=True)
    await page.wait_for_timeout(500)
    service.start("--demo")
    await page.go_back()
    await page.get_by_role("textbox").fill("Typed before the power cut")
    await page.get_by_role("button", name="Send").click()
    await expect(page.get_by_role("heading", name="Thank you")).to_be_visible()
    await context.close()
    assert only_response(company)["answers"] == {"score": 9, "why": "Typed before the power cut"}


async def test_offline_and_later(browser: Browser, company: BrowserCompany) -> None:
    context = await browser.new_context()
    page = await context.new_page()
    address = company.publish()
    await page.goto(address)
    await page.get_by_text("9", exact=True).click()
    await context.set_offline(True)
    await page.get_by_role("button", name="Next").click(no_wait_after=True)
    await page.wait_for_timeout(500)
    await context.set_offline(False)
    await page.goto(address)
    await page.get_by_text("9", exact=True).click()
    await page.get_by_role("button", name="Next").click()
    await page.get_by_role("textbox").fill("Back in town")
    await page.get_by_role("button", name="Send").click()
    await expect(page.get_by_role("heading", name="Thank you")).to_be_visible()
    await context.close()
    assert only_response(company)["answers"] == {"score": 9, "why": "Back in town"}


async def test_a_tap_sends_and_two_within_a_moment_are_one(
    page: Page, company: BrowserCompany
) -> None:
    await page.goto(company.publish())
    await page.get_by_text("3", exact=True).click()
    await page.get_by_text("8", exact=True).click()
    await page.get_by_role("textbox").wait_for()
    assert only_response(company)["score"] == 8
    # With the keyboard nothing is sent before the button is pressed.
    await page.goto(company.publish("second"))
    await page.get_by_role("radio").first.focus()
    for _ in range(3):
        await page.keyboard.press("ArrowRight")
    await page.wait_for_timeout(700)
    assert await page.get_by_role("button", name="Next").is_visible()
    assert len(company.responses()) == 1


async def test_a_kiosk_waits_for_the_next_person(page: Page, company: BrowserCompany) -> None:
    await page.clock.install()
    address = company.publish() + "?kiosk=1"
    await page.goto(address)
    await page.clock.run_for(500)
    # A tap on a score sends it.
    await page.get_by_text("5", exact=True).click()
    await page.clock.run_for(400)
    await page.get_by_role("textbox").wait_for()
    await page.clock.run_for(31_000)
    await expect(page.get_by_role("heading", name="Still there?")).to_be_visible()
    await page.get_by_role("button", name="Yes, I am answering").click()
    await page.clock.run_for(500)
    await page.get_by_role("button", name="Send").click()
    await expect(page.get_by_role("heading", name="Thank you")).to_be_visible()
    await page.clock.run_for(6_500)
    await page.wait_for_url(address)
    await page.go_back()
    await page.wait_for_load_state()
    await expect(page.get_by_role("radio").first).to_be_visible()
    assert await page.locator(":checked").count() == 0
    assert await page.locator("textarea").count() == 0
    # After a while without input the kiosk begins anew for the next person.
    await page.clock.run_for(42_000)
    await expect(page.get_by_role("radio").first).not_to_be_checked()
    assert only_response(company)["channel"] == "kiosk"


async def test_a_page_is_small_and_its_form_works_without_style_or_script(
    browser: Browser, company: BrowserCompany
) -> None:
    context = await browser.new_context()
    page = await context.new_page()
    bodies: dict[str, bytes] = {}

    async def weigh(reply: Any) -> None:
        bodies[reply.url] = await reply.body()

    page.on("response", weigh)
    await page.goto(company.publish())
    await page.wait_for_load_state("networkidle")
    weight = sum(len(gzip.compress(body, 9)) for body in bodies.values())
    assert len(bodies) >= 3
    assert weight < 15 * 1024
    await context.close()
    # With neither style nor script, the form alone answers.
    context = await browser.new_context()
    await context.route("**/assets/**", lambda route: route.abort())
    page = await context.new_page()
    await page.goto(company.publish("other"))
    await page.get_by_text("9", exact=True).click()
    await page.get_by_role("button", name="Next").click()
    await page.get_by_role("textbox").wait_for()
    await context.close()
    assert only_response(company)["score"] == 9
