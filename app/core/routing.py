# SPDX-License-Identifier: Apache-2.0
"""How every route but the hot ones is run: in which order it is checked, and in one transaction.

Order: the key, the query's names, the body, then the route in one transaction, which is
committed before the reply leaves (the framework's own way would commit after it).
"""

from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Annotated, Any, Protocol, runtime_checkable
from uuid import UUID

from fastapi import APIRouter, Depends, Request
from fastapi.dependencies.models import Dependant
from fastapi.dependencies.utils import get_flat_params
from fastapi.params import Cookie, Header, Path
from fastapi.routing import APIRoute
from sqlmodel.ext.asyncio.session import AsyncSession
from starlette.responses import Response

from app.core import idempotency
from app.core.audit import is_audited, note_change
from app.core.database import Database
from app.core.errors import InvalidInput
from app.core.http import MEBIBYTE, read_plain_body, reply_headers, require_content_type
from app.core.json_values import decode_json
from app.core.parameters import PROPERTY_PARAMETER
from app.core.property_filters import PROPERTY
from app.core.settings import Settings
from app.core.signing import SealedBox
from app.core.text_types import did_you_mean

# How many bytes a route takes of a body that it reads itself; shown in the documentation too.
BODY_LIMIT = "x-body-limit"

RouteHandler = Callable[[Request], Coroutine[Any, Any, Response]]


@runtime_checkable
class Gate(Protocol):
    """A dependency that must pass before anything of the request is read."""

    async def check(self, request: Request) -> UUID:
        """Refuse the request, or return the workspace it belongs to."""
        ...


@dataclass
class RequestTransaction:
    """The transaction of one request, and what must be done right after it is on disk."""

    session: AsyncSession
    after_commit: list[Callable[[], object]] = field(default_factory=list)


def current_transaction(request: Request) -> RequestTransaction:
    """Return the transaction that this route's edge has opened."""
    transaction: RequestTransaction = request.state.transaction
    return transaction


def current_session(request: Request) -> AsyncSession:
    """Return the session of this request's transaction."""
    return current_transaction(request).session


async def read_session(request: Request) -> AsyncIterator[AsyncSession]:
    """Open a session on the database for reading, which may be a replica."""
    database: Database = request.app.state.read_database
    async with database.session() as session:
        yield session


def query_properties(request: Request) -> dict[str, list[str]]:
    """Return the query's `property.NAME=value` filters: any of the values, by name."""
    properties: dict[str, list[str]] = {}
    for name, value in request.query_params.multi_items():
        if name.startswith(PROPERTY):
            properties.setdefault(name.removeprefix(PROPERTY), []).append(value)
    return properties


def current_box(request: Request) -> SealedBox:
    """Return the box that seals secrets."""
    box: SealedBox = request.app.state.box
    return box


def current_settings(request: Request) -> Settings:
    """Return the service's settings."""
    settings: Settings = request.app.state.settings
    return settings


SessionDep = Annotated[AsyncSession, Depends(current_session)]
SettingsDep = Annotated[Settings, Depends(current_settings)]
ReadSessionDep = Annotated[AsyncSession, Depends(read_session)]
BoxDep = Annotated[SealedBox, Depends(current_box)]
TransactionDep = Annotated[RequestTransaction, Depends(current_transaction)]
PropertiesDep = Annotated[dict[str, list[str]], Depends(query_properties)]


class Route(APIRoute):
    """A route whose edge checks the key, the input's form, idempotency, and commits."""

    def get_route_handler(self) -> RouteHandler:
        """Wrap the framework's handler."""
        handler = super().get_route_handler()
        names = {
            parameter.alias
            for parameter in get_flat_params(self.dependant)
            if not isinstance(parameter.field_info, Path | Header | Cookie)
        }
        gates = _gates(self.dependant)
        takes_body = self.body_field is not None
        # `takes_body` implies that `body_field` is not None.
        optional_body = takes_body and not self.body_field.field_info.is_required()  # type: ignore[union-attr]
        # The route reads this body itself; the OpenAPI document only describes it.
        takes_raw = not takes_body and "requestBody" in (self.openapi_extra or {})
        raw_limit = int((self.openapi_extra or {}).get(BODY_LIMIT, MEBIBYTE))
        posts = "POST" in (self.methods or ())

        async def handle(request: Request) -> Response:
            workspace_id = None
            for gate in gates:
                workspace_id = await gate.check(request)
            _refuse_unknown_names(request, names)
            body = b""
            if takes_body:
                body = await _take_body(request, optional=optional_body)
            if takes_raw:
                body = await read_plain_body(request, limit=raw_limit)
                request._body = body  # noqa: SLF001 - where the framework looks for it
            async with _transaction_of(request) as transaction:
                request.state.transaction = transaction
                if workspace_id is not None and is_audited(request):
                    note_change(transaction.session, request, workspace_id)
                key = idempotency.requested_key(request) if posts and workspace_id else None
                if key is None or workspace_id is None:
                    reply = await handler(request)
                    reply.headers.update(reply_headers(request))
                    return reply
                box = current_box(request)
                taken_key = await idempotency.take_key(
                    transaction.session,
                    box,
                    workspace_id=workspace_id,
                    route=f"{request.method} {request.url.path}",
                    key=key,
                    body=body,
                )
                if isinstance(taken_key, Response):
                    return taken_key
                reply = await handler(request)
                await idempotency.keep_reply(transaction.session, box, taken_key, reply)
                reply.headers.update(reply_headers(request))
                return reply

        return handle


@asynccontextmanager
async def _transaction_of(request: Request) -> AsyncIterator[RequestTransaction]:
    database: Database = request.app.state.database
    async with database.session() as session:
        transaction = RequestTransaction(session)
        yield transaction
        await session.commit()
    for act in transaction.after_commit:
        act()


async def _take_body(request: Request, *, optional: bool) -> bytes:
    """Read and decode the body once, so that the framework finds it decoded."""
    body = await read_plain_body(request, limit=MEBIBYTE)
    request._body = body  # noqa: SLF001 - where the framework looks for a body already read
    if body or not optional:
        require_content_type(request, "application/json")
        request._json = decode_json(body)  # noqa: SLF001 - the same for the decoded body
    return body


def _gates(dependant: Dependant) -> list[Gate]:
    """Return the gates among a route's dependencies, and theirs."""
    gates: list[Gate] = []
    for dependency in dependant.dependencies:
        call: object = dependency.call
        if isinstance(call, Gate):
            gates.append(call)
        gates += _gates(dependency)
    return gates


def _refuse_unknown_names(request: Request, known: set[str]) -> None:
    """Refuse a query parameter that the route does not know, and text that cannot be stored."""
    for name, value in request.query_params.multi_items():
        is_property = name.startswith(PROPERTY) and PROPERTY_PARAMETER in known
        if name not in known and not is_property:
            hint = did_you_mean(name, known)
            raise InvalidInput.at("query", name, msg=f"is not a parameter of this route{hint}")
        if "\x00" in name + value:
            raise InvalidInput.at("query", name, msg="holds a NUL character")
    for name, value in request.path_params.items():
        if isinstance(value, str) and "\x00" in value:
            raise InvalidInput.at("path", name, msg="holds a NUL character")


def router(tag: str) -> APIRouter:
    """Make a room's router: its routes are ours, under one heading in the documentation."""
    return APIRouter(route_class=Route, tags=[tag])
