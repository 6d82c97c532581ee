# SPDX-License-Identifier: Apache-2.0
"""A manager's day by the keyboard alone, with a focus that can always be seen."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from playwright.async_api import Browser, Page

from tests.browser.conftest import BrowserCompany
from tests.browser.test_dashboard import furnish
from tests.service import Service

# The focused element: its name, address and text, and whether its focus is visible.
_FOCUSED = """() => {
  const at = document.activeElement, style = getComputedStyle(at);
  const box = at.getClientRects()[0] || at.getBoundingClientRect();
  const label = at.labels && at.labels[0] ? at.labels[0].textContent : "";
  const hit = document.elementFromPoint(box.x + box.width / 2, box.y + Math.min(box.height / 2, 8));
  return {
    tag: at.tagName, name: at.name || "", href: at.href || "", id: at.id || "",
    text: (at.ariaLabel || at.textContent || label).trim(),
    outlined: style.outlineStyle !== "none" && parseFloat(style.outlineWidth) > 0
      || style.boxShadow !== "none",
    hidden: box.width < 2 || box.height < 2 || !hit || !(at === hit || at.contains(hit)
      || hit.contains(at)),
  };
}"""
_MAX_TABS = 260


class Keyboard:
    """Presses keys on a page, and nothing else."""

    def __init__(self, page: Page) -> None:
        self.page = page
        # Controls that had the focus without showing it, or beneath something else.
        self.unseen: list[str] = []

    async def focused_element(self) -> dict[str, Any]:
        element: dict[str, Any] = await self.page.evaluate(_FOCUSED)
        return element

    async def to(self, *, back: bool = False, **parts: str) -> None:
        """Go on with Tab to the control of this name, address or text."""
        for _ in range(_MAX_TABS):
            at = await self.focused_element()
            fits = all(self._fits(at[part], value) for part, value in parts.items())
            if fits and at["tag"] != "BODY":
                return
            await self.page.keyboard.press("Shift+Tab" if back else "Tab")
            self._note(await self.focused_element())
        raise AssertionError(f"{parts} cannot be reached by Tab on {self.page.url}")

    @staticmethod
    def _fits(text: str, part: str) -> bool:
        return text == part or (len(part) > 3 and part in text)

    def _note(self, at: dict[str, Any]) -> None:
        is_plain = at["tag"] in {"BODY", "IFRAME"} or at["id"] == "menu"
        if not is_plain and (not at["outlined"] or at["hidden"]):
            self.unseen.append(f"{self.page.url}: {at['tag']} {at['name'] or at['text'][:40]}")

    async def press(self, *keys: str) -> None:
        for key in keys:
            await self.page.keyboard.press(key)

    async def write(self, text: str) -> None:
        """Replace what stands in the field."""
        await self.page.keyboard.press("Control+a")
        await self.page.keyboard.type(text)

    async def enter(self) -> None:
        """Press Enter and wait for the page that follows."""
        async with self.page.expect_navigation():
            await self.page.keyboard.press("Enter")

    async def open(self, path: str) -> None:
        """Go to a page by the navigation."""
        if await self.page.locator(".menu-button").is_visible():
            await self.to(id="menu")
            await self.press("Space")
        await self.to(tag="A", href=path)
        await self.enter()


@pytest.fixture(params=[1280, 390])
async def keys(
    request: pytest.FixtureRequest, browser: Browser, company: BrowserCompany, service: Service
) -> AsyncIterator[Keyboard]:
    """A keyboard, signed in by it to a filled workspace."""
    furnish(company)
    context = await browser.new_context(viewport={"width": request.param, "height": 800})
    keyboard = Keyboard(await context.new_page())
    await keyboard.page.goto(service.url + "/")
    await keyboard.to(name="key")
    await keyboard.write(company.key)
    await keyboard.enter()
    yield keyboard
    await context.close()
    assert keyboard.unseen == []


async def test_a_survey_is_made_edited_and_published(
    keys: Keyboard, company: BrowserCompany
) -> None:
    await keys.open("/surveys")
    await keys.to(href="/surveys/new")
    await keys.enter()
    await keys.to(name="template")
    await keys.press("ArrowDown")
    await keys.to(name="name")
    await keys.write("Till")
    await keys.enter()
    await keys.to(name="questions.0.text.en")
    await keys.write("How was the till?")
    await keys.to(name="add_type")
    await keys.press("Tab")
    await keys.enter()
    # The focus is on the question that was added.
    added = (await keys.focused_element())["id"]
    assert added.startswith("question-")
    number = int(added.removeprefix("question-")) - 1
    await keys.to(name=f"questions.{number}.text.en")
    await keys.write("What else?")
    await keys.to(text="Save and publish")
    await keys.enter()
    assert company.get("/v1/surveys/till")["status"] == "live"


async def test_a_trigger_is_tried_and_switched_on(keys: Keyboard, company: BrowserCompany) -> None:
    await keys.open("/asking")
    await keys.to(href="/asking/new")
    await keys.enter()
    await keys.to(name="name")
    await keys.write("After a ticket")
    await keys.to(name="on")
    await keys.press("T", "i", "c", "k", "e", "t", "Space", "s")
    await keys.to(tag="BUTTON", text="Save")
    await keys.enter()
    await keys.to(text="Try it on the last 30 days")
    await keys.enter()
    assert (await keys.focused_element())["id"] == "history"
    await keys.to(tag="BUTTON", text="Switch on")
    await keys.enter()
    triggers = [
        trigger
        for trigger in company.get("/v1/triggers")["data"]
        if trigger["name"] == "After a ticket"
    ]
    assert [trigger["active"] for trigger in triggers] == [True]


async def test_a_sender_is_connected_and_its_address_copied(keys: Keyboard) -> None:
    await keys.open("/connections")
    await keys.to(name="source")
    await keys.press("s", "h", "o", "p")
    await keys.to(text="Connect", tag="BUTTON")
    await keys.enter()
    await keys.to(text="Copy", tag="BUTTON")
    await keys.press("Enter")
    await keys.page.get_by_role("button", name="Copied").wait_for()
    assert (await keys.focused_element())["tag"] == "BUTTON"


async def test_a_bad_answer_is_tagged_and_closed(keys: Keyboard, company: BrowserCompany) -> None:
    await keys.open("/follow-ups")
    await keys.to(href="/responses/")
    await keys.enter()
    await keys.to(name="tags")
    await keys.write("wet parcel")
    await keys.to(text="Save tags")
    await keys.enter()
    await keys.to(name="status")
    await keys.press("End")
    await keys.to(name="note")
    await keys.write("Called.")
    await keys.to(text="Save", tag="BUTTON")
    await keys.enter()
    (low,) = [row for row in company.responses() if row["score"] == 2]
    response = company.get(f"/v1/responses/{low['id']}")
    assert (response["tags"], response["follow_up"]["status"]) == (["wet parcel"], "resolved")


async def test_a_period_is_chosen_and_the_view_shared(keys: Keyboard, service: Service) -> None:
    await keys.open(service.url + "/")
    await keys.to(name="period")
    await keys.press("Home")
    await keys.enter()
    # The page was loaded again, and the focus is where it was.
    assert (await keys.focused_element())["name"] == "period"
    await keys.to(text="Share this view")
    await keys.enter()
    await keys.to(text="Make a link")
    await keys.enter()
    await keys.to(text="Copy", tag="BUTTON")
    await keys.press("Enter")
    await keys.page.get_by_role("button", name="Copied").wait_for()
    assert (await keys.focused_element())["tag"] == "BUTTON"


async def test_an_error_gets_the_focus(keys: Keyboard) -> None:
    await keys.open("/settings")
    await keys.to(name="hours.mon")
    await keys.write("9 till 5")
    await keys.enter()
    assert await keys.page.evaluate("document.activeElement.getAttribute('role')") == "alert"
    assert (await keys.page.title()).startswith("Error")
