# SPDX-License-Identifier: Apache-2.0
"""A shop's page around the widget, standing beside the service."""

from typing import Any

from playwright.async_api import BrowserContext, Page, Route

from tests.service import Service

STRICT = (
    "default-src 'none'; script-src 'self'; connect-src 'self'; "
    "require-trusted-types-for 'script'; trusted-types 'none'"
)


def page_of(body: str) -> str:
    """Return a shop's page around the widget."""
    return f'<!doctype html><html lang="en"><title>Shop</title><main><h1>Shop</h1>{body}</main>'


async def stand(
    context: BrowserContext, service: Service, body: str, *, policy: str = STRICT
) -> str:
    """Serve a shop's page on the service's origin, with its own policy; return its address."""

    async def show(route: Route) -> None:
        headers = {"Content-Security-Policy": policy, "Content-Type": "text/html"}
        await route.fulfill(body=page_of(body), headers=headers)

    await context.route(service.url + "/shop/**", show)
    return service.url + "/shop/checkout"


def script(key: str, survey: str = "s", **data: Any) -> str:
    rules = "".join(f' data-{name}="{value}"' for name, value in data.items())
    return (
        f'<script async src="/widget.js" data-key="{key}" data-survey="{survey}"{rules}></script>'
    )


def listen(page: Page) -> list[str]:
    """Collect what a page says on the console."""
    messages: list[str] = []
    page.on("console", lambda message: messages.append(message.text))
    page.on("pageerror", lambda error: messages.append(str(error)))
    return messages


async def wait_until(page: Page, expression: str) -> None:
    """Wait until it holds in the page, asking from outside: a strict policy forbids an eval."""
    for _ in range(300):
        if await page.evaluate(f"!!({expression})"):
            return
        await page.wait_for_timeout(100)
    raise AssertionError(expression)


async def all_sent(page: Page) -> None:
    """Wait until every answer of the page has been taken."""
    await wait_until(page, "localStorage['afterword.outbox'] == '[]'")
