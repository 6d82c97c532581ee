# SPDX-License-Identifier: Apache-2.0
"""Scanners never count; every person counts except one who leaves without a gesture."""

import asyncio
from collections.abc import Awaitable, Callable

import httpx
import pytest
from playwright.async_api import Browser, Page

from tests.browser.conftest import BrowserCompany

Behaviour = Callable[[Page, str], Awaitable[None]]
SCORES = ("9", "2", "6")


async def gets_everything(page: Page, url: str) -> None:
    async with httpx.AsyncClient(follow_redirects=True) as client:
        for score in range(11):
            await client.get(f"{url}/{score}")


async def asks_for_headers(page: Page, url: str) -> None:
    async with httpx.AsyncClient() as client:
        for score in range(11):
            await client.head(f"{url}/{score}")


async def opens_with_scripts(page: Page, url: str) -> None:
    for score in SCORES[:2]:
        await page.goto(f"{url}/{score}")
        await page.wait_for_load_state("networkidle")


async def submits_by_script(page: Page, url: str) -> None:
    await page.goto(f"{url}/9")
    await _wait(page)
    async with page.expect_navigation():
        await page.evaluate("document.querySelector('form').submit()")


async def requests_submission(page: Page, url: str) -> None:
    await page.goto(f"{url}/9")
    await _wait(page)
    async with page.expect_navigation():
        await page.evaluate("document.querySelector('form').requestSubmit()")


async def clicks_by_script(page: Page, url: str) -> None:
    await page.goto(f"{url}/9")
    await _wait(page)
    async with page.expect_navigation():
        await page.evaluate(
            "document.querySelectorAll('label')[3].click();"
            "document.querySelector('[value=\"4\"]').click();"
            "document.querySelector('button').click()"
        )
    # It presses whatever comes next, too.
    async with page.expect_navigation():
        await page.evaluate("document.querySelector('button').click()")


async def makes_up_events(page: Page, url: str) -> None:
    await page.goto(f"{url}/9")
    await _wait(page)
    async with page.expect_navigation():
        await page.evaluate(
            "for (const type of ['pointerdown', 'touchstart', 'keydown', 'click'])"
            " document.querySelector('button').dispatchEvent(new Event(type, {bubbles: true}));"
            "document.querySelector('form').submit()"
        )


async def clicks_three_scores(page: Page, url: str) -> None:
    await page.goto(f"{url}/9")
    await _wait(page)
    for score in SCORES:
        await page.get_by_text(score, exact=True).click()
        await page.wait_for_timeout(100)
    await page.wait_for_load_state("networkidle")


async def clicks_three_links(page: Page, url: str) -> None:
    links = "".join(f'<a href="{url}/{score}">{score}</a> ' for score in SCORES)
    for score in SCORES:
        await page.set_content(links)
        await page.get_by_text(score, exact=True).click()
        await page.wait_for_load_state("networkidle")
        await _wait(page)


async def sends_three_scores(page: Page, url: str) -> None:
    for score in SCORES:
        await page.goto(f"{url}/{score}")
        await _wait(page)
        await page.get_by_role("button").first.click()
        await page.wait_for_load_state("networkidle")


async def _wait(page: Page) -> None:
    """Wait as long as the scanner of this row does."""
    await page.wait_for_timeout(waits[page])


waits: dict[Page, int] = {}

MACHINES: list[Behaviour] = [
    gets_everything, asks_for_headers, opens_with_scripts, submits_by_script, requests_submission,
    clicks_by_script, makes_up_events, clicks_three_scores, clicks_three_links, sends_three_scores,
]  # fmt: skip


@pytest.mark.parametrize("seconds", [0, 8])
async def test_no_machine_counts(browser: Browser, company: BrowserCompany, seconds: int) -> None:
    """All machines at once, each with an invitation of its own."""
    company.publish()
    context = await browser.new_context()

    async def run(behaviour: Behaviour) -> None:
        url = company.invite(f"{behaviour.__name__}@example.pl")
        page = await context.new_page()
        waits[page] = seconds * 1000
        await behaviour(page, url)
        if seconds and behaviour in {gets_everything, opens_with_scripts}:
            await page.wait_for_timeout(seconds * 1000)
        await page.close()

    await asyncio.gather(*(run(behaviour) for behaviour in MACHINES))
    await context.close()
    total = company.get("/v1/metrics/nps")["total"]
    assert total["n"] == 0, company.responses()
    # Every scanner except the HEAD request is listed, with the reason why it does not count.
    excluded = total["excluded"]
    assert sum(excluded.values()) == len(MACHINES) - 1
    assert excluded["quarantined"] >= 4
    assert excluded["unverified"] >= 4


async def taps_and_comments(page: Page, url: str) -> None:
    await page.goto(f"{url}/9")
    await page.get_by_role("textbox").fill("Fine")
    await page.get_by_role("button").first.click()
    await page.wait_for_load_state("networkidle")


async def taps_and_looks(page: Page, url: str) -> None:
    await page.goto(f"{url}/9")
    async with page.expect_response(lambda reply: reply.status == 204):
        await page.mouse.click(300, 300)


async def tabs_through_the_page(page: Page, url: str) -> None:
    await page.goto(f"{url}/9")
    async with page.expect_response(lambda reply: reply.status == 204):
        await page.keyboard.press("Tab")


async def answers_twice(page: Page, url: str) -> None:
    await taps_and_comments(page, url)
    await page.goto(f"{url}/3")
    await page.get_by_role("button").first.click()
    await page.wait_for_load_state("networkidle")


async def comes_after_a_scanner(page: Page, url: str) -> None:
    await gets_everything(page, url)
    await taps_and_comments(page, url)


async def has_no_scripts(page: Page, url: str) -> None:
    assert page.context.browser
    plain = await page.context.browser.new_context(java_script_enabled=False)
    page = await plain.new_page()
    await page.goto(f"{url}/9")
    await page.wait_for_timeout(3100)
    await page.get_by_role("button").first.click()
    await plain.close()


PEOPLE: list[Behaviour] = [
    taps_and_comments, taps_and_looks, tabs_through_the_page, answers_twice,
    comes_after_a_scanner, has_no_scripts,
]  # fmt: skip


async def test_every_person_counts_but_who_leaves_at_once(
    browser: Browser, company: BrowserCompany
) -> None:
    company.publish()
    for behaviour in PEOPLE:
        context = await browser.new_context()
        page = await context.new_page()
        await behaviour(page, company.invite(f"{behaviour.__name__}@example.pl"))
        await context.close()
        assert company.responses()[0]["integrity"] == "ok", behaviour.__name__
    assert company.count_answers() == len(PEOPLE)
    context = await browser.new_context()
    page = await context.new_page()
    await page.goto(company.invite("leaves@example.pl") + "/9")
    await context.close()
    assert company.count_answers() == len(PEOPLE)
    assert company.responses()[0]["integrity"] == "provisional"


@pytest.mark.parametrize("key", ["Shift", "Control", "Escape", "PageDown", "End", "F5", "a"])
async def test_a_bare_key_of_navigation_is_no_vote(
    browser: Browser, company: BrowserCompany, key: str
) -> None:
    company.publish()
    context = await browser.new_context()
    page = await context.new_page()
    sent: list[str] = []
    page.on("request", lambda request: sent.append(request.method))
    await page.goto(f"{company.invite()}/9")
    await page.keyboard.press(key)
    await page.wait_for_timeout(200)
    await context.close()
    assert "POST" not in sent
    assert company.responses()[0]["integrity"] == "provisional"
