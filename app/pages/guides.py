"""`/guides`: how to connect each source and BI tool, how mail bounces, and how asking works."""

import json
from collections.abc import Mapping
from importlib.resources import files
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse

from app.core.errors import NotFound
from app.core.settings import Settings
from app.integrations.presets import PRESETS
from app.integrations.registry import ADAPTERS
from app.pages.rendering import page

routes = APIRouter(include_in_schema=False)

Guide = Mapping[str, Any]


def _read(name: str) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = json.loads(
        files("app.pages").joinpath(f"guides/{name}.json").read_text()
    )
    return found


def _source_guides() -> dict[str, Guide]:
    """Return a guide for each source and each preset, with the properties that they yield."""
    guides: dict[str, Guide] = {
        name: {**guide, "properties": ADAPTERS[name].properties}
        for name, guide in _read("guides").items()
    }
    return guides | dict(PRESETS)


GUIDES = _source_guides()
BI = _read("bi")
BOUNCES = _read("bounces")
HELP = {
    "pages": "The survey's own page, kiosks and posters",
    "widget": "The widget, and its contract without the script",
    "mail": "Mail, and what of it counts",
    "privacy": "What is stored of a person",
    "webhooks": "Webhooks to your own systems, and the feed of events",
    "automation": "Automation tools: n8n, Zapier, Make",
    "running": "Running it: systemd, Caddy, backups, a database of your own",
    "watching": "What to alert on",
}


@routes.get("/guides")
async def show_guides() -> HTMLResponse:
    """List the guides."""
    return page(
        "guides.html", lang="en", title="Guides", guides=GUIDES, help=HELP, bi=BI, bounces=BOUNCES
    )


@routes.get("/guides/{name}")
async def show_guide(request: Request, name: str) -> HTMLResponse:
    """Show how to connect one source, or how something works."""
    settings: Settings = request.app.state.settings
    base = settings.base_url
    if name in HELP:
        return page(f"help/{name}.html", lang="en", title=HELP[name], base=base)
    if name in BI:
        found = BI[name]
        return page("bi.html", lang="en", title=found["title"], guide=found, base=base)
    if name in BOUNCES:
        found = BOUNCES[name]
        title = f"Bounces of {found['title']}"
        return page("bounces.html", lang="en", title=title, guide=found, base=base)
    if name not in GUIDES:
        raise NotFound("There is no guide of this name; see /guides.")
    guide = GUIDES[name]
    return page(
        "guide.html",
        lang="en",
        title=guide["title"],
        guide=guide,
        key=_key_of(guide),
        register=json.dumps(guide["register"], ensure_ascii=False),
        base=base,
    )


def _key_of(guide: Guide) -> str:
    """Return the key that the guide's integration gets."""
    wanted = guide["register"]
    key: str = wanted.get("key") or wanted.get("preset") or wanted["source"]
    return key
