# SPDX-License-Identifier: Apache-2.0
"""`/demo/shop`: a checkout that shows the widget; only with `up --demo`."""

from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse

from app.core.errors import NotFound
from app.core.settings import Settings
from app.pages.demo_key import demo_key
from app.pages.rendering import render_page

routes = APIRouter(include_in_schema=False)


@routes.get("/demo/shop")
async def show_shop(request: Request) -> HTMLResponse:
    """Show a checkout; its customer is asked after paying, and once more below the receipt."""
    settings: Settings = request.app.state.settings
    if not settings.demo:
        raise NotFound("The demo shop is here with `afterword up --demo`.")
    key = demo_key(request.app.state.box)
    return render_page(
        "demo_shop.html", lang="en", title="Demo shop", key=key, scripts=("demo.js",)
    )
