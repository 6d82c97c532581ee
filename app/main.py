# SPDX-License-Identifier: Apache-2.0
"""The web application: the routes of all rooms, and the objects that their requests share."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, ClassVar
from urllib.parse import urlsplit

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.datastructures import State
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match
from starlette.types import Receive, Scope, Send

from app.assistant import server as assistant
from app.core import flags
from app.core.database import Database
from app.core.errors import AfterwordError, InvalidInput
from app.core.http import (
    Edge,
    from_http_exception,
    from_validation,
    problem_reply,
    reply_headers,
    root_path,
)
from app.core.log import configure_logging
from app.core.notices import Notices
from app.core.openapi import finish, operation_id, reference
from app.core.process_environment import SLOT_VARIABLE
from app.core.settings import Settings
from app.core.signing import SealedBox, load_secret_keys
from app.delighted.request import ROOT as DELIGHTED
from app.delighted.shapes import delighted_error
from app.exports.odata_errors import odata_error
from app.insights.service import InsightCache
from app.integrations import service as integration_service
from app.integrations.inbound_commit import InboundCommit, IntegrationCache
from app.interactions import (
    customer_batch,
)
from app.interactions.customer_resolver import CUSTOMER_NOTICES, CustomerResolver
from app.interactions.touchpoint_registry import TOUCHPOINT_NOTICES, TouchpointRegistry
from app.invitations.sns import Certificates
from app.pages.error_pages import error_page, is_for_people
from app.pages.rendering import ShowPage
from app.responses import batch, intake, widget
from app.responses.group_commit import GroupCommit
from app.responses.ingest import Ingest
from app.responses.openapi import hot_paths
from app.routers import ROUTERS
from app.surveys import catalogue
from app.triggers import interaction_batch, interaction_post
from app.triggers.interaction_commit import InteractionCommit
from app.workspaces import caller
from app.workspaces.limits import Limiter

_DESCRIPTION = """
Asks customers for feedback right after an interaction, and serves exact customer-experience
figures. Send your key as `Authorization: Bearer KEY`, or as the user name of Basic.
"""


# Paths that pages read with a publishable key; browsers send a CORS preflight first.
_READ_BY_PAGES = ("/v1/surveys/", "/w/")


class Afterword(FastAPI):
    """The application, with the hot routes before the framework's own layers.

    Those layers cost more than taking an answer does; the hot routes need only the edge.
    """

    root = ""
    hot: ClassVar[dict[tuple[object, object], Edge]] = {
        ("POST", intake.PATH): Edge(intake.post_response, intake.PATH),
        ("POST", assistant.PATH): Edge(assistant.serve_assistant, assistant.PATH),
        ("GET", assistant.PATH): Edge(assistant.serve_assistant, assistant.PATH),
        ("DELETE", assistant.PATH): Edge(assistant.serve_assistant, assistant.PATH),
        ("POST", batch.PATH): Edge(batch.post_batch, batch.PATH),
        ("POST", interaction_post.PATH): Edge(
            interaction_post.post_interaction, interaction_post.PATH
        ),
        ("POST", interaction_batch.PATH): Edge(
            interaction_batch.post_batch, interaction_batch.PATH
        ),
        ("POST", customer_batch.PATH): Edge(customer_batch.post_batch, customer_batch.PATH),
        ("OPTIONS", intake.PATH): Edge(intake.preflight, intake.PATH),
    }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        scope = _below_root(scope, self.root)
        method, path = scope.get("method"), scope.get("path", "")
        if method == "HEAD":
            # The server leaves out the body; the routes need not know of it.
            scope = {**scope, "method": "GET", "head": True}
        if method == "OPTIONS" and path.startswith(_READ_BY_PAGES):
            path = intake.PATH
        hot = self.hot.get((method, path))
        if path == interaction_post.PATH and not interaction_post.is_plain(
            scope.get("headers", []), scope.get("query_string", b"")
        ):
            hot = None
        if hot is None:
            await super().__call__(scope, receive, send)
            return
        scope["app"] = self
        await hot(scope, receive, send)


def _below_root(scope: Scope, root: str) -> Scope:
    """Remove the path of `PUBLIC_URL` if the proxy has not done so; routes begin behind it."""
    root_path.set(root)
    path: str = scope.get("path", "")
    if not root or not f"{path}/".startswith(f"{root}/"):
        return scope
    raw: bytes = scope.get("raw_path") or path.encode()
    return {
        **scope,
        "path": path[len(root) :] or "/",
        "raw_path": raw[len(root.encode()) :] or b"/",
    }


def create_app(settings: Settings, *, slot: int = 0) -> FastAPI:
    """Build the application of one web process; `slot` is its number among them."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        await _open_database(app.state, settings, slot)
        try:
            yield
        finally:
            await _close(app.state)

    app = Afterword(
        title="Afterword",
        version="1",
        description=_DESCRIPTION,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        generate_unique_id_function=operation_id,
    )
    app.root = urlsplit(settings.base_url).path
    app.add_middleware(Edge)
    app.add_exception_handler(AfterwordError, _show_error)
    app.add_exception_handler(ShowPage, _show_page)
    app.add_exception_handler(RequestValidationError, _show_error)
    app.add_exception_handler(HTTPException, _show_error)
    for router in ROUTERS:
        app.include_router(router)
    _document(app, settings)
    return app


