"""`/guides`: how to connect each source and each BI tool, and how asking works."""

import json
from importlib.resources import files
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse

from app.core.errors import NotFound
from app.core.settings import Settings
from app.integrations.registry import ADAPTERS
from app.pages.rendering import page

routes = APIRouter(include_in_schema=False)

GUIDES: dict[str, dict[str, Any]] = json.loads(
    files("app.pages").joinpath("guides/guides.json").read_text()
)
BI: dict[str, dict[str, Any]] = json.loads(
    files("app.pages").joinpath("guides/bi.json").read_text()
)
HELP = {
    "pages": "The survey's own page, kiosks and posters",
    "widget": "The widget, and its contract without the script",
    "mail": "Mail, and what of it counts",
    "privacy": "What is stored of a person",
    "webhooks": "Webhooks to your own systems, and the feed of events",
    "running": "Running it: systemd, Caddy, backups, a database of your own",
    "watching": "What to alert on",
}


@routes.get("/guides")
async def show_guides() -> HTMLResponse:
    """List the guides."""
    return page("guides.html", lang="en", title="Guides", guides=GUIDES, help=HELP, bi=BI)


@routes.get("/guides/{name}")
async def show_guide(request: Request, name: str) -> HTMLResponse:
    """Show how to connect one source, or how something works."""
    if name in HELP:
        settings: Settings = request.app.state.settings
        return page(f"help/{name}.html", lang="en", title=HELP[name], base=settings.base_url)
    if name in BI:
        settings = request.app.state.settings
        found = BI[name]
        return page("bi.html", lang="en", title=found["title"], guide=found, base=settings.base_url)
    if name not in GUIDES:
        raise NotFound("There is no guide of this name; see /guides.")
    guide = GUIDES[name]
    properties = ADAPTERS[name].properties
    return page("guide.html", lang="en", title=guide["title"], guide=guide, properties=properties)
