# SPDX-License-Identifier: Apache-2.0
"""Members: the people of a company who sign in to its dashboard."""

from uuid import UUID

from sqlalchemy.dialects.postgresql import insert
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from app.core import jobs
from app.core.clock import utc_now
from app.core.cursors import newest_first
from app.core.errors import Conflict, NotFound
from app.core.ids import uuid7
from app.workspaces.member_schemas import MemberIn, MemberPatch
from app.workspaces.models import Member
from app.workspaces.service import get_workspace

MEMBER_ADDED_JOB = "workspaces.mail_member_added"


async def create(session: AsyncSession, workspace_id: UUID, body: MemberIn) -> Member:
    """Add a member, who gets a mail; Conflict where the address is one already."""
    workspace = await get_workspace(session, workspace_id)
    now = utc_now()
    member = Member(
        workspace_id=workspace_id,
        id=uuid7(),
        email=body.email.lower(),
        name=body.name,
        role=body.role,
        locale=body.locale or workspace.default_locale,
        digest=body.digest,
        created_at=now,
        updated_at=now,
    )
    inserted = await session.exec(
        insert(Member)
        .values(**member.model_dump())
        .on_conflict_do_nothing(index_elements=["workspace_id", "email"])
        .returning(col(Member.id))
    )
    if inserted.first() is None:
        detail = f"{member.email} is a member already."
        raise Conflict(detail)
    await jobs.enqueue(
        session, MEMBER_ADDED_JOB, workspace_id=workspace_id, payload={"member": str(member.id)},
        max_attempts=jobs.MAIL_ATTEMPTS,
    )  # fmt: skip
    return member


async def find_page(
    session: AsyncSession, workspace_id: UUID, *, limit: int, cursor: str | None
) -> list[Member]:
    """Return up to `limit + 1` members, newest first."""
    query = select(Member).where(Member.workspace_id == workspace_id)
    query = newest_first(query, Member, limit=limit, cursor=cursor)
    return list(await session.exec(query))


async def get(session: AsyncSession, workspace_id: UUID, member_id: UUID) -> Member:
    """Return a member, or raise NotFound."""
    member = await session.get(Member, (workspace_id, member_id))
    if member is None:
        raise NotFound.in_workspace("member")
    return member


async def change(
    session: AsyncSession, workspace_id: UUID, member_id: UUID, patch: MemberPatch
) -> Member:
    """Change what is given; it holds from the member's next page on."""
    member = await get(session, workspace_id, member_id)
    for name, value in patch.model_dump(exclude_none=True, exclude={"digest"}).items():
        setattr(member, name, value)
    if patch.digest is not None:
        member.choose_digest(patch.digest, utc_now())
    member.updated_at = utc_now()
    session.add(member)
    return member


async def delete(session: AsyncSession, workspace_id: UUID, member_id: UUID) -> None:
    """Remove a member, who is signed out everywhere."""
    await session.delete(await get(session, workspace_id, member_id))


async def find_by_email(session: AsyncSession, workspace_id: UUID, email: str) -> Member | None:
    """Return the member of a workspace who has an address."""
    rows = await session.exec(
        select(Member).where(Member.workspace_id == workspace_id, Member.email == email.lower())
    )
    return rows.first()


async def find_members_by_email(session: AsyncSession, email: str) -> list[Member]:
    """Return the memberships of an address in every workspace, for signing in."""
    rows = await session.exec(select(Member).where(Member.email == email.lower()))
    return list(rows)