async def _open_database(state: State, settings: Settings, slot: int) -> None:
    """Open the database, and make what all requests of the process share."""
    if settings.database_url is None:
        msg = "the web application needs a database URL; `afterword up` gives it one"
        raise RuntimeError(msg)
    database = Database(settings.database_url)
    state.database, state.slot = database, slot
    state.settings = await flags.effective_settings(settings, database)
    replica = settings.database_url_read
    state.read_database = Database(replica) if replica else database
    state.sns_certificates = Certificates()
    state.box = SealedBox(load_secret_keys(settings))
    state.keyring = caller.Keyring(database)
    state.catalogue = catalogue.Catalogue(database)
    state.insights = InsightCache(settings.data_dir / "dictionaries")
    state.assistant = assistant.Assistant()
    state.limiter = _limiter(settings, database)
    customers, touchpoints = CustomerResolver(database), TouchpointRegistry(database)
    group = GroupCommit(database, slot=slot, max_waiting=settings.max_waiting)
    state.ingest = Ingest(database, state.catalogue, customers, touchpoints, group)
    state.interactions = InteractionCommit(database, state.box, max_waiting=settings.max_waiting)
    state.integrations = IntegrationCache(database)
    state.inbound = InboundCommit(database, max_waiting=settings.max_waiting)
    state.notices = Notices(
        database,
        {
            caller.KEY_NOTICES: state.keyring.forget,
            integration_service.INTEGRATION_NOTICES: state.integrations.forget,
            catalogue.SURVEY_NOTICES: state.catalogue.forget,
            TOUCHPOINT_NOTICES: touchpoints.forget,
            CUSTOMER_NOTICES: customers.forget,
        },
    )
    await state.notices.start()
    state.insights.start(state.read_database)


async def _close(state: State) -> None:
    """Finish what is being written, and close the database."""
    await state.notices.stop()
    await state.insights.close()
    await state.assistant.close()
    await asyncio.gather(state.inbound.close(), state.interactions.close())
    await state.ingest.group.close()
    await state.read_database.close()
    await state.database.close()


def _limiter(settings: Settings, database: Database) -> Limiter:
    """Return the limits on callers; a proxy that is not trusted is noted in the database."""
    notes: set[asyncio.Task[None]] = set()

    def report_proxy(address: str) -> None:
        note = asyncio.create_task(flags.write_and_commit(database, flags.UNTRUSTED_PROXY, address))
        notes.add(note)
        note.add_done_callback(notes.discard)

    return Limiter(
        public_rate=settings.public_rate,
        public_burst=settings.public_burst,
        trusted_proxies=settings.trusted_proxies,
        report_proxy=report_proxy,
    )


def _document(app: FastAPI, settings: Settings) -> None:
    """Let the application describe itself with its hot routes, keys and errors."""
    describe = app.openapi

    def document() -> dict[str, Any]:
        if app.openapi_schema is None:
            paths, schemas = hot_paths()
            described = describe()
            paths[interaction_batch.PATH] = {
                "post": interaction_batch.batch_path(reference("InteractionIn"))
            }
            described["components"]["schemas"] |= schemas | widget.SCHEMAS | customer_batch.SCHEMAS
            paths[customer_batch.PATH] = {"post": customer_batch.DOCUMENT}
            app.openapi_schema = finish(described, paths, server=settings.base_url)
        return app.openapi_schema

    # The framework's own way to change its document.
    app.openapi = document  # type: ignore[method-assign]


async def _show_page(_request: Request, error: Exception) -> Response:
    assert isinstance(error, ShowPage)  # noqa: S101 - the handler's type
    return error.reply


async def _show_error(request: Request, error: Exception) -> Response:
    """Show an error as JSON to programs, and as a page to people."""
    reply = _problem(request, error)
    reply.headers.update(reply_headers(request))
    if request.url.path.startswith("/odata/v4"):
        return odata_error(reply)
    if request.url.path.startswith(DELIGHTED):
        return delighted_error(reply)
    return error_page(request, reply) if is_for_people(request) else reply


def _problem(request: Request, error: Exception) -> Response:
    if isinstance(error, RequestValidationError):
        errors = from_validation(list(error.errors()), _known_fields(request))
        return problem_reply(InvalidInput(errors=errors))
    if isinstance(error, AfterwordError):
        return problem_reply(error)
    assert isinstance(error, HTTPException)  # noqa: S101 - the handlers' types
    routing_error = from_http_exception(error)
    if error.status_code == 405:
        routing_error.headers["Allow"] = _allowed_methods(request)
    return problem_reply(routing_error)


def _known_fields(request: Request) -> list[str]:
    """Return the fields of the route's body, to name the nearest to one that is unknown."""
    body = getattr(request.scope.get("route"), "body_field", None)
    fields = getattr(getattr(body, "type_", None), "model_fields", None)
    if fields is None and body is not None:
        fields = getattr(body.field_info.annotation, "model_fields", {})
    return [field.alias or name for name, field in (fields or {}).items()]


def _allowed_methods(request: Request) -> str:
    """Collect the methods of every route of this path; the first alone knows only its own."""
    methods: set[str] = set()
    for method in ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"):
        scope = {**request.scope, "method": method}
        if (method, request.url.path) in Afterword.hot:
            methods.add(method)
        if any(route.matches(scope)[0] is Match.FULL for route in request.app.router.routes):
            methods.add(method)
    return ", ".join(sorted(methods))


def create_app_from_environment() -> FastAPI:
    """Build the application of a web process that `serve` has started."""
    settings = Settings()
    configure_logging(settings.log_level)
    return create_app(settings, slot=int(os.environ.get(SLOT_VARIABLE, "0")))
