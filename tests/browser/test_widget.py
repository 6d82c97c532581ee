# SPDX-License-Identifier: Apache-2.0
"""The widget in a real browser: how it looks, when it shows, and how it is answered."""

import contextlib
import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest
from playwright.async_api import BrowserContext, expect

from app.pages.build_widget import SOURCES
from tests.browser.conftest import BrowserCompany
from tests.browser.shop_pages import all_sent, listen, page_of, script, stand, wait_until
from tests.service import Service
from tests.surveys.test_show_if import VECTORS


async def test_it_is_styled_and_silent_under_the_strictest_policy(
    context: BrowserContext, company: BrowserCompany, service: Service
) -> None:
    company.publish()
    body = (
        script(company.widget_key()) + '<afterword-survey survey="s" order="17"></afterword-survey>'
    )
    page = await context.new_page()
    messages = listen(page)
    await page.goto(await stand(context, service, body))
    inline, popup = page.locator("afterword-survey:not([popup])"), page.locator("[popup]")
    await popup.get_by_role("button", name="Close").click()
    label = inline.locator("label", has_text="10")
    assert await label.evaluate("e => getComputedStyle(e).borderRadius") == "8px"
    button = inline.get_by_role("button", name="Next")
    assert await button.evaluate("e => getComputedStyle(e).backgroundColor") == "rgb(11, 92, 173)"
    await label.click()
    await inline.get_by_role("textbox").fill("Easy")
    async with page.expect_response("**/w/responses"):
        await inline.get_by_role("button", name="Send").click()
    await expect(inline.get_by_role("status")).to_have_text("Thank you for your answer.")
    await all_sent(page)
    assert messages == []
    (response,) = company.responses()
    assert response["answers"] == {"score": 10, "why": "Easy"}
    assert (response["order"], response["channel"], response["complete"]) == ("17", "widget", True)


