# SPDX-License-Identifier: Apache-2.0
"""Makes the pictures of the documents: `uv run --dev python -m tests.screenshots`.

A demo service is started, Chromium shows its dashboard and the shop's widget, and both are laid
into one picture. It needs Chromium.
"""

import asyncio
import re
import shutil
from pathlib import Path

from PIL import Image
from playwright.async_api import Page, async_playwright

from tests.browser.conftest import ARGUMENTS
from tests.service import Service

FOLDER = Path(__file__).parents[1] / "docs" / "images"
_WIDTH, _HEIGHT = 1280, 860


async def _sign_in(page: Page, service: Service, key: str) -> None:
    await page.goto(f"{service.url}/sign-in")
    await page.fill("input[type=password]", key)
    await page.locator("form", has=page.locator("input[type=password]")).locator("button").click()
    await page.wait_for_selector("nav")


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


def join() -> None:
    """Lay the widget over a corner of the dashboard."""
    with Image.open(FOLDER / "dashboard.png") as whole, Image.open(FOLDER / "widget.png") as part:
        small = part.resize((part.width * 5 // 6, part.height * 5 // 6))
        framed = Image.new("RGB", (small.width + 2, small.height + 2), "#8c9096")
        framed.paste(small, (1, 1))
        whole.paste(framed, (whole.width - framed.width - 24, whole.height - framed.height - 24))
        reduced = whole.convert("P", palette=Image.Palette.ADAPTIVE, colors=128)
        reduced.save(FOLDER / "afterword.png", optimize=True)
    for name in ("dashboard.png", "widget.png"):
        (FOLDER / name).unlink()


def main() -> None:
    """Start a demo service, take the pictures, and remove it."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    service = Service()
    service.start("--demo")
    try:
        found = re.search(rb"workspace `?demo`?.*?(sk_[\w-]+)", service.log.read_bytes(), re.DOTALL)
        made = service.command(
            "key", "create", "pictures", "--scope", "read", "--workspace", "demo"
        )
        key = found[1].decode() if found else made.stdout.split()[-1]
        asyncio.run(take(service, key))
    finally:
        service.remove()
    join()


if __name__ == "__main__":
    main()
