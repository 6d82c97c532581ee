# SPDX-License-Identifier: Apache-2.0
"""Routes of share links."""

import datetime as dt
from typing import Annotated
from urllib.parse import parse_qs
from uuid import UUID
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from app.core.errors import InvalidInput
from app.core.paging import Page, page_of
from app.core.parameters import PageCursor, PageLimit
from app.core.routing import SessionDep, SettingsDep, router
from app.workspaces import share_links
from app.workspaces.admission import Admin
from app.workspaces.models import ShareLink
from app.workspaces.schemas import Body, Moment
from app.workspaces.service import get_workspace
from app.workspaces.share_links import SHARED_PAGES, SHARED_SURVEYS

routes = router("Workspaces and keys")


def _may_be_shared(path: str) -> str:
    plain = path.partition("?")[0]
    of_survey = (
        plain.startswith(SHARED_SURVEYS) and plain.count("/") == 2 and plain != "/surveys/new"
    )
    if plain not in SHARED_PAGES and not of_survey:
        pages = f"{', '.join(SHARED_PAGES)} or {SHARED_SURVEYS}KEY"
        msg = f"must be a page of figures: {pages}, with its filters"
        raise ValueError(msg)
    if "comments" in parse_qs(path.partition("?")[2]).get("insight", []):
        msg = "customers' own words are not shared; share another view"
        raise ValueError(msg)
    return path


class ShareLinkIn(Body):
    """What is shared, and until when."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "example": {"path": "/?period=90d&survey=nps", "expires_at": "2027-01-31T00:00:00Z"}
        },
    )

    path: Annotated[str, StringConstraints(max_length=1000), AfterValidator(_may_be_shared)] = (
        Field(description="A page of the dashboard with its filters.")
    )
    expires_at: Moment | dt.date | None = Field(
        default=None,
        description="A moment, or a day of the workspace's time zone; default: in 30 days.",
    )


class ShareLinkOut(BaseModel):
    """A link as it is listed: its address is shown once, when it is made."""

    id: UUID
    path: str
    expires_at: dt.datetime
    revoked_at: dt.datetime | None
    created_by: str
    created_at: dt.datetime


class NewShareLink(ShareLinkOut):
    """A link just made."""

    url: str = Field(description="Shown only once; everybody who has it sees the figures.")


@routes.post("/v1/share-links", status_code=201, summary="Share a view")
async def create_share_link(
    session: SessionDep, caller: Admin, settings: SettingsDep, body: ShareLinkIn
) -> NewShareLink:
    """Make a link to one view of the dashboard, without names and comments, for reading only."""
    expires_at = body.expires_at or share_links.default_expiry()
    if not isinstance(expires_at, dt.datetime):
        workspace = await get_workspace(session, caller.workspace_id)
        zone = ZoneInfo(workspace.timezone)
        try:
            expires_at = dt.datetime.combine(expires_at, dt.time(23, 59), zone).astimezone(dt.UTC)
        except OverflowError:
            raise InvalidInput.at("body", "expires_at", msg="is too far ahead") from None
    if share_links.has_passed(expires_at):
        raise InvalidInput.at("body", "expires_at", msg="is over already")
    link, token = await share_links.create(session, caller, path=body.path, until=expires_at)
    return NewShareLink(**_values(link), url=f"{settings.base_url}/shared/{token}")


@routes.get("/v1/share-links", summary="List shared views")
async def list_share_links(
    session: SessionDep, caller: Admin, limit: PageLimit = 50, cursor: PageCursor = None
) -> Page[ShareLinkOut]:
    """Return the links, newest first, with those that are over or were revoked."""
    rows = await share_links.find_page(session, caller.workspace_id, limit=limit, cursor=cursor)
    return page_of(
        rows,
        limit,
        position=lambda link: (link.created_at, link.id),
        show=lambda link: ShareLinkOut(**_values(link)),
    )


@routes.delete("/v1/share-links/{link_id}", status_code=204, summary="Revoke a link")
async def delete_share_link(session: SessionDep, caller: Admin, link_id: UUID) -> None:
    """Revoke a link: from now on it opens nothing."""
    await share_links.revoke(session, caller.workspace_id, link_id)


def _values(link: ShareLink) -> dict[str, object]:
    return {name: getattr(link, name) for name in ShareLinkOut.model_fields}
