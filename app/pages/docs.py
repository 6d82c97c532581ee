# SPDX-License-Identifier: Apache-2.0
"""`/docs`: the API's documentation, with every asset served from here."""

from importlib.resources import files

from fastapi import APIRouter
from starlette.responses import HTMLResponse, Response

from app.core.errors import NotFound

routes = APIRouter(include_in_schema=False)

_ASSETS = {
    "swagger-ui-bundle.js": "text/javascript",
    "swagger-ui.css": "text/css",
    "docs.js": "text/javascript",
}
_POLICY = "default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'"
_PAGE = files("app.pages").joinpath("docs.html")


@routes.get("/docs")
async def show_docs() -> HTMLResponse:
    """Show the documentation."""
    return HTMLResponse(_PAGE.read_text(), headers={"Content-Security-Policy": _POLICY})


@routes.get("/docs/{asset}")
async def show_asset(asset: str) -> Response:
    """Serve a script or style of the documentation."""
    if asset not in _ASSETS:
        raise NotFound("There is no such file.")
    folder = files("app.pages") if asset == "docs.js" else files("app.pages") / "vendor/swagger-ui"
    headers = {"Cache-Control": "public, max-age=3600"}
    return Response(folder.joinpath(asset).read_bytes(), media_type=_ASSETS[asset], headers=headers)
