# SPDX-License-Identifier: Apache-2.0
"""The dashboard in a real browser: signing in, filters, follow-ups, signing out; accessible."""

import gzip
from typing import Literal

import pytest
from playwright.async_api import Browser, Page, Response

from app.pages.dashboard.pages import NAVIGATION
from tests.browser.conftest import BrowserCompany
from tests.browser.test_accessibility import WIDTHS, violations
from tests.service import Service

PATHS = (
    *(page.path for page in NAVIGATION),
    "/surveys/new",
    "/asking/new",
    "/invitations",
    "/suppressions",
    "/account",
    "/sharing",
    "/audit",
)


def key_of(company: BrowserCompany) -> str:
    key: str = company.post("/v1/api-keys", {"name": "Eva", "scopes": ["admin"]})["secret"]
    return key


async def sign_in(page: Page, service: Service, company: BrowserCompany, path: str = "/") -> None:
    await page.goto(service.url + path)
    await page.get_by_label("API key").fill(key_of(company))
    await page.get_by_role("button", name="Sign in").click()
    # On a phone it stands in the menu.
    await page.locator("form[action$='/sign-out']").wait_for(state="attached")
    # The page is there before its script is, and a choice applies at once only by the script.
    await page.wait_for_load_state()


def furnish(company: BrowserCompany) -> None:
    company.client.patch("/v1/workspace", json={"segments": ["store"]})
    questions = [
        {"key": "score", "type": "nps", "text": {"en": "Would you?"}},
        {"key": "why", "type": "text", "text": {"en": "Why?"}},
        {"key": "kind", "type": "rating", "driver": "courtesy", "pillar": "empathy",
         "text": {"en": "How kind?"}},
        {"key": "mood", "type": "emotion", "text": {"en": "How was it?"}},
    ]  # fmt: skip
    company.publish("s", questions=questions, metric="nps", touchpoint="checkout")
    company.client.put("/v1/touchpoints/checkout", json={"stage": "during"})
    for score, store, why in ((10, "W", "Lovely"), (2, "K", "The parcel was wet"), (9, "W", "")):
        answers = {"score": score, "why": why or None, "kind": 4, "mood": "joy"}
        body = {"survey": "s", "channel": "web", "answers": answers}
        who = {"email": f"{store}@c.pl", "name": f"Customer of {store}"}
        company.post("/v1/responses", body | {"properties": {"store": store}, "customer": who})
    company.post("/v1/webhook-endpoints", {"url": "mailto:a@c.pl", "events": ["response.created"]})
    company.post("/v1/integrations", {"source": "zendesk"})
    trigger = {"name": "t", "on": "ticket.solved", "survey": "s"}
    company.post("/v1/triggers", trigger)
    interaction = {"type": "ticket.solved", "source": "desk", "external_id": "e", "ticket": "1"}
    company.post("/v1/interactions", interaction)


async def test_a_manager_signs_in_filters_follows_up_and_signs_out(
    page: Page, company: BrowserCompany, service: Service
) -> None:
    furnish(company)
    await sign_in(page, service, company, "/?period=30d")
    assert "period=30d" in page.url
    await page.locator("summary", has_text="Filter").click()
    # A choice applies at once.
    await page.get_by_label("store").select_option("W")
    await page.wait_for_url("**property.store=W**")
    await page.locator(".cards .value", has_text="100").first.wait_for()
    assert "property.store=W" in page.url
    await page.get_by_text("The same as a table").first.click()
    assert await page.get_by_role("table", name="Trend: NPS").is_visible()
    await page.get_by_role("link", name="Comments", exact=True).click()
    row = page.get_by_role("listitem").filter(has_text="The parcel was wet")
    await row.get_by_role("link", name="Open").click()
    await page.get_by_label("Status").select_option("contacted")
    await page.get_by_label("Owner").fill("eva")
    await page.get_by_label("Due").fill("2030-01-31")
    await page.get_by_label("Note").fill("Called, a new one is on its way")
    await page.get_by_role("button", name="Save", exact=True).click()
    await page.get_by_text("Saved.").wait_for()
    await page.get_by_role("link", name="Follow-ups").click()
    assert await page.get_by_role("cell", name="31 Jan 2030, 23:59").is_visible()
    (low,) = [response for response in company.responses() if response["score"] == 2]
    assert low["follow_up"]["notes"][0]["by"] == "Eva"
    await page.get_by_role("button", name="Sign out").click()
    await page.get_by_role("heading", name="Sign in").first.wait_for()
    await page.goto(service.url + "/comments")
    assert "/sign-in" in page.url


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_every_dashboard_page_is_accessible(
    browser: Browser, company: BrowserCompany, service: Service, scheme: Literal["light", "dark"]
) -> None:
    context = await browser.new_context(
        color_scheme=scheme, viewport={"width": WIDTHS[scheme], "height": 700}
    )
    page = await context.new_page()
    await page.goto(service.url + "/sign-in")
    problems = {"sign in": await violations(page)}
    await page.goto(service.url + "/sign-in/a-link")
    problems["link"] = await violations(page)
    await sign_in(page, service, company)
    for path in PATHS:
        await page.goto(service.url + path)
        problems[f"empty {path}"] = await violations(page)
    furnish(company)
    (low,) = [response for response in company.responses() if response["score"] == 2]
    (somebody, *_) = company.client.get("/v1/customers").json()["data"]
    things = ("/surveys/s", "/surveys/s/edit", "/surveys/nobody", f"/people/{somebody['id']}")
    for path in (*PATHS, *things, f"/responses/{low['id']}", "/connections/zendesk"):
        await page.goto(service.url + path)
        for summary in await page.locator("summary:visible").all():
            await summary.click()
        problems[path] = await violations(page)
    await context.close()
    assert {name: faults for name, faults in problems.items() if faults} == {}


