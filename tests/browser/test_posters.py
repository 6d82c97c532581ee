# SPDX-License-Identifier: Apache-2.0
"""A poster is read by a camera: the code leads to the survey's page, with its place in it."""

import io

import zxingcpp
from PIL import Image
from playwright.async_api import Page

from tests.browser.conftest import BrowserCompany


async def read_code(page: Page) -> str:
    """Return what a camera reads from the screen."""
    (code,) = zxingcpp.read_barcodes(Image.open(io.BytesIO(await page.screenshot())))
    return str(code.text)


async def test_a_camera_reads_the_poster(page: Page, company: BrowserCompany) -> None:
    address = company.publish()
    await page.goto(address + "/poster?src=till-1")
    assert await read_code(page) == address + "?src=till-1"
    await page.emulate_media(media="print")
    assert await read_code(page) == address + "?src=till-1"
    await page.goto(await read_code(page))
    await page.get_by_text("9", exact=True).click()
    await page.get_by_role("button", name="Next").click()
    await page.get_by_role("textbox").wait_for()
    (response,) = company.responses()
    assert response["properties"] == {"src": "till-1"}
    svg = company.client.get("/v1/surveys/s/qr.svg?src=till-1")
    await page.set_content(svg.text)
    assert await read_code(page) == address + "?src=till-1"
