# SPDX-License-Identifier: Apache-2.0
"""The edge: request ids, counting, problem replies, reading bodies within their limit."""

import codecs
import gzip
import io
import json
import logging
import re
import time
import zlib
from collections.abc import Iterable, Mapping
from contextvars import ContextVar
from functools import cache
from http import HTTPStatus
from typing import Any
from uuid import UUID

import msgspec
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.core.database import is_connection_lost
from app.core.errors import (
    AfterwordError,
    Busy,
    FieldError,
    InvalidInput,
    TooLarge,
    WrongContentType,
    problem,
)
from app.core.ids import uuid7_text
from app.core.log import request_id
from app.core.telemetry import REFUSED, request_timer
from app.core.text_types import did_you_mean

logger = logging.getLogger("afterword.http")

# The path of `PUBLIC_URL`, under which browsers see this service; our own routes begin behind it.
root_path: ContextVar[str] = ContextVar("root_path", default="")


def public_path(path: str) -> str:
    """Return a path of ours as a browser must name it."""
    return root_path.get() + path


MEBIBYTE = 1 << 20
_MAX_DRAINED_BYTES = 64 * MEBIBYTE
GZIP_MAGIC = b"\x1f\x8b\x08"
# Every member costs some microseconds, so a body of tiny ones would keep the process busy.
_MAX_GZIP_MEMBERS = 1000
_SECRET_PATHS = ("/i/", "/u/", "/sign-in/")
_MAX_PATH_CHARACTERS = 300
# Any part of a path that looks like the secret of a link.
_LOOKS_LIKE_SECRET = re.compile(r"[A-Za-z0-9_-]{40,}")
_NO_STORE = (b"cache-control", b"no-store")
# Where a request's ASGI scope keeps the further headers of its reply.
_REPLY_HEADERS = "afterword.reply_headers"
# Where the scope keeps the headers of the request by name.
_HEADERS = "afterword.headers"
_NOSNIFF = (b"x-content-type-options", b"nosniff")
# What pydantic adds to the place of an error in a union, beside the names of classes.
_UNION_PARTS = re.compile(r"^(list\[.*\]|uuid|function-.*)$")
_UNSAFE = frozenset('\r\n\t "\\')


def _encode_uuid(value: Any) -> Any:
    if isinstance(value, UUID):
        return str(value)
    raise TypeError(value)


encode_json = msgspec.json.Encoder(enc_hook=_encode_uuid).encode


class _JsonReply(Response):
    """A JSON reply that writes its own two headers, without a search among the others."""

    media_type = "application/json"

    def init_headers(self, headers: Mapping[str, str] | None = None) -> None:
        """Write the length and the type, then the further headers."""
        self.raw_headers = [
            (b"content-length", b"%d" % len(self.body)),
            (b"content-type", b"application/json"),
        ]
        for name, value in (headers or {}).items():
            self.raw_headers.append((name.lower().encode(), value.encode("latin-1")))


