# SPDX-License-Identifier: Apache-2.0
"""Admission: who may call a route. Key, scope, origin and rate, in this order, for every route."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Annotated
from uuid import UUID

from fastapi import Depends, Request

from app.core.errors import Forbidden
from app.core.http import header_of, reply_headers
from app.workspaces.caller import Caller, Keyring
from app.workspaces.limits import Limiter, require_public_rate, take_from_key, take_from_public
from app.workspaces.scopes import Scope

# The key in the ASGI scope under which the dashboard puts its signed-in caller; no client can set
# it.
SIGNED_IN = "afterword.signed_in"
# Set on a request that the dashboard makes to the API: the rate of the outer one was counted.
RATE_COUNTED = "afterword.counted"


async def admit(request: Request, *scopes: Scope, key: str | None = None) -> Caller:
    """Return the caller of a request, who has one of the scopes; otherwise raise.

    `key` is given if a page sends it in its body. Headers of the reply, even of a refusal, are put
    into `reply_headers`.
    """
    signed_in: Caller | None = request.scope.get(SIGNED_IN)
    if signed_in is not None:
        caller = signed_in
    elif key is not None:
        caller = await public_caller(request, key)
    else:
        keyring: Keyring = request.app.state.keyring
        caller = await keyring.caller(header_of(request, b"authorization"))
    if caller.scopes.isdisjoint(scopes):
        detail = f"This key lacks the scope `{scopes[0]}`; use one that has it."
        raise Forbidden(detail, reason="scope")
    headers = reply_headers(request)
    if not caller.trusted:
        headers |= origin_headers(caller, header_of(request, b"origin"))
    limiter: Limiter = request.app.state.limiter
    if RATE_COUNTED not in request.scope:
        take_from_key(limiter, caller.key_id, caller.rate_limit, headers)
    if not caller.trusted:
        take_from_public(limiter, request.scope, headers)
    return caller


async def public_caller(request: Request, key: str) -> Caller:
    """Return who calls with a publishable key; a secret one has no place in a page."""
    keyring: Keyring = request.app.state.keyring
    caller = await keyring.caller(f"Bearer {key}")
    if caller.trusted:
        detail = "Do not use a secret key in a page; use a publishable one (scope `collect`)."
        raise Forbidden(detail, reason="secret_key_in_page")
    return caller


def origin_headers(caller: Caller, origin: str | None) -> dict[str, str]:
    """Return CORS headers for an allowed origin; raise Forbidden for any other.

    Requests without an Origin (a till, an app) and with a secret key need no CORS headers.
    """
    if caller.trusted or origin is None:
        return {}
    return allowed_origin(caller.allowed_origins, origin)


def allowed_origin(allowed: Collection[str], origin: str) -> dict[str, str]:
    """Return CORS headers for an allowed origin; raise Forbidden for any other."""
    if origin not in allowed:
        detail = (
            f"The origin {origin[:200]!r} is not allowed; add it to the workspace's "
            "`allowed_origins`."
        )
        raise Forbidden(detail, reason="origin")
    return {"Access-Control-Allow-Origin": origin, "Vary": "Origin"}


@dataclass(frozen=True)
class ScopeGate:
    """The gate of a route: a live key that has one of the scopes, within its rate."""

    scopes: tuple[Scope, ...]

    async def check(self, request: Request) -> UUID:
        """Refuse the request, or remember its caller and return the workspace."""
        caller = request.state.caller = await admit(request, *self.scopes)
        return caller.workspace_id

    def __call__(self, request: Request) -> Caller:
        """Give the caller to the route."""
        caller: Caller = request.state.caller
        return caller


# For routes without a key: the public rate of the caller's address.
PublicRate = Depends(require_public_rate)
AnyCaller = Annotated[Caller, Depends(ScopeGate(tuple(Scope)))]
Admin = Annotated[Caller, Depends(ScopeGate((Scope.ADMIN,)))]
Writer = Annotated[Caller, Depends(ScopeGate((Scope.WRITE,)))]
BounceReporter = Annotated[Caller, Depends(ScopeGate((Scope.WRITE, Scope.BOUNCES)))]
Reader = Annotated[Caller, Depends(ScopeGate((Scope.READ,)))]
SurveyReader = Annotated[Caller, Depends(ScopeGate((Scope.READ, Scope.COLLECT)))]
# A key that reads figures may list the surveys that these figures are about.
SurveyLister = Annotated[Caller, Depends(ScopeGate((Scope.READ, Scope.METRICS)))]
Analyst = Annotated[Caller, Depends(ScopeGate((Scope.METRICS,)))]
Responder = Annotated[Caller, Depends(ScopeGate((Scope.RESPOND,)))]
