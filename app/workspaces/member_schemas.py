# SPDX-License-Identifier: Apache-2.0
"""Bodies of members."""

import datetime as dt
from enum import StrEnum
from typing import Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from app.core.text_types import Email, Line
from app.workspaces.schemas import Body, Locale


class Role(StrEnum):
    """What a member may do: look, also follow up, or everything."""

    VIEWER = "viewer"
    RESPONDER = "responder"
    ADMIN = "admin"


Digest = Literal["weekly", "daily", "off"]


class MemberIn(Body):
    """A new member, who may sign in to the dashboard."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "example": {"email": "eva@example.com", "name": "Eva", "role": "responder"}
        },
    )

    email: Email
    name: Line
    role: Role = Role.VIEWER
    locale: Locale | None = Field(default=None, description="Default: the workspace's.")
    digest: Digest = Field(default="off", description="How often the digest with figures comes.")


class MemberPatch(Body):
    """What to change; what is left out stays."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": {"role": "admin"}})

    name: Line | None = None
    role: Role | None = None
    locale: Locale | None = None
    digest: Digest | None = None


class MemberOut(BaseModel):
    """A member."""

    id: UUID
    email: str
    name: str
    role: Role
    locale: str
    digest: Digest
    created_at: dt.datetime
    updated_at: dt.datetime
