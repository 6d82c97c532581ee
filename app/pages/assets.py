"""`/assets/…`: the pages' scripts and styles."""

from fastapi import APIRouter
from starlette.responses import Response

from app.pages.rendering import asset

routes = APIRouter(include_in_schema=False)


@routes.get("/assets/{name}")
async def show_asset(name: str) -> Response:
    """Serve a script or style."""
    return asset(name)
