# SPDX-License-Identifier: Apache-2.0
"""Reading a page as a browser without scripts does: its form, its links, its words."""

from dataclasses import dataclass, field
from html.parser import HTMLParser

import httpx


@dataclass
class Page:
    """What stands in a page: the first form's target, fields and choices, and its links."""

    status: int
    action: str = ""
    fields: dict[str, str] = field(default_factory=dict)
    choices: dict[str, list[str]] = field(default_factory=dict)
    traps: list[str] = field(default_factory=list)
    links: list[str] = field(default_factory=list)
    hidden_links: list[str] = field(default_factory=list)
    attributes: dict[str, dict[str, str | None]] = field(default_factory=dict)
    text: str = ""

    async def send(self, client: httpx.AsyncClient, **answers: str | list[str]) -> httpx.Response:
        """Send the form with these answers, as a browser does."""
        return await client.post(self.action, data=self.fields | answers)


class _Parser(HTMLParser):
    def __init__(self, page: Page) -> None:
        super().__init__()
        self.page = page
        self._area: str | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = dict(attrs)
        self.page.attributes.setdefault(tag, attributes)
        if tag == "form":
            self.page.action = self.page.action or attributes["action"] or ""
        elif tag == "a":
            hidden = attributes.get("tabindex") == "-1"
            (self.page.hidden_links if hidden else self.page.links).append(attributes["href"] or "")
        elif tag == "input":
            self._input(attributes)
        elif tag == "textarea":
            self._area = attributes["name"] or ""
            self.page.fields[self._area] = ""

    def _input(self, attributes: dict[str, str | None]) -> None:
        name, value = attributes["name"] or "", attributes.get("value") or ""
        if attributes.get("tabindex") == "-1":
            self.page.traps.append(name)
        if attributes.get("type") in {"radio", "checkbox"}:
            self.page.choices.setdefault(name, []).append(value)
            if "checked" in attributes:
                self.page.fields[name] = value
        else:
            self.page.fields[name] = value

    def handle_endtag(self, tag: str) -> None:
        if tag == "textarea":
            self._area = None

    def handle_data(self, data: str) -> None:
        if self._area is not None:
            self.page.fields[self._area] += data
        self.page.text += data


def parse(reply: httpx.Response) -> Page:
    """Read a page."""
    page = Page(reply.status_code)
    _Parser(page).feed(reply.text)
    return page


async def browse(client: httpx.AsyncClient, path: str, **headers: str) -> Page:
    """Open a page."""
    return parse(await client.get(path, headers=headers))


async def follow(client: httpx.AsyncClient, reply: httpx.Response) -> Page:
    """Go where a reply leads."""
    assert reply.status_code == 303, reply.text
    return await browse(client, reply.headers["location"])
