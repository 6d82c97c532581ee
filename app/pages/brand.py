# SPDX-License-Identifier: Apache-2.0
"""How pages look for one company: its name, its colour, its logo."""

from dataclasses import dataclass
from uuid import UUID

from fastapi import APIRouter, Request
from starlette.responses import Response

from app.core.database import Database
from app.core.errors import NotFound
from app.core.http import public_path
from app.workspaces.brand import company_of, find_logo, logo_path
from app.workspaces.colours import DARK_PAPER, PAPER, accent
from app.workspaces.models import Workspace
from app.workspaces.service import find_workspace_by_id

routes = APIRouter(include_in_schema=False)

_IMMUTABLE = {"Cache-Control": "public, max-age=31536000, immutable"}


@dataclass(frozen=True, slots=True)
class PageStyle:
    """What a page needs to know of a company; addresses are paths of ours, or None.

    `frames` are the origins whose pages may show ours in a frame.
    """

    company: str
    style: str | None
    logo: str | None
    frames: tuple[str, ...] = ()


def page_style_of(workspace: Workspace) -> PageStyle:
    """Return how pages of a workspace look."""
    colour, logo = workspace.brand.get("colour"), logo_path(workspace)
    return PageStyle(
        company=company_of(workspace),
        style=public_path(f"/brand/{workspace.id}/{colour[1:]}.css") if colour else None,
        logo=public_path(logo) if logo else None,
        frames=tuple(sorted(origin for origin in workspace.allowed_origins if "://" in origin)),
    )


@routes.get("/brand/{workspace_id}/{name}")
async def show_brand(request: Request, workspace_id: UUID, name: str) -> Response:
    """Serve a company's colours or logo; the name changes with the content."""
    database: Database = request.app.state.database
    async with database.session() as session:
        workspace = await find_workspace_by_id(session, workspace_id)
        if workspace is None:
            raise NotFound("There is no such brand.")
        colour = workspace.brand.get("colour")
        if colour and name == f"{colour[1:]}.css":
            return Response(
                _style(colour), media_type="text/css; charset=utf-8", headers=_IMMUTABLE
            )
        logo = await find_logo(session, workspace_id)
    if logo is None or not name.startswith("logo-"):
        raise NotFound("There is no such picture.")
    # Mails that were sent earlier link to an older version; they get the current logo.
    headers = _IMMUTABLE if name == f"logo-{logo.version}" else {"Cache-Control": "max-age=3600"}
    return Response(logo.content, media_type=logo.media_type, headers=headers)


def _style(colour: str) -> str:
    light, dark = accent(colour, PAPER), accent(colour, DARK_PAPER)
    return (
        f":root{{--accent:{light.fill};--on-accent:{light.ink}}}"
        "@media(prefers-color-scheme:dark){"
        f":root{{--accent:{dark.fill};--on-accent:{dark.ink}}}}}"
    )
