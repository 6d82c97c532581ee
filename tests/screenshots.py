# SPDX-License-Identifier: Apache-2.0
"""Makes pictures of a demo service; it needs Chromium.

`uv run --dev python -m tests.screenshots` makes the picture of the README: the dashboard with the
shop's widget in a corner. With a folder as its argument it makes one of every page, in light and
dark, 390 and 1280 pixels wide; with names behind it, such as `settings`, of those pages alone.
"""

import asyncio
import re
import shutil
import sys
from collections.abc import AsyncIterator, Container
from pathlib import Path
from typing import Literal, get_args

from PIL import Image
from playwright.async_api import Browser, Page, async_playwright

from app.pages.dashboard.pages import PAGES
from tests.browser.conftest import ARGUMENTS
from tests.service import Service

FOLDER = Path(__file__).parents[1] / "docs" / "images"
_WIDTH, _HEIGHT = 1280, 860
_WIDTHS = (390, 1280)
Scheme = Literal["light", "dark"]
# Pages about one thing whose address does not tell which: where a link to it stands.
_ALONE = {"survey_editor": ("/surveys/delivery", "/edit")}


async def _sign_in(page: Page, service: Service, key: str) -> None:
    await page.goto(f"{service.url}/sign-in")
    await page.fill("input[type=password]", key)
    await page.locator("form", has=page.locator("input[type=password]")).locator("button").click()
    await page.wait_for_selector("nav", state="attached")


async def take(service: Service, key: str) -> None:
    """Take the dashboard's overview and the widget after a purchase, and join them."""
    program = shutil.which("chromium")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=program, args=ARGUMENTS)
        context = await browser.new_context(viewport={"width": _WIDTH, "height": _HEIGHT})
        page = await context.new_page()
        await _sign_in(page, service, key)
        await page.goto(f"{service.url}/?period=12mo")
        await page.screenshot(path=FOLDER / "dashboard.png")
        shop = await browser.new_context(viewport={"width": 420, "height": 620})
        page = await shop.new_page()
        await page.goto(f"{service.url}/demo/shop")
        await page.locator("button").first.click()
        await page.wait_for_selector("afterword-survey")
        await page.wait_for_timeout(500)
        await page.screenshot(path=FOLDER / "widget.png")
        await browser.close()


async def _paths(page: Page, service: Service) -> AsyncIterator[tuple[str, str]]:
    """Yield the name and the path of every page; of a page about one thing, the first there is."""
    for entry in PAGES.values():
        if not entry.path.endswith("/") or entry.path == "/":
            yield entry.name, entry.path
            continue
        listed, ending = _ALONE.get(entry.name, (PAGES[entry.parent or entry.name].path, ""))
        await page.goto(service.url + listed)
        links = page.locator(f'main a[href*="{entry.path}"]')
        addresses = [await link.get_attribute("href") or "" for link in await links.all()]
        others = ("/new", ".csv") if ending else ("/new", ".csv", "/edit")
        if hrefs := [
            address
            for address in addresses
            if address.endswith(ending) and not address.endswith(others)
        ]:
            yield entry.name, hrefs[0].removeprefix(service.url)
        else:
            print(f"  no {entry.name} is there")


async def take_every(service: Service, key: str, folder: Path, names: Container[str]) -> None:
    """Take every page, or those that are named, in both schemes and widths, whole."""
    program = shutil.which("chromium")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=program, args=ARGUMENTS)
        for scheme in get_args(Scheme):
            for width in _WIDTHS:
                await _take_pages(browser, service, key, folder / f"{scheme}-{width}", names)
        await browser.close()


async def _take_pages(
    browser: Browser, service: Service, key: str, folder: Path, names: Container[str]
) -> None:
    """Take pages into a folder that is named for the scheme and the width."""
    scheme, width = folder.name.split("-")
    context = await browser.new_context(
        viewport={"width": int(width), "height": _HEIGHT},
        color_scheme="dark" if scheme == "dark" else "light",
    )
    page = await context.new_page()
    await _sign_in(page, service, key)
    async for name, path in _paths(await context.new_page(), service):
        if name not in names:
            continue
        await page.goto(service.url + path)
        await page.wait_for_load_state("networkidle")
        await page.screenshot(path=folder / f"{name}.png", full_page=True)
    await context.close()
    print(f"  {folder}")


def join() -> None:
    """Lay the widget over a corner of the dashboard."""
    with Image.open(FOLDER / "dashboard.png") as base, Image.open(FOLDER / "widget.png") as part:
        small = part.resize((part.width * 5 // 6, part.height * 5 // 6))
        framed = Image.new("RGB", (small.width + 2, small.height + 2), "#8c9096")
        framed.paste(small, (1, 1))
        base.paste(framed, (base.width - framed.width - 24, base.height - framed.height - 24))
        reduced = base.convert("P", palette=Image.Palette.ADAPTIVE, colors=128)
        reduced.save(FOLDER / "afterword.png", optimize=True)
    for name in ("dashboard.png", "widget.png"):
        (FOLDER / name).unlink()


def main() -> None:
    """Start a demo service, take the pictures, and remove it."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    service = Service()
    service.start("--demo")
    try:
        line = re.search(rb"workspace `?demo`?.*?(sk_[\w-]+)", service.log.read_bytes(), re.DOTALL)
        result = service.command(
            "key", "create", "pictures", "--scope", "admin", "--workspace", "demo"
        )
        key = line[1].decode() if line else result.stdout.split()[-1]
        if sys.argv[1:]:
            names = sys.argv[2:] or PAGES
            asyncio.run(take_every(service, key, Path(sys.argv[1]), names))
            return
        asyncio.run(take(service, key))
    finally:
        service.remove()
    join()


if __name__ == "__main__":
    main()