def json_reply(
    content: Any, *, status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    """Make a JSON reply."""
    return _JsonReply(encode_json(content), status_code=status, headers=headers)


def header_of(request: Request, name: bytes) -> str | None:
    """Return a header by its name in lower case; the first one if there are several.

    The headers of a request are made a dictionary once, because a look-up in their list is slow.
    """
    return _header_in(request.scope, name)


def _header_in(scope: Scope, name: bytes) -> str | None:
    headers: dict[bytes, bytes] | None = scope.get(_HEADERS)
    if headers is None:
        headers = scope[_HEADERS] = dict(reversed(scope["headers"]))
    value = headers.get(name)
    return None if value is None else value.decode("latin-1")


def reply_headers(request: Request) -> dict[str, str]:
    """Return the further headers of this request's reply; callers add to them."""
    headers: dict[str, str] = request.scope.setdefault(_REPLY_HEADERS, {})
    return headers


def problem_reply(error: AfterwordError) -> Response:
    """Render any of our errors as `application/problem+json`, and count a refusal."""
    if error.reason:
        REFUSED.labels(error.reason).inc()
    body = problem(error.status, error.detail, errors=error.errors, request_id=request_id.get())
    return Response(
        json.dumps(body, ensure_ascii=True),
        status_code=error.status,
        headers=error.headers,
        media_type="application/problem+json",
    )


def from_http_exception(error: HTTPException) -> AfterwordError:
    """Turn the framework's own errors (unknown path, wrong method) into ours."""
    kind = type("RoutingError", (AfterwordError,), {"status": error.status_code})
    details = {
        404: "No such path; see /docs for the routes.",
        405: "This path does not take that method; see `Allow`.",
    }
    own_error: AfterwordError = kind(
        details.get(error.status_code, str(error.detail)), headers=error.headers
    )
    return own_error


def from_validation(errors: list[Any], known: Iterable[str] = ()) -> list[FieldError]:
    """Turn pydantic's errors into ours; `known` are the body's fields, to name the nearest."""
    return [{"loc": _field_location(error), "msg": _message(error, known)} for error in errors]


def _field_location(error: Any) -> list[str | int]:
    """Return where an error stands in the request, without the names of our own classes."""
    loc = error["loc"]
    # The last part of an unknown field is its name, whatever it looks like.
    name = loc[-1:] if error["type"] == "extra_forbidden" else ()
    path = loc[: len(loc) - len(name)]
    return [*(part for part in path if not _is_added_by_pydantic(part)), *name]


def _is_added_by_pydantic(part: str | int) -> bool:
    return isinstance(part, str) and (part in _model_names() or bool(_UNION_PARTS.match(part)))


@cache
def _model_names() -> frozenset[str]:
    """Return the names of the classes of all request bodies; all are loaded by the first error."""
    names, models = set(), [BaseModel]
    while models:
        model = models.pop()
        names.add(model.__name__)
        models += model.__subclasses__()
    return frozenset(names)


def _message(error: Any, known: Iterable[str]) -> str:
    if error["type"] in {"model_type", "model_attributes_type", "dict_type"}:
        return "must be an object"
    if error["type"] == "extra_forbidden":
        hint = did_you_mean(str(error["loc"][-1]), known) if len(error["loc"]) == 2 else ""
        return f"is not a field here{hint}"
    message: str = error["msg"]
    return message.removeprefix("Value error, ")


async def read_body(request: Request, *, limit: int = MEBIBYTE) -> bytes:
    """Read the body; read it to its end before raising TooLarge, so that the reply arrives."""
    chunks: list[bytes] = []
    size = 0
    more = True
    while more:
        message = await request.receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        chunk: bytes = message.get("body", b"")
        more = message.get("more_body", False)
        size += len(chunk)
        if size <= limit:
            chunks.append(chunk)
        elif size > _MAX_DRAINED_BYTES:
            break
    if size > limit:
        most = f"{limit // MEBIBYTE} MiB" if limit >= MEBIBYTE else f"{limit // 1024} KiB"
        detail = f"The body is larger than {most}; send it in parts."
        raise TooLarge(detail)
    return b"".join(chunks)


async def read_plain_body(request: Request, *, limit: int = MEBIBYTE) -> bytes:
    """Read the body, unpacked if it is gzip.

    A byte-order mark before JSON is removed. Before other content, such as CSV, it stays, because
    it tells the encoding.

    Raises TooLarge if the body is too large, before or after unpacking, and WrongContentType for
    any other content coding.
    """
    body = await read_body(request, limit=limit)
    coding = (header_of(request, b"content-encoding") or "").strip().lower()
    if coding in {"gzip", "x-gzip"}:
        body = unpack_gzip(body, limit)
    elif coding not in {"", "identity"}:
        detail = f"The body's coding {coding[:40]!r} is not understood; send it plain or as gzip."
        raise WrongContentType(detail)
    plain = body.removeprefix(codecs.BOM_UTF8)
    return plain if plain.lstrip()[:1] in {b"{", b"[", b""} else body


def unpack_gzip(body: bytes, limit: int) -> bytes:
    """Unpack gzip, which may consist of several members one after the other.

    Raises TooLarge for more than `limit` bytes, and InvalidInput for bytes that are no whole gzip.
    """
    if body.count(GZIP_MAGIC) > _MAX_GZIP_MEMBERS:
        msg = f"has more than {_MAX_GZIP_MEMBERS:,} gzip members; compress it in one piece"
        raise InvalidInput.at("body", msg=msg)
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(body)) as file:
            plain = file.read(limit + 1)
    except EOFError:
        raise InvalidInput.at("body", msg="is gzip that was cut off") from None
    except (gzip.BadGzipFile, zlib.error) as error:
        raise InvalidInput.at("body", msg=f"is not valid gzip: {error}") from None
    if len(plain) > limit:
        detail = f"The body is larger than {limit // MEBIBYTE} MiB once it is unpacked."
        raise TooLarge(detail)
    return plain


