# SPDX-License-Identifier: Apache-2.0
"""Who calls: the workspace and scopes behind the `Authorization` header of a request."""

import base64
import binascii
import datetime as dt
import hashlib
import hmac
from collections.abc import Iterable
from dataclasses import dataclass, field
from uuid import UUID

from cachetools import TTLCache
from sqlalchemy import text

from app.core.clock import utc_now
from app.core.database import Database, run_sql
from app.core.errors import Unauthorized
from app.core.lookup import plain_reference
from app.core.notices import EVERYTHING
from app.core.schema import Json
from app.core.signing import SealedBox
from app.workspaces.scopes import Scope, expand

KEY_NOTICES = "afterword_keys"
_REMEMBERED = 10_000
_REMEMBERED_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Caller:
    """The authenticated workspace and scopes behind a request.

    `trusted` says whether the key is a secret one; a `collect` key is public and trusted with
    nothing.
    """

    workspace_id: UUID
    key_id: UUID
    name: str
    scopes: frozenset[Scope]
    test: bool
    survey: str | None
    rate_limit: int | None
    bootstrap: bool
    expires_at: dt.datetime | None
    allowed_origins: frozenset[str]
    identity_secrets: tuple[tuple[bytes, dt.datetime | None], ...] = ()
    is_member: bool = False
    # Computed once: a request asks for it many times.
    trusted: bool = field(init=False)

    def __post_init__(self) -> None:
        """Compute what follows from the scopes."""
        object.__setattr__(self, "trusted", Scope.COLLECT not in self.scopes)

    @classmethod
    def without_key(
        cls,
        workspace_id: UUID,
        name: str,
        scopes: Iterable[Scope],
        *,
        id_: UUID | None = None,
        expires_at: dt.datetime | None = None,
        is_member: bool = False,
    ) -> "Caller":
        """Return a caller that no key authenticated: a member, a respondent, a command."""
        return cls(
            workspace_id=workspace_id,
            key_id=id_ or workspace_id,
            name=name,
            scopes=frozenset(scopes),
            test=False,
            survey=None,
            rate_limit=None,
            bootstrap=False,
            expires_at=expires_at,
            allowed_origins=frozenset(),
            is_member=is_member,
        )

    def may_use_survey(self, key: str, id_: UUID) -> bool:
        """Tell whether the key is bound to no survey, or to the one of this key and id."""
        return self.survey is None or plain_reference(self.survey) in {key, str(id_)}

    @property
    def may_tag(self) -> bool:
        """Whether tags may be changed: by a key that writes, and by members who follow up."""
        return Scope.WRITE in self.scopes or (self.is_member and Scope.RESPOND in self.scopes)


# The bootstrap key `k` ends once there is another admin key.
IS_ENDED_BOOTSTRAP_SQL = """(k.bootstrap and exists (
    select from api_key other where other.workspace_id = k.workspace_id
    and not other.bootstrap and other.scopes @> '["admin"]'
    and coalesce(other.expires_at > :now, true)))"""
# An old secret ends with its grace period.
_FIND_CALLER = text(f"""
select k.workspace_id, k.id as key_id, k.name, k.scopes, k.test, k.survey, k.rate_limit,
       k.bootstrap, w.allowed_origins,
       w.identity_secret, w.old_identity_secret, w.old_identity_until,
       case when k.hash = :hash then k.expires_at else least(k.expires_at, k.old_until) end
         as expires_at
from api_key k join workspace w on w.id = k.workspace_id
where (k.hash = :hash or k.old_hash = :hash)
  and not {IS_ENDED_BOOTSTRAP_SQL}
""").columns(scopes=Json, allowed_origins=Json)


class Keyring:
    """Finds callers by their key; remembers them in memory until a notice or a minute later."""

    def __init__(self, database: Database) -> None:
        """Start with an empty memory."""
        self._database = database
        self._callers: TTLCache[bytes, Caller] = TTLCache(_REMEMBERED, _REMEMBERED_SECONDS)
        self._generation = 0

    async def caller(self, authorization: str | None) -> Caller:
        """Return who calls, or raise Unauthorized."""
        if not authorization:
            raise Unauthorized(reason="no_key")
        memory_key = hashlib.sha256(authorization.encode("latin-1", "replace")).digest()
        caller = self._callers.get(memory_key)
        if caller is None:
            generation = self._generation
            caller = await self._find(secret_of(authorization))
            if generation == self._generation:
                self._callers[memory_key] = caller
        if caller.expires_at and caller.expires_at <= utc_now():
            raise Unauthorized(reason="expired_key")
        return caller

    def forget(self, payload: str = EVERYTHING) -> None:
        """Forget the callers of one workspace, or all, and those that are being read now."""
        self._generation += 1
        if payload == EVERYTHING:
            self._callers.clear()
            return
        for key, caller in list(self._callers.items()):
            if str(caller.workspace_id) == payload:
                del self._callers[key]

    async def _find(self, secret: str) -> Caller:
        digest = hashlib.sha256(secret.encode("utf-8", "replace")).digest()
        async with self._database.session() as session:
            rows = await run_sql(session, _FIND_CALLER.bindparams(hash=digest, now=utc_now()))
            row = rows.first()
        if row is None:
            raise Unauthorized(reason="unknown_key")
        return Caller(
            workspace_id=row.workspace_id,
            key_id=row.key_id,
            name=row.name,
            scopes=expand(row.scopes),
            test=row.test,
            survey=row.survey,
            rate_limit=row.rate_limit,
            bootstrap=row.bootstrap,
            expires_at=row.expires_at,
            allowed_origins=frozenset(row.allowed_origins),
            identity_secrets=tuple(
                (secret, until)
                for secret, until in (
                    (row.identity_secret, None),
                    (row.old_identity_secret, row.old_identity_until),
                )
                if secret is not None
            ),
        )


def is_proof_valid(box: SealedBox, caller: Caller, *, name: str, proof: str) -> bool:
    """Tell whether `proof` is the hex HMAC-SHA256 of the name under a live identity secret."""
    is_valid = False
    for sealed, until in caller.identity_secrets:
        secret = box.unseal(sealed)
        if secret is None or (until is not None and until <= utc_now()):
            continue
        expected = hmac.new(secret, name.encode(), hashlib.sha256).hexdigest()
        is_valid |= hmac.compare_digest(expected, proof.lower())
    return is_valid


def secret_of(authorization: str) -> str:
    """Read the key from `Bearer KEY`, or `Basic` with the key as the user name."""
    scheme, _, value = authorization.strip().partition(" ")
    value = value.strip()
    if scheme.lower() == "bearer" and value:
        return value
    if scheme.lower() == "basic":
        try:
            name = base64.b64decode(value, validate=True).decode().partition(":")[0]
        except (binascii.Error, ValueError):
            name = ""
        if name:
            return name
    raise Unauthorized(reason="odd_authorization")
