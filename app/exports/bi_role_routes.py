# SPDX-License-Identifier: Apache-2.0
"""Routes of the logins by which BI tools read a workspace in SQL."""

import datetime as dt

from fastapi import Request
from pydantic import BaseModel, ConfigDict, Field

from app.core.database import Database
from app.core.paging import Page, page_of
from app.core.parameters import PageCursor, PageLimit
from app.core.postgres import role_maker_url
from app.core.routing import SessionDep, SettingsDep, router
from app.exports import bi_roles
from app.exports.models import BiAccess
from app.workspaces.admission import Admin
from app.workspaces.schemas import Body
from app.workspaces.service import get_workspace

routes = router("Exports")


class BiRoleIn(Body):
    """What a new login may read."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": {"personal": False}})

    personal: bool = Field(default=False, description="It reads customers' names, too.")
    db_schema: str | None = Field(
        default=None, alias="schema", max_length=40,
        description="Name of a schema of its own, for tools such as dbt; without, it only reads.",
    )  # fmt: skip


class BiRoleOut(BaseModel):
    """A login of a BI tool, without its password."""

    role: str
    personal: bool
    address: str = Field(description="Host, port and database, as this service reaches them.")
    created_at: dt.datetime


class BiRoleWithUrl(BiRoleOut):
    """A new login; its URL has the password and is shown this once."""

    url: str


def _bi_role_out(database: Database, access: BiAccess) -> BiRoleOut:
    address = bi_roles.address_of(database)
    return BiRoleOut(
        role=access.role, personal=access.personal, address=address, created_at=access.created_at
    )


@routes.post("/v1/bi-roles", status_code=201, summary="Make a login for a BI tool")
async def create_bi_role(
    request: Request, session: SessionDep, caller: Admin, settings: SettingsDep, body: BiRoleIn
) -> BiRoleWithUrl:
    """Make a database login that reads this workspace's `bi` views; its URL is shown this once."""
    database: Database = request.app.state.database
    workspace = await get_workspace(session, caller.workspace_id)
    new_role = await bi_roles.create_role(
        database,
        maker_url=role_maker_url(settings, database.url),
        workspace_key=workspace.key,
        personal=body.personal,
        schema=body.db_schema,
    )
    return BiRoleWithUrl(**_bi_role_out(database, new_role.access).model_dump(), url=new_role.url)


@routes.get("/v1/bi-roles", summary="List the logins of BI tools")
async def list_bi_roles(
    request: Request, session: SessionDep, caller: Admin, limit: PageLimit = 50,
    cursor: PageCursor = None,
) -> Page[BiRoleOut]:  # fmt: skip
    """Return the workspace's database logins, newest first."""
    rows = await bi_roles.find_page(session, caller.workspace_id, limit=limit, cursor=cursor)
    database: Database = request.app.state.database
    return page_of(
        rows,
        limit,
        position=lambda access: (access.created_at, access.role),
        show=lambda access: _bi_role_out(database, access),
    )


@routes.delete("/v1/bi-roles/{role}", status_code=204, summary="Drop a login of a BI tool")
async def delete_bi_role(
    request: Request, session: SessionDep, caller: Admin, settings: SettingsDep, role: str
) -> None:
    """Drop a database login, and the schema that it may have."""
    database: Database = request.app.state.database
    await bi_roles.require_role(session, caller.workspace_id, role)
    # The role is dropped over other connections.
    await session.commit()
    await bi_roles.drop_role(database, maker_url=role_maker_url(settings, database.url), role=role)
