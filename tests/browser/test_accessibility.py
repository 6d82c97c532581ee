# SPDX-License-Identifier: Apache-2.0
"""axe finds nothing (WCAG 2.2 AA and best practice), on every page, in light and dark."""

import json
from typing import Any, Literal

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, Page

from app.integrations.registry import SourceName
from app.pages.guides import BI, PROSE
from tests.browser.conftest import BrowserCompany
from tests.browser.shop_pages import script, stand
from tests.question_types import every_question
from tests.service import Service

RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
_PAGES_OWN = ("landmark-one-main", "region")
WIDTHS = {"light": 900, "dark": 320}
# Some of them are required, and one can be said not to apply.
MORE: dict[str, dict[str, Any]] = {
    "nps": {"required": True},
    "rating": {"points": 10, "allow_na": True},
    "text": {"required": True},
}
EVERY_TYPE = [question | MORE.get(question["type"], {}) for question in every_question()]


async def violations(page: Page) -> list[str]:
    results = await Axe().run(page, options={"runOnly": RULES, "resultTypes": ["violations"]})
    return [
        f"{rule['id']}: {json.dumps([node['html'][:120] for node in rule['nodes']])}"
        for rule in results.response["violations"]
    ]


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_every_page_is_accessible(
    browser: Browser, company: BrowserCompany, service: Service, scheme: Literal["light", "dark"]
) -> None:
    company.client.patch("/v1/workspace", json={"brand": {"name": "Łąka", "colour": "#8a1c4a"}})
    questions = [
        {"key": f"q{number}", "text": {"en": f"Question {number}?"}} | question
        for number, question in enumerate(EVERY_TYPE)
    ]
    simple, every = company.publish(), company.publish("every", questions=questions, metric="nps")
    words = {"en": "How was it?", "ar": "كيف كان ذلك؟"}
    arabic = company.publish(
        "arabic", questions=[{"key": "q", "type": "csat", "text": words}], metric="csat"
    )
    invited = company.invite()
    token = invited.rpartition("/")[2]
    context = await browser.new_context(
        color_scheme=scheme, viewport={"width": WIDTHS[scheme], "height": 700}
    )
    page = await context.new_page()
    addresses = [
        simple, every, every + "?a.q0=4", simple + "?kiosk=1", simple + "?lang=pl",
        arabic + "?lang=ar", arabic + "?kiosk=1&lang=ar",
        simple + "/poster", invited, invited + "/4", invited + "/data",
        f"{service.url}/u/{token}", f"{service.url}/s/nobody", service.url + "/demo/shop",
        service.url + "/guides", *(f"{service.url}/guides/{name}" for name in SourceName),
        *(f"{service.url}/guides/{name}" for name in (*PROSE, *BI)),
    ]  # fmt: skip
    problems = {}
    for address in addresses:
        reply = await page.goto(address)
        assert reply
        assert reply.status in {200, 404}, address
        problems[address] = await violations(page)
    # What follows a post: a refusal, the second step, the thanks, a link that is asked again.
    await page.goto(every + "?a.q0=4")
    await page.evaluate("document.querySelector('form').noValidate = true")
    await page.get_by_role("button", name="Send").click()
    problems["refused"] = await violations(page)
    await page.goto(simple)
    await page.get_by_text("9", exact=True).click()
    await page.get_by_role("button", name="Next").click()
    await page.get_by_role("textbox").wait_for()
    problems["second step"] = await violations(page)
    await page.get_by_role("button", name="Send").click()
    await page.get_by_role("heading", name="Thank you").wait_for()
    problems["thanks"] = await violations(page)
    await page.goto(invited + "/4")
    async with page.expect_navigation():
        await page.evaluate("document.querySelector('form').submit()")
    problems["again"] = await violations(page)
    await page.clock.install()
    await page.goto(simple + "?kiosk=1")
    await page.clock.run_for(31_000)
    await page.get_by_role("heading", name="Still there?").wait_for()
    problems["kiosk asks"] = await violations(page)
    await context.close()
    assert {name: wrong for name, wrong in problems.items() if wrong} == {}


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_a_mail_can_be_read_on_a_phone(
    browser: Browser, company: BrowserCompany, scheme: Literal["light", "dark"]
) -> None:
    company.client.patch("/v1/workspace", json={"brand": {"colour": "#8a1c4a"}})
    context = await browser.new_context(
        color_scheme=scheme, viewport={"width": 340, "height": 700}, java_script_enabled=True
    )
    page = await context.new_page()
    problems = {}
    for template in ("nps", "csat", "ces", "nps_yes_no"):
        company.publish(template, template)
        path = f"/v1/surveys/{template}/mail-preview"
        mail = company.post(path, {"locale": "pl", "name": "Żaneta", "order": "1001"})
        await page.set_content(mail["html"])
        wide = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        assert await page.evaluate(wide) == 0
        # A mail has no page around it: its landmarks are the mail program's.
        problems[template] = [
            violation
            for violation in await violations(page)
            if not violation.startswith(_PAGES_OWN)
        ]
    await context.close()
    assert {name: wrong for name, wrong in problems.items() if wrong} == {}


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_the_widget_is_accessible(
    browser: Browser, company: BrowserCompany, service: Service, scheme: Literal["light", "dark"]
) -> None:
    questions = [
        {"key": f"q{number}", "text": {"en": f"Question {number}?"}} | question
        for number, question in enumerate(EVERY_TYPE)
    ]
    company.publish(questions=questions, metric="nps")
    context = await browser.new_context(
        color_scheme=scheme, viewport={"width": WIDTHS[scheme], "height": 700}
    )
    page = await context.new_page()
    body = script(company.widget_key()) + '<afterword-survey survey="s"></afterword-survey>'
    body += "<style>html { color-scheme: light dark }</style>"
    await page.goto(
        await stand(context, service, body, policy="style-src 'unsafe-inline'; script-src 'self'")
    )
    await page.locator("[popup] h2").wait_for()
    # The scripts of axe itself need an eval that the strictest policy would refuse.
    problems = {"popup": await violations(page)}
    await page.locator("[popup] label", has_text="9").click()
    await page.locator("[popup] textarea").wait_for()
    problems["follow-ups"] = await violations(page)
    await page.locator("[popup] textarea").fill("x")
    await page.locator("[popup]").get_by_role("button", name="Send").click()
    await page.locator("[popup] [role=status]").wait_for()
    problems["thanks"] = await violations(page)
    await context.close()
    assert {name: wrong for name, wrong in problems.items() if wrong} == {}
