"""`/guides`: how to connect each source, with what it yields."""

import json
from importlib.resources import files
from typing import Any

from fastapi import APIRouter
from starlette.responses import HTMLResponse

from app.core.errors import NotFound
from app.integrations.registry import ADAPTERS
from app.pages.rendering import page

routes = APIRouter(include_in_schema=False)

GUIDES: dict[str, dict[str, Any]] = json.loads(
    files("app.pages").joinpath("guides/guides.json").read_text()
)


@routes.get("/guides")
async def show_guides() -> HTMLResponse:
    """List the guides."""
    return page("guides.html", lang="en", title="Connecting a source", guides=GUIDES)


@routes.get("/guides/{source}")
async def show_guide(source: str) -> HTMLResponse:
    """Show how to connect one source."""
    if source not in GUIDES:
        raise NotFound("There is no guide of this name; see /guides.")
    guide = GUIDES[source]
    properties = ADAPTERS[source].properties
    return page("guide.html", lang="en", title=guide["title"], guide=guide, properties=properties)
