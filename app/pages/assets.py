# SPDX-License-Identifier: Apache-2.0
"""`/assets/…`: the pages' scripts and styles."""

from fastapi import APIRouter, Request
from starlette.responses import Response

from app.pages.rendering import serve_asset

routes = APIRouter(include_in_schema=False)


@routes.get("/favicon.ico")
async def show_no_icon() -> Response:
    """Answer browsers that look for a picture: there is none."""
    return Response(status_code=204, headers={"Cache-Control": "public, max-age=86400"})


@routes.get("/assets/{name}")
async def show_asset(request: Request, name: str) -> Response:
    """Serve a script or style."""
    return serve_asset(request, name)