def require_content_type(request: Request, *accepted: str) -> str:
    """Return the media type of the body, or raise WrongContentType naming the header to add."""
    sent = (header_of(request, b"content-type") or "").partition(";")[0].strip().lower()
    if sent not in accepted:
        headers = " or ".join(f"`Content-Type: {kind}`" for kind in accepted)
        fault = f"has the content type {sent}" if sent else "has no content type"
        detail = f"The request {fault}; send the header {headers}."
        raise WrongContentType(detail)
    return sent


class Edge:
    """The outermost layer: gives each request its id, counts it, and lets no error escape.

    An id that the caller sent as `X-Request-ID` is kept where it is a short plain word.
    """

    def __init__(self, app: ASGIApp, route: str | None = None) -> None:
        """Wrap the application, or one route of the given path."""
        self.app = app
        self.route = route

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        current = _requested_id(scope) or uuid7_text()
        token = request_id.set(current)
        began = time.perf_counter()
        status = 0

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] += [(b"x-request-id", current.encode()), _NOSNIFF]
                if scope["path"].startswith("/v1/"):
                    # Answers and customers: for nobody's cache.
                    message["headers"].append(_NO_STORE)
            await send(message)

        try:
            await self.app(scope, receive, send_with_id)
        except ClientDisconnect:
            logger.debug("the client hung up", extra={"path": shown_path(scope)})
        except Exception as error:
            failure = self._failure(error, scope)
            if status:
                raise
            await problem_reply(failure)(scope, receive, send_with_id)
        finally:
            self._record(scope, status, time.perf_counter() - began)
            request_id.reset(token)

    def _failure(self, error: Exception, scope: Scope) -> AfterwordError:
        if is_connection_lost(error):
            logger.warning(
                "database unreachable", extra={"path": shown_path(scope), "why": str(error)}
            )
            return Busy("The database does not answer at the moment; try again shortly.")
        logger.error("unexpected error", exc_info=error, extra={"path": shown_path(scope)})
        return AfterwordError(
            "Something went wrong on our side; the log holds the reason under this request id."
        )

    def _record(self, scope: Scope, status: int, seconds: float) -> None:
        route = self.route or getattr(scope.get("route"), "path", "unknown")
        request_timer(route, status).observe(seconds)
        level = logging.INFO if status >= HTTPStatus.BAD_REQUEST else logging.DEBUG
        if logger.isEnabledFor(level):
            logger.log(
                level,
                "%s %s %s",
                scope["method"],
                shown_path(scope),
                status,
                extra={"route": route, "status": status, "milliseconds": round(seconds * 1000, 1)},
            )


def shown_path(scope: Scope) -> str:
    """Return the path for the log: the secret of a customer's link is left out, the rest is cut."""
    path: str = _LOOKS_LIKE_SECRET.sub("…", scope["path"])
    if path.startswith(_SECRET_PATHS):
        return path[: path.index("/", 1) + 1] + "…"
    return path[:_MAX_PATH_CHARACTERS]


def _requested_id(scope: Scope) -> str | None:
    requested = _header_in(scope, b"x-request-id")
    if not requested:
        return None
    plain = requested.isascii() and requested.isprintable() and not _UNSAFE & set(requested)
    return requested if plain and len(requested) <= 100 else None
