# SPDX-License-Identifier: Apache-2.0
"""Tables of the room: the tenant, and the keys that act for it."""

import datetime as dt
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKeyConstraint, Index, UniqueConstraint
from sqlmodel import Field, SQLModel

from app.core.clock import utc_now
from app.core.schema import REFERENCE, TENANT, Instant, Json


class Workspace(SQLModel, table=True):
    """One company's data, walled off from all others.

    Figures are counted under a *configuration version*: `configs` maps each version to the time
    zone, the segments and the business hours that were in force; `config` is the present one.
    `recount` is `{"done", "of"}` while older answers are being counted again. Identity secrets
    are sealed; the old one is good until `old_identity_until`. Ids of responses are derived under
    `derivation_key`, which is made once and never changed; responses older than `derived_since`
    may bear ids that were derived without it.
    """

    __table_args__ = (UniqueConstraint("key"), REFERENCE)

    id: UUID = Field(primary_key=True)
    key: str
    name: str
    default_locale: str
    allowed_origins: list[str] = Field(sa_type=Json)
    min_group_size: int
    throttle: dict[str, Any] | None = Field(default=None, sa_type=Json)
    require_consent: bool = False
    mail: dict[str, Any] = Field(default_factory=dict, sa_type=Json)
    brand: dict[str, Any] = Field(default_factory=dict, sa_type=Json)
    word_of_mouth: dict[str, float] | None = Field(default=None, sa_type=Json)
    retention_days: int | None = None
    identity_secret: bytes | None = None
    old_identity_secret: bytes | None = None
    old_identity_until: dt.datetime | None = Field(default=None, sa_type=Instant)
    derivation_key: bytes
    derived_since: dt.datetime | None = Field(default=None, sa_type=Instant)
    config: int
    configs: dict[str, Any] = Field(sa_type=Json)
    recount: dict[str, int] | None = Field(default=None, sa_type=Json)
    created_at: dt.datetime = Field(sa_type=Instant)

    @property
    def timezone(self) -> str:
        """The zone in which the workspace's days begin."""
        zone: str = self.configs[str(self.config)]["timezone"]
        return zone

    @property
    def segments(self) -> list[str]:
        """The names of the properties that figures can be grouped by."""
        names: list[str] = self.configs[str(self.config)]["segments"]
        return names

    @property
    def business_hours(self) -> dict[str, Any] | None:
        """The opening hours by which business time is counted."""
        hours: dict[str, Any] | None = self.configs[str(self.config)].get("business_hours")
        return hours


class WorkspaceConfig(SQLModel, table=True):
    """The configuration under which answers are counted; every writer of answers locks this row.

    It repeats columns of the workspace's row, on the cluster node that holds the answers.
    """

    __tablename__ = "workspace_config"
    __table_args__ = (ForeignKeyConstraint(["workspace_id"], ["workspace.id"]), TENANT)

    workspace_id: UUID = Field(primary_key=True)
    config: int
    configs: dict[str, Any] = Field(sa_type=Json)


class Logo(SQLModel, table=True):
    """The picture of a workspace's brand, fetched once and served from here.

    `version` is made from the content, so that browsers may keep it for ever.
    """

    __tablename__ = "workspace_logo"
    __table_args__ = (ForeignKeyConstraint(["workspace_id"], ["workspace.id"]), TENANT)

    workspace_id: UUID = Field(primary_key=True)
    version: str
    media_type: str
    content: bytes


