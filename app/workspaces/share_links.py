# SPDX-License-Identifier: Apache-2.0
"""Links to one view of the dashboard, for somebody who has no account: figures alone.

The link's token is shown once and kept as a hash; it opens one page with its filters.
"""

import datetime as dt
from uuid import UUID

from sqlalchemy import text
from sqlmodel import select
from sqlmodel.ext.asyncio.session import AsyncSession

from app.core.clock import utc_now
from app.core.cursors import newest_first
from app.core.database import run_sql
from app.core.errors import NotFound
from app.core.ids import uuid7
from app.core.tokens import hash_secret, new_token, workspace_of
from app.workspaces.caller import Caller
from app.workspaces.models import ShareLink

# The pages of figures, and the beginning of those of surveys. Others are not shared.
SHARED_PAGES = ("/", "/journey", "/compare", "/experience")
SHARED_SURVEYS = "/surveys/"

_DEFAULT_LIFETIME = dt.timedelta(days=30)


def default_expiry() -> dt.datetime:
    """Return the default end of a share link."""
    return utc_now() + _DEFAULT_LIFETIME


def has_passed(end: dt.datetime) -> bool:
    """Tell whether an end has passed."""
    return end <= utc_now()


async def create(
    session: AsyncSession, caller: Caller, *, path: str, until: dt.datetime
) -> tuple[ShareLink, str]:
    """Make a link; return it with its token."""
    token = new_token(caller.workspace_id)
    link = ShareLink(
        workspace_id=caller.workspace_id, id=uuid7(), token_hash=hash_secret(token), path=path,
        expires_at=until, revoked_at=None, created_by=caller.name, created_at=utc_now(),
    )  # fmt: skip
    session.add(link)
    await session.flush()
    return link, token


async def find_page(
    session: AsyncSession, workspace_id: UUID, *, limit: int, cursor: str | None
) -> list[ShareLink]:
    """Return up to `limit + 1` links, newest first."""
    query = select(ShareLink).where(ShareLink.workspace_id == workspace_id)
    query = newest_first(query, ShareLink, limit=limit, cursor=cursor)
    return list(await session.exec(query))


async def revoke(session: AsyncSession, workspace_id: UUID, link_id: UUID) -> None:
    """Let a link open nothing from now on; NotFound for an unknown one."""
    link = await session.get(ShareLink, (workspace_id, link_id))
    if link is None:
        raise NotFound.in_workspace("link")
    link.revoked_at = link.revoked_at or utc_now()
    session.add(link)


async def find_by_token(session: AsyncSession, token: str) -> ShareLink | None:
    """Return the share link of a token, even if it has expired; None if it is unknown."""
    workspace_id = workspace_of(token)
    if workspace_id is None:
        return None
    query = select(ShareLink).where(
        ShareLink.workspace_id == workspace_id, ShareLink.token_hash == hash_secret(token)
    )
    return (await session.exec(query)).first()


async def delete_expired(session: AsyncSession, now: dt.datetime) -> None:
    """Delete links that have been over for a year."""
    statement = text("delete from share_link where expires_at < :oldest")
    await run_sql(session, statement.bindparams(oldest=now - dt.timedelta(days=365)))