async def test_a_page_is_small_and_loads_nothing_from_other_servers(
    browser: Browser, company: BrowserCompany, service: Service
) -> None:
    furnish(company)
    (somebody, *_) = company.client.get("/v1/customers").json()["data"]
    context = await browser.new_context()
    page = await context.new_page()
    await sign_in(page, service, company)
    for path in (*PATHS, "/surveys/s", "/surveys/s/edit", f"/people/{somebody['id']}"):
        # A context of its own begins with an empty cache, but keeps the visitor signed in.
        fresh = await browser.new_context(storage_state=await context.storage_state())
        page = await fresh.new_page()
        bodies: dict[str, bytes] = {}

        async def weigh(reply: Response, bodies: dict[str, bytes] = bodies) -> None:
            is_redirect = 300 <= reply.status < 400
            bodies[reply.url] = b"" if is_redirect else await reply.body()

        page.on("response", weigh)
        await page.goto(service.url + path)
        await page.wait_for_load_state("networkidle")
        weight = sum(len(gzip.compress(body, 9)) for body in bodies.values())
        assert weight < 60 * 1024, (path, weight)
        elsewhere = [url for url in bodies if not url.startswith((service.url, "data:"))]
        assert not elsewhere, (path, elsewhere)
        await fresh.close()
    await context.close()


async def test_it_prints_figures_and_no_forms(
    page: Page, company: BrowserCompany, service: Service
) -> None:
    furnish(company)
    await sign_in(page, service, company)
    await page.emulate_media(media="print")
    assert not await page.get_by_role("navigation").is_visible()
    assert not await page.get_by_role("button", name="Show").is_visible()
    assert await page.locator(".chart svg").first.is_visible()
    await page.emulate_media(media="screen")


@pytest.mark.parametrize(("scripts", "width"), [(True, 1280), (False, 390)])
async def test_from_nothing_to_the_first_answer_by_clicking(
    browser: Browser, company: BrowserCompany, service: Service, scripts: bool, width: int
) -> None:
    context = await browser.new_context(
        java_script_enabled=scripts, viewport={"width": width, "height": 800}
    )
    page = await context.new_page()
    await sign_in(page, service, company)
    await page.get_by_role("link", name="Make a survey").click()
    await page.get_by_label("Satisfaction (CSAT)").check()
    await page.get_by_role("textbox", name="Name Only").fill("After the till")
    await page.get_by_role("button", name="Make the survey").click()
    await page.get_by_label("Question (en)").first.fill("How was the till?")
    await page.get_by_role("button", name="Save and publish").click()
    await page.get_by_text("How was the till?").first.wait_for()
    address = await page.get_by_role("link", name=f"{service.url}/s/").first.get_attribute("href")
    assert address
    customer = await context.new_page()
    await customer.goto(address)
    await customer.get_by_role("radio").last.check()
    if not scripts:
        await customer.get_by_role("button", name="Next").click()
    await customer.get_by_role("textbox").first.wait_for()
    await page.goto(service.url + "/")
    await page.locator(".cards .value", has_text="100").first.wait_for()
    assert await page.locator(".steps .done").count() == 4
    await context.close()


async def test_the_editor_shows_what_is_typed(
    page: Page, company: BrowserCompany, service: Service
) -> None:
    furnish(company)
    await sign_in(page, service, company, "/surveys/s/edit")
    await page.get_by_label("Question (en)").first.fill("Would you come again?")
    frame = page.frame_locator("#preview")
    await frame.get_by_text("Would you come again?").wait_for()
    # The same text in the mail, in the widget, and back on the page.
    for show, within in (
        ("Mail", "table"),
        ("Widget", "afterword-survey"),
        ("Page", "form.survey"),
    ):
        await page.get_by_role("link", name=f"{show} (en)").click()
        question = frame.locator(within).get_by_text("Would you come again?")
        await question.first.wait_for()
    await page.get_by_label("Question (en)").first.fill("Would you ever come again?")
    await frame.get_by_text("Would you ever come again?").wait_for()
    saved = company.client.get("/v1/surveys/s").json()
    assert saved["questions"][0]["text"]["en"] == "Would you?"


async def test_everything_can_be_reached_by_keyboard(
    page: Page, company: BrowserCompany, service: Service
) -> None:
    furnish(company)
    await sign_in(page, service, company, "/asking/new")
    await page.get_by_label("Name").focus()
    await page.keyboard.type("By keys")
    await page.keyboard.press("Tab")
    await page.keyboard.type("Order p")
    await page.get_by_role("button", name="Save").press("Enter")
    await page.get_by_role("link", name="Try it on the last 30 days").wait_for()
    await page.get_by_role("link", name="Try it on the last 30 days").focus()
    await page.keyboard.press("Enter")
    await page.get_by_text("It would have asked 0 of 0.").wait_for()


async def test_a_chart_says_its_values_by_the_arrow_keys(
    page: Page, company: BrowserCompany, service: Service
) -> None:
    furnish(company)
    await sign_in(page, service, company, "/surveys/s")
    chart = page.locator(".question-result .chart").first
    await chart.locator("svg").focus()
    await page.keyboard.press("ArrowRight")
    first = await chart.get_by_role("status").inner_text()
    assert "%" in first
    await page.keyboard.press("ArrowRight")
    second = await chart.get_by_role("status").inner_text()
    assert second != first
    await page.keyboard.press("ArrowLeft")
    assert await chart.get_by_role("status").inner_text() == first
    await page.keyboard.press("ArrowLeft")
    # From the first it goes on at the last.
    assert await chart.get_by_role("status").inner_text() != first
    await chart.locator("rect.bar").last.hover()
    assert (await chart.get_by_role("status").inner_text()).startswith("10: ")