class ApiKey(SQLModel, table=True):
    """A secret with scopes, kept as a hash; `old_hash` is good until `old_until` after rotation."""

    __tablename__ = "api_key"
    __table_args__ = (
        UniqueConstraint("hash"),
        UniqueConstraint("old_hash"),
        ForeignKeyConstraint(["workspace_id"], ["workspace.id"]),
        REFERENCE,
    )

    workspace_id: UUID = Field(primary_key=True)
    id: UUID = Field(primary_key=True)
    name: str
    scopes: list[str] = Field(sa_type=Json)
    hash: bytes
    hint: str
    old_hash: bytes | None = None
    old_until: dt.datetime | None = Field(default=None, sa_type=Instant)
    test: bool = False
    survey: str | None = None
    rate_limit: int | None = None
    bootstrap: bool = False
    expires_at: dt.datetime | None = Field(default=None, sa_type=Instant)
    created_at: dt.datetime = Field(sa_type=Instant)


class Member(SQLModel, table=True):
    """A person who signs in to the dashboard; one address may be in many workspaces.

    `digest` says how often the digest comes, `letter_on` on which local day it came last.
    """

    __table_args__ = (
        UniqueConstraint("workspace_id", "email"),
        Index(None, "email"),
        ForeignKeyConstraint(["workspace_id"], ["workspace.id"]),
        REFERENCE,
    )

    workspace_id: UUID = Field(primary_key=True)
    id: UUID = Field(primary_key=True)
    email: str
    name: str
    role: str
    locale: str
    digest: str = "off"
    letter_on: dt.date | None = None

    def choose_digest(self, digest: str, now: dt.datetime) -> None:
        """Choose how often the digest comes; no digest is due for earlier days."""
        if digest == self.digest:
            return
        self.digest = digest
        yesterday = now.date() - dt.timedelta(days=1)
        # Keep a later day: it may be today in the workspace's zone, and today's digest must not
        # be sent twice. A digest for a later day that is missed is sent late.
        if self.letter_on is None or self.letter_on < yesterday:
            self.letter_on = yesterday

    created_at: dt.datetime = Field(sa_type=Instant)
    updated_at: dt.datetime = Field(sa_type=Instant)


class ShareLink(SQLModel, table=True):
    """A link to one view of the dashboard for somebody without an account; kept as a hash."""

    __tablename__ = "share_link"
    __table_args__ = (UniqueConstraint("workspace_id", "token_hash"), TENANT)

    workspace_id: UUID = Field(primary_key=True)
    id: UUID = Field(primary_key=True)
    token_hash: bytes
    path: str
    expires_at: dt.datetime = Field(sa_type=Instant)
    revoked_at: dt.datetime | None = Field(default=None, sa_type=Instant)
    created_by: str
    created_at: dt.datetime = Field(sa_type=Instant)

    @property
    def is_expired_or_revoked(self) -> bool:
        """Whether it was taken back, or its time has passed."""
        return self.revoked_at is not None or self.expires_at <= utc_now()


class SignInLink(SQLModel, table=True):
    """A mailed link: good once, until `expires_at`; kept as a hash."""

    __tablename__ = "sign_in_link"
    __table_args__ = (
        ForeignKeyConstraint(
            ["workspace_id", "member_id"], ["member.workspace_id", "member.id"], ondelete="CASCADE"
        ),
        TENANT,
    )

    workspace_id: UUID = Field(primary_key=True)
    token_hash: bytes = Field(primary_key=True)
    member_id: UUID
    expires_at: dt.datetime = Field(sa_type=Instant)


class DashboardSession(SQLModel, table=True):
    """Somebody signed in, as a member or by a key; the cookie's token is kept as a hash."""

    __tablename__ = "dashboard_session"
    __table_args__ = (
        ForeignKeyConstraint(
            ["workspace_id", "member_id"], ["member.workspace_id", "member.id"], ondelete="CASCADE"
        ),
        ForeignKeyConstraint(
            ["workspace_id", "key_id"], ["api_key.workspace_id", "api_key.id"], ondelete="CASCADE"
        ),
        TENANT,
    )

    workspace_id: UUID = Field(primary_key=True)
    token_hash: bytes = Field(primary_key=True)
    member_id: UUID | None = None
    key_id: UUID | None = None
    locale: str
    expires_at: dt.datetime = Field(sa_type=Instant)
