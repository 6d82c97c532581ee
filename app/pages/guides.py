# SPDX-License-Identifier: Apache-2.0
"""`/guides`: how to connect each source and BI tool, how mail bounces, and how asking works.

Guides in prose are Markdown files in `docs/guides`, readable without the service.
"""

import json
import re
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from fastapi import APIRouter, Request
from markdown_it import MarkdownIt
from markupsafe import Markup
from starlette.responses import HTMLResponse

from app.core.errors import NotFound
from app.core.http import public_path
from app.core.settings import Settings
from app.integrations.guides import SOURCE_GUIDES, read_instructions
from app.metrics.registry import METRICS
from app.pages.rendering import render_page

routes = APIRouter(include_in_schema=False)

Guide = Mapping[str, Any]


def _read(name: str) -> dict[str, dict[str, Any]]:
    guides: dict[str, dict[str, Any]] = json.loads(
        files("app.pages").joinpath(f"guides/{name}.json").read_text()
    )
    return guides


BI = _read("bi")
BOUNCES = _read("bounces")


# How a guide writes the service's own address.
_ADDRESS = "https://afterword.example"
_IN_WHEEL = Path(__file__).with_name("prose")
_IN_REPOSITORY = Path(__file__).parents[2] / "docs" / "guides"
# The order in which they are listed.
PROSE = (
    "pages", "widget", "mail", "privacy", "webhooks", "automation", "moving-in",
    *(f"moving-in-{name}" for name in (
        "surveymonkey", "typeform", "google-forms", "microsoft-forms", "qualtrics", "limesurvey",
        "zendesk-ratings", "retently", "afterword", "tickets")),
    "delighted", "elt", "assistant", "running", "watching",
)  # fmt: skip


@cache
def _prose(name: str) -> tuple[str, str]:
    """Return the title of a guide, and its text as Markdown."""
    folder = _IN_WHEEL if _IN_WHEEL.exists() else _IN_REPOSITORY
    heading, _, text = folder.joinpath(f"{name}.md").read_text().partition("\n")
    return heading.removeprefix("# "), text


def _as_html(text: str, base: str) -> Markup:
    """Render Markdown; its code can be scrolled by keyboard, its tables name their columns."""
    html = (
        MarkdownIt("commonmark", {"html": False})
        .enable("table")
        .render(re.sub(r"<!--.*?-->\n?", "", text).replace(_ADDRESS, base))
    )
    html = re.sub(
        r'href="([a-z-]+)\.md"', lambda m: f'href="{public_path("/guides/" + m[1])}"', html
    )
    html = html.replace("<pre>", '<pre tabindex="0">').replace("<th>", '<th scope="col">')
    return Markup(html)  # noqa: S704 - our own text, and raw HTML is off


@routes.get("/guides")
async def show_guides() -> HTMLResponse:
    """List the guides."""
    return render_page(
        "guides.html",
        lang="en",
        title="Guides",
        guides=SOURCE_GUIDES,
        prose={name: _prose(name)[0] for name in PROSE},
        bi=BI,
        bounces=BOUNCES,
    )


@routes.get("/guides/{name}")
async def show_guide(request: Request, name: str) -> HTMLResponse:
    """Show how to connect one source, or how something works."""
    settings: Settings = request.app.state.settings
    base = settings.base_url
    if name in PROSE:
        title, text = _prose(name)
        return render_page("prose.html", lang="en", title=title, text=_as_html(text, base))
    if name in BI:
        content = BI[name]
        net = [metric.name for metric in METRICS.values() if metric.unit.is_net]
        return render_page(
            "bi.html", lang="en", title=content["title"], guide=content, base=base, net_metrics=net
        )
    if name in BOUNCES:
        content = BOUNCES[name]
        title = f"Bounces of {content['title']}"
        return render_page("bounces.html", lang="en", title=title, guide=content, base=base)
    if name not in SOURCE_GUIDES:
        raise NotFound("There is no guide of this name; see /guides.")
    guide = SOURCE_GUIDES[name]
    return render_page(
        "guide.html",
        lang="en",
        title=guide["title"],
        guide=guide,
        instructions=read_instructions(name, "en"),
        key=_key_of(guide),
        register=json.dumps(guide["register"], ensure_ascii=False),
        base=base,
    )


def _key_of(guide: Guide) -> str:
    """Return the key that the guide's integration gets."""
    registration = guide["register"]
    key: str = registration.get("key") or registration.get("preset") or registration["source"]
    return key
