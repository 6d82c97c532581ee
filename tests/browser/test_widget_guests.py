# SPDX-License-Identifier: Apache-2.0
"""The widget as a guest in others' pages: it touches none of their nodes, whatever they do."""

import re

from playwright.async_api import BrowserContext, Page, expect

from tests.browser.conftest import BrowserCompany
from tests.browser.shop_pages import all_sent, script, stand
from tests.service import Service

LOOSE = "default-src 'self' 'unsafe-inline'"
INLINE = '<afterword-survey survey="s" order="1"></afterword-survey>'


async def shop_page(
    context: BrowserContext, service: Service, body: str, *, policy: str = LOOSE
) -> Page:
    page = await context.new_page()
    await page.goto(await stand(context, service, body, policy=policy))
    return page


def bare_script(key: str, more: str = "") -> str:
    return f'<script src="/widget.js" data-key="{key}"{more}></script>'


async def test_an_element_without_a_survey_stays_and_is_empty(
    context: BrowserContext, company: BrowserCompany, service: Service
) -> None:
    key = company.widget_key()
    page = await context.new_page()
    messages: list[str] = []
    page.on("console", lambda message: messages.append(message.text))
    body = (
        bare_script(key)
        + '<div id="host"><afterword-survey survey="nobody"></afterword-survey></div>'
    )
    await page.goto(await stand(context, service, body, policy=LOOSE))
    await page.wait_for_timeout(500)
    host = await page.evaluate("document.querySelector('#host').innerHTML")
    assert host == '<afterword-survey survey="nobody"></afterword-survey>'
    assert (
        await page.evaluate("document.querySelector('afterword-survey').shadowRoot.innerHTML") == ""
    )
    assert any('no survey "nobody"' in line for line in messages)
    # What a framework put there it can take away again.
    removed = "(h => (h.removeChild(h.firstChild), h.innerHTML))(document.querySelector('#host'))"
    assert await page.evaluate(removed) == ""


async def test_a_closed_popup_of_the_page_stays_in_it(
    context: BrowserContext, company: BrowserCompany, service: Service
) -> None:
    company.publish()
    body = (
        bare_script(company.widget_key()) + '<afterword-survey survey="s" popup></afterword-survey>'
    )
    page = await shop_page(context, service, body)
    await page.get_by_role("button", name="Close").click()
    await expect(page.get_by_role("dialog")).to_have_count(0)
    assert await page.locator("afterword-survey").count() == 1


async def test_the_next_order_on_the_same_element_is_a_new_survey(
    context: BrowserContext, company: BrowserCompany, service: Service
) -> None:
    company.publish(template="nps")
    page = await shop_page(context, service, bare_script(company.widget_key()) + INLINE)
    survey = page.locator("afterword-survey")
    await survey.locator("label", has_text=re.compile("^3$")).click()
    await expect(survey.get_by_role("textbox")).to_be_visible()
    await page.evaluate("document.querySelector('afterword-survey').setAttribute('order', '2')")
    await expect(survey.get_by_role("textbox")).to_have_count(0)
    await answer_all(page, 9)
    await all_sent(page)
    scores = {response["order"]: response["score"] for response in company.responses()}
    assert scores == {"1": 3, "2": 9}


async def answer_all(page: Page, score: int) -> None:
    survey = page.locator("afterword-survey")
    await survey.locator("label", has_text=re.compile(f"^{score}$")).click()
    await survey.get_by_role("button", name="Send").click()
    await expect(survey.get_by_role("status")).to_be_visible()


async def test_attributes_may_come_after_the_element(
    context: BrowserContext, company: BrowserCompany, service: Service
) -> None:
    company.publish()
    page = await shop_page(
        context, service, bare_script(company.widget_key()) + '<div id="host"></div>'
    )
    await page.evaluate("""() => {
      const element = document.createElement("afterword-survey");
      document.querySelector("#host").append(element);
      setTimeout(() => {
        element.setAttribute("survey", "s");
        element.setAttribute("order", "77");
      }, 100);
    }""")
    await answer_all(page, 9)
    await all_sent(page)
    (response,) = company.responses()
    assert response["order"] == "77"


