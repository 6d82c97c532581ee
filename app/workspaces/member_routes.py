# SPDX-License-Identifier: Apache-2.0
"""Routes of members."""

from uuid import UUID

from app.core.paging import Page, page_of
from app.core.parameters import PageCursor, PageLimit
from app.core.routing import SessionDep, router
from app.workspaces import members
from app.workspaces.admission import Admin
from app.workspaces.member_schemas import MemberIn, MemberOut, MemberPatch
from app.workspaces.models import Member

routes = router("Workspaces and keys")


def _member_out(member: Member) -> MemberOut:
    return MemberOut.model_validate(member, from_attributes=True)


@routes.post("/v1/members", status_code=201, summary="Add a member")
async def create_member(session: SessionDep, caller: Admin, body: MemberIn) -> MemberOut:
    """Let somebody sign in to the dashboard, by a mailed link."""
    return _member_out(await members.create(session, caller.workspace_id, body))


@routes.get("/v1/members", summary="List the members")
async def list_members(
    session: SessionDep, caller: Admin, limit: PageLimit = 50, cursor: PageCursor = None
) -> Page[MemberOut]:
    """Return members, newest first."""
    rows = await members.find_page(session, caller.workspace_id, limit=limit, cursor=cursor)
    return page_of(rows, limit, position=lambda row: (row.created_at, row.id), show=_member_out)


@routes.get("/v1/members/{member_id}", summary="Read a member")
async def get_member(session: SessionDep, caller: Admin, member_id: UUID) -> MemberOut:
    """Return one member."""
    return _member_out(await members.get(session, caller.workspace_id, member_id))


@routes.patch("/v1/members/{member_id}", summary="Change a member")
async def update_member(
    session: SessionDep, caller: Admin, member_id: UUID, body: MemberPatch
) -> MemberOut:
    """Change name, role or language; it holds from the member's next page on."""
    return _member_out(await members.change(session, caller.workspace_id, member_id, body))


@routes.delete("/v1/members/{member_id}", status_code=204, summary="Remove a member")
async def delete_member(session: SessionDep, caller: Admin, member_id: UUID) -> None:
    """Remove a member, who is signed out everywhere."""
    await members.delete(session, caller.workspace_id, member_id)
