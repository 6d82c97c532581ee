# SPDX-License-Identifier: Apache-2.0
"""Signing in to the dashboard: by a mailed link, once and within 15 minutes, or by a key."""

import datetime as dt
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import text
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from app.core.clock import utc_now
from app.core.database import run_sql
from app.core.schema import Json
from app.core.tokens import hash_secret, new_token, workspace_of
from app.workspaces.caller import IS_ENDED_BOOTSTRAP_SQL, Caller
from app.workspaces.member_schemas import Digest, Role
from app.workspaces.models import DashboardSession, Member, SignInLink, Workspace
from app.workspaces.scopes import Scope, expand

LINK_LIFETIME = dt.timedelta(minutes=15)
_LINK_INTERVAL = dt.timedelta(minutes=1)
_MEMBER_SESSION_LIFETIME = dt.timedelta(days=14)
_KEY_SESSION_LIFETIME = dt.timedelta(hours=12)
_SCOPES_BY_ROLE = {
    Role.VIEWER: expand([Scope.READ]),
    Role.RESPONDER: expand([Scope.READ, Scope.RESPOND]),
    Role.ADMIN: expand([Scope.ADMIN]),
}


@dataclass(frozen=True, slots=True)
class DashboardUser:
    """Somebody who is signed in: what they may do, in which language, and until when."""

    caller: Caller
    locale: str
    expires_at: dt.datetime

    def may(self, scope: Scope) -> bool:
        """Tell whether the user may do what the scope allows."""
        return scope in self.caller.scopes


async def make_sign_in_link(session: AsyncSession, member: Member) -> str:
    """Make a link's token for a member."""
    token = new_token(member.workspace_id)
    session.add(
        SignInLink(
            workspace_id=member.workspace_id,
            token_hash=hash_secret(token),
            member_id=member.id,
            expires_at=utc_now() + LINK_LIFETIME,
        )
    )
    return token


async def has_fresh_link(session: AsyncSession, member: Member) -> bool:
    """Tell whether a link was made for a member within the last minute."""
    rows = await run_sql(
        session,
        text(
            "select 1 from sign_in_link where workspace_id = :workspace_id "
            "and member_id = :member and expires_at > :fresh"
        ).bindparams(
            workspace_id=member.workspace_id,
            member=member.id,
            fresh=utc_now() + LINK_LIFETIME - _LINK_INTERVAL,
        ),
    )
    return rows.first() is not None


async def redeem_link(session: AsyncSession, token: str) -> str | None:
    """Use up a link and return a session's token; None if it was used, expired or unknown."""
    workspace_id = workspace_of(token)
    rows = await run_sql(
        session,
        text(
            "delete from sign_in_link l using member m where l.workspace_id = :workspace_id "
            "and l.token_hash = :hash and l.expires_at > :now "
            "and m.workspace_id = l.workspace_id and m.id = l.member_id "
            "returning m.id, m.locale"
        ).bindparams(workspace_id=workspace_id, hash=hash_secret(token), now=utc_now()),
    )
    row = rows.first()
    if row is None or workspace_id is None:
        return None
    return _open_for_member(session, workspace_id, row.id, row.locale)


def _open_for_member(
    session: AsyncSession, workspace_id: UUID, member_id: UUID, locale: str
) -> str:
    """Return the token of a member's new session."""
    token = new_token(workspace_id)
    session.add(
        DashboardSession(
            workspace_id=workspace_id,
            token_hash=hash_secret(token),
            member_id=member_id,
            locale=locale,
            expires_at=utc_now() + _MEMBER_SESSION_LIFETIME,
        )
    )
    return token


async def open_with_key(session: AsyncSession, caller: Caller, *, locale: str) -> str:
    """Return the token of a session that lasts as long as the key, half a day at most."""
    token = new_token(caller.workspace_id)
    until = utc_now() + _KEY_SESSION_LIFETIME
    session.add(
        DashboardSession(
            workspace_id=caller.workspace_id,
            token_hash=hash_secret(token),
            key_id=caller.key_id,
            locale=locale,
            expires_at=min(until, caller.expires_at) if caller.expires_at else until,
        )
    )
    return token