async def test_a_module_and_a_second_copy_work(
    context: BrowserContext, company: BrowserCompany, service: Service
) -> None:
    company.publish()
    key = company.widget_key()
    attributes = f'type="module" src="/widget.js" data-key="{key}" data-survey="s"'
    body = f"<script {attributes}></script>" + script(key)
    page = await shop_page(context, service, body)
    await expect(page.get_by_role("dialog")).to_have_count(1)
    await page.wait_for_timeout(500)
    assert await page.locator("afterword-survey").count() == 1


async def test_a_script_without_attributes_is_configured_by_a_call(
    context: BrowserContext, company: BrowserCompany, service: Service
) -> None:
    company.publish()
    key = company.widget_key()
    call = f'<script>afterword("init", {{key: "{key}", survey: "s"}})</script>'
    page = await shop_page(context, service, '<script src="/widget.js"></script>' + call)
    await expect(page.get_by_role("dialog")).to_have_count(1)


async def test_an_old_library_spoils_no_answer(
    context: BrowserContext, company: BrowserCompany, service: Service
) -> None:
    company.publish(
        metric="custom", questions=[
            {"key": "what", "type": "choices", "text": {"en": "What?"},
             "options": [{"key": "a", "text": {"en": "Aaa"}}, {"key": "b", "text": {"en": "Bbb"}}]},
        ],
    )  # fmt: skip
    library = """<script>
      Array.prototype.toJSON = function () { return "[spoiled]"; };
      String.prototype.toJSON = function () { return '"' + this + '"'; };
    </script>"""
    page = await shop_page(context, service, library + bare_script(company.widget_key()) + INLINE)
    survey = page.locator("afterword-survey")
    await survey.get_by_text("Aaa").click()
    await survey.get_by_text("Bbb").click()
    await survey.get_by_role("button", name="Send").click()
    await expect(survey.get_by_role("status")).to_be_visible()
    await page.wait_for_timeout(500)
    (response,) = company.responses()
    assert response["answers"] == {"what": ["a", "b"]}
    assert await page.evaluate("[1].toJSON()") == "[spoiled]"


async def test_an_ignored_popup_is_shown_three_times(
    context: BrowserContext, company: BrowserCompany, service: Service
) -> None:
    company.publish()
    page = await context.new_page()
    address = await stand(context, service, script(company.widget_key()), policy=LOOSE)
    seen = []
    for _ in range(5):
        await page.goto(address)
        await page.wait_for_timeout(700)
        seen.append(await page.locator("afterword-survey").count())
    assert seen == [1, 1, 1, 0, 0]


async def test_a_survey_closed_while_it_is_open_says_so(
    context: BrowserContext, company: BrowserCompany, service: Service
) -> None:
    company.publish()
    page = await shop_page(context, service, bare_script(company.widget_key()) + INLINE)
    survey = page.locator("afterword-survey")
    await expect(survey.locator("label").first).to_be_visible()
    company.post("/v1/surveys/s/close")
    await survey.locator("label", has_text=re.compile("^9$")).click()
    await expect(survey.get_by_role("status")).to_have_text("It takes no more answers.")
    await expect(survey.get_by_role("button")).to_have_count(0)
    assert company.responses() == []


async def test_an_answered_order_is_not_asked_about_again(
    context: BrowserContext, company: BrowserCompany, service: Service
) -> None:
    company.publish(one_answer_per="order")
    company.post("/v1/responses", {"survey": "s", "channel": "api", "answers": {"score": 9},
                                   "order": "1"})  # fmt: skip
    page = await shop_page(context, service, bare_script(company.widget_key()) + INLINE)
    survey = page.locator("afterword-survey")
    await expect(survey.get_by_role("status")).to_have_text("This was already answered. Thank you.")
    await expect(survey.locator("label")).to_have_count(0)


async def test_only_allowed_pages_may_frame_a_survey(
    context: BrowserContext, company: BrowserCompany, service: Service
) -> None:
    url = company.publish()
    allowed = {"allowed_origins": ["https://shop.example", "null"]}
    company.client.patch("/v1/workspace", json=allowed)
    policy = company.client.get(url).headers["content-security-policy"]
    assert "frame-ancestors 'self' https://shop.example" in policy
    assert "null" not in policy
    dashboard = company.client.get("/sign-in").headers["content-security-policy"]
    assert "frame-ancestors 'none'" in dashboard
    body = f'<iframe src="{url}"></iframe>'
    page = await shop_page(context, service, body, policy="frame-src 'self'")
    await expect(page.frame_locator("iframe").get_by_role("button").first).to_be_visible()
