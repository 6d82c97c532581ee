# SPDX-License-Identifier: Apache-2.0
"""Rendering a page: one set of templates, one policy of what a browser may load."""

import gzip
import re
from collections.abc import Callable
from functools import cache
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from app.core.errors import NotFound
from app.core.http import root_path
from app.core.ids import as_uuid
from app.surveys.texts import accepted_languages, direction_of

# What a mail that is shown in a frame of the dashboard may load.
MAIL_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src 'self' data:; frame-ancestors 'self'"
)
_POLICY = "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'"
HEADERS = {
    "Content-Security-Policy": f"{_POLICY}; frame-ancestors 'none'",
    "Referrer-Policy": "same-origin",
    # Not `no-store`: Back must find the page again, with the same response's form in it.
    "Cache-Control": "private, no-cache",
}
_CODE = re.compile(r"`([^`]+)`")
_ASSETS = {
    "page.css": "text/css; charset=utf-8",
    "page.js": "text/javascript; charset=utf-8",
    "kiosk.js": "text/javascript; charset=utf-8",
    "widget.js": "text/javascript; charset=utf-8",
    "demo.js": "text/javascript; charset=utf-8",
    "dashboard.js": "text/javascript; charset=utf-8",
    "poster.css": "text/css; charset=utf-8",
    "dashboard.css": "text/css; charset=utf-8",
}


def _code(text: str) -> Markup:
    """Show what stands between backticks as code; everything is escaped."""
    return Markup(_CODE.sub(r"<code>\1</code>", str(escape(text))))  # noqa: S704 - escaped before


_templates = Environment(
    loader=PackageLoader("app.pages"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_templates.filters["code"] = _code
_templates.filters["short_id"] = lambda name: f"…{name[-8:]}" if as_uuid(name) else name
_templates.globals["root"] = root_path.get
_DEFAULT_VALUES: dict[str, Any] = {
    "page_style": None,
    "scripts": (),
    "refresh": None,
    "kiosk": False,
}


class ShowPage(Exception):
    """Raised to show another page than the requested one."""

    def __init__(self, reply: Response) -> None:
        """Keep the page."""
        super().__init__()
        self.reply = reply


def languages_of(request: Request) -> list[str]:
    """Return the languages that a browser accepts, the most wanted first."""
    return accepted_languages(request.headers.get("accept-language", ""))


def render_page(
    template: str,
    *,
    lang: str,
    status: int = 200,
    finish: Callable[[str], str] | None = None,
    **context: Any,
) -> HTMLResponse:
    """Render a template in a language; a missing value is an error, not an empty text.

    `finish` changes the rendered text.
    """
    values = _DEFAULT_VALUES | {"lang": lang, "dir": direction_of(lang)} | context
    text = _templates.get_template(template).render(values)
    text = finish(text) if finish else text
    reply = HTMLResponse(text, status_code=status, headers=HEADERS)
    if values["page_style"] is not None:
        # A company's page may stand in its own shop's pages, and nowhere else.
        frames = " ".join(("'self'", *values["page_style"].frames))
        reply.headers["Content-Security-Policy"] = f"{_POLICY}; frame-ancestors {frames}"
    return reply


@cache
def _file(name: str) -> tuple[bytes, bytes]:
    content = files("app.pages").joinpath(name).read_bytes()
    return content, gzip.compress(content, 9, mtime=0)


def serve_asset(request: Request, name: str, **headers: str) -> Response:
    """Serve one of our scripts and styles, as small as the browser takes it."""
    if name not in _ASSETS:
        raise NotFound("There is no such file.")
    plain, small = _file(name)
    sent = {"Cache-Control": "public, max-age=3600", "Vary": "Accept-Encoding"} | headers
    if "gzip" in request.headers.get("accept-encoding", ""):
        sent["Content-Encoding"] = "gzip"
        return Response(small, media_type=_ASSETS[name], headers=sent)
    return Response(plain, media_type=_ASSETS[name], headers=sent)


def asks_only_for_headers(request: Request) -> bool:
    """Tell whether this is a HEAD request or a browser's prefetch, so that nobody sees it."""
    ahead = "prefetch" in request.headers.get("sec-purpose", request.headers.get("purpose", ""))
    return ahead or bool(request.scope.get("head"))