_FIND_SESSION = text(f"""
select s.locale, s.expires_at, s.member_id, m.name as member_name, m.role,
  m.locale as member_locale,
  k.id as key_id, k.name as key_name, k.scopes
from dashboard_session s
left join member m on m.workspace_id = s.workspace_id and m.id = s.member_id
left join api_key k on k.workspace_id = s.workspace_id and k.id = s.key_id
  and coalesce(k.expires_at > :now, true) and not {IS_ENDED_BOOTSTRAP_SQL}
where s.workspace_id = :workspace_id and s.token_hash = :hash and s.expires_at > :now
""").columns(scopes=Json)


async def find_user(session: AsyncSession, token: str) -> DashboardUser | None:
    """Return who is signed in by a session's token, with the rights of this moment."""
    workspace_id = workspace_of(token)
    if workspace_id is None:
        return None
    rows = await run_sql(
        session,
        _FIND_SESSION.bindparams(workspace_id=workspace_id, hash=hash_secret(token), now=utc_now()),
    )
    row = rows.first()
    if row is None or (row.member_name is None and row.key_name is None):
        return None
    scopes = _SCOPES_BY_ROLE[Role(row.role)] if row.role else expand(row.scopes)
    caller = Caller.without_key(
        workspace_id,
        row.member_name or row.key_name,
        scopes,
        id_=row.member_id or row.key_id,
        expires_at=row.expires_at,
        is_member=row.member_id is not None,
    )
    return DashboardUser(caller, row.member_locale or row.locale, row.expires_at)


async def sign_out(session: AsyncSession, token: str) -> None:
    """Sign out: the session's token opens nothing any more."""
    await run_sql(
        session,
        text(
            "delete from dashboard_session where workspace_id = :workspace_id "
            "and token_hash = :hash"
        ).bindparams(workspace_id=workspace_of(token), hash=hash_secret(token)),
    )


async def delete_expired(session: AsyncSession, now: dt.datetime) -> None:
    """Delete links and sessions whose time is over."""
    for table in ("sign_in_link", "dashboard_session"):
        await run_sql(
            session, text(f"delete from {table} where expires_at < :now").bindparams(now=now)
        )


def user_of_share_link(workspace_id: UUID, link_id: UUID, until: dt.datetime) -> DashboardUser:
    """Return somebody who has a link to one view: they may read figures, and nothing else."""
    caller = Caller.without_key(
        workspace_id, "share link", {Scope.METRICS}, id_=link_id, expires_at=until
    )
    return DashboardUser(caller, "en", until)


async def find_member(session: AsyncSession, workspace_id: UUID, id_: UUID) -> Member | None:
    """Return the member who is signed in; None for a session that a key has opened."""
    return await session.get(Member, (workspace_id, id_))


async def find_workspaces_of_email(session: AsyncSession, email: str) -> list[Workspace]:
    """Return the workspaces in which an address is a member, by name."""
    query = (
        select(Workspace)
        .join(Member, col(Member.workspace_id) == col(Workspace.id))
        .where(Member.email == email.lower())
        .order_by(Workspace.name)
    )
    return list(await session.exec(query))


async def change_own_settings(
    session: AsyncSession,
    workspace_id: UUID,
    id_: UUID,
    token: str,
    *,
    locale: str | None,
    digest: Digest | None,
) -> None:
    """Set one's own language and digest; a session by a key has a language alone."""
    member = await find_member(session, workspace_id, id_)
    if member is not None:
        member.locale = locale or member.locale
        member.choose_digest(digest or member.digest, utc_now())
        member.updated_at = utc_now()
        session.add(member)
    elif locale is not None:
        await run_sql(
            session,
            text(
                "update dashboard_session set locale = :locale "
                "where workspace_id = :workspace_id and token_hash = :hash"
            ).bindparams(workspace_id=workspace_id, locale=locale, hash=hash_secret(token)),
        )


async def open_in_workspace(
    session: AsyncSession, member: Member, workspace_key: str
) -> str | None:
    """Return the token of a session in another workspace of a member's address, or None."""
    query = (
        select(Member)
        .join(Workspace, col(Workspace.id) == col(Member.workspace_id))
        .where(Workspace.key == workspace_key, Member.email == member.email)
    )
    other = (await session.exec(query)).first()
    if other is None:
        return None
    token = _open_for_member(session, other.workspace_id, other.id, other.locale)
    await session.flush()
    return token