@contextlib.contextmanager
def serving(html: str) -> Iterator[int]:
    """Serve one page on a port of its own, which is an origin of its own."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(html.encode())

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its base has this name
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever)
    thread.start()
    yield server.server_address[1]
    server.shutdown()
    server.server_close()
    thread.join()


async def test_it_stands_on_another_origin(
    context: BrowserContext, company: BrowserCompany, service: Service
) -> None:
    company.publish()
    key = company.widget_key()
    body = script(key, order="").replace('src="', f'src="{service.url}')
    page = await context.new_page()
    messages = listen(page)
    with serving(page_of(body)) as port:
        allowed = {"allowed_origins": [f"http://127.0.0.1:{port}"]}
        company.client.patch("/v1/workspace", json=allowed)
        await page.goto(f"http://127.0.0.1:{port}/checkout")
        await wait_until(page, "!!window.afterword")
        # What the page says of its customer is text to us, and no reason to refuse the answer.
        await page.evaluate("afterword('identify', {external_id: 17})")
        async with page.expect_response("**/w/responses"):
            await page.locator("[popup] label", has_text="10").click()
        await all_sent(page)
        assert [line for line in messages if "favicon" not in line] == []
        (response,) = company.responses()
        assert response["customer"]["claimed"] == {"external_id": "17"}
        # The same shop by another name is another origin, and not allowed.
        await page.goto(f"http://localhost:{port}/checkout")
        await page.wait_for_timeout(500)
        await expect(page.locator("afterword-survey")).to_have_count(0)


async def test_the_demos_checkout_shows_it(context: BrowserContext, service: Service) -> None:
    page = await context.new_page()
    messages = listen(page)
    await page.goto(service.url + "/demo/shop")
    await page.get_by_role("button", name="Pay").click()
    await page.locator("[popup] h2").wait_for()
    await page.locator("afterword-survey:not([popup]) h2").wait_for()
    assert messages == []


@pytest.mark.parametrize(
    ("theme", "paper"), [("light", "rgb(255, 255, 255)"), ("dark", "rgb(22, 24, 28)")]
)
async def test_a_theme_may_be_chosen(
    context: BrowserContext, company: BrowserCompany, service: Service, theme: str, paper: str
) -> None:
    company.publish()
    page = await context.new_page()
    await page.goto(await stand(context, service, script(company.widget_key(), theme=theme)))
    box = page.locator("[popup] section")
    assert await box.evaluate("e => getComputedStyle(e).backgroundColor") == paper
    await page.emulate_media(reduced_motion="reduce")
    assert await box.evaluate("e => getComputedStyle(e).animationName") == "none"
    for label in await page.locator("[popup] label").all():
        size = await label.bounding_box()
        assert size
        assert min(size["width"], size["height"]) >= 44


async def test_arrow_keys_send_nothing_and_escape_gives_the_focus_back(
    context: BrowserContext, company: BrowserCompany, service: Service
) -> None:
    company.publish()
    body = "<button id=here>Pay</button>" + script(company.widget_key(), event="paid")
    page = await context.new_page()
    messages = listen(page)
    await page.goto(await stand(context, service, body))
    await wait_until(page, "window.afterword && !window.afterword.q")
    await page.locator("#here").focus()
    await page.evaluate("afterword('track', 'paid')")
    await page.locator("[popup] h2").wait_for()
    assert await page.evaluate("document.activeElement.id") == "here"
    await page.keyboard.press("Tab")
    await page.keyboard.press("Space")
    for _ in range(4):
        await page.keyboard.press("ArrowRight")
    await page.wait_for_timeout(300)
    assert company.responses() == []
    async with page.expect_response("**/w/responses"):
        await page.keyboard.press("Enter")
    await page.locator("[popup] textarea").wait_for()
    await page.keyboard.press("Escape")
    await expect(page.locator("[popup]")).to_have_count(0)
    await all_sent(page)
    (response,) = company.responses()
    assert (response["score"], response["complete"]) == (4, False)
    assert messages == []


async def test_escape_without_an_answer_restores_the_focus(
    context: BrowserContext, company: BrowserCompany, service: Service
) -> None:
    company.publish()
    body = "<button id=here>Pay</button>" + script(company.widget_key(), event="paid")
    page = await context.new_page()
    await page.goto(await stand(context, service, body))
    await wait_until(page, "window.afterword && !window.afterword.q")
    await page.locator("#here").focus()
    closed = "new Promise(done => addEventListener('afterword:closed', e => done(e.detail.survey)))"
    await page.evaluate(f"window.heard = {closed}; afterword('track', 'paid')")
    await page.locator("[popup] h2").wait_for()
    await page.keyboard.press("Tab")
    assert await page.evaluate("document.activeElement.localName") == "afterword-survey"
    await page.keyboard.press("Escape")
    assert await page.evaluate("document.activeElement.id") == "here"
    assert await page.evaluate("window.heard") == "s"


async def test_it_shows_where_and_when_the_rules_say(
    context: BrowserContext, company: BrowserCompany, service: Service
) -> None:
    company.publish()
    key = company.widget_key()
    page = await context.new_page()
    popup = page.locator("[popup]")
    address = await stand(context, service, script(key, path="/shop/thanks*", delay=0.2))
    await page.goto(address)
    await page.wait_for_timeout(600)
    await expect(popup).to_have_count(0)
    # A page that changes its address without a new load is looked at again.
    await page.evaluate("history.pushState(0, '', '/shop/thanks-17')")
    await expect(popup).to_have_count(1)
    await popup.get_by_role("button", name="Close").click()
    await page.goto(service.url + "/shop/thanks-18")
    await page.wait_for_timeout(600)
    # A visitor who closed it is not asked again for thirty days.
    await expect(popup).to_have_count(0)
    await page.evaluate("afterword('reset')")
    await page.reload()
    await expect(popup).to_have_count(1)


async def test_calls_made_before_the_script_loads_are_run(
    context: BrowserContext, company: BrowserCompany, service: Service
) -> None:
    company.publish()
    stub = (
        "<script>window.afterword=window.afterword||function(){"
        "(afterword.q=afterword.q||[]).push(arguments)};afterword('show','s')</script>"
    )
    body = stub + f'<script async src="/widget.js" data-key="{company.widget_key()}"></script>'
    page = await context.new_page()
    await page.goto(await stand(context, service, body, policy="script-src 'self' 'unsafe-inline'"))
    await expect(page.locator("[popup] h2")).to_have_text(
        "How likely are you to recommend us to a friend or colleague?"
    )


async def test_follow_ups_appear_as_their_conditions_say(
    context: BrowserContext, company: BrowserCompany, service: Service
) -> None:
    questions = [
        {"key": "score", "type": "csat", "text": {"en": "How was it?"}, "required": True},
        {"key": "again", "type": "yes_no", "text": {"en": "Again?"}},
        {"key": "when", "type": "choices", "text": {"en": "When?"},
         "options": [{"key": key, "text": {"en": key}} for key in ("soon", "later")],
         "show_if": {"question": "again", "op": "==", "value": True}},
        {"key": "why", "type": "text", "text": {"en": "Why?"},
         "show_if": {"question": "score", "op": "<=", "value": 3}},
    ]  # fmt: skip
    company.publish(questions=questions, metric="csat")
    page = await context.new_page()
    await page.goto(await stand(context, service, script(company.widget_key())))
    popup = page.locator("[popup]")
    await popup.locator("label", has_text="5").click()
    await expect(popup.get_by_text("Again?")).to_be_visible()
    await expect(popup.get_by_text("When?")).to_be_hidden()
    await expect(popup.get_by_text("Why?")).to_have_count(0)
    await popup.get_by_text("Yes").click()
    await popup.get_by_text("soon").click()
    await popup.get_by_text("later").click()
    async with page.expect_response("**/w/responses"):
        await popup.get_by_role("button", name="Send").click()
    await all_sent(page)
    (response,) = company.responses()
    assert response["answers"] == {"score": 5, "again": True, "when": ["soon", "later"]}
    assert response["complete"] is True


async def test_both_evaluators_of_conditions_agree(
    context: BrowserContext, service: Service
) -> None:
    source = (SOURCES / "show_if.js").read_text().replace("export ", "")
    page = await context.new_page()
    await page.goto(service.url + "/healthz")
    results = await page.evaluate(
        f"(() => {{ {source}; return {json.dumps(VECTORS)}.map("
        "({op, value, answer}) => isShown({question: 'q', op, value}, {q: answer})) })()"
    )
    assert results == [vector["shown"] for vector in VECTORS]


async def test_a_survey_that_is_not_there_leaves_the_page_alone(
    context: BrowserContext, company: BrowserCompany, service: Service
) -> None:
    page = await context.new_page()
    messages = listen(page)
    await page.goto(await stand(context, service, script(company.widget_key(), "nobody")))
    await page.wait_for_timeout(500)
    await expect(page.locator("afterword-survey")).to_have_count(0)
    assert any('no survey "nobody"' in line for line in messages)
