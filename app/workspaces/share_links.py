"""Links to one view of the dashboard, for somebody who has no account: figures alone.

The link's token is shown once and kept as a hash; it opens one page with its filters.
"""

import datetime as dt
from typing import Annotated
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints
from sqlalchemy import text
from sqlmodel import col, select, tuple_
from sqlmodel.ext.asyncio.session import AsyncSession

from app.core.clock import utc_now
from app.core.database import run_sql
from app.core.errors import InvalidInput, NotFound
from app.core.ids import uuid7
from app.core.paging import CursorParam, Limit, Page, decode_cursor, page_of
from app.core.routing import SessionDep, SettingsDep, router
from app.core.tokens import new_token, token_hash, workspace_of
from app.workspaces.admission import Admin
from app.workspaces.models import ShareLink
from app.workspaces.schemas import Body, Moment

routes = router("Workspaces and keys")

_PAGES = ("/", "/journey", "/compare", "/experience")
_SURVEYS = "/surveys/"
_LIVES = dt.timedelta(days=30)
# What a form's field of a day says.
_DAY_LENGTH = 10


def _may_be_shared(path: str) -> str:
    plain = path.partition("?")[0]
    of_survey = plain.startswith(_SURVEYS) and plain.count("/") == 2 and plain != "/surveys/new"
    if plain not in _PAGES and not of_survey:
        msg = f"must be a page of figures: {', '.join(_PAGES)} or {_SURVEYS}KEY, with its filters"
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
        default=None, description="A moment or a day; default: in 30 days."
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
    session: SessionDep, caller: Admin, settings: SettingsDep, wanted: ShareLinkIn
) -> NewShareLink:
    """Make a link to one view of the dashboard, without names and comments, for reading only."""
    now = utc_now()
    expires_at = wanted.expires_at or now + _LIVES
    if not isinstance(expires_at, dt.datetime):
        expires_at = dt.datetime.combine(expires_at, dt.time(23, 59), dt.UTC)
    if expires_at <= now:
        raise InvalidInput.at("body", "expires_at", msg="is over already")
    token = new_token(caller.workspace_id)
    link = ShareLink(
        workspace_id=caller.workspace_id, id=uuid7(), token_hash=token_hash(token),
        path=wanted.path, expires_at=expires_at, revoked_at=None, created_by=caller.name,
        created_at=now,
    )  # fmt: skip
    session.add(link)
    await session.flush()
    return NewShareLink(**_values(link), url=f"{settings.base_url}/shared/{token}")


@routes.get("/v1/share-links", summary="List shared views")
async def list_share_links(
    session: SessionDep, caller: Admin, limit: Limit = 50, cursor: CursorParam = None
) -> Page[ShareLinkOut]:
    """Return the links, newest first, with those that are over or were taken back."""
    query = (
        select(ShareLink)
        .where(ShareLink.workspace_id == caller.workspace_id)
        .order_by(col(ShareLink.created_at).desc(), col(ShareLink.id).desc())
        .limit(limit + 1)
    )
    if position := decode_cursor(cursor, UUID):
        query = query.where(tuple_(col(ShareLink.created_at), col(ShareLink.id)) < position)
    rows = list(await session.exec(query))
    return page_of(
        rows,
        limit,
        position=lambda link: (link.created_at, link.id),
        show=lambda link: ShareLinkOut(**_values(link)),
    )


@routes.delete("/v1/share-links/{link_id}", status_code=204, summary="Take a link back")
async def delete_share_link(session: SessionDep, caller: Admin, link_id: UUID) -> None:
    """Take a link back: from now on it opens nothing."""
    found = await session.get(ShareLink, (caller.workspace_id, link_id))
    if found is None:
        raise NotFound("There is no such link in this workspace.")
    found.revoked_at = found.revoked_at or utc_now()
    session.add(found)


def _values(link: ShareLink) -> dict[str, object]:
    return {name: getattr(link, name) for name in ShareLinkOut.model_fields}


async def find_by_token(session: AsyncSession, token: str) -> ShareLink | None:
    """Return the link of a token, over or not; None for an unknown one."""
    workspace_id = workspace_of(token)
    if workspace_id is None:
        return None
    query = select(ShareLink).where(
        ShareLink.workspace_id == workspace_id, ShareLink.token_hash == token_hash(token)
    )
    return (await session.exec(query)).first()


async def forget_old(session: AsyncSession, now: dt.datetime) -> None:
    """Delete links that have been over for a year."""
    statement = text("delete from share_link where expires_at < :oldest")
    await run_sql(session, statement.bindparams(oldest=now - dt.timedelta(days=365)))
